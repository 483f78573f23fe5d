"""Draw the quick start's data sets of printed capitals and printed digits as PNG files with split files.

The fonts are files of Debian packages that take no part in the pre-training of the quick start's CLIP (FONTS below). Each
character is drawn several times per font: turned, slanted, scaled and made noisy by a fixed seed. Output is the same on
every run with the pinned packages of requirements.txt and the fonts at these versions.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

# Debian 12 package, version, file.
FONTS = [
    ("fonts-averia-sans-gwf", "1.00-2.1", "AveriaSansGWF-Regular.ttf"),
    ("fonts-averia-serif-gwf", "1.00-2.1", "AveriaSerifGWF-Italic.ttf"),
    ("fonts-cardo", "1.04-3", "Cardo104s.ttf"),
    ("fonts-courier-prime", "0+git20190115-3", "Courier Prime Code.otf"),
    ("fonts-goudybookletter", "2010.07.03-6", "GoudyBookletter1911.otf"),
    ("fonts-inconsolata", "001.010-6", "Inconsolata.otf"),
    ("fonts-klaudia-berenika", "2011-09-03-2", "Klaudia.ttf"),
    ("fonts-prociono", "2.3-6", "Prociono.otf"),
    ("fonts-quattrocento", "1.1-2.1", "Quattrocento-Regular.otf"),
    ("fonts-roboto-slab", "1.100263+20170512-2", "RobotoSlab-Light.otf"),
    ("fonts-tuffy", "20120614-2.1", "Tuffy_Italic.ttf"),
    ("fonts-vollkorn", "4.105-2", "Vollkorn-Regular.ttf"),
]
DIGITS = dict(zip("0123456789", "zero one two three four five six seven eight nine".split()))
LETTERS = {letter: letter for letter in "ABCDEFGHJK"}
CANVAS, SIZE = 64, 16
PER_FONT = 4


def find_fonts(root):
    """The font files below `root`, in order; all must be there."""
    found = {path.name: path for path in sorted(Path(root).rglob("*.[to]tf"))}
    missing = [f"{name} ({package} {version})" for package, version, name in FONTS if name not in found]
    if missing:
        raise SystemExit("fonts not found below {}: {}".format(root, ", ".join(missing)))
    return [found[name] for _, _, name in FONTS]


def draw(font, character):
    """White on black, the ink centred on the canvas."""
    left, top, right, bottom = font.getbbox(character, anchor="ls")
    image = Image.new("L", (CANVAS, CANVAS), 0)
    origin = ((CANVAS - left - right) / 2, (CANVAS - top - bottom) / 2)
    ImageDraw.Draw(image).text(origin, character, font=font, fill=255, anchor="ls")
    return image


def vary(image, generator):
    """Turn, slant, scale and shift the picture, make it small, and add noise."""
    angle, slant = generator.uniform(-0.45, 0.45), generator.uniform(-0.4, 0.4)
    scale = generator.uniform(0.75, 1.3, size=2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[1, slant], [0, 1]]) @ np.diag(scale)
    centre = np.array([CANVAS / 2, CANVAS / 2])
    shift = centre - matrix @ centre + generator.uniform(-6, 6, size=2)
    coefficients = (matrix[0, 0], matrix[0, 1], shift[0], matrix[1, 0], matrix[1, 1], shift[1])
    image = image.transform((CANVAS, CANVAS), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)
    small = np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BOX), dtype=np.float64)
    small = small * generator.uniform(0.6, 1.0) + generator.normal(0, 12, size=small.shape)
    return Image.fromarray(np.clip(np.rint(small), 0, 255).astype(np.uint8))


def make(folder, split_name, names, fonts, seed):
    """Write pictures and split of one data set: 20 / 4 / 24 of each class for train / val / test."""
    generator = np.random.RandomState(seed)
    lists = {"train": [], "val": [], "test": []}
    for label, (character, name) in enumerate(names.items()):
        pictures = [vary(draw(font, character), generator) for font in fonts for _ in range(PER_FONT)]
        order = generator.permutation(len(pictures)).tolist()
        (folder / "images" / name).mkdir(parents=True, exist_ok=True)
        for index, picture in enumerate(pictures):
            picture.save(folder / "images" / name / f"{index:02d}.png", optimize=True)
        for part, members in (("train", order[:20]), ("val", order[20:24]), ("test", order[24:])):
            lists[part] += [[f"{name}/{index:02d}.png", label, name] for index in sorted(members)]
    blocks = [f'"{part}": [\n' + ",\n".join(map(json.dumps, items)) + "\n]" for part, items in lists.items()]
    (folder / split_name).write_text("{\n" + ",\n".join(blocks) + "\n}\n", encoding="utf-8")
    print(folder.name, {part: len(items) for part, items in lists.items()})


def main():
    """Write both data sets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fonts", type=Path, default=Path("/usr/share/fonts"))
    parser.add_argument("--output", type=Path, default=Path(__file__).resolve().parent.parent / "data")
    arguments = parser.parse_args()
    fonts = [ImageFont.truetype(str(path), 52) for path in find_fonts(arguments.fonts)]
    make(arguments.output / "letters", "split_skiptune_Letters.json", LETTERS, fonts, seed=1)
    make(arguments.output / "printed_digits", "split_skiptune_PrintedDigits.json", DIGITS, fonts, seed=2)


if __name__ == "__main__":
    main()
