"""Test-time preprocessing of images with Pillow: what a CLIP folder's preprocessor_config.json asks for.

The centre crop follows torchvision (half pixels round to even), as the published pipelines do; Transformers' own
processor rounds down, so the two differ by one pixel where the resized side minus the crop is odd and large enough.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import CLIPTokenizer


@dataclass(frozen=True)
class Preprocessing:
    """Sizes in pixels, mean and standard deviation per channel of values in 0...1."""

    resize: int
    crop: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @staticmethod
    def of(folder: Path) -> "Preprocessing":
        """The settings of a model folder; sizes are plain numbers in old files, objects in new ones."""
        settings = json.loads((folder / "preprocessor_config.json").read_text())
        sizes = (_side(settings["size"], "shortest_edge"), _side(settings["crop_size"], "height"))
        return Preprocessing(*sizes, tuple(settings["image_mean"]), tuple(settings["image_std"]))

    def pixels(self, path: Path) -> torch.Tensor:
        """Normalised pixels [3, crop, crop] of one image file."""
        with Image.open(path) as image:
            image = self._cropped(self._resized(image.convert("RGB")))
        values = (np.asarray(image, dtype=np.float64) / 255 - self.mean) / self.std
        return torch.from_numpy(values.astype(np.float32).transpose(2, 0, 1).copy())

    def _resized(self, image: Image.Image) -> Image.Image:
        short, long = min(image.size), max(image.size)
        other = int(self.resize * long / short)
        size = (self.resize, other) if image.width <= image.height else (other, self.resize)
        return image.resize(size, Image.Resampling.BICUBIC)

    def _cropped(self, image: Image.Image) -> Image.Image:
        assert min(image.size) >= self.crop, f"a crop of {self.crop} out of {image.size} needs padding"
        left, top = (round((side - self.crop) / 2) for side in image.size)
        return image.crop((left, top, left + self.crop, top + self.crop))


def _side(value: int | dict, key: str) -> int:
    return value if isinstance(value, int) else value[key]


def load_pixels(folder: Path, paths: list[Path]) -> torch.Tensor:
    """Normalised pixels [B, 3, H, W] of image files, as the model in `folder` wants them."""
    preprocessing = Preprocessing.of(folder)
    return torch.stack([preprocessing.pixels(path) for path in paths])


def load_tokens(folder: Path, texts: list[str], context: int) -> torch.Tensor:
    """Token ids [C, context] by Transformers' tokenizer of the folder, cut and padded with 0 after the end token."""
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    rows = torch.zeros(len(texts), context, dtype=torch.int64)
    for row, ids in zip(rows, tokenizer(texts, truncation=True, max_length=context)["input_ids"]):
        row[: len(ids)] = torch.tensor(ids)
    return rows
