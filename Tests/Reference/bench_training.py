"""Skip Tuning here and in PyTorch (pytorch_training.py), in turn on one machine: a table of medians over rounds.

ViT-B/16 with random weights (make_vit_b16.py) and noise (make_noise_data.py, 100 classes): steps, features per image,
testing per image at batches of 100, start of the process to the end of the first step, memory of training without the
features themselves. Ours decodes and crops its JPEG files within these times; PyTorch's are decoded before.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
WARM_UP = 2
COLUMNS = {
    "step_seconds": ("step, s", 3),
    "extraction_seconds_per_image": ("features, s per image", 4),
    "test_seconds_per_image": ("test, s per image", 4),
    "first_step_seconds": ("start to end of first step, s", 1),
    "training_memory_bytes": ("memory, GB", 2),
}


class Ours:
    """skiptune on some ranks, threads and precision."""

    def __init__(self, options: argparse.Namespace, ranks: int, precision: str):
        self.options, self.ranks, self.precision = options, ranks, precision
        self.threads = max(1, len(os.sched_getaffinity(0)) // ranks)
        self.name = f"skiptune {precision}, {ranks} x {self.threads}"

    def settings(self, **more: object) -> list[str]:
        """Options that name the model, the data and what is measured."""
        values = {
            "model.path": self.options.model,
            "data.root": self.options.data.parent,
            "data.name": self.options.data.name,
            "data.image_root": "images",
            "data.split_file": "split.json",
            "task": "all-classes",
            "compute.precision": self.precision,
            **more,
        }
        return [word for name, value in values.items() for word in ("--set", f"{name}={value}")]

    def run(self, command: str, *arguments: str) -> str:
        """What the program says, as mpirun starts it."""
        words = ["mpirun", "-np", str(self.ranks), "--bind-to", "none", str(self.options.program), command, *arguments]
        environment = os.environ | {"OMP_NUM_THREADS": str(self.threads)}
        done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=600)
        if done.returncode:
            sys.exit(f"{' '.join(words)}\n{done.stderr}")
        return done.stdout + done.stderr

    def train(self, folder: Path, steps: int) -> dict:
        """Trains some steps on the first epoch's images; nothing is tested or saved."""
        more = {
            "method.start_layer": self.options.start_layer,
            "batch.global": self.options.batch,
            "limits.max_steps": steps,
            "evaluate.zero_shot": "false",
            "evaluate.tuned": "false",
            "output.save_model": "false",
            "checkpoint.every_epochs": 0,
        }
        self.run("train", "--run-dir", str(folder), *self.settings(**more))
        return json.loads((folder / "results.json").read_text())["training"]

    def measure(self) -> dict[str, float]:
        """One number of each kind."""
        with tempfile.TemporaryDirectory() as place:
            steps = self.options.steps + WARM_UP
            training = self.train(Path(place) / "run", steps)
            lines = [json.loads(line) for line in (Path(place) / "run" / "metrics.jsonl").read_text().splitlines()]
            start = time.perf_counter()
            self.train(Path(place) / "first", 1)
            first = time.perf_counter() - start
            results = Path(place) / "test.json"
            self.run("evaluate", "-o", str(results), *self.settings(**{"evaluate.batch_size": 100}))
            test = json.loads(results.read_text())["test_seconds"]["all"]
        images = steps * self.options.batch
        width = 4 * 197 * 768
        return {
            "step_seconds": statistics.median(line["seconds"] for line in lines[WARM_UP:]),
            "extraction_seconds_per_image": training["extraction_seconds"] / images,
            "test_seconds_per_image": test / len(self.options.tests),
            "first_step_seconds": first,
            "training_memory_bytes": training["peak_memory_bytes"] - images * width / self.ranks,
        }


class PyTorch:
    """pytorch_training.py in a mode and precision."""

    def __init__(self, options: argparse.Namespace, mode: str, precision: str):
        self.options, self.mode, self.precision = options, mode, precision
        self.name = f"PyTorch {mode}, {precision}"

    def measure(self) -> dict[str, float]:
        """One number of each kind."""
        steps = self.options.steps if self.mode == "tuned" else max(3, self.options.steps // 3)
        images = (self.options.steps + WARM_UP) * self.options.batch
        words = [sys.executable, "pytorch_training.py", "--model", str(self.options.model), "--data", str(self.options.data)]
        words += ["--mode", self.mode, "--precision", self.precision, "--start-layer", str(self.options.start_layer)]
        words += ["--batch", str(self.options.batch), "--steps", str(steps), "--images", str(images)]
        words += ["--test-images", str(min(100, len(self.options.tests)))]
        done = subprocess.run(words, capture_output=True, text=True, cwd=HERE, timeout=600)
        if done.returncode:
            sys.exit(f"{' '.join(words)}\n{done.stderr}")
        return json.loads(done.stdout.splitlines()[-1])


def table(measured: dict[str, list[dict]]) -> str:
    """Medians and, where there are several, ranges, as Markdown."""
    lines = ["| | " + " | ".join(title for title, _ in COLUMNS.values()) + " |", "| --- " * (len(COLUMNS) + 1) + "|"]
    for name, rounds in measured.items():
        cells = []
        for key, (_, digits) in COLUMNS.items():
            values = [one[key] / (1e9 if key.endswith("bytes") else 1) for one in rounds]
            span = f" ({min(values):.{digits}f} to {max(values):.{digits}f})" if len(values) > 1 else ""
            cells.append(f"{statistics.median(values):.{digits}f}{span}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def ratios(measured: dict[str, list[dict]], ours: list[Ours]) -> str:
    """How many times as fast, or as small, ours is: medians of the ratios within a round."""
    references = [name for name in measured if name.startswith("PyTorch")]
    lines = ["| ours / PyTorch | " + " | ".join(title.split(",")[0] for title, _ in COLUMNS.values()) + " |"]
    lines.append("| --- " * (len(COLUMNS) + 1) + "|")
    for one in ours:
        for name in references:
            cells = []
            for key in COLUMNS:
                pairs = zip(measured[name], measured[one.name])
                cells.append(f"{statistics.median(theirs[key] / mine[key] for theirs, mine in pairs):.2f}")
            lines.append(f"| {one.name} / {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="ViT-B/16 that make_vit_b16.py made")
    parser.add_argument("--data", type=Path, required=True, help="folder that make_noise_data.py made")
    parser.add_argument("--program", type=Path, default=HERE / "../../.build/release/skiptune")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--precisions", nargs="+", choices=["fp32", "bf16"], default=["fp32", "bf16"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--start-layer", type=int, default=6)
    parser.add_argument("--json", type=Path, help="write all measurements here too")
    options = parser.parse_args()
    options.model, options.data, options.program = (
        path.resolve() for path in (options.model, options.data, options.program))
    options.tests = json.loads((options.data / "split.json").read_text())["test"]

    ours = [Ours(options, ranks, precision) for precision in options.precisions for ranks in options.ranks]
    theirs = [PyTorch(options, mode, precision) for precision in options.precisions for mode in ("plain", "tuned")]
    measured: dict[str, list[dict]] = {one.name: [] for one in ours + theirs}
    for number in range(options.rounds):
        for one in ours + theirs:
            print(f"round {number + 1} of {options.rounds}: {one.name}", file=sys.stderr)
            measured[one.name].append(one.measure())
    print(table(measured), ratios(measured, ours), sep="\n\n")
    if options.json:
        options.json.write_text(json.dumps(measured, indent=2) + "\n")


if __name__ == "__main__":
    main()
