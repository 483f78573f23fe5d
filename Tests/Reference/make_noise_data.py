"""Writes a data set of JPEG files with a split file, for measurements at real sizes; there is nothing to learn from it.

Each class has a colour of its own under noise. Deterministic by --seed.
"""

import argparse
import json
from pathlib import Path

import numpy
from PIL import Image


def picture(colour: numpy.ndarray, random: numpy.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Noise about a colour, coarse enough to compress like a photograph."""
    width, height = size
    noise = random.normal(0, 40, (height // 4, width // 4, 3))
    coarse = numpy.clip(colour + noise, 0, 255).astype("uint8")
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="folder to make: images/ and split.json")
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--train", type=int, default=4, help="training images of each class")
    parser.add_argument("--test", type=int, default=1, help="test images of each class")
    parser.add_argument("--size", type=int, nargs=2, default=(500, 375), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random = numpy.random.default_rng(options.seed)
    (options.output / "images").mkdir(parents=True)
    split: dict[str, list] = {"train": [], "val": [], "test": []}
    for label in range(options.classes):
        colour = random.integers(0, 256, 3)
        for number in range(options.train + options.test):
            name = f"{label:03d}_{number:03d}.jpg"
            picture(colour, random, tuple(options.size)).save(options.output / "images" / name, quality=90)
            split["train" if number < options.train else "test"].append([name, label, f"object {label}"])
    (options.output / "split.json").write_text(json.dumps(split) + "\n")


if __name__ == "__main__":
    main()
