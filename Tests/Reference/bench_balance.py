"""Measures how well `skiptune evaluate` balances ranks of different speed: one of two is slowed to a quarter.

The slow rank is stopped and continued by signals, three quarters of the time stopped. Each round measures, on the same
images, each rank alone (which gives the ideal time of both together), the shared queue, and a static division in which
each rank is given one half at once. With --slow-disk a second data set lies on a disk of so many reads a second: a file system of its
own behind a loop device that a cgroup throttles, mounted anew for each job so that nothing of it is cached; needs root and
cgroup v1's blkio. Prints medians and their ratios to the ideal as Markdown. A measurement, not a test: run by hand on a
machine of at least two free cores. Uses Python's standard library alone.
"""

import argparse
import contextlib
import json
import os
import random
import re
import shutil
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


class SlowDisk:
    """A file system with the quickstart's digits whose device serves so many reads a second."""

    THROTTLE = Path("/sys/fs/cgroup/blkio/blkio.throttle.read_iops_device")

    def __init__(self, folder: Path, reads: int):
        self.image, self.place, self.device = folder / "disk.img", folder / "disk", None
        self.place.mkdir()
        copies = folder / "copies"
        shutil.copytree(DATA, copies / "mnist")
        # Pictures are smaller than a block: each costs a read of its own, and its inode's share of one.
        with open(self.image, "wb") as file:
            file.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-d", copies, self.image], check=True)
        shutil.rmtree(copies)
        found = subprocess.run(["losetup", "--find", "--show", self.image], check=True, capture_output=True, text=True)
        self.device = found.stdout.strip()
        subprocess.run(["mount", "-o", "ro,noatime", self.device, self.place], check=True)
        number = os.stat(self.device).st_rdev
        self.number = f"{os.major(number)}:{os.minor(number)}"
        self.THROTTLE.write_text(f"{self.number} {reads}\n")

    def forget(self):
        """Leaves nothing of it in memory."""
        subprocess.run(["umount", self.place], check=True)
        subprocess.run(["blockdev", "--flushbufs", self.device], check=True)
        subprocess.run(["mount", "-o", "ro,noatime", self.device, self.place], check=True)

    def remove(self):
        """Unmounts it and lifts the limit."""
        self.THROTTLE.write_text(f"{self.number} 0\n")
        subprocess.run(["umount", self.place], check=True)
        subprocess.run(["losetup", "--detach", self.device], check=True)


class Bench:
    """Jobs on one machine."""

    def __init__(self, program: Path, folder: Path, slow: float):
        self.program, self.folder, self.stopped, self.number = program, folder, 1 - slow, 0
        self.disk, self.disk_images = None, 0

    def seconds(self, ranks: int, images: int, settings: list, slowed=None) -> float:
        """Seconds that a job needs for its images, as rank 0 says."""
        self.number += 1
        output = self.folder / f"out-{self.number}"
        environment = dict(
            os.environ, OMP_NUM_THREADS="1", OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1"
        )
        fixed = [f"data.root={DATA.parent}", "task=all-classes", "limits.loader_threads=1"]
        datasets = [self.data_set("Digits", DATA, images)]
        if self.disk:
            self.disk.forget()
            from_disk = max(1, self.disk_images * images // self.all_images)
            datasets.append(self.data_set("DigitsOnDisk", self.disk.place / "mnist", from_disk))
            images += from_disk
        command = ["mpirun", "-np", str(ranks), "--bind-to", "none", "--oversubscribe", str(self.program), "evaluate"]
        command += ["-c", str(REPOSITORY / "configs/quickstart/all-classes.yaml"), "--output-dir", str(output)]
        for setting in fixed + settings:
            command += ["--set", setting]
        command += ["--datasets", *datasets]
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

    def data_set(self, name: str, folder: Path, images: int) -> str:
        """The configuration of a data set of some images."""
        file = self.folder / f"{name}-{images}.yaml"
        split = write_data(self.folder, images)
        file.write_text(f"data: {{name: {name}, folder: {folder}, split_file: {split}}}\n")
        return str(file)


def main():
    """Measures in rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=REPOSITORY / ".build/release/skiptune")
    parser.add_argument("--images", type=int, default=30_000, help="images of the test set")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slow", type=float, default=0.25, help="speed of the slow rank")
    parser.add_argument("--chunk-seconds", type=float, default=1.0, help="evaluate.chunk_seconds of the shared queue")
    parser.add_argument("--slow-disk", type=int, default=0, help="reads a second of a disk with a second data set")
    parser.add_argument("--disk-images", type=int, default=1500, help="images on that disk, each read once")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as undo:
        bench = Bench(arguments.program.resolve(), Path(folder), arguments.slow)
        count, part = arguments.images, max(1, int(arguments.images * arguments.slow))
        if arguments.slow_disk:
            bench.disk, bench.disk_images = SlowDisk(Path(folder), arguments.slow_disk), arguments.disk_images
            bench.all_images = count
            undo.callback(bench.disk.remove)
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
