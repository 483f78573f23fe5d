"""Compares the file that `output.prometheus` made of a finished run, as Prometheus' own Python library reads it, with the
run's results.json and metrics.jsonl, and its names with the conventions."""

import argparse
import json
import math
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

UNITS = ("_total", "_seconds", "_bytes", "_ratio", "_info", "_per_second")
BARE = {"skiptune_run_state", "skiptune_loss", "skiptune_planned_steps"}


def read(file: Path) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Values by name and sorted labels; each stands once, with help and type before it."""
    metrics: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(file.read_text()):
        assert family.documentation and family.type in ("counter", "gauge"), family
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample
            assert sample.name.startswith("skiptune_"), sample
            assert sample.name in BARE or sample.name.endswith(UNITS), f"{sample.name} has no unit"
            values = metrics.setdefault(sample.name, {})
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in values, f"{sample} stands twice"
            values[labels] = sample.value
    return metrics


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--run", type=Path, required=True)
    options = parser.parse_args()
    results = json.loads((options.run / "results.json").read_text())
    steps = [record for line in (options.run / "metrics.jsonl").open() if "loss" in (record := json.loads(line))]
    metrics = read(options.file)
    run, dataset = ("run", str(options.run.resolve())), ("dataset", results["dataset"])

    expected = {
        "skiptune_run_info": {(dataset, run): 1},
        "skiptune_run_state": {
            (run, ("state", state)): float(state == "finished") for state in ("running", "finished", "stopped", "failed")
        },
        "skiptune_steps_total": {(run,): len(steps)},
        "skiptune_planned_steps": {(run,): len(steps)},
        "skiptune_loss": {(run,): steps[-1]["loss"]},
        "skiptune_images_per_second": {(run,): 0},
        "skiptune_remaining_seconds": {(run,): 0},
        "skiptune_test_accuracy_ratio": {
            (("classes", classes), dataset, ("model", model), run): score["accuracy"] / 100
            for model, name in (("zero-shot", "zero_shot"), ("tuned", "tuned"))
            for classes, score in results[name]["scores"].items()
        },
    }
    for name, values in expected.items():
        assert metrics[name].keys() == values.keys(), (name, metrics[name], values)
        for labels, value in values.items():
            assert math.isclose(metrics[name][labels], value, rel_tol=1e-12), (name, labels, metrics[name], value)
    assert 0 <= metrics["skiptune_epochs_total"][(run,)] <= results["training"]["epochs"]
    assert metrics["skiptune_sent_bytes_total"][(run,)] > 0
    assert set(metrics) == set(expected) | {"skiptune_epochs_total", "skiptune_sent_bytes_total"}, set(metrics)
    print(f"{options.file.name}: {sum(map(len, metrics.values()))} samples of {len(metrics)} metrics agree with the run")


if __name__ == "__main__":
    main()
