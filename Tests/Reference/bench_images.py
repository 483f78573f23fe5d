"""Measures decoding, cropping and normalising JPEG files here and with Pillow and torchvision, in turn, on one thread each.

torchvision's transforms as CLIP's training uses them: RandomResizedCrop (bicubic) and RandomHorizontalFlip, or Resize and
CenterCrop; then ToTensor and Normalize. Needs torchvision beside this folder's requirements.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from PIL import Image
from torchvision import transforms

BICUBIC = transforms.InterpolationMode.BICUBIC
NORMALISED = [
    transforms.ToTensor(),
    transforms.Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
]
WAYS = {
    "training": [transforms.RandomResizedCrop(224, (0.08, 1), interpolation=BICUBIC), transforms.RandomHorizontalFlip()],
    "test": [transforms.Resize(224, BICUBIC), transforms.CenterCrop(224)],
}


def theirs(files: list[Path]) -> dict[str, float]:
    """Milliseconds per image of each way."""
    result = {}
    for name, steps in WAYS.items():
        way = transforms.Compose(steps + NORMALISED)
        start = time.perf_counter()
        for file in files:
            with Image.open(file) as picture:
                way(picture.convert("RGB"))
        result[name] = 1e3 * (time.perf_counter() - start) / len(files)
    return result


def ours(program: Path, files: list[Path]) -> dict[str, float]:
    """Milliseconds per image of each way."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "images.json"
        subprocess.run(
            [program, "bench", "images", *files, "--json", results], check=True, capture_output=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"})
        rates = json.loads(results.read_text())
    return {rate["transform"]: 1e3 * rate["seconds"] / rate["images"] for rate in rates}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="JPEG files, such as make_noise_data.py makes")
    parser.add_argument("--program", type=Path, default=Path(__file__).resolve().parent / "../../.build/release/skiptune")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    files = sorted(options.folder.glob("*.jpg"))[: options.images]
    if not files:
        sys.exit(f"there are no .jpg files in {options.folder}")
    rounds = [(theirs(files), ours(options.program, files)) for _ in range(options.rounds)]
    print("| transform | Pillow and torchvision, ms per image | skiptune | ratio |", "| --- | --- | --- | --- |", sep="\n")
    for name in WAYS:
        pairs = [(first[name], second[name]) for first, second in rounds]
        middle = [statistics.median(values) for values in zip(*pairs)]
        ratio = statistics.median(first / second for first, second in pairs)
        print(f"| {name} | {middle[0]:.2f} | {middle[1]:.2f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
