"""Checks pages of `skiptune report`: well formed, complete in themselves, and with the numbers of the runs' files.

Every accuracy, count of a class and confusion is computed again from results.json and the predictions of single images; what
differs between runs must be what `skiptune compare` says. Ends with an exception where something is wrong.
"""

import argparse
import base64
import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

from PIL import Image

VOID = {"meta", "br", "wbr", "img", "link", "input", "hr"}
LARGEST_MAP = 40


class Nesting(HTMLParser):
    """Fails where elements, as a browser reads them, do not close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"<{tag}> has an attribute twice"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID | {"line", "path", "rect", "circle"}, f"<{tag}/> does not close in HTML"


def parse(file: Path) -> ET.Element:
    """The page as a tree, once it is known to be one file without references."""
    text = file.read_text()
    nesting = Nesting()
    nesting.feed(text)
    assert not nesting.open, f"{nesting.open} stay open"
    page = ET.fromstring(text.removeprefix("<!DOCTYPE html>"))
    for element in page.iter():
        for name, value in element.attrib.items():
            assert name not in {"src", "href", "srcset"} or value.startswith("data:image/png;base64,"), value
            assert not name.startswith("on"), f"{element.tag} has a handler"
        assert element.tag not in {"link", "iframe", "object", "embed", "base", "form"}, element.tag
    styles = " ".join(page.find("head").find("style").itertext())
    assert "url(" not in styles and "@import" not in styles
    return page


def words(element: ET.Element) -> str:
    return re.sub(r"\s+", " ", "".join(element.itertext())).strip()


def section(page: ET.Element, title: str) -> ET.Element | None:
    return next((part for part in page.iter("section") if words(part.find("h2")) == title), None)


def table(element: ET.Element) -> list[list[str]]:
    """Rows of the last table of an element, titles first."""
    last = list(element.iter("table"))[-1]
    return [[words(cell) for cell in row] for row in last.iter("tr")]


def predictions(run: Path) -> dict[str, list[dict]]:
    """By test; images that were skipped have none."""
    tests = {}
    for folder in sorted((run / "tests").iterdir()):
        records = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
        tests[folder.name] = [record for record in records if record["prediction"] is not None]
    return tests


def percent(share: float | None, decimals: int = 2, sign: bool = False) -> str:
    return "" if share is None else f"{'+' if sign and share > 0 else ''}{share:.{decimals}f}"


def check_scores(page: ET.Element, results: dict) -> int:
    expected = []
    for key, name in [("zero_shot", "untuned"), ("tuned", "tuned")]:
        for test_set, score in sorted((results.get(key) or {"scores": {}})["scores"].items()):
            accuracy = 100 * score["correct"] / score["images"]
            counts = [f"{score['images']:,}", f"{score['correct']:,}"]
            expected.append([name, test_set, *counts, percent(accuracy), percent(score["macro_f1"])])
    found = table(section(page, "Accuracy"))[1:]
    assert found == expected, f"{found} is not {expected}"
    return 4 * len(expected)


def check_classes(page: ET.Element, tests: dict[str, list[dict]], names: dict) -> int:
    """The table of all classes against counts of single predictions."""
    shares: dict[str, dict] = {}
    for test, records in tests.items():
        images = Counter((record["set"], record["label"]) for record in records)
        correct = Counter((record["set"], record["label"]) for record in records if record["prediction"] == record["label"])
        shares[test] = {key: (count, 100 * correct[key] / count) for key, count in images.items()}
    last = shares.get("tuned") or shares["zero-shot"]
    expected = []
    for key in sorted(names):
        before, after = (shares.get(test, {}).get(key, (0, None))[1] for test in ("zero-shot", "tuned"))
        change = None if before is None or after is None else after - before
        count = f"{last[key][0]:,}" if key in last else "0"
        expected.append([key[0], names[key], count, percent(before, 1), percent(after, 1), percent(change, 1, True)])
    found = table(section(page, "Classes"))[1:]
    assert [row[:5] for row in found] == [row[:5] for row in expected], "classes differ"
    # "-0.0" and "0.0" are the same change.
    assert all(float(a[5] or 0) == float(b[5] or 0) for a, b in zip(found, expected)), "changes differ"
    return 3 * len(expected)


def check_confusions(page: ET.Element, records: list[dict], names: dict) -> int:
    expected: Counter[str] = Counter()
    totals = Counter((record["set"], record["label"]) for record in records)
    sizes = Counter(key[0] for key in names)
    for record in records:
        truth, prediction = (names[record["set"], record[key]] for key in ("label", "prediction"))
        total = totals[record["set"], record["label"]]
        expected[record["set"], truth, prediction, total] += 1
    titles = Counter(words(title) for title in section(page, "Confusions").iter("title"))
    described = Counter(
        f"{truth} taken for {prediction}: {count} of {total}"
        for (test_set, truth, prediction, total), count in expected.items()
    )
    if all(size <= LARGEST_MAP for size in sizes.values()):
        assert titles == described, f"{titles - described} and {described - titles} differ"
    else:
        assert titles and not titles - described, f"{titles - described} are no confusions"
    return sum(titles.values())


def check_mistakes(page: ET.Element, records: list[dict]) -> int:
    wrong = [record for record in records if record["prediction"] != record["label"]]
    wrong.sort(key=lambda record: (-record["confidence"], record["path"]))
    part = section(page, "Most confident mistakes")
    if not wrong:
        assert part is None
        return 0
    figures = [figure for figure in part.iter("figure")]
    assert [figure.get("title") for figure in figures] == [record["path"] for record in wrong[:24]], "other mistakes"
    for figure, record in zip(figures, wrong):
        assert f"{percent(100 * record['confidence'], 1)} % sure" in words(figure)
        with Image.open(io.BytesIO(base64.b64decode(figure.find("img").get("src").partition(",")[2]))) as image:
            assert image.format == "PNG" and max(image.size) <= 80 and image.mode == "RGB"
            image.load()
    return len(figures)


def class_names(run: Path) -> dict[tuple[str, int], str]:
    """By test set and label, as the data set's lists of classes have them."""
    folder = run / "tests" / ("tuned" if (run / "tests/tuned").exists() else "zero-shot")
    with open(folder / "classes.csv", newline="") as file:
        return {(row["set"], int(row["label"])): row["class"] for row in csv.DictReader(file)}


def check_run(file: Path, run: Path) -> None:
    page, results = parse(file), json.loads((run / "results.json").read_text())
    tests, names = predictions(run), class_names(run)
    last = tests.get("tuned") or tests["zero-shot"]
    numbers = check_scores(page, results) + check_classes(page, tests, names)
    numbers += check_confusions(page, last, names) + check_mistakes(page, last)
    provenance = {key: value for key, value in table(section(page, "Provenance"))[1:]}
    assert provenance["provenance.weights"] == results["provenance"]["weights"]
    assert provenance["version"] == results["version"]
    print(f"{file.name}: one well-formed file of {file.stat().st_size:,} bytes, {numbers} numbers agree")


def check_comparison(file: Path, comparison: Path) -> None:
    """What differs must be what `skiptune compare` printed of the same runs."""
    page = parse(file)
    found = []
    for title in ("Provenance", "Configuration"):
        tables = [part for part in section(page, title) if part.tag == "div" and part.get("class") == "scroll"]
        found += [row[0] for part in tables for row in table(part)[1:]]
    text = comparison.read_text().split("\n\n")
    expected = [line.split()[0] for line in text[1].splitlines()[2:]] if text[0] == "differences:" else []
    assert sorted(found) == sorted(expected), f"{sorted(found)} is not {sorted(expected)}"
    print(f"{file.name}: {len(found)} entries differ, as in {comparison.name}")


def check_job(file: Path, job: Path, predictions_file: Path) -> None:
    """The page of an evaluation job against predictions of single images."""
    page = parse(file)
    groups: dict[tuple, list[dict]] = {}
    for line in predictions_file.read_text().splitlines():
        record = json.loads(line)
        groups.setdefault((record["checkpoint"], record["data_set"], record["set"]), []).append(record)
    correct = {key: [r["prediction"] == r["label"] for r in records] for key, records in groups.items()}
    share = {key: 100 * sum(hits) / len(hits) for key, hits in correct.items()}
    expected = []
    for key, records in groups.items():
        untuned = share.get(("zero-shot", *key[1:])) if key[0] != "zero-shot" else None
        top5 = 100 * sum(record["label"] in record["top5"] for record in records) / len(records)
        change = None if untuned is None else share[key] - untuned
        counts = [f"{len(records):,}", f"{sum(correct[key]):,}"]
        expected.append([*key, *counts, percent(share[key]), percent(top5), percent(change, 2, True)])
    found = [row[:7] + row[9:] for row in table(section(page, "Tests"))[1:]]
    assert [row[:-1] for row in found] == [row[:-1] for row in expected], f"{found} is not {expected}"
    assert all(float(a[-1] or 0) == float(b[-1] or 0) for a, b in zip(found, expected)), "changes differ"

    with open(job / "classes.csv", newline="") as lines:
        names = {(r["data_set"], r["set"], int(r["label"])): r["class"] for r in csv.DictReader(lines)}
    images = Counter((*key, r["label"]) for key, records in groups.items() for r in records)
    hits = Counter((*key, r["label"]) for key, records in groups.items() for r in records if r["prediction"] == r["label"])
    classes = []
    for key in groups:
        for place in sorted(place for place in names if place[:2] == key[1:]):
            count = images[*key, place[2]]
            accuracy = 100 * hits[*key, place[2]] / count if count else None
            classes.append([*key, names[place], f"{count:,}", percent(accuracy, 1)])
    assert [row[:6] for row in table(section(page, "Classes"))[1:]] == classes, "classes differ"

    wrong = Counter(
        (*key, names[*key[1:], r["label"]], names[*key[1:], r["prediction"]])
        for key, records in groups.items() for r in records if r["prediction"] != r["label"]
    )
    rows = table(section(page, "Confusions"))[1:]
    assert rows and all(f"{wrong[tuple(row[:5])]:,}" == row[5] for row in rows), "confusions differ"
    assert int(rows[0][5]) == max(count for key, count in wrong.items() if key[0] != "zero-shot")
    numbers = 4 * len(expected) + 2 * len(classes) + len(rows)
    print(f"{file.name}: one well-formed file of {file.stat().st_size:,} bytes, {numbers} numbers agree")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("--run", type=Path, help="the run that the page is of")
    parser.add_argument("--comparison", type=Path, help="what skiptune compare printed of the page's runs")
    parser.add_argument("--job", type=Path, help="the evaluation job that the page is of")
    parser.add_argument("--predictions", type=Path, help="what that job predicted of single images")
    options = parser.parse_args()
    if options.job:
        check_job(options.page, options.job, options.predictions)
    if options.run:
        check_run(options.page, options.run)
    if options.comparison:
        check_comparison(options.page, options.comparison)
    if not options.run and not options.comparison and not options.job:
        parse(options.page)
        print(f"{options.page.name}: one well-formed file of {options.page.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
