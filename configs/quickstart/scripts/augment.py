"""Turn clean glyphs into varied 32x32 pictures, a whole batch at a time."""

import torch
import torch.nn.functional as F

SIZE = 32
MOST_INK = 0.22  # of the glyph canvas


def _uniform(count, low, high, generator):
    return low + (high - low) * torch.rand(count, generator=generator)


def _chosen(count, share, generator):
    return (torch.rand(count, generator=generator) < share).view(-1, 1, 1, 1)


def vary_strokes(ink, generator):
    """Thin or thicken the strokes; undo what would erase the character or make a blot of it."""
    thick, thicker = F.max_pool2d(ink, 3, 1, 1), F.max_pool2d(ink, 5, 1, 2)
    thin = -F.max_pool2d(-ink, 3, 1, 1)
    lost = thin.sum((1, 2, 3)) < 0.45 * ink.sum((1, 2, 3))
    thin = torch.where(lost.view(-1, 1, 1, 1), ink, thin)
    thickest = F.max_pool2d(thicker, 3, 1, 1)
    variants = torch.stack([thin, ink, thick, thicker, thickest])
    odds = torch.tensor([0.15, 0.25, 0.3, 0.2, 0.1])
    pick = torch.multinomial(odds, len(ink), True, generator=generator)
    varied = variants[pick, torch.arange(len(ink))]
    blotted = varied.mean((1, 2, 3)) > MOST_INK
    return torch.where(blotted.view(-1, 1, 1, 1), ink, varied)


def _affine(count, strength, generator):
    """Draw matrices for rotation, slant, uneven scale and shift, from output to input."""
    angle = strength * _uniform(count, -0.3, 0.3, generator)
    slant = strength * _uniform(count, -0.35, 0.55, generator)
    scale = 1.15 + strength * _uniform(count, -0.4, 0.35, generator)
    stretch = torch.exp(strength * _uniform(count, -0.3, 0.3, generator))
    cos, sin = torch.cos(angle), torch.sin(angle)
    across, down = 1 / (scale * stretch), stretch / scale
    rows = torch.stack(
        [cos * across, (slant * cos - sin) * across, _uniform(count, -0.12, 0.12, generator),
         sin * down, (slant * sin + cos) * down, _uniform(count, -0.12, 0.12, generator)], 1
    )
    return rows.view(count, 2, 3)


def _wobble(count, generator):
    """Draw smooth displacement fields, a coarse one and a finer one on top."""
    fields = torch.zeros(count, 2, 2 * SIZE, 2 * SIZE)
    for cells, strength in ((4, 0.1), (7, 0.04)):
        coarse = torch.randn(count, 2, cells, cells, generator=generator)
        coarse = coarse * strength * torch.rand(count, 1, 1, 1, generator=generator)
        fields += F.interpolate(coarse, (2 * SIZE, 2 * SIZE), mode="bicubic", align_corners=True)
    return fields.permute(0, 2, 3, 1)


def warp(ink, strength, generator):
    """Apply the affine and the elastic distortion, then halve the resolution."""
    count = len(ink)
    grid = F.affine_grid(_affine(count, strength, generator), (count, 1, 2 * SIZE, 2 * SIZE), False)
    grid = grid + strength * _wobble(count, generator)
    return F.avg_pool2d(F.grid_sample(ink, grid, align_corners=False), 2)


def coarsen(ink, generator):
    """Send a share of the pictures through a lower resolution and back."""
    count = len(ink)
    low = torch.randint(0, 12, (count,), generator=generator)
    sizes = {0: 8, 1: 8, 2: 10, 3: 12, 4: 16, 5: 20, 6: 24}
    for key, size in sizes.items():
        rows = (low == key).nonzero().flatten()
        if len(rows):
            small = F.interpolate(ink[rows], (size, size), mode="area")
            big = F.interpolate(small, (SIZE, SIZE), mode="bicubic", align_corners=False)
            ink[rows] = big.clamp(0, 1)
    return ink


def _blur(images, sigma):
    offsets = torch.arange(-2, 3, dtype=torch.float32)
    taps = torch.exp(-offsets.square() / (2 * sigma.view(-1, 1) ** 2))
    taps = taps / taps.sum(1, keepdim=True)
    count = len(images)
    stacked = F.conv2d(images.transpose(0, 1), taps.view(count, 1, 5, 1), padding=(2, 0), groups=count)
    stacked = F.conv2d(stacked, taps.view(count, 1, 1, 5), padding=(0, 2), groups=count)
    return stacked.transpose(0, 1)


def soften(ink, generator):
    """Blur a share of the pictures and sharpen the grey edges of others."""
    count = len(ink)
    blurred = _blur(ink, _uniform(count, 0.4, 1.1, generator))
    ink = torch.where(_chosen(count, 0.35, generator), blurred, ink)
    steep = ((ink - 0.5) * _uniform(count, 1, 3, generator).view(-1, 1, 1, 1) + 0.5).clamp(0, 1)
    return torch.where(_chosen(count, 0.4, generator), steep, ink)


def shade(ink, generator):
    """Choose paper and ink levels (white on black more often) and add noise to a share."""
    count = len(ink)

    def level(low, high):
        return _uniform(count, low, high, generator).view(-1, 1, 1, 1)

    plain = _chosen(count, 0.55, generator)
    paper = torch.where(plain, 0.0, level(0, 0.3))
    stroke = torch.where(plain, 1.0, level(0.55, 1))
    images = paper + (stroke - paper) * ink
    images = torch.where(_chosen(count, 0.25, generator), 1 - images, images)
    noise = torch.randn(images.shape, generator=generator) * level(0, 0.1)
    return torch.where(_chosen(count, 0.25, generator), images + noise, images).clamp(0, 1)


def augment(glyphs, generator, strength=1.0):
    """Turn [N, 1, 64, 64] 8-bit glyphs into [N, 1, 32, 32] pictures in 0..1, 8-bit steps.

    `strength` scales the geometry and is the share of pictures that lose quality.
    """
    ink = warp(vary_strokes(glyphs.float() / 255, generator), strength, generator)
    worse = shade(soften(coarsen(ink.clone(), generator), generator), generator)
    images = torch.where(_chosen(len(ink), strength, generator), worse, ink)
    return torch.round(images * 255) / 255
