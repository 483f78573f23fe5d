"""Measures how state is saved here, by torch.save and by PyTorch's distributed checkpoint: the same tensors, in one run.

The tensors are those of a real checkpoint of skiptune: trained parameters and momentum. Each way writes and syncs a file
in --folder, then reads it back (from the page cache); ways take turns, and the table shows medians. "zstd alone" is
zstd level 1 over the floats as they are, one thread, like every row that does not say otherwise.
"""

import argparse
import collections
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed.checkpoint as distributed_checkpoint
import zstandard
from safetensors.numpy import save_file

import read_checkpoint as reader


def timed(body) -> tuple[float, object]:
    """Seconds that `body` takes, and what it returns."""
    start = time.perf_counter()
    result = body()
    return time.perf_counter() - start, result


def sync(file: Path) -> None:
    """Waits until a file is on the disk."""
    descriptor = os.open(file, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def zstd_alone(folder: Path, tensors: dict[str, torch.Tensor]) -> tuple[int, float, float]:
    """Bytes, and seconds of writing and reading."""
    file = folder / "plain.zst"

    def write() -> None:
        compressor = zstandard.ZstdCompressor(level=1, write_checksum=True)
        with file.open("wb") as target, compressor.stream_writer(target) as stream:
            for tensor in tensors.values():
                stream.write(memoryview(tensor.numpy().reshape(-1)).cast("B"))
        sync(file)

    def read() -> None:
        with file.open("rb") as source:
            for _ in zstandard.ZstdDecompressor().read_to_iter(source, write_size=1 << 20):
                pass

    return measure(file, write, read)


def torch_save(folder: Path, tensors: dict[str, torch.Tensor]) -> tuple[int, float, float]:
    """Bytes, and seconds of writing and reading."""
    file = folder / "state.pt"

    def write() -> None:
        torch.save(tensors, file)
        sync(file)

    return measure(file, write, lambda: torch.load(file))


def distributed(folder: Path, tensors: dict[str, torch.Tensor], threads: int) -> tuple[int, float, float]:
    """Bytes, and seconds of writing and reading; one process, its files synced by the library."""
    target = folder / "distributed"

    def write() -> None:
        writer = distributed_checkpoint.FileSystemWriter(target, thread_count=threads, sync_files=True)
        distributed_checkpoint.save(dict(tensors), storage_writer=writer, no_dist=True)

    def read() -> None:
        into = {name: torch.empty_like(tensor) for name, tensor in tensors.items()}
        distributed_checkpoint.load(into, checkpoint_id=target, no_dist=True)

    return measure(target, write, read)


def measure(path: Path, write, read) -> tuple[int, float, float]:
    """Times writing and reading, and removes what was written."""
    writing, _ = timed(write)
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    reading, _ = timed(read)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    return size, writing, reading


def ours(scenarios: Path, folder: Path) -> list[dict]:
    """Times of our writer, once around."""
    run = subprocess.run([scenarios, "time-checkpoints", folder, "1"], check=True, capture_output=True, text=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def report(raw: int, sizes: dict[str, int], times: dict[str, list[tuple[float, float]]]) -> None:
    """Prints a table in Markdown."""
    print(f"state: {raw / 1e6:.1f} MB")
    print("| | MB | write and sync, s | read, s |\n| --- | --- | --- | --- |")
    for name, pairs in times.items():
        write, read = (statistics.median(column) for column in zip(*pairs))
        spread = f"{min(pair[0] for pair in pairs):.2f} to {max(pair[0] for pair in pairs):.2f}"
        print(f"| {name} | {sizes[name] / 1e6:.1f} | {write:.2f} ({spread}) | {read:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="folder step-N of a run")
    parser.add_argument("--base", type=Path, required=True, help="safetensors file with the values before training")
    parser.add_argument("--scenarios", type=Path, required=True, help="the built skiptune-scenarios")
    parser.add_argument("--folder", type=Path, help="on the disk to measure (default: a temporary folder)")
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    manifest = reader.read_manifest(arguments.checkpoint)
    base = reader.read_base(arguments.base, manifest)
    words = reader.read_vectors(arguments.checkpoint, manifest, base)
    tensors = {name: torch.from_numpy(part.copy()) for name, part in reader.split_tensors(manifest, words).items()}
    raw = sum(tensor.numel() * 4 for tensor in tensors.values())
    sizes: dict[str, int] = {}
    times: dict[str, list[tuple[float, float]]] = collections.defaultdict(list)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
        folder = Path(temporary)
        flat = {"base": base, **words}
        save_file({name: part.view(np.float32) for name, part in flat.items()}, folder / "values.safetensors")
        for _ in range(arguments.repetitions):
            for name, way in [
                ("torch.save", torch_save),
                ("distributed checkpoint, 1 thread", lambda *a: distributed(*a, 1)),
                ("distributed checkpoint, 2 threads", lambda *a: distributed(*a, 2)),
                ("zstd alone", zstd_alone),
            ]:
                sizes[name], write, read = way(folder, tensors)
                times[name].append((write, read))
            for line in ours(arguments.scenarios, folder):
                name = f"skiptune: {line['what']}"
                sizes[name] = line["bytes"]
                times[name].append((line["write_seconds"], line["hash_seconds"] + line["read_seconds"]))
    report(raw, sizes, times)


if __name__ == "__main__":
    main()
