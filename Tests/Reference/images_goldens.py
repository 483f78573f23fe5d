"""Makes Tests/Goldens/images: small JPEG and PNG files and what Pillow reads from them.

Usage: python Tests/Reference/images_goldens.py

files/<name>     what the tests decode
pixels.bin       bytes [height, width, 3] of every picture in index.json, one after the other
index.json       decoded:  name -> width, height, offset into pixels.bin
                 central:  resize of the shorter side and centre crop, as torchvision does on Pillow images
                 resized:  crop box, then resize
                 choices:  random crops from torchvision's formulas with the draws of Philox 4x32-10
                 refused:  files that Pillow refuses or skiptune does not read

torchvision itself is not needed: its geometry (v0.21, transforms/functional.py and transforms.py) is a few formulas,
written out below.
"""

import io
import json
import math
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "Goldens" / "images"


def picture(width, height, seed, noise=8.0):
    """A smooth colourful picture with some noise and a few hard edges."""
    random = np.random.default_rng(seed)
    coarse = (random.random((5, 6, 3)) * 255).astype(np.uint8)
    pixels = np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), dtype=np.float64)
    pixels += random.normal(0, noise, pixels.shape)
    pixels[height // 3 : height // 2, width // 4 : width // 3] = (255, 0, 20)
    pixels[height // 2 :, 2 * width // 3] = (0, 0, 0)
    pixels[: height // 5, -width // 5 :] = (255, 255, 255)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


# --- JPEG ---


def jpeg(image, **options):
    target = io.BytesIO()
    image.save(target, "JPEG", **{"quality": 88, **options})
    return target.getvalue()


def with_adobe_transform(data, transform):
    """The same file with another colour transform in its Adobe marker: 0 plain, 1 YCbCr, 2 YCCK."""
    at = data.index(b"Adobe") + 11
    return data[:at] + bytes([transform]) + data[at + 1 :]


def without_adobe_marker(data):
    at = data.index(b"\xff\xee")
    length = struct.unpack(">H", data[at + 2 : at + 4])[0]
    return data[:at] + data[at + 2 + length :]


def jpeg_files():
    color = picture(61, 47, 1)
    inks = color.convert("CMYK")
    channels = np.array(inks)
    channels[..., 3] = np.linspace(0, 200, 61).astype(np.uint8)
    inks = Image.fromarray(channels, "CMYK")
    orientation = Image.Exif()
    orientation[0x0112] = 6
    yield "grey.jpg", jpeg(color.convert("L"))
    yield "ycbcr_420.jpg", jpeg(color, subsampling="4:2:0")
    yield "ycbcr_422.jpg", jpeg(color, subsampling="4:2:2")
    yield "ycbcr_444.jpg", jpeg(color, subsampling="4:4:4")
    yield "rgb.jpg", jpeg(color, keep_rgb=True)
    yield "progressive_420.jpg", jpeg(color, subsampling="4:2:0", progressive=True)
    yield "progressive_grey.jpg", jpeg(color.convert("L"), progressive=True)
    yield "restart_420.jpg", jpeg(color, subsampling="4:2:0", restart_marker_rows=1)
    yield "low_quality.jpg", jpeg(color, quality=20)
    yield "one_pixel.jpg", jpeg(color.crop((3, 3, 4, 4)))
    yield "even_420.jpg", jpeg(picture(48, 32, 2), subsampling="4:2:0")
    yield "cmyk.jpg", jpeg(inks)
    yield "ycck.jpg", with_adobe_transform(jpeg(inks), 2)
    yield "cmyk_without_adobe.jpg", without_adobe_marker(jpeg(inks))
    yield "exif_rotated.jpg", jpeg(color, exif=orientation)


# --- PNG ---

PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def packed_row(samples, depth):
    """One row of samples [width, channels] as bytes."""
    flat = samples.reshape(-1)
    if depth == 16:
        return flat.astype(">u2").tobytes()
    bits = (flat[:, None].astype(np.uint8) >> np.arange(depth - 1, -1, -1, dtype=np.uint8)) & 1
    return np.packbits(bits.reshape(-1)).tobytes()


def filtered(rows, step):
    """Rows with the filters none, sub and up in turn."""
    result, before = b"", None
    for number, row in enumerate(rows):
        values = np.frombuffer(row, np.uint8)
        kind = number % 3
        if kind == 1:
            left = np.concatenate([np.zeros(min(step, len(values)), np.uint8), values[:-step]])
            values = values - left
        elif kind == 2:
            values = values - np.frombuffer(before, np.uint8)
        result += bytes([kind]) + values.tobytes()
        before = row
    return result


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(samples, depth, color_type, interlaced=False, palette=None, transparency=None, gamma=None):
    """A PNG of samples [height, width, channels]."""
    height, width, channels = samples.shape
    step = max(1, depth * channels // 8)
    data = b""
    for x, y, dx, dy in PASSES if interlaced else [(0, 0, 1, 1)]:
        part = samples[y::dy, x::dx]
        if part.size:
            data += filtered([packed_row(row, depth) for row in part], step)
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, int(interlaced))
    result = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    if gamma:
        result += chunk(b"gAMA", struct.pack(">I", gamma))
    if palette is not None:
        result += chunk(b"PLTE", palette.astype(np.uint8).tobytes())
    if transparency is not None:
        result += chunk(b"tRNS", transparency)
    # Two IDAT chunks, as in real files.
    body = zlib.compress(data, 9)
    result += chunk(b"IDAT", body[: len(body) // 2]) + chunk(b"IDAT", body[len(body) // 2 :])
    return result + chunk(b"IEND", b"")


def png_files():
    color = np.array(picture(37, 29, 3))
    grey = np.array(picture(37, 29, 4).convert("L"))[..., None]
    alpha = np.array(picture(37, 29, 5).convert("L"))[..., None]
    random = np.random.default_rng(6)

    def deep(samples):
        return samples.astype(np.uint16) * 256 + random.integers(0, 256, samples.shape, dtype=np.uint16)

    for interlaced in (False, True):
        suffix = "_interlaced" if interlaced else ""
        for depth in (1, 2, 4):
            yield f"grey{depth}{suffix}.png", png(grey >> (8 - depth), depth, 0, interlaced)
            palette = random.integers(0, 256, (2**depth, 3))
            yield f"palette{depth}{suffix}.png", png(grey >> (8 - depth), depth, 3, interlaced, palette)
        palette = random.integers(0, 256, (256, 3))
        yield f"grey8{suffix}.png", png(grey, 8, 0, interlaced)
        yield f"palette8{suffix}.png", png(grey, 8, 3, interlaced, palette)
        yield f"grey_alpha8{suffix}.png", png(np.concatenate([grey, alpha], 2), 8, 4, interlaced)
        yield f"rgb8{suffix}.png", png(color, 8, 2, interlaced)
        yield f"rgba8{suffix}.png", png(np.concatenate([color, alpha], 2), 8, 6, interlaced)
        yield f"grey16{suffix}.png", png(deep(grey), 16, 0, interlaced)
        yield f"grey_alpha16{suffix}.png", png(deep(np.concatenate([grey, alpha], 2)), 16, 4, interlaced)
        yield f"rgb16{suffix}.png", png(deep(color), 16, 2, interlaced)
        yield f"rgba16{suffix}.png", png(deep(np.concatenate([color, alpha], 2)), 16, 6, interlaced)
    transparency = bytes(range(0, 256, 2))
    yield "palette8_transparent.png", png(grey, 8, 3, False, palette, transparency)
    yield "palette_short.png", png(grey, 8, 3, False, palette[:100])
    yield "grey8_transparent.png", png(grey, 8, 0, False, None, struct.pack(">H", 100))
    yield "rgb8_transparent.png", png(color, 8, 2, False, None, struct.pack(">HHH", *map(int, color[0, 0])))
    yield "rgb8_gamma.png", png(color, 8, 2, gamma=100000)
    # Names lie.
    yield "png_named.jpg", png(color, 8, 2)
    yield "jpeg_named.png", jpeg(picture(37, 29, 3))


def refused_files():
    image = picture(9, 7, 7)
    for name, kind in [("gif.jpg", "GIF"), ("webp.jpg", "WEBP"), ("bmp.png", "BMP"), ("tiff.png", "TIFF")]:
        target = io.BytesIO()
        image.save(target, kind)
        yield name, target.getvalue()
    bomb = png(np.zeros((1, 1, 3), np.uint8), 8, 2)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    yield "bomb.png", bomb[:8] + header + bomb[33:]


# --- Pixels ---


class Pixels:
    def __init__(self):
        self.data = b""

    def add(self, pixels):
        pixels = np.ascontiguousarray(pixels, dtype=np.uint8)
        height, width, _ = pixels.shape
        place = {"width": width, "height": height, "offset": len(self.data)}
        self.data += pixels.tobytes()
        return place


def decoded(data, name):
    image = Image.open(io.BytesIO(data))
    if image.mode == "I;16":
        # Pillow clips 16-bit grey to 255, which is of no use; skiptune takes the high byte as both do for colour.
        return Image.fromarray((np.array(image) >> 8).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")


def resized_shorter_side(image, size):
    width, height = image.size
    short, long = min(width, height), max(width, height)
    new_long = int(size * long / short)
    new_size = (size, new_long) if width <= height else (new_long, size)
    return image.resize(new_size, Image.Resampling.BICUBIC)


def centre_crop(image, size):
    width, height = image.size
    if size > width or size > height:
        left, top = max(0, (size - width) // 2), max(0, (size - height) // 2)
        canvas = Image.new("RGB", (max(size, width), max(size, height)))
        canvas.paste(image, (left, top))
        image = canvas
        width, height = image.size
    top, left = int(round((height - size) / 2.0)), int(round((width - size) / 2.0))
    return image.crop((left, top, left + size, top + size))


CENTRAL = [  # width, height, shorter side, crop
    (61, 47, 24, 24), (47, 61, 24, 24), (48, 48, 24, 24), (101, 33, 32, 24), (13, 17, 40, 40), (90, 31, 31, 31),
    (7, 120, 16, 16), (1, 1, 12, 12), (1, 40, 12, 12), (64, 48, 20, 31), (65, 49, 20, 19), (33, 47, 16, 23),
    (120, 90, 32, 32), (75, 50, 37, 33),
]  # fmt: skip

RESIZED = [  # width, height, box (left, top, width, height), new width, new height
    (61, 47, (5, 3, 40, 38), 24, 24), (61, 47, (0, 0, 61, 47), 61, 47), (61, 47, (10, 10, 7, 5), 32, 32),
    (61, 47, (60, 46, 1, 1), 9, 9), (61, 47, (0, 0, 61, 47), 13, 90), (110, 80, (11, 7, 90, 70), 17, 33),
    (61, 47, (20, 0, 41, 47), 41, 20), (61, 47, (20, 0, 24, 47), 31, 47), (301, 9, (2, 0, 299, 9), 2, 3),
]  # fmt: skip


# --- Random crops ---


class Philox:
    """Philox 4x32-10 with the layout of skiptune's CounterRandom; 64-bit words from 128-bit blocks."""

    def __init__(self, seed, first, second):
        self.key = (seed & 0xFFFFFFFF, seed >> 32)
        self.stream = (first, second)
        self.position = 0
        self.words = []

    def block(self):
        c = [self.position & 0xFFFFFFFF, self.position >> 32, *self.stream]
        k0, k1 = self.key
        for _ in range(10):
            low, high = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
            c = [(high >> 32) ^ c[1] ^ k0, high & 0xFFFFFFFF, (low >> 32) ^ c[3] ^ k1, low & 0xFFFFFFFF]
            k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
        self.position += 1
        return c

    def next(self):
        if not self.words:
            c = self.block()
            self.words = [c[1] << 32 | c[0], c[3] << 32 | c[2]]
        return self.words.pop(0)

    def uniform(self, low=0.0, high=1.0):
        return low + (high - low) * ((self.next() >> 11) * 2.0**-53)

    def below(self, bound):
        product = self.next() * bound
        if product & 0xFFFFFFFFFFFFFFFF < bound:
            threshold = (2**64 - bound) % bound
            while product & 0xFFFFFFFFFFFFFFFF < threshold:
                product = self.next() * bound
        return product >> 64


def random_resized_crop(width, height, random, scale, ratio):
    area = height * width
    for _ in range(10):
        target_area = area * random.uniform(*scale)
        aspect_ratio = math.exp(random.uniform(math.log(ratio[0]), math.log(ratio[1])))
        w = int(round(math.sqrt(target_area * aspect_ratio)))
        h = int(round(math.sqrt(target_area / aspect_ratio)))
        if 0 < w <= width and 0 < h <= height:
            top = random.below(height - h + 1)
            left = random.below(width - w + 1)
            return left, top, w, h
    in_ratio = width / height
    if in_ratio < ratio[0]:
        w = width
        h = int(round(w / ratio[0]))
    elif in_ratio > ratio[1]:
        h = height
        w = int(round(h * ratio[1]))
    else:
        w, h = width, height
    return (width - w) // 2, (height - h) // 2, w, h


def choices():
    default = ((0.08, 1.0), (3 / 4, 4 / 3))
    settings = [
        (500, 375, *default, 0.5), (375, 500, *default, 0.5), (32, 32, *default, 0.5), (900, 40, *default, 0.5),
        (40, 900, *default, 0.3), (3, 2, *default, 0.5), (640, 480, (0.9, 1.0), (1.0, 1.0), 0.0),
        (50, 50, (1.5, 2.0), (0.5, 2.0), 1.0),
    ]  # fmt: skip
    for width, height, scale, ratio, flip in settings:
        for image in range(12):
            random = Philox(0x123456789ABCDEF, 5, image)
            left, top, w, h = random_resized_crop(width, height, random, scale, ratio)
            yield {
                "width": width, "height": height, "scale": scale, "ratio": ratio, "flip": flip, "image": image,
                "box": [left, top, w, h], "mirrored": random.uniform() < flip,
            }  # fmt: skip


def main():
    files = FOLDER / "files"
    files.mkdir(parents=True, exist_ok=True)
    for old in files.iterdir():
        old.unlink()
    pixels = Pixels()
    index = {"decoded": {}, "central": [], "resized": [], "refused": []}
    for name, data in [*jpeg_files(), *png_files()]:
        (files / name).write_bytes(data)
        index["decoded"][name] = pixels.add(np.array(decoded(data, name)))
    for name, data in refused_files():
        (files / name).write_bytes(data)
        index["refused"].append(name)
    for number, (width, height, size, crop) in enumerate(CENTRAL):
        source = picture(width, height, 100 + number, noise=25)
        result = centre_crop(resized_shorter_side(source, size), crop)
        index["central"].append(
            {"resize": size, "crop": crop, "source": pixels.add(source), "result": pixels.add(result)})
    for number, (width, height, (left, top, w, h), new_width, new_height) in enumerate(RESIZED):
        source = picture(width, height, 200 + number, noise=60)
        part = source.crop((left, top, left + w, top + h))
        result = part.resize((new_width, new_height), Image.Resampling.BICUBIC)
        index["resized"].append(
            {"box": [left, top, w, h], "source": pixels.add(source), "result": pixels.add(result)})
    index["choices"] = list(choices())
    (FOLDER / "pixels.bin").write_bytes(pixels.data)
    (FOLDER / "index.json").write_text(json.dumps(index, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
