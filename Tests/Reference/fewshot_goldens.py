"""Writes Tests/Goldens/fewshot/: what CPython's `random` draws, for Tests/DatasetsTests/Splits.

Usage: python Tests/Reference/fewshot_goldens.py [output folder]

Needs CPython 3.9 to 3.12 (`random.sample` and `randrange` draw alike in them) and nothing else.
Few-shot subsets are drawn as prompt-learning code bases do it: seed, then `random.sample` of each class in order of first
appearance, first over the training list, then over the validation list with at most 4 images a class.
"""

import json
import random
import sys
from pathlib import Path

SHOTS = (1, 2, 4, 8, 16)
SEEDS = (1, 2, 3)

# Class sizes in order of label: below 16 shots, equal to shot counts, at and around the two limits where `sample` changes
# its way (21 for up to 5, 85 for 6 to 21), and well above them.
TRAIN_SIZES = (130, 3, 16, 21, 85, 86, 1, 22, 140, 8, 15, 103)
VALIDATION_SIZES = (25, 3, 0, 4, 21, 22, 1, 5, 60, 2, 4, 30)


def synthetic_split():
    """A split whose classes appear interleaved and not in order of label."""
    order = random.Random(2024)

    def items(part, sizes):
        listed = [
            [f"class_{label}/{part}_{i}.jpg", label, f"class_{label}"]
            for label, size in enumerate(sizes)
            for i in range(size)
        ]
        order.shuffle(listed)
        return listed

    train, validation = items("train", TRAIN_SIZES), items("val", VALIDATION_SIZES)
    test = [[f"class_{label}/test_0.jpg", label, f"class_{label}"] for label in range(len(TRAIN_SIZES))]
    return {"train": train, "val": validation, "test": test}


def positions_by_label(items):
    grouped = {}
    for position, (_, label, _) in enumerate(items):
        grouped.setdefault(label, []).append(position)
    return grouped


def few_shot(items, shots):
    chosen = []
    for positions in positions_by_label(items).values():
        chosen += random.sample(positions, shots) if len(positions) >= shots else positions
    return chosen


def subsets(split):
    for seed in SEEDS:
        for shots in SHOTS:
            random.seed(seed)
            train = few_shot(split["train"], shots)
            validation = few_shot(split["val"], min(shots, 4))
            yield {"seed": seed, "shots": shots, "train": train, "validation": validation}


def streams():
    """All kinds of draws from many seeds, one after the other from one stream each."""
    cases = random.Random(7)
    for seed in (0, 1, 2, 3, -5, 42, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 123456789012, 2**63 - 1, -(2**63)):
        widths = list(range(65))
        bounds = [1, 2, 3, 4, 5, 1000, 2**31, 2**32, 2**32 + 1, 2**53, 2**63 - 1]
        bounds += [cases.randrange(1, 10 ** cases.randrange(1, 18)) for _ in range(20)]
        samples = [[n, k] for n, k in ((0, 0), (1, 1), (21, 5), (22, 5), (85, 6), (86, 6), (85, 21), (86, 21), (277, 22))]
        for _ in range(12):
            n = cases.choice((cases.randrange(1, 100), cases.randrange(1, 3001)))
            samples.append([n, cases.randrange(0, min(n, 50) + 1)])
        random.seed(seed)
        yield {
            "seed": seed,
            "bits": [[width, random.getrandbits(width)] for width in widths],
            "below": [[bound, random.randrange(bound)] for bound in bounds],
            "uniform": [random.random() for _ in range(10)],
            "samples": [{"population": n, "picks": random.sample(range(n), k)} for n, k in samples],
            "shuffled": shuffled(40),
            "afterMany": after_many(2000),
        }


def shuffled(count):
    elements = list(range(count))
    random.shuffle(elements)
    return elements


def after_many(count):
    """The 32-bit output after `count` others: the state has been regenerated more than once."""
    for _ in range(count):
        random.getrandbits(32)
    return random.getrandbits(32)


def main():
    if not (3, 9) <= sys.version_info[:2] <= (3, 12):
        sys.exit("needs CPython 3.9 to 3.12")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "Goldens" / "fewshot"
    folder.mkdir(parents=True, exist_ok=True)
    split = synthetic_split()
    write(folder / "split.json", split)
    write(folder / "subsets.json", list(subsets(split)))
    write(folder / "random.json", list(streams()))


def write(path, value):
    path.write_text(json.dumps(value, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
