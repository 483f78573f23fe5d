"""How much of the exchange of gradients is hidden behind computing, from two traces of `skiptune train --trace`.

Both runs are the same but for `exchange.overlap=false` in the second. Per step, of the rank and step that are named worst:

- waiting: time in which the rank has nothing to do but to wait for the exchange; without overlap all of it shows.
- computing: the rest of the step.
- not hideable: computing between the moment when the last parameters have arrived and the first bucket of gradients is
  final. Nothing can be on its way then, however clever the program is.
- could be hidden: the least of the exchange (waiting without overlap) and the computing that is left.
- hidden: waiting without overlap, less waiting with it.

Medians over steps and ranks, the first two steps left out.
"""

import argparse
import collections
import json
import statistics
from pathlib import Path


def spans(file: Path) -> dict[int, list[dict]]:
    """Complete events of each rank, by begin."""
    ranks = collections.defaultdict(list)
    for event in json.loads(file.read_text())["traceEvents"]:
        if event["ph"] == "X":
            ranks[event["pid"]].append(event)
    return {rank: sorted(events, key=lambda event: event["ts"]) for rank, events in ranks.items()}


def waiting(events: list[dict], start: float, end: float) -> float:
    """Microseconds of waiting between two moments."""
    parts = [event for event in events if event["name"] == "waiting"]
    return sum(max(0.0, min(end, part["ts"] + part["dur"]) - max(start, part["ts"])) for part in parts)


def steps(events: list[dict]) -> list[tuple[float, float]]:
    """Begin and end of each step but the first two."""
    found = [event for event in events if event["name"].startswith("step ")]
    return [(event["ts"], event["ts"] + event["dur"]) for event in found][2:]


def idle_wire(events: list[dict], start: float, end: float) -> float:
    """Microseconds of computing in a step during which nothing can be under way."""
    ready = min(event["ts"] for event in events if event["name"].startswith("sum of bucket") and start <= event["ts"] < end)
    arrivals = [event["ts"] + event["dur"] for event in events if event["name"].startswith("parameters of bucket")]
    last = max((arrival for arrival in arrivals if arrival < ready), default=start)
    return ready - max(start, last) - waiting(events, max(start, last), ready)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overlapped", type=Path)
    parser.add_argument("plain", type=Path, help="the same run with exchange.overlap=false")
    arguments = parser.parse_args()
    exchange = statistics.median(
        waiting(events, *step) for events in spans(arguments.plain).values() for step in steps(events))
    rows = collections.defaultdict(list)
    for events in spans(arguments.overlapped).values():
        for start, end in steps(events):
            waited = waiting(events, start, end)
            rows["step"].append(end - start)
            rows["waiting"].append(waited)
            rows["computing"].append(end - start - waited)
            rows["not hideable"].append(idle_wire(events, start, end))
    medians = {name: statistics.median(values) for name, values in rows.items()}
    medians["exchange"] = exchange
    medians["could be hidden"] = min(exchange, medians["computing"] - medians["not hideable"])
    medians["hidden"] = exchange - medians["waiting"]
    for name, value in medians.items():
        print(f"{name:16} {value / 1e6:7.3f} s")
    print(f"{medians['hidden'] / medians['could be hidden']:.0%} of what could be hidden is hidden")


if __name__ == "__main__":
    main()
