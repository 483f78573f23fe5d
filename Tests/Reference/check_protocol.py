"""Recompute the CSV files of a protocol from the results of its runs, and compare every cell.

Knows the documented folders, fields and formulas only (docs/protocols.md); uses Python's standard library alone.
"""

import argparse
import csv
import json
import math
from pathlib import Path

TEST_SETS = {"base_acc": "base", "new_acc": "new", "acc": "all", "base_f1": "base", "new_f1": "new", "f1": "all"}
AVERAGES = {"average", "average_xd", "average_dg"}


def mean(values):
    """Mean, or None unless all values are there."""
    return None if not values or None in values else sum(values) / len(values)


def harmonic(base, new):
    """Harmonic mean of two percentages."""
    if base is None or new is None:
        return None
    return 0.0 if base + new == 0 else 2 * base * new / (base + new)


def deviation(values):
    """Sample standard deviation."""
    centre = mean(values)
    if centre is None or len(values) < 2:
        return None
    return math.sqrt(sum((value - centre) ** 2 for value in values) / (len(values) - 1))


def student_density(t, freedom):
    """Density of Student's distribution."""
    half = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)
    return math.exp(half) / math.sqrt(freedom * math.pi) * (1 + t * t / freedom) ** (-(freedom + 1) / 2)


def student_bound(freedom, coverage=0.95, pieces=4000):
    """The t of which -t to t covers so much, by Simpson's rule and bisection."""

    def covered(t):
        step = t / pieces
        inner = sum((4 if i % 2 else 2) * student_density(i * step, freedom) for i in range(1, pieces))
        return 2 * step / 3 * (student_density(0, freedom) + inner + student_density(t, freedom))

    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if covered(middle) < coverage else (low, middle)
    return high


class Results:
    """Scores of the runs below a protocol's folder."""

    def __init__(self, root, protocol):
        self.root, self.protocol = root, protocol
        self.with_targets = protocol in ("cross-dataset", "domain-generalisation")
        rows = list(csv.DictReader((root / f"{protocol}-statistics.csv").open(encoding="utf-8")))
        # Names and their order are the protocol's settings, and no numbers.
        self.names = list(dict.fromkeys(row["dataset"] for row in rows if row["dataset"] not in AVERAGES))
        header = next(csv.reader((root / f"{protocol}.csv").open(encoding="utf-8")))
        first = "base_acc_seed" if protocol == "base-to-new" else "acc_seed"
        self.seeds = [int(name[len(first) :]) for name in header if name.startswith(first)]

    def members(self, row):
        """Data sets that a row is the mean of."""
        if row not in AVERAGES:
            return [row]
        return self.names[1:] if self.with_targets else self.names

    def load(self, name, shots, seed):
        """The JSON of a run or test, or None."""
        if self.with_targets and name != self.names[0]:
            path = self.root / self.names[0] / f"shots_{shots}" / f"seed{seed}.targets" / f"{name}.json"
            return json.loads(path.read_text())["test"] if path.exists() else None
        path = self.root / name / f"shots_{shots}" / f"seed{seed}"
        if not (path / "COMPLETED").exists():
            return None
        return json.loads((path / "results.json").read_text()).get("tuned")

    def training(self, name, shots, seed):
        """What a run tells of its training, or None."""
        path = self.root / name / f"shots_{shots}" / f"seed{seed}"
        return json.loads((path / "results.json").read_text())["training"] if (path / "COMPLETED").exists() else None

    def score(self, name, measure, shots, seed):
        """Percent of one data set, by seed."""
        outcome = self.load(name, shots, seed)
        if outcome is None:
            return None
        score = outcome["scores"][TEST_SETS[measure]]
        return score["macro_f1"] if measure.endswith("f1") else 100 * score["correct"] / score["images"]

    def value(self, row, measure, shots, seed):
        """Percent of a row by seed."""
        return mean([self.score(name, measure, shots, seed) for name in self.members(row)])

    def seed_values(self, row, measure, shots):
        """The values that statistics are of; None where there are none or not all."""
        if measure == "mean_of_H":
            values = [
                mean([
                    harmonic(self.score(name, "base_acc", shots, seed), self.score(name, "new_acc", shots, seed))
                    for name in self.members(row)
                ])
                for seed in self.seeds
            ]
        else:
            values = [self.value(row, measure, shots, seed) for seed in self.seeds]
        return None if None in values else values


def text(value, decimals):
    """A cell."""
    return "" if value is None else f"{value:.{decimals}f}"


def check_table(results, problems):
    """The table in the published shape."""
    count = 0
    for row in csv.DictReader((results.root / f"{results.protocol}.csv").open(encoding="utf-8")):
        shots = int(row.get("shots") or results.shots)
        for column, cell in row.items():
            if column in ("dataset", "shots"):
                continue
            measure, _, seed = column.partition("_seed")
            seeds = [int(seed)] if seed else results.seeds

            def over_seeds(measure, row=row, shots=shots, seeds=seeds):
                return mean([results.value(row["dataset"], measure, shots, seed) for seed in seeds])

            if measure == "H":
                expected = harmonic(over_seeds("base_acc"), over_seeds("new_acc"))
            else:
                expected = over_seeds(measure)
            count += 1
            if text(expected, 2) != cell:
                problems.append(f"{row['dataset']} {column}: {cell}, recomputed {text(expected, 2)}")
    return count


def check_statistics(results, problems):
    """Means, deviations and intervals."""
    count = 0
    bound = student_bound(len(results.seeds) - 1) if len(results.seeds) > 1 else None
    for row in csv.DictReader((results.root / f"{results.protocol}-statistics.csv").open(encoding="utf-8")):
        name, measure, shots = row["dataset"], row["measure"], int(row["shots"])
        results.shots = shots
        if measure == "H_of_means":
            parts = [results.seed_values(name, part, shots) for part in ("base_acc", "new_acc")]
            expected = {"mean": harmonic(*[part and mean(part) for part in parts]), "std": None, "ci95": None}
        else:
            values = results.seed_values(name, measure, shots)
            spread = values and deviation(values)
            interval = bound * spread / math.sqrt(len(values)) if spread is not None else None
            expected = {"mean": values and mean(values), "std": spread, "ci95": interval}
        for column, value in expected.items():
            count += 1
            if text(value, 4) != row[column]:
                problems.append(f"{name} {measure} {column}: {row[column]}, recomputed {text(value, 4)}")
    return count


def cost_cells(trainings):
    """Means over the seeds as the columns of a row, in their order."""

    def over_seeds(value):
        return mean([training and value(training) for training in trainings])

    tests = [training and training.get("test_seconds", {}) for training in trainings]
    base = mean([test and test.get("base", test.get("all")) for test in tests])
    new = mean([test and test.get("new") for test in tests])
    seconds = over_seeds(lambda training: training["extraction_seconds"] + training["step_seconds"])
    memory = over_seeds(lambda training: training["peak_memory_bytes"] / 1e6)
    parameters = over_seeds(lambda training: training["trained_parameters"])
    return [text(value, 2) for value in (seconds, base, new, memory)] + [text(parameters, 0)]


def check_cost(results, problems):
    """What runs took."""
    count = 0
    for row in csv.DictReader((results.root / f"{results.protocol}-cost.csv").open(encoding="utf-8")):
        shots = int(row.get("shots") or results.shots)
        cells = cost_cells([results.training(row["dataset"], shots, seed) for seed in results.seeds])
        columns = ["training_time", "base_test_time", "new_test_time", "memory", "parameter"]
        for column, expected in zip(columns, cells, strict=True):
            count += 1
            if expected != row[column]:
                problems.append(f"{row['dataset']} {column}: {row[column]}, recomputed {expected}")
    return count


def main():
    """Compare; end with 1 where a cell differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="the protocol's --run-dir")
    parser.add_argument("protocol", help="base-to-new, cross-dataset, domain-generalisation or few-shot")
    arguments = parser.parse_args()
    results, problems = Results(arguments.folder, arguments.protocol), []
    cells = check_statistics(results, problems) + check_table(results, problems) + check_cost(results, problems)
    for problem in problems:
        print(problem)
    if problems or cells == 0:
        raise SystemExit(f"{len(problems)} of {cells} cells differ")
    print(f"{arguments.protocol}: all {cells} cells recomputed, to the last digit")


if __name__ == "__main__":
    main()
