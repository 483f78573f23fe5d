"""Writes Tests/Goldens/metrics/metrics.json: accuracy, two macro-F1 and harmonic means; and scores.json: top-5 accuracy
and expected calibration error (15 bins of equal width) of logits.

    macro_f1        scikit-learn's f1_score(average="macro", labels=np.unique(truth)): the mean over classes that occur
                    in the truth, as CoOp-style evaluation reports it
    macro_f1_union  scikit-learn's default: the mean over classes that occur in the truth or among the predictions

All are fractions, not percent. `harmonic` holds base, new and H; H is 0 where one of the two is.
"""

import argparse
import statistics
from pathlib import Path

import numpy as np
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, f1_score, top_k_accuracy_score

import reference_clip as reference


def case(name: str, classes: int, truth: np.ndarray, predictions: np.ndarray) -> dict[str, object]:
    """One set of predictions and what is reported of it."""
    shared = {"average": "macro", "zero_division": 0}
    return {
        "name": name,
        "classes": classes,
        "labels": truth.tolist(),
        "predictions": predictions.tolist(),
        "accuracy": float(accuracy_score(truth, predictions)),
        "macro_f1": float(f1_score(truth, predictions, labels=np.unique(truth), **shared)),
        "macro_f1_union": float(f1_score(truth, predictions, **shared)),
    }


def noisy_case(name: str, classes: int, truth: np.ndarray, generator: np.random.Generator) -> dict[str, object]:
    """Predictions that are right about six times in ten and otherwise any class."""
    wrong = generator.integers(0, classes, len(truth))
    return case(name, classes, truth, np.where(generator.random(len(truth)) < 0.6, truth, wrong))


def random_cases() -> list[dict]:
    """All classes present, classes absent from the truth, very uneven classes."""
    generator = np.random.Generator(np.random.PCG64(71))
    cases = []
    for classes, count in ((2, 7), (5, 40), (10, 200), (37, 150), (100, 300)):
        uneven = np.minimum(generator.geometric(0.3, count) - 1, classes - 1)
        some = generator.permutation(classes)[: max(1, classes // 2)]
        cases.append(noisy_case("even", classes, np.resize(np.arange(classes), count), generator))
        cases.append(noisy_case("uneven", classes, uneven, generator))
        cases.append(noisy_case("absent classes", classes, generator.choice(some, count), generator))
    return cases


def edge_cases() -> list[dict]:
    """All right, all wrong, a single image, a class that is predicted and never true."""
    truth = np.array([0, 1, 2, 2, 1, 0])
    cases = [case("all right", 3, truth, truth), case("all wrong", 3, truth, (truth + 1) % 3)]
    cases.append(case("one image", 4, np.array([3]), np.array([3])))
    cases.append(case("one wrong image", 4, np.array([3]), np.array([0])))
    cases.append(case("predicted, never true", 5, truth, np.array([0, 4, 2, 2, 1, 4])))
    return cases


def harmonic_cases() -> list[dict]:
    """Averages of the paper and random pairs, zeros among them."""
    generator = np.random.Generator(np.random.PCG64(72))
    pairs = [(0.8504, 0.7753), (0.8426, 0.7610), (1.0, 1.0), (0.0, 0.5), (0.0, 0.0), (0.3, 0.3)]
    pairs += generator.random((10, 2)).tolist()
    cases = [{"base": base, "new": new, "H": float(statistics.harmonic_mean([base, new]))} for base, new in pairs]
    assert [round(100 * case["H"], 2) for case in cases[:2]] == [81.11, 79.97]
    return cases


def score_cases() -> list[dict]:
    """Logits from unsure to very sure, with few classes and with many."""
    generator = np.random.Generator(np.random.PCG64(73))
    cases = []
    for classes, count, spread in ((6, 60, 0.5), (10, 120, 3.0), (40, 60, 8.0), (7, 1, 1.0)):
        truth = np.resize(np.arange(classes), count)
        logits = (spread * generator.standard_normal((count, classes))).astype(np.float32).round(3)
        logits[np.arange(count), truth] += np.float32(spread)
        exponentials = np.exp(logits.astype(np.float64))
        confidence = (exponentials / exponentials.sum(1, keepdims=True)).max(1)
        right = logits.argmax(1) == truth
        accuracy, mean = calibration_curve(right, confidence, n_bins=15, strategy="uniform")
        counts = np.bincount(np.searchsorted(np.linspace(0, 1, 16)[1:-1], confidence))
        cases.append({
            "classes": classes,
            "labels": truth.tolist(),
            "logits": [[float(str(value)) for value in row] for row in logits],
            "accuracy": float(right.mean()),
            "top5": float(top_k_accuracy_score(truth, logits, k=5, labels=np.arange(classes))),
            "calibration_error": float(np.abs(accuracy - mean) @ counts[counts > 0] / count),
        })
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder to write, Tests/Goldens/metrics")
    output = parser.parse_args().output
    values = {"predictions": edge_cases() + random_cases(), "harmonic": harmonic_cases()}
    reference.save_json(output / "metrics.json", values)
    reference.save_json(output / "scores.json", {"cases": score_cases()})


if __name__ == "__main__":
    main()
