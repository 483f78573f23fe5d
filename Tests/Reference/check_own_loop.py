"""Compares what Examples/OwnLoop printed with a run of `skiptune train` with the same settings: mean loss of each epoch,
accuracy before and after. Equal but for the order of sums, which differs as features are made in other batches."""

import argparse
import json
import math
import re
from collections import defaultdict
from pathlib import Path
from statistics import mean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("printed", type=Path)
    parser.add_argument("--run", type=Path, required=True)
    options = parser.parse_args()
    printed = options.printed.read_text()
    results = json.loads((options.run / "results.json").read_text())
    losses = defaultdict(list)
    for line in (options.run / "metrics.jsonl").open():
        record = json.loads(line)
        if "loss" in record:
            losses[record["epoch"]].append(record["loss"])

    own = [float(loss) for loss in re.findall(r"^epoch \d+: loss (\S+)$", printed, re.MULTILINE)]
    assert len(own) == len(losses) > 0, (own, len(losses))
    for epoch, loss in enumerate(own):
        expected = mean(losses[epoch])
        assert math.isclose(loss, expected, rel_tol=1e-3), f"epoch {epoch}: {loss}, the program {expected}"
    for word, name in (("before", "zero_shot"), ("after", "tuned")):
        accuracy = float(re.search(rf"^accuracy {word}: (\S+)$", printed, re.MULTILINE)[1])
        expected = results[name]["scores"]["all"]["accuracy"]
        assert abs(accuracy - expected) <= 0.2, f"accuracy {word}: {accuracy}, the program {expected}"
    print(f"{len(own)} epochs and both accuracies agree with {options.run.name}")


if __name__ == "__main__":
    main()
