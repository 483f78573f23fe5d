"""Compares the memory that `skiptune train --dry-run` forecasts with what the same training takes: within 10%.

ViT-B/16 (make_vit_b16.py) on noise (make_noise_data.py), with settings that change what memory holds. Prints Markdown; ends
with 1 where a forecast is further off.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOLERANCE = 0.1
UNITS = {"kB": 1e3, "MB": 1e6, "GB": 1e9}
NOTHING_SAVED = {"checkpoint.every_epochs": 0}
BF16 = {"compute.precision": "bf16"}
LARGE = {"batch.global": 16}
TESTED = {"evaluate.tuned": "true"}
# Name, ranks, steps, settings.
CASES = [
    ("start layer 6, batch 4", 1, 8, NOTHING_SAVED),
    ("the same, bf16", 1, 8, NOTHING_SAVED | BF16),
    ("the same, two ranks", 2, 8, NOTHING_SAVED),
    ("start layer 2, batch 4", 1, 6, NOTHING_SAVED | {"method.start_layer": 2}),
    ("start layer 9, batch 16", 1, 5, NOTHING_SAVED | LARGE | {"method.start_layer": 9}),
    ("start layer 6, batch 16", 1, 5, NOTHING_SAVED | LARGE),
    ("the same, activations made twice", 1, 5, NOTHING_SAVED | LARGE | {"compute.recompute": "true"}),
    ("full fine-tuning, batch 4", 1, 4, NOTHING_SAVED | {"method.kind": "full"}),
    ("start layer 6, batch 4, with tests", 1, 6, NOTHING_SAVED | TESTED),
    ("the same, bf16", 1, 6, NOTHING_SAVED | TESTED | BF16),
    ("start layer 6, batch 4, checkpoints", 1, 8, {"checkpoint.every_steps": 4}),
    ("the same with tests, two ranks", 2, 8, {"checkpoint.every_steps": 4} | TESTED),
]


def run(options: argparse.Namespace, ranks: int, steps: int, settings: dict, folder: Path, *more: str) -> str:
    """What the program prints."""
    values = {
        "model.path": options.model, "data.root": options.data.parent, "data.name": options.data.name,
        "data.image_root": "images", "data.split_file": "split.json", "task": "all-classes", "batch.global": 4,
        "limits.max_steps": steps, "evaluate.zero_shot": "false", "evaluate.tuned": "false", "output.save_model": "false",
    } | settings
    words = ["mpirun", "-np", str(ranks), "--bind-to", "none", str(options.program), "train", "--run-dir", str(folder), *more]
    words += [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600)
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stderr}")
    return done.stdout + done.stderr


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder that make_noise_data.py made")
    parser.add_argument("--program", type=Path, default=HERE / "../../.build/release/skiptune")
    options = parser.parse_args()
    options.model, options.data, options.program = (
        path.resolve() for path in (options.model, options.data, options.program))
    print("| training | ranks | forecast, GB | measured, GB | error |", "| --- | --- | --- | --- | --- |", sep="\n")
    worst = 0.0
    for name, ranks, steps, settings in CASES:
        with tempfile.TemporaryDirectory() as place:
            said = run(options, ranks, steps, settings, Path(place) / "dry", "--dry-run")
            number, unit = re.search(r"at most ([0-9.]+) (kB|MB|GB)", said).groups()
            run(options, ranks, steps, settings, Path(place) / "run")
            results = json.loads((Path(place) / "run" / "results.json").read_text())
        forecast, measured = float(number) * UNITS[unit], results["training"]["peak_memory_bytes"]
        error = forecast / measured - 1
        worst = max(worst, abs(error))
        print(f"| {name} | {ranks} | {forecast / 1e9:.2f} | {measured / 1e9:.2f} | {100 * error:+.1f}% |", flush=True)
    if worst > TOLERANCE:
        sys.exit(f"a forecast is {100 * worst:.0f}% off")


if __name__ == "__main__":
    main()
