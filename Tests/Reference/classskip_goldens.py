"""Writes Tests/Goldens/classskip: what CSkip decides before it sees any image, and with which classes it stays.

    counts.json         K for C classes, ratio r, cap: K = ceil(r C) for r <= 1 (a product of doubles), else
                        min(ceil(r), C), then at most the cap; where r = 1 or K = C `filters` is false and K = C
    probabilities.json  the probability that rank position K + j is kept, from torch.linspace in float64 and float32
    kept.json           similarities [B, C], labels and a mask over rank positions; the scores, the ranking (ties by
                        lower class index), the kept classes (sorted; labels always among them) and remapped labels
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
import torch

import reference_clip as reference

CLASSES = [1, 2, 3, 5, 9, 10, 11, 37, 47, 50, 51, 100, 101, 102, 196, 397, 1000]
RATIOS = [0.01, 0.07, 0.1, 0.3, 0.5, 0.55, 0.75, 0.99, 1, 1.5, 2, 16, 50, 60, 2000]
CAPS = [10, 50, 2000]
TAILS = [(3, 1), (9, 5), (10, 9), (10, 5), (11, 6), (37, 19), (47, 24), (102, 50), (397, 50)]
DECAYS = [0.1, 0.3, 1.0, 5.0]


def counts() -> list[dict]:
    """K for every combination."""
    cases = []
    for classes, ratio, cap in itertools.product(CLASSES, RATIOS, CAPS):
        top = reference.top_count(classes, ratio, cap)
        cases.append({"classes": classes, "ratio": ratio, "cap": cap, "top": top, "filters": top < classes})
    return cases


def probabilities() -> list[dict]:
    """p_j for every tail length and decay; ImageNet's 1,000 classes with the published decay only."""
    cases = []
    for (classes, top), decay in [*itertools.product(TAILS, DECAYS), ((1000, 50), 0.3)]:
        result = {"classes": classes, "top": top, "lambda": decay}
        for name, dtype in (("float64", torch.float64), ("float32", torch.float32)):
            result[name] = reference.keep_probabilities(classes, top, decay, dtype).tolist()
        cases.append(result)
    return cases


def random_mask(classes: int, top: int, generator: np.random.Generator) -> torch.Tensor:
    """The first `top` rank positions, and others with even chances: more variety than the real probabilities give."""
    return (torch.arange(classes) < top) | torch.from_numpy(generator.random(classes) < 0.3)


def kept_case(name: str, batch: int, classes: int, top: int, grid: int, generator: np.random.Generator) -> dict:
    """One case; similarities are multiples of 1 / `grid`, exact in float32, so that a coarse grid makes ties."""
    similarity = torch.from_numpy(generator.integers(-grid, grid + 1, (batch, classes))) / grid
    labels = torch.from_numpy(generator.integers(0, classes, batch))
    mask = random_mask(classes, top, generator)
    scores = reference.class_scores(similarity, labels)
    kept = reference.kept_classes(scores, labels, mask)
    assert set(labels.tolist()) <= set(kept.tolist())
    tensors = {"similarity": similarity, "labels": labels, "mask": mask, "scores": scores}
    tensors |= {"ranking": reference.rank_classes(scores), "kept": kept}
    tensors |= {"remapped_labels": reference.remap_labels(labels, kept)}
    return {"name": name, "top": top} | {key: tensor.tolist() for key, tensor in tensors.items()}


def kept() -> list[dict]:
    """Ordinary batches, batches with ties, and batches with more distinct labels than K."""
    generator = np.random.Generator(np.random.PCG64(61))
    shapes = [(4, 9, 5), (1, 5, 3), (4, 20, 10), (8, 12, 6), (2, 3, 2), (4, 2, 1), (3, 30, 15)]
    cases = [kept_case("ordinary", *shape, 4096, generator) for shape in shapes for _ in range(3)]
    cases += [kept_case("ties", *shape, 4, generator) for shape in shapes for _ in range(3)]
    crowded = [(8, 20, 2), (12, 16, 3), (6, 9, 1)]
    cases += [kept_case("more labels than K", *shape, 4096, generator) for shape in crowded for _ in range(3)]
    assert any(len(set(case["labels"])) > sum(case["mask"]) for case in cases)
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder to write, Tests/Goldens/classskip")
    output = parser.parse_args().output
    reference.save_json(output / "counts.json", {"cases": counts()})
    reference.save_json(output / "probabilities.json", {"cases": probabilities()})
    reference.save_json(output / "kept.json", {"cases": kept()})


if __name__ == "__main__":
    main()
