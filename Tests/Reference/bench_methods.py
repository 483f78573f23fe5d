"""Measures the compared methods of docs/methods.md beside each other, and prints a Markdown table.

`full-size` trains a few steps of each on a ViT-B/16, of make_vit_b16.py, and noise, of make_noise_data.py, without tests.
`quick-start` trains each to its end on the digits of the quick start, and tests it; methods that train everything do so at
a tenth of the configuration's rates, too. Methods take turns, `--rounds` times; numbers are medians over the rounds, and
all of a method's must be equal where they are counts. Uses Python's standard library alone; start it in the repository.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path

ORDER = [
    "skip-tuning",
    "lskip-only",
    "cskip-only",
    "full",
    "prompt-tuning",
    "adapter",
    "linear-probe",
    "zero-shot",
    "zero-shot-ensemble",
]
WHOLE = ("cskip-only", "full")
# Rates of the three small ones for the quick start's model; the files' are for ViT-B/16.
SMALL = {
    "prompt-tuning": ["optim.text_lr=0.05", "optim.epochs=50"],
    "adapter": ["optim.image_lr=0.2", "optim.epochs=50"],
}
TASKS = {"all-classes": ["all"], "base-to-new": ["base", "new"]}


class Case:
    """A method with settings of its own; `name` may hold one of them."""

    def __init__(self, name, method, settings):
        self.name, self.method, self.settings = name, method, settings


def launch(options, arguments, folder):
    """Runs `skiptune train` and returns what it left in results.json."""
    command = [options.program, "train", *arguments, "--run-dir", str(folder)]
    if options.ranks > 1:
        command = ["mpirun", "-np", str(options.ranks), "--bind-to", "none", "--oversubscribe", *command]
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads))
    outcome = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=options.timeout)
    if outcome.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\nended with status {outcome.returncode}: {outcome.stderr[-2000:]}")
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    shutil.rmtree(folder)
    return results


def settings(pairs):
    """As options."""
    return [word for pair in pairs for word in ("--set", pair)]


def full_size(options):
    """Cases, and what all share: a batch of 4 images of 100 classes, whatever the method's own."""
    common = settings([
        f"model.path={options.model}",
        f"data.root={options.data.parent}",
        f"data.name={options.data.name}",
        f"data.folder={options.data.name}",
        "data.image_root=images",
        "data.split_file=split.json",
        "task=all-classes",
        f"batch.global={options.batch}",
        "batch.order=random",
        f"limits.max_steps={options.steps}",
        "evaluate.zero_shot=false",
        "evaluate.tuned=false",
        "output.save_model=false",
        "checkpoint.every_epochs=0",
        f"compute.precision={options.precision}",
    ])
    cases = [Case(name, name, []) for name in ORDER if not name.startswith("zero-shot")]
    return cases, lambda case: [("all-classes", ["-c", f"configs/methods/{case.method}.yaml", *common])]


def quick_start(options):
    """Cases, and their two tasks; a probe has one."""

    def cases():
        for name in ORDER:
            layer = ["method.start_layer=3"] if name in ("skip-tuning", "lskip-only") else []
            yield Case(name, name, layer + SMALL.get(name, []))
            if name in WHOLE:
                yield Case(f"{name}, a tenth of the rates", name, None)

    def tasks(case):
        for task in TASKS:
            if case.method == "linear-probe" and task == "base-to-new":
                continue
            # A tenth of those of configs/quickstart.
            rate = "2e-4" if task == "all-classes" else "1e-4"
            own = [f"optim.text_lr={rate}", f"optim.image_lr={rate}"] if case.settings is None else case.settings
            files = ["-c", f"configs/quickstart/{task}.yaml", f"configs/methods/{case.method}.yaml"]
            yield task, [*files, *settings([*own, "output.save_model=false"])]

    return list(cases()), tasks


def measure(options, cases, tasks):
    """Results by case and task, a list of one per round."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            for case in cases:
                for task, arguments in tasks(case):
                    results = launch(options, arguments, Path(folder) / "run")
                    found.setdefault(case.name, {}).setdefault(task, []).append(results)
    return found


def count(values):
    """Of a count, which all rounds have the same."""
    assert len(set(values)) == 1, f"not the same in all rounds: {values}"
    return values[0]


def amount(number):
    """Bytes in words."""
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= limit:
            return f"{number / limit:.1f} {unit}"
    return f"{number} B"


def duration(seconds):
    """Seconds in words."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.2f} ms"


def cost_cells(rounds):
    """Trained parameters, bytes reduced per step, seconds of a step and of its features, peak memory."""
    trainings = [results["training"] for results in rounds]
    parameters = count([training["trained_parameters"] for training in trainings])
    traffic = count([sum(training["reduced_bytes_per_step"].values()) for training in trainings])
    memory = statistics.median(training["peak_memory_bytes"] for training in trainings)
    if count([training["steps"] for training in trainings]) == 0:
        return [f"{parameters:,}", amount(traffic), "", "", amount(memory)]
    step = statistics.median(training["median_step_seconds"] for training in trainings)
    features = statistics.median(training["extraction_seconds"] / training["steps"] for training in trainings)
    return [f"{parameters:,}", amount(traffic), duration(step), duration(features), amount(memory)]


def accuracy_cells(tasks):
    """Percent after training, or of the untuned model where nothing is trained; the same in all rounds."""
    cells = []
    for task, names in TASKS.items():
        outcomes = [results.get("tuned") or results["zero_shot"] for results in tasks.get(task, [])]
        if not outcomes:
            cells += [""] * (len(names) + (len(names) > 1))
            continue
        cells += [f"{count([outcome['scores'][name]['accuracy'] for outcome in outcomes]):.2f}" for name in names]
        if len(names) > 1:
            cells.append(f"{count([outcome['harmonic_mean'] for outcome in outcomes]):.2f}")
    return cells


def total_cell(tasks):
    """Seconds of training and of the test after it."""
    trainings = [results["training"] for results in tasks["all-classes"]]
    train = statistics.median(training["extraction_seconds"] + training["step_seconds"] for training in trainings)
    test = statistics.median(sum(training["test_seconds"].values()) for training in trainings)
    return f"{duration(train)} + {duration(test)}"


def report(found, has_tests):
    """The table."""
    columns = ["method", "trained parameters", "reduced per step", "step", "features per step", "peak memory of a rank"]
    columns += ["training + test", "all classes", "base", "new", "H"] if has_tests else []
    yield columns
    yield ["---"] + ["---:"] * (len(columns) - 1)
    for name, tasks in found.items():
        row = [name, *cost_cells(tasks["all-classes"])]
        yield row + ([total_cell(tasks), *accuracy_cells(tasks)] if has_tests else [])


def parse():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    full = kinds.add_parser("full-size", help="time and memory of steps on a ViT-B/16")
    full.add_argument("--model", type=Path, required=True, help="folder of make_vit_b16.py")
    full.add_argument("--data", type=Path, required=True, help="folder of make_noise_data.py")
    full.add_argument("--steps", type=int, default=16, help="steps of each run")
    full.add_argument("--batch", type=int, default=4, help="images of a step of all ranks together")
    full.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="of products")
    quick = kinds.add_parser("quick-start", help="whole trainings of the quick start, with tests")
    for kind, rounds in ((full, 3), (quick, 1)):
        kind.add_argument("--rounds", type=int, default=rounds, help=f"turns of each method ({rounds})")
        kind.add_argument("--ranks", type=int, default=2)
        kind.add_argument("--threads", type=int, default=1, help="of each rank")
        kind.add_argument("--methods", nargs="+", choices=ORDER, default=ORDER, metavar="METHOD")
        kind.add_argument("--program", default=".build/release/skiptune")
        kind.add_argument("--timeout", type=float, default=3600, help="seconds that a run may take")
    return parser.parse_args()


def main():
    """Measure and print."""
    options = parse()
    cases, tasks = full_size(options) if options.kind == "full-size" else quick_start(options)
    found = measure(options, [case for case in cases if case.method in options.methods], tasks)
    for row in report(found, options.kind == "quick-start"):
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
