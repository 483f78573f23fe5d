"""Writes Tests/Goldens/localsteps/averaging.json: local steps with an outer optimiser, by PyTorch's own SGD.

Three nodes minimise a quadratic of their own, sum of curvature * (p - target)^2 / 2, by `torch.optim.SGD` with momentum and
weight decay, for `local_steps` steps. Then an outer `torch.optim.SGD` with Nesterov momentum steps along the mean of
their changes, each node counted with its share, and all go on from there with their own momentum. `parameters` and
`outer_momentum` are what is left after all rounds; everything is in float64.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

import reference_clip as reference

COUNT = 120
NODES = 3
# Local steps, rounds, outer rate, outer momentum, inner momentum, weight decay, shares.
CASES = [
    (1, 6, 1.0, 0.0, 0.0, 0.0, [1 / 3, 1 / 3, 1 / 3]),
    (4, 5, 1.0, 0.0, 0.9, 5e-4, [0.5, 0.25, 0.25]),
    (3, 6, 0.7, 0.9, 0.9, 5e-4, [0.4, 0.4, 0.2]),
]
RATE = 0.05


def train(case: tuple, start: np.ndarray, curvature: np.ndarray, target: np.ndarray) -> dict[str, object]:
    """One case, from `start`."""
    steps, rounds, outer_rate, outer_momentum, momentum, decay, shares = case
    common = torch.nn.Parameter(torch.tensor(start))
    outer = torch.optim.SGD([common], lr=outer_rate, momentum=outer_momentum, nesterov=outer_momentum > 0)
    nodes = [torch.nn.Parameter(torch.tensor(start)) for _ in range(NODES)]
    optimisers = [torch.optim.SGD([node], lr=RATE, momentum=momentum, weight_decay=decay) for node in nodes]
    for _ in range(rounds):
        for node, optimiser, a, b in zip(nodes, optimisers, torch.tensor(curvature), torch.tensor(target)):
            for _ in range(steps):
                optimiser.zero_grad()
                (a * (node - b) ** 2 / 2).sum().backward()
                optimiser.step()
        common.grad = sum(share * (common.detach() - node.detach()) for share, node in zip(shares, nodes))
        outer.step()
        for node in nodes:
            node.data.copy_(common.data)
    buffer = outer.state[common].get("momentum_buffer") if outer_momentum > 0 else common.grad
    settings = {"local_steps": steps, "rounds": rounds, "outer_rate": outer_rate, "outer_momentum": outer_momentum}
    settings |= {"momentum": momentum, "weight_decay": decay, "rate": RATE, "shares": shares}
    return settings | {"parameters": common.detach().tolist(), "momentum_buffer": buffer.tolist()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder to write, Tests/Goldens/localsteps")
    output = parser.parse_args().output
    generator = np.random.Generator(np.random.PCG64(11))
    start = generator.uniform(-1, 1, COUNT).round(3)
    curvature = generator.uniform(0.2, 2, (NODES, COUNT)).round(3)
    target = generator.uniform(-1, 1, (NODES, COUNT)).round(3)
    cases = [train(case, start, curvature, target) for case in CASES]
    problem = {"start": start.tolist(), "curvature": curvature.tolist(), "target": target.tolist()}
    reference.save_json(output / "averaging.json", problem | {"cases": cases})


if __name__ == "__main__":
    main()
