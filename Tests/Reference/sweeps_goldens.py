"""Writes Tests/Goldens/sweeps/expansion.json: sweep files and the trials that they stand for, for Tests/SweepsTests.

Usage: python Tests/Reference/sweeps_goldens.py [output folder]

Needs CPython 3.9 to 3.12 (`random.random` and `randrange` draw alike in them) and nothing else. Grids are expanded by
itertools.product, ranges by the formulas of docs/sweeps.md, random settings by `random.Random`.
"""

import itertools
import json
import math
import random
import sys
from pathlib import Path


def short(value, digits):
    """With so many significant digits, in the fewest characters that read back."""
    return repr(float(f"%.{digits}g" % value))


def steps(start, end, step):
    values = []
    while (end - (start + len(values) * step)) * math.copysign(1, step) > -1e-9 * abs(step):
        values.append(start + len(values) * step)
    if all(isinstance(number, int) for number in (start, end, step)):
        return [str(value) for value in values]
    return [short(value, 12) for value in values]


def linear(start, end, count):
    between = [short(start + i / (count - 1) * (end - start), 6) for i in range(1, count - 1)]
    return [repr(float(start)), *between, repr(float(end))]


def logarithmic(start, end, count):
    low, high = math.log(start), math.log(end)
    between = [short(math.exp(low + i / (count - 1) * (high - low)), 6) for i in range(1, count - 1)]
    return [repr(float(start)), *between, repr(float(end))]


def integers(values):
    rounded = [str(math.floor(float(value) + 0.5)) for value in values]
    return list(dict.fromkeys(rounded))


def product(**axes):
    names = [name.replace("__", ".") for name in axes]
    return [list(zip(names, values)) for values in itertools.product(*axes.values())]


def drawn(seed, samples):
    source = random.Random(seed)
    trials = []
    for _ in range(samples):
        low, high = math.log(1e-5), math.log(1e-2)
        trials.append([
            ("optim.text_lr", short(math.exp(low + (high - low) * source.random()), 6)),
            ("optim.momentum", short(0.5 + (0.99 - 0.5) * source.random(), 6)),
            ("method.start_layer", str(2 + source.randrange(9))),
            ("method.class_skip.redraw", ["per-run", "per-step"][source.randrange(2)]),
        ])
    return trials


def cases():
    ratios = steps(1.0, 0.1, -0.1)
    yield "grid", """
grid:
  method.start_layer: {from: 2, to: 10, step: 5}
  method.class_skip.ratio: {from: 1.0, to: 0.1, step: -0.1}
  augment.scale: [[0.7, 1], [0.08, 1]]
  data.shots: [null, 16]
  seed: 2
""", product(
        method__start_layer=steps(2, 10, 5), method__class_skip__ratio=ratios,
        augment__scale=["[0.7, 1]", "[0.08, 1]"], data__shots=["null", "16"], seed=["2"]), 0

    yield "ranges", """
grid:
  optim.text_lr: {from: 1.0e-5, to: 1.0e-2, count: 4, scale: log}
  optim.momentum: {from: 0.5, to: 0.9, count: 3}
  optim.epochs: {from: 1, to: 40, count: 5, scale: log}
""", product(
        optim__text_lr=logarithmic(1e-5, 1e-2, 4), optim__momentum=linear(0.5, 0.9, 3),
        optim__epochs=integers(logarithmic(1, 40, 5))), 0

    rates = [
        [("optim.text_lr", text), ("optim.image_lr", image), ("method.start_layer", layer), ("method.kind", kind)]
        for text, image, layer, kind in itertools.product(
            ["1.0e-3", "1.0e-4"], ["1.0e-3", "1.0e-4", "1.0e-5"], ["2", "4", "6"], ["skip-tuning", "full"])
    ]
    kept = [
        trial for trial in rates
        if float(dict(trial)["optim.image_lr"]) <= float(dict(trial)["optim.text_lr"])
        and dict(trial)["method.start_layer"] != "4" and dict(trial)["method.kind"] != "full"
    ]
    yield "constraints", """
grid:
  optim.text_lr: [1.0e-3, 1.0e-4]
  optim.image_lr: [1.0e-3, 1.0e-4, 1.0e-5]
  method.start_layer: [2, 4, 6]
  method.kind: [skip-tuning, full]
constraints:
  - optim.image_lr <= optim.text_lr
  - method.start_layer != 4
  - method.kind == skip-tuning
  - optim.warmup_epochs < optim.epochs
""", kept, len(rates) - len(kept)

    samples = drawn(7, 12)
    yield "random", """
grid:
  seed: [1, 2]
random:
  samples: 12
  seed: 7
  settings:
    optim.text_lr: {log_uniform: [1.0e-5, 1.0e-2]}
    optim.momentum: {uniform: [0.5, 0.99]}
    method.start_layer: {uniform: [2, 10]}
    method.class_skip.redraw: {choice: [per-run, per-step]}
""", [[("seed", seed), *sample] for seed in ("1", "2") for sample in samples], 0

    pairs = [("1.0e-3", "1.0e-4"), ("1.0e-4", "1.0e-5")]
    lists = [
        [("data", dataset), ("optim.text_lr", text), ("optim.image_lr", image), ("seed", seed)]
        for dataset, (text, image), seed in itertools.product(["DescribableTextures", "EuroSAT"], pairs, "12")
    ]
    layers = [
        [("method.start_layer", layer), ("seed", seed)] for layer, seed in itertools.product(["2", "3"], "12")]
    yield "parts", """
grid:
  seed: [1, 2]
parts:
  rates:
    data_sets: [DescribableTextures, EuroSAT]
    list:
      - {optim.text_lr: 1.0e-3, optim.image_lr: 1.0e-4}
      - {optim.text_lr: 1.0e-4, optim.image_lr: 1.0e-5}
  layers:
    grid:
      method.start_layer: {from: 2, to: 3, step: 1}
""", lists + layers, 0


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent / "Goldens" / "sweeps")
    folder.mkdir(parents=True, exist_ok=True)
    content = [
        {"name": name, "file": text.lstrip("\n"), "excluded": excluded,
         "trials": [" ".join(f"{key}={value}" for key, value in trial) for trial in trials]}
        for name, text, trials, excluded in cases()
    ]
    (folder / "expansion.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
