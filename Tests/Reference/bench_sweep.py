"""Measures a sweep of twelve trials beside the same trials as separate commands, and successive halving beside the full grid.

Each round runs, in turn: twelve `skiptune train`, one by one, each of all ranks; the sweep of them with one group of all ranks,
with its shared features and without; the same with one rank for each trial. Separate commands of one rank, which those are
compared with, run once and are not timed. Counts of correct images must be equal between trials of equal ranks, which is checked. Then
the grid again with longer trials, in full and with successive halving: the share of epochs that were trained, and the metric of
either's best trial over all. Prints medians, and ratios within rounds, as Markdown. A measurement, not a test: run by hand on
a quiet machine. Uses Python's standard library alone; start it in the repository.

`--config FILE` and `--set` measure another model and data than the quick start's.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent


class Bench:
    """Runs sweeps and trainings on one machine."""

    def __init__(self, options, folder: Path):
        self.options, self.folder, self.number = options, folder, 0
        self.axes = {"method.start_layer": options.start_layers, "method.class_skip.ratio": options.ratios}

    def launch(self, ranks: int, arguments: list) -> float:
        """Seconds of a command on so many ranks, of one thread each."""
        environment = dict(
            os.environ, OMP_NUM_THREADS="1", OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1"
        )
        command = ["mpirun", "-np", str(ranks), "--bind-to", "none", "--oversubscribe", str(self.options.program), *arguments]
        start = time.monotonic()
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}\nended with status {done.returncode}: {done.stderr[-2000:]}")
        return time.monotonic() - start

    def common(self, epochs: int) -> list:
        settings = [f"optim.epochs={epochs}", "evaluate.zero_shot=false", "output.save_model=false", *self.options.set]
        return ["-c", *map(str, self.options.config), *(word for pair in settings for word in ("--set", pair))]

    def new_folder(self, name: str) -> Path:
        self.number += 1
        return self.folder / f"{name}-{self.number}"

    def separate(self, ranks: int) -> tuple:
        """Seconds of all trials one after the other, and correct images of each."""
        folder, seconds, counts = self.new_folder("separate"), 0.0, []
        for number, values in enumerate(itertools.product(*self.axes.values())):
            run = folder / str(number)
            own = [word for key, value in zip(self.axes, values) for word in ("--set", f"{key}={value}")]
            seconds += self.launch(ranks, ["train", *self.common(self.options.epochs), *own, "--run-dir", str(run)])
            scores = json.loads((run / "results.json").read_text())["tuned"]["scores"]
            counts.append({name: score["correct"] for name, score in scores.items()})
        return seconds, counts

    def sweep(self, ranks: int, ranks_per_trial: int, epochs: int, more: list, stopping: str = "") -> tuple:
        """Seconds of a sweep, and its outcomes in the order of its trials."""
        folder = self.new_folder("sweep")
        file = self.folder / f"sweep-{self.number}.yaml"
        grid = "".join(f"  {key}: {json.dumps(values)}\n" for key, values in self.axes.items())
        file.write_text(f"grid:\n{grid}ranks_per_trial: {ranks_per_trial}\n{stopping}")
        arguments = ["sweep", "run", str(file), *self.common(epochs), *more, "--run-dir", str(folder)]
        seconds = self.launch(ranks, arguments)
        outcomes = [json.loads(path.read_text()) for path in sorted((folder / "outcomes").iterdir())]
        assert len(outcomes) == len(self.options.start_layers) * len(self.options.ratios)
        return seconds, outcomes


def counts_of(outcomes: list) -> list:
    """Correct images of each trial's test sets."""
    names = [key for key in outcomes[0]["metrics"] if key.startswith("correct.")]
    return [{key.removeprefix("correct."): outcome["metrics"][key] for key in names} for outcome in outcomes]


def measure_sharing(bench: Bench) -> None:
    """Separate commands and sweeps, in rounds."""
    options, rows = bench.options, []
    no_cache = ["--set", "features.cache=null"]
    alone = bench.separate(1)[1]
    for _ in range(options.rounds):
        row = {}
        row["separate commands"], expected = bench.separate(options.ranks)
        for name, per_trial, more in [
            (f"sweep, one group of {options.ranks}, features not shared", options.ranks, no_cache),
            (f"sweep, one group of {options.ranks}", options.ranks, []),
            (f"sweep, {options.ranks} groups of one, features not shared", 1, no_cache),
            (f"sweep, {options.ranks} groups of one", 1, []),
        ]:
            row[name], outcomes = bench.sweep(options.ranks, per_trial, options.epochs, more)
            wanted = expected if per_trial == options.ranks else alone
            assert counts_of(outcomes) == wanted, f"{name}: {counts_of(outcomes)} is not {wanted}"
        rows.append(row)
    print(f"{len(expected)} trials of {options.epochs} epochs, {options.ranks} ranks, {options.rounds} rounds, medians\n")
    print("| | seconds | of the separate commands |\n| --- | ---: | ---: |")
    for name in rows[0]:
        ratio = statistics.median(row[name] / row["separate commands"] for row in rows)
        print(f"| {name} | {statistics.median(row[name] for row in rows):.1f} | {ratio:.2f} |")
    print("\ncorrect images of all trials are those of the separate commands of equal ranks")


def measure_halving(bench: Bench) -> None:
    """Successive halving and the full grid, in rounds."""
    options, rows = bench.options, []
    halving = f"stopping: {{rule: halving, reduction: {options.reduction}, first_epochs: {options.first_epochs}}}\n"
    # A trial that is stopped is judged by a test at each rung.
    for _ in range(options.rounds):
        full_seconds, full = bench.sweep(options.ranks, 1, options.long_epochs, [])
        seconds, halved = bench.sweep(options.ranks, 1, options.long_epochs, [], halving)
        value = {outcome["trial"]: metric(outcome) for outcome in full}
        finished = [outcome for outcome in halved if outcome["state"] == "finished"]
        winner = max(finished, key=metric)["trial"]
        epochs = [sum(outcome["epochs"] for outcome in outcomes) for outcomes in (full, halved)]
        rows.append((full_seconds, seconds, *epochs, max(value.values()), value[winner], len(finished)))
    columns = [statistics.median(column) for column in zip(*rows)]
    print(f"\n{len(value)} trials of {options.long_epochs} epochs, {options.ranks} groups of one rank, {options.rounds} rounds, medians\n")
    print("| | seconds | epochs trained | run to the end | its best trial, in full |\n| --- | ---: | ---: | ---: | ---: |")
    print(f"| full grid | {columns[0]:.1f} | {columns[2]:.0f} | {len(value)} | {columns[4]:.2f} |")
    print(f"| successive halving | {columns[1]:.1f} | {columns[3]:.0f} | {columns[6]:.0f} | {columns[5]:.2f} |")


def metric(outcome: dict) -> float:
    """What trials are compared by."""
    metrics = outcome["metrics"]
    return metrics.get("harmonic_mean", metrics.get("accuracy.all", -1.0))


def main() -> None:
    """Measures what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=REPOSITORY / ".build/release/skiptune")
    parser.add_argument("--config", type=Path, nargs="+", default=[Path("configs/quickstart/base-to-new.yaml")])
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--start-layers", type=int, nargs="+", default=[2, 3, 4, 5])
    parser.add_argument("--ratios", type=float, nargs="+", default=[0.4, 0.6, 1.0])
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--long-epochs", type=int, default=27)
    parser.add_argument("--reduction", type=int, default=3)
    parser.add_argument("--first-epochs", type=int, default=3)
    parser.add_argument("--only", choices=["sharing", "halving"])
    options = parser.parse_args()
    options.program = options.program.resolve()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        if options.only != "halving":
            measure_sharing(bench)
        if options.only != "sharing":
            measure_halving(bench)


if __name__ == "__main__":
    main()
