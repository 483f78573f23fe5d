"""Writes Tests/Goldens/schedule/schedule.json: the learning rate of every epoch, for the published protocols and more.

Each case has the epochs E, warm-up epochs W, warm-up rate, base rate, and `rates`, one per epoch 0 ..< E. The rates
are checked here against the published sequence and against PyTorch's own cosine.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

import reference_clip as reference

# Protocol, tower, epochs, base rate, warm-up epochs, warm-up rate; ImageNet-sized sets take a quarter of the epochs.
PROTOCOLS = [
    ("base-to-new", "text", 20, 2e-5, 1, 1e-6),
    ("base-to-new", "image", 20, 5e-6, 1, 1e-6),
    ("cross-dataset", "text", 20, 1e-5, 1, 1e-8),
    ("cross-dataset", "image", 20, 1e-6, 1, 1e-8),
    ("few-shot", "both", 40, 1e-5, 0, 0.0),
]
PUBLISHED = {20: [1e-6, 2e-5, 1.98769e-5, 1.95106e-5, 1.89101e-5], 5: [1e-6, 2e-5, 1.80902e-5, 1.30902e-5, 6.90983e-6]}


def case(name: str, epochs: int, base: float, warmup_epochs: int, warmup_rate: float) -> dict[str, object]:
    """One table."""
    rates = [reference.epoch_rate(epoch, epochs, base, warmup_epochs, warmup_rate) for epoch in range(epochs)]
    assert np.allclose(rates[warmup_epochs:], torch_cosine(epochs, base)[: max(epochs - warmup_epochs, 0)], rtol=1e-9)
    settings = {"name": name, "epochs": epochs, "base_rate": base}
    return settings | {"warmup_epochs": warmup_epochs, "warmup_rate": warmup_rate, "rates": rates}


def torch_cosine(epochs: int, base: float) -> list[float]:
    """What torch.optim.lr_scheduler.CosineAnnealingLR gives for epochs 0 ..< E."""
    optimiser = torch.optim.SGD([torch.zeros(1)], lr=base)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=epochs)
    rates = []
    for _ in range(epochs):
        rates.append(scheduler.get_last_lr()[0])
        optimiser.step()
        scheduler.step()
    return rates


def published_cases() -> list[dict]:
    """The rows of the protocols, at full length and at a quarter of it."""
    cases = [case(f"{row[0]} {row[1]}", *row[2:]) for row in PROTOCOLS]
    cases += [case(f"{row[0]} {row[1]}, quarter", row[2] // 4, *row[3:]) for row in PROTOCOLS]
    for index in (0, len(PROTOCOLS)):
        expected = PUBLISHED[cases[index]["epochs"]]
        assert np.allclose(cases[index]["rates"][: len(expected)], expected, rtol=1e-5)
    return cases


def random_cases(count: int) -> list[dict]:
    """Random lengths and rates, warm-ups of 0 to E epochs."""
    generator = np.random.Generator(np.random.PCG64(51))
    cases = []
    for number in range(count):
        epochs = int(generator.integers(1, 31))
        warmup_epochs = int(generator.integers(0, min(epochs, 6) + 1))
        base, warmup_rate = (float(f"{10 ** generator.uniform(-6, -1):.3g}") for _ in range(2))
        cases.append(case(f"random {number}", epochs, base, warmup_epochs, warmup_rate))
    return cases


def scaled_cases() -> list[dict]:
    """Rates chosen for one batch and used for another: PyTorch's own schedule, from a base rate that is scaled here."""
    cases = []
    for scaling, power in (("none", 0.0), ("linear", 1.0), ("sqrt", 0.5)):
        for batch, base_batch in ((4, 4), (8, 4), (32, 4), (12, 8), (3, 4)):
            scaled = case("scaled", 7, 2e-5 * (batch / base_batch) ** power, 2, 1e-6)
            settings = {"scaling": scaling, "batch": batch, "base_batch": base_batch, "unscaled_rate": 2e-5}
            cases.append(scaled | settings)
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder to write, Tests/Goldens/schedule")
    output = parser.parse_args().output
    cases = {"published": published_cases(), "random": random_cases(20), "scaled": scaled_cases()}
    reference.save_json(output / "schedule.json", cases)


if __name__ == "__main__":
    main()
