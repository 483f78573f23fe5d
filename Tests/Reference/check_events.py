"""Checks the event files of run directories by what TensorBoard itself reads of them.

Every curve is compared with metrics.jsonl, value by value and step by step; no step stands twice in the files, whatever was
resumed; the configuration is there as a text. Ends with an exception where something differs.
"""

import argparse
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

STEP_CURVES = {
    "loss": "loss",
    "learning_rate/text": "text_lr",
    "learning_rate/image": "image_lr",
    "seconds/step": "seconds",
    "traffic/sent_bytes": "sent_bytes",
}
TEST_CURVES = {"accuracy": "accuracy", "macro_f1": "macro_f1", "seconds/test": "seconds"}
FEATURES = "seconds/features_of_epoch"


def number(value: object) -> float:
    """As files hold it: a float32; metrics.jsonl writes what is not finite as a text."""
    return float(np.float32(value))


def expected_curves(records: list[dict], global_batch: int) -> dict[str, list[tuple[int, float]]]:
    """Step and value of every curve, from metrics.jsonl."""
    curves: dict[str, list[tuple[int, float]]] = {}
    done = 0
    for record in records:
        if record.get("test") == "checkpoint":
            continue  # Its curves are a run of their own, in evaluations/.
        if "step" in record:
            step, values = record["step"], {tag: record[field] for tag, field in STEP_CURVES.items()}
            done = step + 1
            values["speed/images_per_second"] = global_batch / record["seconds"]
            values |= {f"exchange_seconds/{name}": time for name, time in record["exchange_seconds"].items()}
        else:
            step = done
            values = {f"{tag}/{record['classes']}": record[field] for tag, field in TEST_CURVES.items()}
        for tag, value in values.items():
            curves.setdefault(tag, []).append((step, number(value)))
    return curves


def same(left: float, right: float) -> bool:
    return left == right or (math.isnan(left) and math.isnan(right))


def check_no_step_twice(run: Path) -> None:
    """What the files hold, without TensorBoard's own rules for runs that started again."""
    seen: Counter[tuple[str, int]] = Counter()
    for file in sorted(run.glob("events.out.tfevents.*")):
        for event in LegacyEventFileLoader(str(file)).Load():
            seen.update((value.tag, event.step) for value in event.summary.value)
    twice = [entry for entry, count in seen.items() if count > 1 and entry[0] != "config"]
    assert not twice, f"{run}: {twice[:3]} stand more than once in the event files"


def check(run: Path, global_batch: int) -> int:
    """Compares one run; returns how many values agree."""
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    accumulator = EventAccumulator(str(run), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    tags = accumulator.Tags()
    curves = expected_curves(records, global_batch)
    assert set(tags["scalars"]) - {FEATURES} == set(curves), set(tags["scalars"]) ^ set(curves)
    for tag, points in curves.items():
        found = [(event.step, event.value) for event in accumulator.Scalars(tag)]
        assert [step for step, _ in found] == [step for step, _ in points], f"{run}: steps of {tag} differ: {found[:9]}"
        for (step, value), (_, expected) in zip(found, points):
            assert same(value, expected), f"{run}: {tag} at step {step} is {value}, not {expected}"
    epochs = {record["epoch"] for record in records if "step" in record}
    if epochs:
        assert len(accumulator.Scalars(FEATURES)) >= len(epochs), "an epoch has no time of its features"
    text = accumulator.Tensors("config")[-1].tensor_proto.string_val[0].decode()
    lines = (run / "config.resolved.yaml").read_text().splitlines()
    assert text.splitlines() == [f"    {line}" for line in lines if line], "the configuration differs"
    assert accumulator.SummaryMetadata("config").plugin_data.plugin_name == "text"
    check_no_step_twice(run)
    return sum(map(len, curves.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--global-batch", type=int, required=True)
    options = parser.parse_args()
    for run in options.runs:
        files = len(list(run.glob("events.out.tfevents.*")))
        print(f"{run.name}: {check(run, options.global_batch)} values in {files} event files equal metrics.jsonl")


if __name__ == "__main__":
    main()
