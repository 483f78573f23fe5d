"""Compares an export under OpenAI's names with the features that `skiptune embed` computes from the same weights.

The export is loaded by openai_clip.py, which knows the published names only, or with --open-clip by open_clip itself
(pip install open_clip_torch). Preprocessing and tokens are those of --model, the Hugging Face folder of the same model.
Prints the worst relative error of a row; exits with 1 where it is above --tolerance.
"""

import argparse
import sys
from pathlib import Path

import torch

import openai_clip
import reference_clip as reference
from check_export import Mismatch, inputs_of, read_features, worst_error
from reference_images import load_pixels, load_tokens


def load(folder: Path, by_open_clip: bool) -> torch.nn.Module:
    """A model with `encode_image` and `encode_text`."""
    if not by_open_clip:
        return openai_clip.load(folder)
    import open_clip

    return open_clip.create_model(f"local-dir:{folder}").eval()


@torch.no_grad()
def check(arguments: argparse.Namespace) -> float:
    """The worst error over images and texts."""
    model = load(arguments.export, arguments.open_clip)
    tensors, metadata = read_features(arguments.features)
    images = [Path(path) for path in inputs_of(arguments.images, metadata, "images")]
    texts = inputs_of(arguments.texts, metadata, "texts")
    expected = {
        "image_features": model.encode_image(load_pixels(arguments.model, images)),
        "text_features": model.encode_text(load_tokens(arguments.model, texts, model.positional_embedding.shape[0])),
    }
    worst = []
    for name, features in expected.items():
        worst.append(worst_error(tensors[name], features))
        print(f"{name}: {len(features)} rows, worst relative error {worst[-1]:.3g}")
    return max(worst)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", type=Path, help="folder that skiptune checkpoint export --format openai made")
    parser.add_argument("features", type=Path, help="safetensors file that skiptune embed wrote")
    parser.add_argument("--model", type=Path, required=True, help="Hugging Face folder of the same model")
    parser.add_argument("--images", nargs="+", help="image files, one per row of image_features")
    parser.add_argument("--texts", nargs="+", help="texts, one per row of text_features")
    parser.add_argument("--open-clip", action="store_true", help="load with open_clip")
    parser.add_argument("--tolerance", type=float, default=1e-5)
    arguments = parser.parse_args()
    reference.be_deterministic()
    try:
        worst = check(arguments)
    except (Mismatch, RuntimeError, OSError, KeyError) as problem:
        print(f"FAILED: {problem}")
        return 1
    agrees = worst <= arguments.tolerance
    print(f"{'ok' if agrees else 'FAILED'}: worst relative error {worst:.3g}, tolerance {arguments.tolerance:g}")
    return 0 if agrees else 1


if __name__ == "__main__":
    sys.exit(main())
