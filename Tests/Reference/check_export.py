"""Compares features that `skiptune embed` wrote with what Transformers computes from the same model folder.

The feature file is a safetensors file with `image_features` [n, E] and `text_features` [m, E], one or both,
unnormalised projection outputs unless --normalised is given. Inputs come from --images and --texts, in the order of the
rows; a side that is not given is taken from the file's metadata (`images`, `texts`: JSON lists of strings). Every side
that the file holds is compared. Prints the worst relative error of a row, |theirs - ours| / |ours|; exits with 1 where
that is above --tolerance or a shape is wrong.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from safetensors import safe_open

import reference_clip as reference
from reference_images import load_pixels, load_tokens


class Mismatch(Exception):
    """Why the check fails, in one line."""


def read_features(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The tensors and the metadata of a feature file."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        return tensors, file.metadata() or {}


def inputs_of(given: list[str] | None, metadata: dict[str, str], key: str) -> list[str]:
    """The inputs of one side, from the command line or else from the metadata."""
    if given is None and key not in metadata:
        raise Mismatch(f"the file does not list its {key}: give --{key}")
    return json.loads(metadata[key]) if given is None else given


@torch.no_grad()
def expected_features(folder: Path, key: str, inputs: list[str]) -> torch.Tensor:
    """Unnormalised features [n, E] by Transformers; `key` is `images` or `texts`."""
    model = reference.load_clip(folder)
    if key == "images":
        return reference.image_features(model, load_pixels(folder, [Path(path) for path in inputs]))
    context = model.config.text_config.max_position_embeddings
    return reference.text_features(model, load_tokens(folder, inputs, context))


def worst_error(features: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest relative error of a row; NaN anywhere counts as infinite."""
    if features.shape != expected.shape:
        raise Mismatch(f"shape {list(features.shape)}, expected {list(expected.shape)}")
    error = (features.double() - expected.double()).norm(dim=-1) / expected.double().norm(dim=-1)
    return float(error.nan_to_num(nan=float("inf")).max())


def check(arguments: argparse.Namespace) -> float:
    """The worst error over all sides that the file holds."""
    tensors, metadata = read_features(arguments.features)
    sides = {"images": ("image_features", arguments.images), "texts": ("text_features", arguments.texts)}
    worst = []
    for key, (name, given) in sides.items():
        if name not in tensors:
            if given:
                raise Mismatch(f"--{key} is given but the file has no {name}")
            continue
        expected = expected_features(arguments.model, key, inputs_of(given, metadata, key))
        if arguments.normalised:
            expected = reference.normalised(expected)
        worst.append(worst_error(tensors[name], expected))
        print(f"{name}: {len(expected)} rows, worst relative error {worst[-1]:.3g}")
    if not worst:
        raise Mismatch("the file has neither image_features nor text_features")
    return max(worst)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="Hugging Face CLIP folder")
    parser.add_argument("features", type=Path, help="safetensors file of features")
    parser.add_argument("--images", nargs="+", help="image files, one per row of image_features")
    parser.add_argument("--texts", nargs="+", help="texts, one per row of text_features")
    parser.add_argument("--normalised", action="store_true", help="the features have length 1")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    arguments = parser.parse_args()
    reference.be_deterministic()
    try:
        worst = check(arguments)
    except Mismatch as mismatch:
        print(f"FAILED: {mismatch}")
        return 1
    agrees = worst <= arguments.tolerance
    print(f"{'ok' if agrees else 'FAILED'}: worst relative error {worst:.3g}, tolerance {arguments.tolerance:g}")
    return 0 if agrees else 1


if __name__ == "__main__":
    sys.exit(main())
