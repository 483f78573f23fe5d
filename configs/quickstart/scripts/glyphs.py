"""Draw characters from font files into a pool of greyscale images."""

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

CANVAS = 64
DIGIT_HEIGHT = 40
LARGEST = 58


def load_families(path):
    """Read the font list: families with package, licence, style and files."""
    return json.loads(Path(path).read_text(encoding="utf-8"))["families"]


def locate_fonts(families, root):
    """Pair every listed font file with its path below `root`; all of them must be there."""
    found = {path.name: path for path in sorted(Path(root).rglob("*.[to]tf"))}
    listed = [(family, name) for family in families for name in family["files"]]
    missing = [f"{name} ({family['package']})" for family, name in listed if name not in found]
    if missing:
        raise SystemExit("fonts not found below {}: {}".format(root, ", ".join(missing)))
    return [(family, found[name]) for family, name in listed]


def _ink_box(font, text):
    return font.getbbox(text, anchor="ls")


def _fitting_font(path):
    """Open a font at the size that makes its figure eight DIGIT_HEIGHT pixels high."""
    left, top, right, bottom = _ink_box(ImageFont.truetype(path, 200), "8")
    return ImageFont.truetype(path, max(8, round(200 * DIGIT_HEIGHT / (bottom - top))))


def draw(path, character):
    """Draw one character in white on black, its ink centred on the canvas."""
    font = _fitting_font(path)
    left, top, right, bottom = _ink_box(font, character)
    largest = max(right - left, bottom - top)
    if largest > LARGEST:
        font = ImageFont.truetype(path, int(font.size * LARGEST / largest))
        left, top, right, bottom = _ink_box(font, character)
    image = Image.new("L", (CANVAS, CANVAS), 0)
    origin = ((CANVAS - left - right) / 2, (CANVAS - top - bottom) / 2)
    ImageDraw.Draw(image).text(origin, character, font=font, fill=255, anchor="ls")
    return np.asarray(image)


def build_pool(fonts, classes):
    """Draw every class in every font that has it: images, class numbers, sampling weights."""
    images, labels, weights = [], [], []
    for family, path in fonts:
        for label, character in enumerate(classes):
            if character.is_small and not family.get("lower_case", True):
                continue
            images.append(draw(path, character.glyph))
            labels.append(label)
            weights.append(family["weight"] / len(family["files"]))
    return np.stack(images), np.array(labels), np.array(weights)
