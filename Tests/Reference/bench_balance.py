"""Measures how well `skiptune evaluate` balances ranks of different speed: one of two is slowed to a quarter.

The slow rank is stopped and continued by signals, three quarters of the time stopped. Each round measures, on the same
images, each rank alone (which gives the ideal time of both together), the shared queue, and a static division in which
each rank is given one half at once. Prints medians and their ratios to the ideal as Markdown. A measurement, not a test:
run by hand on a machine of at least two free cores. Uses Python's standard library alone.
"""

import argparse
import json
import os
import random
import re
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
DATA = REPOSITORY / "configs/quickstart/data/mnist"
PERIOD = 0.04


def write_data(folder: Path, images: int) -> Path:
    """A data set whose test list holds the quickstart's pictures of digits again and again."""
    paths = sorted(DATA.rglob("*.png"))
    random.Random(1).shuffle(paths)
    names = sorted({path.parent.name for path in paths})
    items = [
        [str(path.relative_to(DATA / "images")), names.index(path.parent.name), path.parent.name]
        for path in (paths * (images // len(paths) + 1))[:images]
    ]
    missing = {label for _, label, _ in items}.symmetric_difference(range(len(names)))
    assert not missing, "too few images for all classes"
    file = folder / f"split-{images}.json"
    file.write_text(json.dumps({"train": items[: len(paths)], "val": [], "test": items}))
    return file


class Slowdown(threading.Thread):
    """Stops a process for a share of the time."""

    def __init__(self, find, stopped: float):
        super().__init__(daemon=True)
        self.find, self.stopped, self.over = find, stopped, False

    def run(self):
        """Waits for the process, then lets it run now and then until it is gone."""
        process = None
        while process is None and not self.over:
            process = self.find()
            time.sleep(0.01)
        try:
            while not self.over:
                os.kill(process, signal.SIGSTOP)
                time.sleep(PERIOD * self.stopped)
                os.kill(process, signal.SIGCONT)
                time.sleep(PERIOD * (1 - self.stopped))
        except (ProcessLookupError, TypeError):
            pass


def rank_process(rank: int, word: str):
    """The process of a rank of the job whose command line holds a word."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if word not in (entry / "cmdline").read_text() or (entry / "comm").read_text() != "skiptune\n":
                continue
            if f"OMPI_COMM_WORLD_RANK={rank}\0" in (entry / "environ").read_text():
                return int(entry.name)
        except OSError:
            continue
    return None


class Bench:
    """Jobs on one machine."""

    def __init__(self, program: Path, folder: Path, slow: float):
        self.program, self.folder, self.stopped, self.number = program, folder, 1 - slow, 0

    def seconds(self, ranks: int, images: int, settings: list, slowed=None) -> float:
        """Seconds that a job needs for its images, as rank 0 says."""
        self.number += 1
        output = self.folder / f"out-{self.number}"
        environment = dict(
            os.environ, OMP_NUM_THREADS="1", OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1"
        )
        fixed = [
            f"data.root={DATA.parent}", "data.name=Digits", f"data.folder={DATA}",
            f"data.split_file={write_data(self.folder, images)}", "task=all-classes", "limits.loader_threads=1",
        ]
        command = ["mpirun", "-np", str(ranks), "--bind-to", "none", "--oversubscribe", str(self.program), "evaluate"]
        command += ["-c", str(REPOSITORY / "configs/quickstart/all-classes.yaml"), "--output-dir", str(output)]
        for setting in fixed + settings:
            command += ["--set", setting]
        slowdown = Slowdown(lambda: rank_process(slowed, str(output)), self.stopped)
        if slowed is not None:
            slowdown.start()
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=300)
        slowdown.over = True
        if done.returncode != 0:
            raise SystemExit(done.stderr)
        found = re.findall(r"images?/s|: ([\d,]+)/\1 in (?:(\d+) min )?([\d.]+) (ms|s)", done.stderr)
        count, minutes, value, unit = next(entry for entry in found if entry[0])
        assert int(count.replace(",", "")) == images, done.stderr
        return int(minutes or 0) * 60 + float(value) / (1000 if unit == "ms" else 1)


def main():
    """Measures in rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=REPOSITORY / ".build/release/skiptune")
    parser.add_argument("--images", type=int, default=30_000, help="images of the test set")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slow", type=float, default=0.25, help="speed of the slow rank")
    parser.add_argument("--chunk-seconds", type=float, default=1.0, help="evaluate.chunk_seconds of the shared queue")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments.program.resolve(), Path(folder), arguments.slow)
        count, part = arguments.images, max(1, int(arguments.images * arguments.slow))
        for _ in range(arguments.rounds):
            fast = bench.seconds(1, count, [])
            slow = bench.seconds(1, part, [], slowed=0) * count / part
            ideal = 1 / (1 / fast + 1 / slow)
            shared = bench.seconds(2, count, [f"evaluate.chunk_seconds={arguments.chunk_seconds}"], slowed=1)
            static = bench.seconds(2, count, [f"evaluate.chunk_images={(count + 1) // 2}"], slowed=1)
            rows.append((fast, slow, ideal, shared, static, shared / ideal, static / ideal))
    print(f"{count} images, {arguments.rounds} rounds, medians; the slow rank is stopped {1 - arguments.slow:.0%} of the time")
    print("\n| | seconds | of the ideal |\n| --- | ---: | ---: |")
    medians = [statistics.median(column) for column in zip(*rows)]
    for name, value, ratio in (
        ("the fast rank alone", medians[0], None), ("the slow rank alone", medians[1], None),
        ("ideal of both", medians[2], 1.0), ("shared queue", medians[3], medians[5]),
        ("static halves", medians[4], medians[6]),
    ):
        print(f"| {name} | {value:.1f} | {'' if ratio is None else f'{ratio:.2f}'} |")


if __name__ == "__main__":
    main()
