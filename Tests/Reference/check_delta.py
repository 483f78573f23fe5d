"""Checks a delta file of skiptune with safetensors, torch and xxhash alone, from docs/exporting.md.

Laid over --base (the Hugging Face folder that training began with) it must give, bit for bit, the weights of --expect (the
folder of the tuned model), and its fingerprint must be that of the base. With --average it must be instead the weighted
mean of checkpoints, read by read_checkpoint.py, interpolated with the base, to half a unit in the last place. Exits with 1
where that is not so.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import read_checkpoint
from read_checkpoint import Damage, require

WEIGHTS = "model.safetensors"


def read_delta(file: Path, base: Path) -> dict[str, torch.Tensor]:
    """The tensors of a delta file, after checking what it says of itself."""
    with safe_open(file, "pt") as delta:
        metadata = delta.metadata()
        tensors = {name: delta.get_tensor(name) for name in delta.keys()}
    require(metadata["format"] == "skiptune-delta" and metadata["format_version"] == "1", "it is no delta file")
    fingerprint = read_checkpoint.fingerprint(base / WEIGHTS)
    require(metadata["base_fingerprint"] == fingerprint, f"the base has fingerprint {fingerprint}")
    classes = json.loads(metadata["classes"])
    print(f"{len(tensors)} tensors from block {metadata['start_layer']} on, {len(classes)} classes, {metadata['source']}")
    require(metadata["template"].format("x") != metadata["template"], "the template has no place for a class")
    return tensors


def compare_whole(delta: dict[str, torch.Tensor], base: Path, expected: Path) -> None:
    """Raises `Damage` unless base and delta together are the expected weights, bit for bit."""
    weights = {name: values.float() for name, values in load_file(base / WEIGHTS).items()}
    for name, values in delta.items():
        require(name in weights and weights[name].shape == values.shape, f"{name} is not part of the base")
    weights.update(delta)
    tuned = load_file(expected / WEIGHTS)
    require(set(tuned) == set(weights), "the tuned model has other tensors")
    for name, values in tuned.items():
        same = torch.equal(values.view(torch.int32), weights[name].view(torch.int32))
        require(same, f"{name} is another tensor in the tuned model")
    changed = {name for name in tuned if not torch.equal(tuned[name], load_file(base / WEIGHTS)[name].float())}
    require(changed <= set(delta), "the tuned model differs from its base outside of the delta")
    print(f"equal to {expected}, {len(changed)} tensors differ from the base")


def read_parameters(folder: Path, base: Path) -> dict[str, np.ndarray]:
    """The parameters of a checkpoint, by the independent reader."""
    manifest = read_checkpoint.read_manifest(folder)
    vectors = read_checkpoint.read_vectors(folder, manifest, read_checkpoint.read_base(base / WEIGHTS, manifest))
    return read_checkpoint.split_tensors(manifest, {"parameters": vectors["parameters"]})


def compare_average(delta: dict[str, torch.Tensor], arguments: argparse.Namespace) -> None:
    """Raises `Damage` unless the delta is the mean that the arguments describe."""
    base = {name: values.numpy().astype(np.float64) for name, values in load_file(arguments.base / WEIGHTS).items()}
    parts = [read_parameters(folder, arguments.base) for folder in arguments.average]
    weights = np.array(arguments.weights or [1.0] * len(parts))
    worst = 0.0
    require(set(delta) == set(parts[0]), "the delta has other tensors than the checkpoints")
    for name, values in delta.items():
        mean = sum(weight * part[name].astype(np.float64) for weight, part in zip(weights, parts)) / weights.sum()
        expected = (1 - arguments.alpha) * base[name] + arguments.alpha * mean
        units = np.spacing(np.abs(expected).astype(np.float32)).astype(np.float64)
        worst = max(worst, float((np.abs(values.numpy().astype(np.float64) - expected) / units).max()))
    print(f"mean of {len(parts)} checkpoints, alpha {arguments.alpha:g}: off by {worst:.6f} units in the last place at most")
    # Correct rounding is off by half a unit; a sum in another order, a hair before rounding.
    require(worst <= 0.5001, "the mean is not rounded as it must be")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("delta", type=Path, help="delta file")
    parser.add_argument("--base", type=Path, required=True, help="Hugging Face folder that training began with")
    parser.add_argument("--expect", type=Path, help="Hugging Face folder of the tuned model")
    parser.add_argument("--average", type=Path, nargs="+", help="checkpoints, folders step-…")
    parser.add_argument("--weights", type=float, nargs="+", help="weights of the checkpoints")
    parser.add_argument("--alpha", type=float, default=1.0, help="share of the tuned weights")
    arguments = parser.parse_args()
    try:
        delta = read_delta(arguments.delta, arguments.base)
        if arguments.expect:
            compare_whole(delta, arguments.base, arguments.expect)
        if arguments.average:
            compare_average(delta, arguments)
    except (Damage, OSError, KeyError, ValueError) as problem:
        print(f"FAILED: {problem}")
        return 1
    print("ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
