"""Writes Tests/Goldens/pickles/: pickles of all protocols, what they hold, and few-shot subsets as published ones are.

Usage: python Tests/Reference/pickle_goldens.py [output folder]

values.json    values in words, and their pickles of protocols 0 to 5 in base 64
refused.json   pickles that ask for something to be executed, or are none; in base 64
shot_*.pkl     subsets of trees.json of Tests/Goldens/datasets, as Dassl pickles them, drawn by CPython

Needs CPython 3.9 to 3.12 and nothing else; nothing here is unpickled.
"""

import base64
import collections
import json
import os
import pickle
import random
import struct
import sys
import types
from pathlib import Path

from fewshot_goldens import few_shot

PROTOCOLS = range(6)


# --- The class whose objects published subsets hold: attributes and names as in Dassl ---


class Datum:
    def __init__(self, impath, label, domain, classname):
        self._impath = impath
        self._label = label
        self._domain = domain
        self._classname = classname


def install(module, **members):
    """Makes the members importable as `module.name`, which is how pickles refer to them."""
    for depth in range(1, module.count(".") + 2):
        sys.modules.setdefault(".".join(module.split(".")[:depth]), types.ModuleType(module))
    for name, member in members.items():
        member.__module__, member.__qualname__ = module, name
        setattr(sys.modules[module], name, member)


install("dassl.data.datasets.base_dataset", Datum=Datum)


class Storage:
    """Something that a pickle names by a persistent id, as torch names storages."""


class Pickler(pickle._Pickler):
    def persistent_id(self, value):
        return ("storage", "FloatStorage", "0", "cpu", 6) if isinstance(value, Storage) else None


def rebuild(*_):
    raise AssertionError("nothing here is unpickled")


install("torch._utils", _rebuild_tensor_v2=rebuild)


class Tensor:
    def __reduce__(self):
        return rebuild, (Storage(), 0, (2, 3), (3, 1), False, collections.OrderedDict())


# --- Words ---


def words(value):
    """The same text for a value here and in the Swift tests."""
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return "f" + struct.pack(">d", value).hex()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=True)
    if isinstance(value, (bytes, bytearray)):
        return "b" + bytes(value).hex()
    if isinstance(value, list):
        return "[" + ",".join(map(words, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ",".join(map(words, value)) + ")"
    if isinstance(value, (set, frozenset)):
        return "s{" + ",".join(sorted(map(words, value))) + "}"
    if isinstance(value, collections.OrderedDict):
        return record("collections.OrderedDict", pairs=value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{words(k)}:{words(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Datum):
        return record("dassl.data.datasets.base_dataset.Datum", state=words(value.__dict__))
    if isinstance(value, Storage):
        return "p" + words(("storage", "FloatStorage", "0", "cpu", 6))
    assert isinstance(value, Tensor)
    return record("torch._utils._rebuild_tensor_v2", arguments=Tensor.__reduce__(value)[1])


def record(name, arguments=(), state="", pairs=None):
    return f"{name}{words(tuple(arguments))}|{state}|[]|{words(dict(pairs or {}))}"


# --- Values ---


def values():
    yield None
    yield [True, False]
    yield [0, 1, -1, 127, 128, 255, 256, 65535, 65536, 2**31 - 1, -(2**31), 2**31, 2**62, 2**63 - 1, -(2**63)]
    yield [0.0, -0.0, 1.5, -1e300, 5e-324, float("inf"), float("-inf")]
    yield ["", "plain", "a\nb\\u0041\\", "ünï 😀", "x" * 300, "quote's \"both\""]
    yield [b"", b"abc\0\xff", bytes(range(256)), b"y" * 300, bytearray(b""), bytearray(b"\x80z")]
    yield [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], [[]], {}, {"a": 1}, {1: [], (2, "b"): {}, None: b""}]
    yield [set(), {1, 2, 3}, frozenset(), frozenset({(1, 2)})]
    # Python appends a thousand at a time.
    yield [7] * 1003
    yield {i: None for i in range(1003)}
    shared = [1, 2]
    yield [shared, shared, (shared, {"again": shared})]
    yield collections.OrderedDict([("b", 1), ("a", [2])])
    yield {"train": [Datum("/home/x/a.jpg", 0, 0, "cat"), Datum("/home/x/b.jpg", 1, 0, "dög")], "val": []}
    yield collections.OrderedDict([("visual.proj", Tensor()), ("logit_scale", Tensor())])


def dump(value, protocol):
    import io

    target = io.BytesIO()
    Pickler(target, protocol).dump(value)
    return target.getvalue()


def is_texts_only(protocol, value):
    """Protocol 0 can name what lies beside a pickle by text only."""
    return protocol > 0 or not (isinstance(value, dict) and any(isinstance(v, Tensor) for v in value.values()))


def encoded(data):
    return base64.b64encode(data).decode()


# --- What must be refused ---


class Calls:
    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


def refused():
    for protocol in PROTOCOLS:
        yield "which is not allowed", dump(Calls(os.system, "touch executed"), protocol)
        yield "which is not allowed", dump([1, Calls(eval, "1 + 1")], protocol)
    yield "which is not allowed", b"cos\nsystem\n(S'true'\ntR."
    yield "which is not allowed", b"(S'true'\nios\nsystem\n."
    yield "which is not allowed", b"(cos\nsystem\nS'true'\no."
    yield "which is not allowed", b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R."
    yield "which is not allowed", b"\x80\x04cbuiltins\ngetattr\n."
    yield "is not known", b"\x80\x02\x82\x01."  # EXT1
    yield "is not known", b"\x80\x05\x97."  # NEXT_BUFFER
    yield "is not known", b"\xff."
    yield "protocol is 6", b"\x80\x06N."
    yield "contains itself", dump_recursive()
    yield "lies beside it", b"S'name'\nQ."
    yield "ends too early", b""
    yield "ends too early", b"(lp0\n"
    yield "ends too early", b"J\0\0"
    yield "stack is empty", b"."
    yield "stack is empty", b"(0\x85."
    yield "no mark", b"t."
    yield "no mark", b"0."
    yield "bytes are announced", b"B\xff\xff\xff\x7fabc."
    yield "bytes are announced", b"\x8e\xff\xff\xff\xff\xff\xff\xff\xffabc."
    yield "bytes are announced", b"\x80\x04\x95\xff\0\0\0\0\0\0\0N."
    yield "nothing was stored", b"h\x05."
    yield "a key without a value", b"(K\x01d."
    yield "beyond 64 bits", pickle.dumps(2**63, 4)
    yield "beyond 64 bits", pickle.dumps(-(2**63) - 1, 4)
    yield "beyond 64 bits", pickle.dumps(2**70, 0)
    yield "only a name can be called", b"K\x01)R."
    yield "are no tuple", b"cbuiltins\nset\nK\x01R."
    yield "arguments that are not known", b"cbuiltins\nset\n(K\x01tR."
    yield "arguments that are not known", b"c_codecs\nencode\n(X\x01\0\0\0aX\x03\0\0\0zlitR."
    yield "arguments that are not known", b"ccopyreg\n_reconstructor\n(cbuiltins\nset\ncbuiltins\nobject\nNtR."
    yield "cannot have elements", b"K\x01K\x02a."
    yield "cannot have pairs", b"]K\x01K\x02s."
    yield "can have a state", b"]}b."
    yield "not UTF-8", b"\x8c\x02\xff\xfe."
    yield "deeper than 100 levels", b"]" * 200 + b"a" * 199 + b"."
    yield "deeper than 100 levels", chained()
    yield "more than 2000000 values", doubled()


def dump_recursive():
    value = []
    value.append([value])
    return pickle.dumps(value, 4)


def chained():
    """Lists that are put into each other only after they were finished, each through the memo."""
    lists = b"".join(b"]r" + struct.pack("<I", i) + b"0" for i in range(300))
    joins = b"".join(b"j" + struct.pack("<I", i) + b"j" + struct.pack("<I", i + 1) + b"a0" for i in range(298, -1, -1))
    return b"\x80\x02" + lists + joins + b"j\0\0\0\0."


def doubled():
    """Each list holds the one before twice: 2^40 values in a few bytes."""
    return b"\x80\x02]q\0" + b"".join(b"0]h" + bytes([i]) + b"ah" + bytes([i]) + b"aq" + bytes([i + 1]) for i in range(40)) + b"."


# --- Published subsets ---


def datums(items, image_root):
    return [Datum(f"/mnt/hdd/DATA/{image_root}/{path}", label, 0, name) for path, label, name in items]


def subset(name, image_root, shots, seed, folder):
    lists = json.loads((folder.parent / "datasets" / "items.json").read_text(encoding="utf-8"))[name]
    random.seed(seed)
    train = few_shot(lists["train"], shots)
    result = {"train": datums([lists["train"][i] for i in train], image_root)}
    if lists["val"]:
        chosen = few_shot(lists["val"], min(shots, 4))
        result["val"] = datums([lists["val"][i] for i in chosen], image_root)
    return result


def main():
    if not (3, 9) <= sys.version_info[:2] <= (3, 12):
        sys.exit("needs CPython 3.9 to 3.12")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "Goldens" / "pickles"
    folder.mkdir(parents=True, exist_ok=True)
    made = [
        {
            "words": words(value),
            "pickles": [encoded(dump(value, protocol)) for protocol in PROTOCOLS if is_texts_only(protocol, value)],
        }
        for value in values()
    ]
    write(folder / "values.json", made)
    write(folder / "refused.json", [{"words": why, "pickle": encoded(data)} for why, data in refused()])
    for name, image_root, shots, seed, protocol in (
        ("DescribableTextures", "dtd/images", 4, 1, 4),
        ("DescribableTextures", "dtd/images", 2, 3, 0),
        ("ImageNet", "imagenet/images", 16, 2, 5),
    ):
        path = folder / f"{name}-shot_{shots}-seed_{seed}.pkl"
        path.write_bytes(pickle.dumps(subset(name, image_root, shots, seed, folder), protocol))


def write(path, entries):
    path.write_text("[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
