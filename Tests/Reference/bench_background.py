"""Measures what evaluating checkpoints costs a training: beside it, between its epochs, and not at all.

Each round trains the quickstart's model five times, in turn: without evaluations, with them on one rank more, and stopping
for them at every checkpoint; then, as a rank that evaluates could also train, without evaluations and stopping for them on all
ranks. Where the same ranks train, weights must be equal to the byte, which is checked.
Seconds are from when training begins to the end of its last epoch, and to the results, for which the last evaluation is
waited for; images per second count the training images of the whole.
Prints medians, and ratios within rounds, as Markdown. A measurement, not a test: run by hand, with one free core for each
rank, the evaluating one included; with fewer, ranks take time from each other, which is said. Uses Python's standard
library alone.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
GLOBAL_BATCH = 4
WAYS = {
    "no evaluations": (0, []),
    "beside training": (1, ["evaluate.ranks=1"]),
    "stopping to evaluate": (0, ["evaluate.every_epochs={every}"]),
    "no evaluations, all ranks train": (1, []),
    "stopping to evaluate, all ranks train": (1, ["evaluate.every_epochs={every}"]),
}


class Bench:
    """Trainings on one machine."""

    def __init__(self, program: Path, folder: Path, ranks: int, epochs: int, every: int, datasets: list):
        self.program, self.folder, self.ranks, self.epochs = program, folder, ranks, epochs
        self.every, self.datasets, self.number = every, datasets, 0

    def train(self, extra_ranks: int, settings: list) -> dict:
        """Seconds of a training, how many checkpoints were evaluated, and its weights."""
        self.number += 1
        run = self.folder / f"run-{self.number}"
        environment = dict(
            os.environ, OMP_NUM_THREADS="1", OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
            OMPI_MCA_mpi_yield_when_idle="1",
        )
        command = ["mpirun", "-np", str(self.ranks + extra_ranks), "--bind-to", "none", "--oversubscribe"]
        command += [str(self.program), "train", "-c", str(REPOSITORY / "configs/quickstart/base-to-new.yaml")]
        command += ["--run-dir", str(run)]
        fixed = [
            f"optim.epochs={self.epochs}", f"batch.global={GLOBAL_BATCH}", "evaluate.zero_shot=false",
            "evaluate.tuned=false", "limits.loader_threads=1", f"checkpoint.every_epochs={self.every}",
        ]
        if settings:
            fixed.append("evaluate.datasets=[" + ", ".join(str(file) for file in self.datasets) + "]")
        for setting in fixed + [setting.format(every=self.every) for setting in settings]:
            command += ["--set", setting]
        times = self.watch(command, environment)
        results = json.loads((run / "results.json").read_text())
        records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        return {
            "training": times["epochs"] - times["start"],
            "all": times["end"] - times["start"],
            "steps": sum("loss" in record for record in records),
            "evaluations": len(results.get("evaluations", [])),
            "paused": results["checkpoints"]["paused_seconds"],
            "weights": (run / "model/model.safetensors").read_bytes(),
        }

    def watch(self, command: list, environment: dict) -> dict:
        """Runs a training; when it began, when its last epoch was done, and when all was, as its lines came in."""
        marks = {"start": "info training blocks", "epochs": f"epoch {self.epochs}/{self.epochs}: ", "end": "info results are in"}
        times, log = {}, ""
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for line in process.stderr:
            log += line
            for name, words in marks.items():
                if words in line:
                    times[name] = time.monotonic()
        if process.wait() != 0 or len(times) != len(marks):
            raise SystemExit(log)
        return times


def main():
    """Measures in rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=REPOSITORY / ".build/release/skiptune")
    parser.add_argument("--ranks", type=int, default=1, help="ranks that train")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--every", type=int, default=5, help="epochs from one checkpoint to the next")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--datasets", type=Path, nargs="*", default=[REPOSITORY / "configs/quickstart/datasets/letters.yaml"],
        help="data sets beside the run's own that checkpoints are evaluated on",
    )
    arguments = parser.parse_args()
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(
            arguments.program.resolve(), Path(folder), arguments.ranks, arguments.epochs, arguments.every,
            [file.resolve() for file in arguments.datasets],
        )
        for _ in range(arguments.rounds):
            rounds.append({name: bench.train(*way) for name, way in WAYS.items()})
            weights = [found.pop("weights") for found in rounds[-1].values()]
            same = weights[:3], weights[3:]
            assert all(other == group[0] for group in same for other in group), "evaluations have changed the training"
    cores, busy = len(os.sched_getaffinity(0)), arguments.ranks + 1
    print(f"{arguments.ranks} ranks that train, {arguments.epochs} epochs, {arguments.rounds} rounds, medians; {cores} cores")
    if cores < busy:
        print(f"\n{busy} ranks on {cores} cores take time from each other: the row of evaluation beside training shows that too")
    print("\n| | last epoch done, s | all done, s | paused for checkpoints, s | images/s | of no evaluations | evaluated |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name in WAYS:
        found = [entry[name] for entry in rounds]
        training = statistics.median(entry["training"] for entry in found)
        seconds = statistics.median(entry["all"] for entry in found)
        rate = statistics.median(entry["steps"] * GLOBAL_BATCH / entry["all"] for entry in found)
        ratio = statistics.median(entry["no evaluations"]["all"] / entry[name]["all"] for entry in rounds)
        count = statistics.median(entry["evaluations"] for entry in found)
        paused = statistics.median(entry["paused"] for entry in found)
        print(
            f"| {name} | {training:.1f} | {seconds:.1f} | {paused:.1f} | {rate:.0f} | {ratio:.2f} "
            f"| {count:.0f} of {arguments.epochs // arguments.every} |"
        )


if __name__ == "__main__":
    main()
