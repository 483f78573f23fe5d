"""Reads a checkpoint of skiptune, from docs/checkpoint-format.md alone, and verifies every byte of it.

Prints what the manifest says and the vectors that are stored. --export writes them as a safetensors file: the tensors of
the vector `parameters` under their names, those of every other vector as `VECTOR.NAME`. --expect compares them bit for
bit with such a file. Vectors that are stored as differences need --base, a safetensors file with the values before
training under the same names. Exits with 1 where the checkpoint is not as the format says or not as expected.
"""

import argparse
import json
import math
import re
import struct
import sys
from pathlib import Path

import numpy as np
import xxhash
import zstandard
from safetensors.numpy import load_file, save_file

HEADER = struct.pack("<II4sI", 0x184D2A53, 8, b"SKTS", 1)
LARGEST_FRAME = 1 << 20
TAIL = re.compile(rb'  "manifest_hash": "([0-9a-f]{32})"\n}\n\Z')


class Damage(Exception):
    """What is wrong with the checkpoint, in one line."""


def require(condition: bool, problem: str) -> None:
    """Raises `Damage` unless the condition holds."""
    if not condition:
        raise Damage(problem)


def read_manifest(folder: Path) -> dict:
    """The manifest, after comparing its hash and its sums."""
    data = (folder / "manifest.json").read_bytes()
    tail = TAIL.search(data)
    require(tail is not None, "the manifest does not end with its hash")
    require(xxhash.xxh3_128_hexdigest(data[: tail.start()]) == tail[1].decode(), "the manifest's hash is wrong")
    manifest = json.loads(data)
    require(manifest["format"] == "skiptune-checkpoint" and manifest["version"] == 1, "not version 1 of the format")
    end = 0
    for tensor in manifest["tensors"]:
        require(tensor["range"] == [end, end + math.prod(tensor["shape"])], f"{tensor['name']} has a wrong range")
        end = tensor["range"][1]
    require(end == manifest["trained_count"], "the tensors do not fill the trained vector")
    require(len(manifest["shards"]) == manifest["world_size"], "there is not one shard per rank")
    return manifest


def undo_differences(differences: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Words from zigzag differences of ordered bits; all arithmetic is modulo 2^32."""
    one, top = np.uint32(1), np.uint32(0x80000000)
    steps = (differences >> one) ^ (np.uint32(0) - (differences & one))
    ordered = np.where(base & top, ~base, base | top) + steps
    return np.where(ordered & top, ordered & ~top, ~ordered)


def read_section(data: bytes, section: dict, base: np.ndarray | None) -> np.ndarray:
    """The words of a section."""
    words = []
    for offset, size, count in section["frames"]:
        require(0 < count <= LARGEST_FRAME, "a frame has too many elements")
        planes = zstandard.ZstdDecompressor().decompress(data[offset : offset + size], max_output_size=4 * count)
        require(len(planes) == 4 * count, "a frame does not hold what the manifest says")
        parameters = zstandard.get_frame_parameters(data[offset : offset + size])
        require(parameters.has_checksum and parameters.content_size == 4 * count, "a frame has no checksum or size")
        words.append(np.frombuffer(planes, np.uint8).reshape(4, count).T.copy().view("<u4").ravel())
    values = np.concatenate(words) if words else np.zeros(0, np.uint32)
    require(len(values) == section["count"], "the frames of a section do not add up")
    if section["encoding"] == "planes":
        return values
    require(section["encoding"] == "difference-planes", "an encoding is unknown")
    require(base is not None, "the checkpoint stores differences: give --base")
    return undo_differences(values, base[section["start"] : section["start"] + section["count"]])


def read_shard(file: Path, shard: dict) -> bytes:
    """The bytes of a shard, after comparing header, size, hash and places of the frames."""
    data = file.read_bytes()
    require(len(data) == shard["bytes"], f"{file.name} has {len(data)} bytes instead of {shard['bytes']}")
    require(xxhash.xxh3_128_hexdigest(data) == shard["hash"], f"the hash of {file.name} is wrong")
    require(data.startswith(HEADER), f"{file.name} does not begin as a shard")
    end = len(HEADER)
    for section in shard["sections"]:
        for offset, size, _ in section["frames"]:
            require(offset == end, f"a frame of {file.name} is not where it must be")
            end = offset + size
    require(end == len(data), f"{file.name} goes on after its last frame")
    return data


def read_vectors(folder: Path, manifest: dict, base: np.ndarray | None) -> dict[str, np.ndarray]:
    """The words of every stored vector."""
    count = manifest["trained_count"]
    vectors: dict[str, np.ndarray] = {}
    filled: dict[str, np.ndarray] = {}
    for rank, shard in enumerate(manifest["shards"]):
        require(shard["file"] == f"shard-{rank:05}-of-{manifest['world_size']:05}.zst", "a shard has a wrong name")
        data = read_shard(folder / shard["file"], shard)
        for section in shard["sections"]:
            place = slice(section["start"], section["start"] + section["count"])
            require(0 <= place.start and place.stop <= count, "a section lies outside its vector")
            words = read_section(data, section, base)
            vectors.setdefault(section["name"], np.zeros(count, np.uint32))[place] = words
            filled.setdefault(section["name"], np.zeros(count, np.uint8))[place] += 1
    for name, times in filled.items():
        require(bool((times == 1).all()), f"the sections do not hold every element of {name} once")
    return vectors


def split_tensors(manifest: dict, vectors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tensors by name; those of other vectors than the parameters as `VECTOR.NAME`."""
    return {
        (tensor["name"] if vector == "parameters" else f"{vector}.{tensor['name']}"):
            words[slice(*tensor["range"])].view(np.float32).reshape(tensor["shape"])
        for vector, words in vectors.items()
        for tensor in manifest["tensors"]
    }


def read_base(file: Path, manifest: dict) -> np.ndarray:
    """The words of the trained vector before training."""
    tensors = load_file(file)
    parts = [tensors[tensor["name"]].astype(np.float32).ravel().view(np.uint32) for tensor in manifest["tensors"]]
    return np.concatenate(parts)


def fingerprint(file: Path) -> str:
    """The fingerprint of a whole model's weights."""
    stream = xxhash.xxh3_128()
    for name, values in sorted(load_file(file).items(), key=lambda item: item[0].encode()):
        numbers = [values.ndim, *values.shape]
        stream.update(struct.pack("<Q", len(name.encode())) + name.encode())
        stream.update(struct.pack(f"<{len(numbers)}Q", *numbers))
        stream.update(np.ascontiguousarray(values, "<f4").tobytes())
    return stream.hexdigest()


def compare(tensors: dict[str, np.ndarray], file: Path) -> None:
    """Raises `Damage` unless the file holds the same tensors, bit for bit."""
    expected = load_file(file)
    require(set(expected) == set(tensors), f"other tensors than expected: {sorted(set(expected) ^ set(tensors))}")
    for name, values in expected.items():
        require(values.shape == tensors[name].shape, f"{name} has another shape than expected")
        same = values.view(np.uint32) == tensors[name].view(np.uint32)
        require(bool(same.all()), f"{name} differs in {int((~same).sum())} of {same.size} elements")


def describe(manifest: dict, vectors: dict[str, np.ndarray]) -> None:
    """Prints what there is."""
    size = sum(shard["bytes"] for shard in manifest["shards"])
    print(f"step {manifest['step']}, epoch {manifest['epoch']}, {manifest['batches_done']} batches of it")
    print(f"{manifest['world_size']} shards, {size} bytes, {len(manifest['tensors'])} tensors")
    for name, words in sorted(vectors.items()):
        kinds = sorted({s["encoding"] for shard in manifest["shards"] for s in shard["sections"] if s["name"] == name})
        print(f"{name}: {len(words)} elements, {', '.join(kinds)}, xxh3-128 {xxhash.xxh3_128_hexdigest(words.tobytes())}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="a folder step-…")
    parser.add_argument("--base", type=Path, help="safetensors file of the values before training")
    parser.add_argument("--fingerprint", type=Path, help="safetensors file of the whole model that training began with")
    parser.add_argument("--export", type=Path, help="safetensors file to write")
    parser.add_argument("--expect", type=Path, help="safetensors file to compare with")
    arguments = parser.parse_args()
    try:
        manifest = read_manifest(arguments.checkpoint)
        base = read_base(arguments.base, manifest) if arguments.base else None
        vectors = read_vectors(arguments.checkpoint, manifest, base)
        describe(manifest, vectors)
        tensors = split_tensors(manifest, vectors)
        if arguments.export:
            save_file({name: np.ascontiguousarray(values) for name, values in tensors.items()}, arguments.export)
        if arguments.expect:
            compare(tensors, arguments.expect)
        if arguments.fingerprint:
            require(fingerprint(arguments.fingerprint) == manifest["base_fingerprint"], "the base weights are others")
    except (Damage, OSError, KeyError, ValueError, zstandard.ZstdError) as problem:
        print(f"FAILED: {problem}")
        return 1
    print("ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
