"""Writes Tests/Goldens/safetensors with the reference implementation of the format.

Usage: python Tests/Reference/safetensors_goldens.py
Needs safetensors, torch and numpy as pinned in requirements.txt.

types.safetensors   one tensor of every element type that Python can write, odd shapes and names, metadata
types.json          the same tensors: bit patterns of the fp32 values, or integers
written.safetensors what the writer must produce byte for byte from written.json
verdicts.json       headers, most of them wrong, and whether the reference implementation accepts them
"""

import json
import pathlib
import struct

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save_file

TARGET = pathlib.Path(__file__).parents[1] / "Goldens/safetensors"
FLOATS = [0.0, -0.0, 1.0, -2.5, 65504.0, 6.0e-8, 3.14159265358979, float("inf"), float("-inf"), 1e-40, 1e300, -1.1e-7]
INTEGERS = {
    torch.int64: [0, -1, 2**63 - 1, -(2**63), 77],
    torch.int32: [0, -1, 2**31 - 1, -(2**31)],
    torch.int16: [0, -1, 2**15 - 1, -(2**15)],
    torch.int8: [0, -1, 127, -128],
    torch.uint8: [0, 1, 128, 255],
    torch.uint16: [0, 1, 2**16 - 1],
    torch.uint32: [0, 1, 2**32 - 1],
    torch.uint64: [0, 1, 2**63 - 1],
    torch.bool: [False, True, True, False, True],
}


def float_tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(11)
    double = torch.tensor(FLOATS, dtype=torch.float64)
    # All 65,536 bit patterns of the 16-bit types but NaN, whose payload a conversion may change, in one small matrix each.
    halves = torch.arange(0, 2**16, 37, dtype=torch.int32).to(torch.int16)
    return {
        "double": double,
        "single": double.to(torch.float32),
        "half": halves.view(torch.float16)[~halves.view(torch.float16).isnan()],
        "brain": halves.view(torch.bfloat16)[~halves.view(torch.bfloat16).isnan()],
        "scalar": torch.tensor(2.6592),
        "empty": torch.zeros(3, 0, 2),
        "matrix": torch.randn(3, 5, generator=generator),
        "вес.ü🦜\"\\": torch.randn(2, 1, 2, generator=generator),
        "long/float16": torch.randn(1100, generator=generator).to(torch.float16),
    }


def bits(tensor: torch.Tensor) -> list[int]:
    return [value & 0xFFFFFFFF for value in tensor.to(torch.float32).flatten().view(torch.int32).tolist()]


def write_types() -> None:
    floats = float_tensors()
    integers = {str(kind).removeprefix("torch."): torch.tensor(values, dtype=kind) for kind, values in INTEGERS.items()}
    metadata = {"format": "pt", "schlüssel": "wert\n\"mit\" zeichen 🦜"}
    save_file({**floats, **integers}, TARGET / "types.safetensors", metadata=metadata)
    expected = {
        "metadata": metadata,
        "floats": {name: {"shape": list(t.shape), "bits": bits(t)} for name, t in floats.items()},
        "integers": {name: {"shape": list(t.shape), "values": [int(v) for v in t]} for name, t in integers.items()},
    }
    with safe_open(TARGET / "types.safetensors", "pt") as file:
        assert sorted(file.keys()) == sorted([*floats, *integers])
    (TARGET / "types.json").write_text(json.dumps(expected))


def write_written() -> None:
    tensors = {
        "a.weight": torch.arange(6, dtype=torch.float32).reshape(2, 3) / 7,
        "b.empty": torch.zeros(0, 4),
        "c\u00e9\"\\\n\x01": torch.tensor([1e-30, -0.0]),
        "d.scalar": torch.tensor(4.6052),
    }
    metadata = {"format": "pt"}
    save_file(tensors, TARGET / "written.safetensors", metadata=metadata)
    described = [{"name": name, "shape": list(t.shape), "bits": bits(t)} for name, t in tensors.items()]
    (TARGET / "written.json").write_text(json.dumps({"metadata": metadata, "tensors": described}))


def entry(dtype: str, shape: list, begin: object, end: object) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def headers() -> list[tuple[str, int]]:
    """JSON text and bytes of data after it."""
    one = entry("F32", [2], 0, 8)
    tables: list[tuple[object, int]] = [
        ({"a": one}, 8),
        ({}, 0),
        ({}, 1),
        ({"__metadata__": {}}, 0),
        ({"__metadata__": {"a": "b"}, "a": one}, 8),
        ({"__metadata__": {"a": 1}, "a": one}, 8),
        ({"__metadata__": [], "a": one}, 8),
        ({"a": one}, 7),
        ({"a": one}, 9),
        ({"a": entry("F32", [3], 0, 8)}, 8),
        ({"a": entry("F99", [2], 0, 8)}, 8),
        ({"a": entry("F32", [-2], 0, 8)}, 8),
        ({"a": entry("F32", [2.0], 0, 8)}, 8),
        ({"a": entry("F32", [2], -8, 0)}, 8),
        ({"a": entry("F32", [2], 8, 0)}, 8),
        ({"a": entry("F32", [2], 4, 12)}, 12),
        ({"a": one, "b": entry("F32", [2], 8, 16)}, 16),
        ({"a": one, "b": entry("F32", [2], 4, 12)}, 12),
        ({"a": one, "b": one}, 8),
        ({"a": one, "b": entry("F32", [2], 12, 20)}, 20),
        ({"b": entry("F32", [2], 8, 16), "a": one}, 16),
        ({"a": one, "b": entry("F32", [0], 8, 8), "c": entry("F32", [1], 8, 12)}, 12),
        ({"a": entry("F32", [], 0, 4)}, 4),
        ({"a": entry("F32", [2**62, 2**62], 0, 8)}, 8),
        ({"a": entry("F32", [2**61, 8], 0, 0)}, 0),
        ({"a": entry("F32", [2**50], 0, 2**52)}, 8),
        ({"a": entry("F32", [2], 0, 2**64)}, 8),
        ({"a": entry("F32", [2], 2**63 - 16, 2**63 - 8)}, 8),
        ({"a": entry("F4", [3], 0, 1)}, 1),
        ({"a": entry("F4", [4], 0, 2)}, 2),
        ({"a": entry("F6_E2M3", [4], 0, 3)}, 3),
        ({"a": entry("C64", [1], 0, 8)}, 8),
        ({"a": {"dtype": "F32", "shape": [2]}}, 8),
        ({"a": {"dtype": "F32", "data_offsets": [0, 8]}}, 8),
        ({"a": {"shape": [2], "data_offsets": [0, 8]}}, 8),
        ({"a": {**one, "data_offsets": [0]}}, 8),
        ({"a": {**one, "data_offsets": [0, 8, 9]}}, 8),
        ({"a": []}, 0),
        ([], 0),
        (3, 0),
    ]
    texts = [(json.dumps(table), size) for table, size in tables]
    valid = json.dumps({"a": one})
    texts += [(valid + "   ", 8), (valid + "\x00", 8), (valid + "x", 8), (valid[:-1], 8), ("", 0), ("{", 0)]
    texts += [(valid.replace("F32", "f32"), 8), (valid.replace("[2]", "[2,]"), 8), (valid.replace("[2]", "[02]"), 8)]
    texts += [(valid.replace('"a"', '"\\ud800"'), 8), (valid.replace('"a"', '"\\ud83e\\udd9c"'), 8), (valid.replace('"a"', "a"), 8)]
    return texts


def accepts(text: str, size: int) -> bool:
    raw = text.encode()
    try:
        load(struct.pack("<Q", len(raw)) + raw + bytes(size))
    except SafetensorError:
        return False
    except (KeyError, ValueError, AttributeError):
        # The header was accepted; torch lacks the element type.
        return True
    return True


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    write_types()
    write_written()
    verdicts = [{"header": text, "dataSize": size, "accepted": accepts(text, size)} for text, size in headers()]
    (TARGET / "verdicts.json").write_text(json.dumps(verdicts, indent=0))


if __name__ == "__main__":
    main()
