"""Recompute the results of `skiptune evaluate --output-dir` from its dumped predictions, by scikit-learn.

Counts must be equal; accuracy, top-5 accuracy, macro-F1, each class's accuracy and F1, expected calibration error and
harmonic means must agree up to rounding. Knows the documented fields and formulas only (docs/evaluation.md).
"""

import argparse
import collections
import csv
import json
import math
import sys
import warnings
from pathlib import Path

import numpy as np
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score, top_k_accuracy_score

BINS = 15
# Sums of some thousand doubles, in percent.
TOLERANCE = 1e-9


def calibration_error(correct: np.ndarray, confidence: np.ndarray) -> float:
    """Mean gap between accuracy and confidence over 15 bins of equal width, weighted by their images."""
    accuracy, mean = calibration_curve(correct, confidence, n_bins=BINS, strategy="uniform")
    places = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], confidence)
    counts = np.bincount(places, minlength=BINS)
    counts = counts[counts > 0]
    return float(np.abs(accuracy - mean) @ counts / counts.sum())


def top_five(truth: np.ndarray, ranked: list, classes: int) -> float:
    """Share of the images whose class is among the five ranked ones."""
    if classes <= 5:
        return float(np.mean([label in row for label, row in zip(truth, ranked)]))
    scores = np.zeros((len(truth), classes))
    for row, labels in zip(scores, ranked):
        row[labels] = np.arange(len(labels), 0, -1)
    return float(top_k_accuracy_score(truth, scores, k=5, labels=np.arange(classes)))


def recompute(rows: list, classes: int) -> dict:
    """Every metric of a test, in percent, from its readable images."""
    truth = np.array([row["label"] for row in rows])
    predictions = np.array([row["prediction"] for row in rows])
    confidence = np.array([row["confidence"] for row in rows])
    present = np.unique(truth)
    shared = {"labels": np.arange(classes), "average": None, "zero_division": 0}
    return {
        "images": len(rows),
        "correct": int((truth == predictions).sum()),
        "top1": 100 * accuracy_score(truth, predictions),
        "top5": 100 * top_five(truth, [row["top5"] for row in rows], classes),
        "macro_f1": 100 * f1_score(truth, predictions, labels=present, average="macro", zero_division=0),
        "calibration_error": 100 * calibration_error(truth == predictions, confidence),
        "class_accuracy": 100 * recall_score(truth, predictions, **shared),
        "class_f1": 100 * f1_score(truth, predictions, **shared),
        "matrix": confusion_matrix(truth, predictions, labels=np.arange(classes)),
    }


class Comparison:
    """Counts comparisons, and remembers those that fail."""

    def __init__(self):
        self.count, self.problems = 0, []

    def equal(self, place, found, expected):
        """Numbers that must be the same up to rounding."""
        self.count += 1
        same = found == expected or (
            found is not None and expected is not None and math.isclose(found, expected, rel_tol=0, abs_tol=TOLERANCE)
        )
        if not same:
            self.problems.append(f"{place}: {found}, recomputed {expected}")


def read_table(file: Path) -> dict:
    """Rows of a CSV file by (checkpoint, data set, set)."""
    tables = collections.defaultdict(list)
    with file.open(newline="") as stream:
        for row in csv.DictReader(stream):
            tables[row["checkpoint"], row["data_set"], row["set"]].append(row)
    return tables


def compare_test(test: dict, rows: list, folder_tables: tuple, comparison: Comparison):
    """A test of results.json, and its rows of the CSV files, against its predictions."""
    place = (test["checkpoint"], test["dataset"], test["set"])
    classes = test["per_class"]
    readable = [row for row in rows if row["prediction"] is not None]
    comparison.equal(f"{place} done", test["done"], len(rows))
    comparison.equal(f"{place} skipped", len(test["skipped"]), len(rows) - len(readable))
    if not readable:
        return
    expected = recompute(readable, len(classes))
    for name in ("images", "correct", "top1", "top5", "macro_f1", "calibration_error"):
        comparison.equal(f"{place} {name}", test.get(name), expected[name])
    per_class, confusions, overview = (table[place] for table in folder_tables)
    for name in ("top1", "top5", "macro_f1", "calibration_error"):
        comparison.equal(f"{place} {name} in results.csv", float(overview[0][name]), expected[name])
    for label, (entry, row) in enumerate(zip(classes, per_class, strict=True)):
        count = int(expected["matrix"][label].sum())
        accuracy = expected["class_accuracy"][label] if count else None
        f1 = expected["class_f1"][label] if count else None
        for source in (entry, {key: float(value) if value else None for key, value in row.items() if key in entry}):
            comparison.equal(f"{place} {entry['name']} images", source["images"], count)
            comparison.equal(f"{place} {entry['name']} accuracy", source.get("accuracy"), accuracy)
            comparison.equal(f"{place} {entry['name']} F1", source.get("f1"), f1)
    labels = {entry["name"]: label for label, entry in enumerate(classes)}
    found = np.zeros_like(expected["matrix"])
    for row in confusions:
        found[labels[row["truth"]], labels[row["prediction"]]] += int(row["images"])
    comparison.equal(f"{place} cells of confusion.csv that differ", int((found != expected["matrix"]).sum()), 0)


def main():
    """Compares a folder with a file of predictions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder of --output-dir")
    parser.add_argument("predictions", type=Path, help="the file of --predictions")
    arguments = parser.parse_args()
    warnings.simplefilter("error")
    results = json.loads((arguments.folder / "results.json").read_text())
    rows = collections.defaultdict(list)
    for line in arguments.predictions.read_text().splitlines():
        row = json.loads(line)
        rows[row["checkpoint"], row["data_set"], row["set"]].append(row)
    tables = tuple(read_table(arguments.folder / name) for name in ("classes.csv", "confusion.csv", "results.csv"))
    comparison = Comparison()
    top1 = {}
    for test in results["tests"]:
        place = (test["checkpoint"], test["dataset"], test["set"])
        compare_test(test, rows[place], tables, comparison)
        top1[place] = test.get("top1")
    for mean in results["harmonic_means"]:
        base, new = (top1[mean["checkpoint"], mean["dataset"], name] for name in ("base", "new"))
        comparison.equal(f"{mean['dataset']} H", mean["accuracy"], 2 * base * new / (base + new) if base + new else 0.0)
    if comparison.problems or not results["tests"]:
        sys.exit("\n".join(comparison.problems) or "there are no tests")
    print(f"{len(results['tests'])} tests, {sum(map(len, rows.values()))} images: {comparison.count} numbers agree")


if __name__ == "__main__":
    main()
