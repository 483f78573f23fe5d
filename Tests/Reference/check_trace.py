"""Checks a trace of `skiptune train --trace` against the Chrome trace-event format, strictly.

Every event has the fields of its kind and no others; spans of one line nest; every line that is used has a name; ranks
are all there. Prints a summary, and ends with an exception where something is wrong.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

SPAN = {"ts", "dur", "ph", "pid", "tid", "name", "cat", "args"}
METADATA = {"ph", "pid", "tid", "name", "args"}
CATEGORIES = {"run", "features", "compute", "exchange", "update", "checkpoint", "test"}


def refuse_constant(text: str) -> None:
    raise ValueError(f"JSON has no {text}")


def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keys = [key for key, _ in pairs]
    assert len(set(keys)) == len(keys), f"a key stands twice in {keys}"
    return dict(pairs)


def check_event(event: dict, ranks: int) -> None:
    """Fields, types and ranges of one event."""
    assert isinstance(event["pid"], int) and 0 <= event["pid"] < ranks, event
    assert isinstance(event["name"], str) and event["name"] and isinstance(event["args"], dict), event
    if event["ph"] == "M":
        assert set(event) <= METADATA and "tid" not in event or isinstance(event["tid"], int), event
        return
    assert event["ph"] == "X" and set(event) == SPAN, event
    assert event["ts"] >= 0 and event["dur"] >= 0 and event["cat"] in CATEGORIES, event


def check_nesting(spans: list[dict]) -> None:
    """Spans of one line contain each other or lie apart; times are exact to a nanosecond."""
    open_ends: list[float] = []
    for span in sorted(spans, key=lambda span: (span["ts"], -span["dur"])):
        start, end = round(span["ts"] * 1000), round(span["ts"] * 1000) + round(span["dur"] * 1000)
        while open_ends and open_ends[-1] <= start:
            open_ends.pop()
        assert not open_ends or end <= open_ends[-1], f"{span} reaches beyond the span around it"
        open_ends.append(end)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", type=Path)
    parser.add_argument("--ranks", type=int, required=True)
    parser.add_argument("--spans", nargs="*", default=[], help="names that every rank must have")
    options = parser.parse_args()
    trace = json.loads(options.trace.read_text(), parse_constant=refuse_constant, object_pairs_hook=unique)
    assert set(trace) == {"displayTimeUnit", "traceEvents", "otherData"}
    assert trace["otherData"]["ranks"] == options.ranks and len(trace["otherData"]["clocks"]) == options.ranks
    lines, names, titles = defaultdict(list), defaultdict(set), set()
    for event in trace["traceEvents"]:
        check_event(event, options.ranks)
        if event["ph"] == "X":
            lines[event["pid"], event["tid"]].append(event)
            names[event["pid"]].add(event["name"])
        else:
            titles.add((event["name"], event["pid"], event.get("tid")))
    for rank in range(options.ranks):
        assert ("process_name", rank, None) in titles, f"rank {rank} has no name"
        missing = set(options.spans) - names[rank]
        assert not missing, f"rank {rank} has no span {missing}"
    for (rank, line), spans in lines.items():
        assert ("thread_name", rank, line) in titles, f"line {line} of rank {rank} has no name"
        check_nesting(spans)
    print(f"{sum(map(len, lines.values()))} spans on {len(lines)} lines of {options.ranks} ranks, all well formed")


if __name__ == "__main__":
    main()
