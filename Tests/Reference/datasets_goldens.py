"""Writes Tests/Goldens/datasets/: small trees in the layouts of the known data sets, and what is to be read from them.

Usage: python Tests/Reference/datasets_goldens.py [output folder]

trees.json   name -> folder in the data root, text files with their content, image files
items.json   name -> class names, lists of [path, label, class name], few-shot subsets as positions in the lists

The trees are really written to a disk and read back from there, by readers that follow the published layouts and share
nothing with skiptune. Needs CPython 3.9 to 3.12 and nothing else.
"""

import csv
import json
import os
import random
import sys
import tempfile
from pathlib import Path

from fewshot_goldens import SEEDS, SHOTS, few_shot

# Images of each class in the lists train and val: below and above shot counts, and above the limit of 21 where `sample`
# changes its way.
TRAIN_SIZES = (17, 3, 22, 6)
VALIDATION_SIZES = (5, 2, 0, 4)


# --- Trees ---


class Tree:
    """Files below one folder: texts with their content, images by name."""

    def __init__(self, folder):
        self.folder = folder
        self.texts = {}
        self.images = []

    def write(self, root):
        for name in [*self.texts, *self.images]:
            (root / self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        for name, content in self.texts.items():
            (root / self.folder / name).write_bytes(content.encode())
        for name in self.images:
            (root / self.folder / name).write_bytes(b"image")

    def json(self):
        return {"folder": self.folder, "texts": self.texts, "images": self.images}


def split_file_tree(folder, image_root, split_file, classes, path, order):
    """Items in no order, as published split files have them."""
    tree = Tree(folder)
    lists = {}
    number = 0
    for part, sizes in (("train", TRAIN_SIZES), ("val", VALIDATION_SIZES), ("test", (1,) * len(classes))):
        items = []
        for label, (name, size) in enumerate(zip(classes, sizes)):
            for _ in range(size):
                number += 1
                items.append([path(name, number, part), label, name])
        order.shuffle(items)
        lists[part] = items
        tree.images += [os.path.join(image_root, item[0]) for item in items]
    tree.texts[split_file] = json.dumps(lists)
    return tree


def split_file_trees(order):
    def in_class(extension, digits=4, prefix="image_"):
        return lambda name, number, _: f"{name}/{prefix}{number:0{digits}}.{extension}"

    yield "Caltech101", split_file_tree(
        "caltech-101", "101_ObjectCategories", "split_zhou_Caltech101.json",
        ["face", "leopard", "motorbike", "accordion"], in_class("jpg"), order)
    yield "OxfordPets", split_file_tree(
        "oxford_pets", "images", "split_zhou_OxfordPets.json",
        ["abyssinian", "american_bulldog", "bengal", "beagle"],
        lambda name, number, _: f"{name.capitalize()}_{number}.jpg", order)
    yield "StanfordCars", split_file_tree(
        "stanford_cars", "", "split_zhou_StanfordCars.json",
        ["2000 AM General Hummer SUV", "2012 Acura RL Sedan", "2012 BMW M3 Coupe", "2012 Ram C/V Cargo Van Minivan"],
        lambda _, number, part: f"cars_{'test' if part == 'test' else 'train'}/{number:05}.jpg", order)
    yield "OxfordFlowers", split_file_tree(
        "oxford_flowers", "jpg", "split_zhou_OxfordFlowers.json",
        ["pink primrose", "hard-leaved pocket orchid", "canterbury bells", "bird of paradise"],
        lambda _, number, __: f"image_{number:05}.jpg", order)
    yield "Food101", split_file_tree(
        "food-101", "images", "split_zhou_Food101.json", ["apple_pie", "baby_back_ribs", "baklava", "crème_brûlée"],
        lambda name, number, _: f"{name}/{100000 + number}.jpg", order)
    yield "SUN397", split_file_tree(
        "sun397", "SUN397", "split_zhou_SUN397.json", ["abbey", "airplane_cabin", "indoor church", "outdoor church"],
        lambda name, number, _: f"{name[0]}/{'/'.join(reversed(name.split()))}/sun_{number:016x}.jpg", order)
    yield "DescribableTextures", split_file_tree(
        "dtd", "images", "split_zhou_DescribableTextures.json", ["banded", "blotchy", "braided", "polka-dotted"],
        lambda name, number, _: f"{name}/{name}_{number:04}.jpg", order)
    yield "EuroSAT", split_file_tree(
        "eurosat", "2750", "split_zhou_EuroSAT.json",
        ["Annual Crop Land", "Forest", "Herbaceous Vegetation Land", "Sea or Lake"],
        lambda name, number, _: f"{name.split()[0]}/{name.split()[0]}_{number}.jpg", order)
    yield "UCF101", split_file_tree(
        "ucf101", "UCF-101-midframes", "split_zhou_UCF101.json",
        ["Apply_Eye_Makeup", "Archery", "Baby_Crawling", "Yo_Yo"],
        lambda name, number, _: f"{name}/v_{name.replace('_', '')}_g{number:02}_c01.jpg", order)


def aircraft_tree(order):
    tree = Tree("fgvc_aircraft")
    classes = ["707-320", "F-16A/B", "Boeing 717", "An-12"]
    tree.texts["variants.txt"] = "\n".join(classes) + "\n"
    number = 34958
    for part, sizes in (("train", TRAIN_SIZES), ("val", VALIDATION_SIZES), ("test", (2, 1, 1, 2))):
        lines = []
        for name, size in zip(classes, sizes):
            for _ in range(size):
                number += 7
                lines.append(f"{number:07} {name}")
                tree.images.append(f"images/{number:07}.jpg")
        order.shuffle(lines)
        tree.texts[f"images_variant_{part}.txt"] = "\n".join(lines) + "\n"
    return tree


def word_net_names(order, count):
    """Lines of classnames.txt, not in order of the ids; names have spaces."""
    words = ["tench", "great white shark", "sea snake", "harp", "Cardigan Welsh Corgi", "T-shirt"]
    ids = order.sample(range(1440764, 15075141), count)
    return {f"n{number:08}": f"{words[i % len(words)]} {i}" if i >= len(words) else words[i] for i, number in enumerate(ids)}


def lines_of(names):
    return "".join(f"{word_id} {name}\n" for word_id, name in names.items())


def image_net_tree(order, names):
    tree = Tree("imagenet")
    tree.texts["classnames.txt"] = lines_of(names)
    for word_id, size in zip(names, (17, 3, 22, 6, 5, 18)):
        tree.images += [f"images/train/{word_id}/{word_id}_{order.randrange(30000)}.JPEG" for _ in range(size)]
        tree.images += [f"images/val/{word_id}/ILSVRC2012_val_{order.randrange(50000):08}.JPEG" for _ in range(2)]
    # What systems and people leave beside images.
    tree.texts["images/train/.DS_Store"] = "x"
    tree.texts[f"images/val/{next(iter(names))}/._hidden.JPEG"] = "x"
    return tree


def numbered_tree(order):
    """More than ten classes, so that the order of numbers is not the order of texts."""
    tree = Tree("imagenetv2")
    tree.texts["classnames.txt"] = lines_of(word_net_names(order, 12))
    for label in range(12):
        tree.images += [
            f"imagenetv2-matched-frequency-format-val/{label}/{order.getrandbits(40):010x}.jpeg" for _ in range(2)
        ]
    return tree


def sketch_tree(names):
    """Without classnames.txt: ImageNet's is taken."""
    tree = Tree("imagenet-sketch")
    for word_id in names:
        tree.images += [f"images/{word_id}/sketch_{number}.JPEG" for number in (0, 10, 9)]
    return tree


def two_hundred_tree(order, folder, image_root):
    tree = Tree(folder)
    names = word_net_names(order, 230)
    tree.texts["classnames.txt"] = lines_of(names)
    tree.texts[f"{image_root}/README.txt"] = "About these images.\n"
    for word_id in order.sample(list(names), 200):
        tree.images.append(f"{image_root}/{word_id}/{order.randrange(10**6)}.jpg")
    return tree


def own_trees(order):
    def class_images(prefix, sizes):
        return [
            f"{prefix}{name}/{order.randrange(10**6)}{extension}"
            for name, size, extension in zip(("zebra", "Ärmel", "apple"), sizes, (".jpg", ".PNG", ".jpeg"))
            for _ in range(size)
        ]

    folders = Tree("class-folders")
    folders.images = [
        *class_images("train/", (5, 3, 4)), *class_images("val/", (1, 2, 0)), *class_images("test/", (2, 2, 2))]
    folders.texts["train/zebra/notes.txt"] = "not an image"
    yield "class-folders", folders
    tested = Tree("val-is-test")
    tested.images = [*class_images("train/", (5, 3, 4)), *class_images("val/", (1, 2, 1))]
    yield "val-is-test", tested
    tree = Tree("class-tree")
    tree.images = class_images("", (30, 5, 9))
    yield "class-tree", tree

    rows = [
        (path, {"apple": 0, "zebra": 1, "Ärmel": 2}[path.split("/")[0]], path.split("/")[0])
        for path in class_images("", (12, 9, 10))
    ]
    order.shuffle(rows)
    tree = Tree("csv")
    tree.images = [row[0] for row in rows]
    splits = ["train"] * 15 + ["val"] * 6 + ["test"] * 10
    order.shuffle(splits)
    lines = ["split,path,note,label,class_name"]
    lines += [
        f'{split},"{path}",,{label},"{name}, or ""{name}s""\r\nand more"'
        for (path, label, name), split in zip(rows, splits)
    ]
    tree.texts["all.csv"] = "\r\n".join(lines) + "\r\n"
    yield "csv", tree
    tree = Tree("jsonl")
    tree.images = [row[0] for row in rows]
    tree.texts["all.jsonl"] = "".join(
        json.dumps({"path": path, "label": label, "class_name": name, "width": 8}) + "\n" for path, label, name in rows)
    yield "jsonl", tree
    tree = Tree("csv-files")
    tree.images = [row[0] for row in rows]
    for part, some in (("train", rows[:15]), ("val", rows[15:18]), ("test", rows[18:])):
        tree.texts[f"{part}.csv"] = "path,label,class_name\n" + "".join(f"{p},{y},{c}\n" for p, y, c in some)
    yield "csv-files", tree


def trees():
    order = random.Random(2026)
    names = word_net_names(order, 6)
    yield "ImageNet", image_net_tree(order, names)
    yield from split_file_trees(order)
    yield "FGVCAircraft", aircraft_tree(order)
    yield "ImageNetV2", numbered_tree(order)
    yield "ImageNetSketch", sketch_tree(names)
    yield "ImageNetA", two_hundred_tree(order, "imagenet-adversarial", "imagenet-a")
    yield "ImageNetR", two_hundred_tree(order, "imagenet-rendition", "imagenet-r")
    yield from own_trees(order)


# --- Readers ---


def visible(folder):
    """Names in a folder, sorted: `os.listdir` gives them in any order."""
    return sorted(name for name in os.listdir(folder) if not name.startswith("."))


def read_split_file(folder, name):
    lists = json.loads((folder / f"split_zhou_{name}.json").read_text(encoding="utf-8"))
    return lists["train"], lists["val"], lists["test"]


def read_aircraft(folder):
    classes = (folder / "variants.txt").read_text().splitlines()
    lists = []
    for part in ("train", "val", "test"):
        lines = (folder / f"images_variant_{part}.txt").read_text().splitlines()
        fields = [line.split(" ", 1) for line in lines]
        lists.append([[f"{number}.jpg", classes.index(variant), variant] for number, variant in fields])
    return lists


def read_class_names(file):
    return dict(line.split(" ", 1) for line in file.read_text().splitlines())


def read_word_net(images, prefix, names):
    folders = [name for name in visible(images) if name != "README.txt"]
    return [
        [f"{prefix}{folder}/{image}", label, names[folder]]
        for label, folder in enumerate(folders)
        for image in visible(images / folder)
    ]


def read_numbered(images, names):
    return [
        [f"{label}/{image}", label, name]
        for label, name in enumerate(names.values())
        for image in visible(images / str(label))
    ]


def read_class_folders(folder, prefix, classes):
    return [
        [f"{prefix}{name}/{image}", label, name]
        for label, name in enumerate(classes)
        if (folder / name).is_dir()
        for image in visible(folder / name)
        if not image.endswith(".txt")
    ]


def divide(items, seed=1, train=0.5, validation=0.2):
    generator = random.Random(seed)
    lists = [], [], []
    for label in sorted({item[1] for item in items}):
        images = [item for item in items if item[1] == label]
        generator.shuffle(images)
        first = round(len(images) * train)
        second = first + round(len(images) * validation)
        for part, some in zip(lists, (images[:first], images[first:second], images[second:])):
            part += some
    return lists


def read_own(name, folder):
    if name == "class-folders":
        classes = sorted({c for part in ("train", "val", "test") for c in visible(folder / part)})
        return [read_class_folders(folder / part, f"{part}/", classes) for part in ("train", "val", "test")]
    if name == "val-is-test":
        classes = visible(folder / "train")
        return [read_class_folders(folder / "train", "train/", classes), [],
                read_class_folders(folder / "val", "val/", classes)]
    if name == "class-tree":
        return divide(read_class_folders(folder, "", visible(folder)), seed=3)
    if name == "csv":
        with open(folder / "all.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return [[[row["path"], int(row["label"]), row["class_name"]] for row in rows if row["split"] == part]
                for part in ("train", "val", "test")]
    if name == "jsonl":
        rows = [json.loads(line) for line in (folder / "all.jsonl").read_text(encoding="utf-8").splitlines()]
        return divide([[row["path"], row["label"], row["class_name"]] for row in rows], train=0.6, validation=0.0)
    assert name == "csv-files"
    lists = []
    for part in ("train", "val", "test"):
        with open(folder / f"{part}.csv", newline="", encoding="utf-8") as file:
            lists.append([[path, int(label), class_name] for path, label, class_name in list(csv.reader(file))[1:]])
    return lists


def read(name, tree, root):
    folder = root / tree.folder
    if name == "ImageNet":
        names = read_class_names(folder / "classnames.txt")
        return (read_word_net(folder / "images/train", "train/", names), [],
                read_word_net(folder / "images/val", "val/", names))
    if name == "ImageNetV2":
        names = read_class_names(folder / "classnames.txt")
        return [], [], read_numbered(folder / "imagenetv2-matched-frequency-format-val", names)
    if name == "ImageNetSketch":
        names = read_class_names(root / "imagenet/classnames.txt")
        return [], [], read_word_net(folder / "images", "", names)
    if name in ("ImageNetA", "ImageNetR"):
        names = read_class_names(folder / "classnames.txt")
        return [], [], read_word_net(folder / {"ImageNetA": "imagenet-a", "ImageNetR": "imagenet-r"}[name], "", names)
    if name == "FGVCAircraft":
        return read_aircraft(folder)
    if f"split_zhou_{name}.json" in tree.texts:
        return read_split_file(folder, name)
    return read_own(name, folder)


def subsets(train, validation):
    for seed in SEEDS:
        for shots in SHOTS:
            random.seed(seed)
            chosen = few_shot(train, shots)
            yield {"seed": seed, "shots": shots, "train": chosen, "validation": few_shot(validation, min(shots, 4))}


def expectation(train, validation, test):
    names = {label: name for _, label, name in [*train, *validation, *test]}
    return {
        "class_names": [names[label] for label in range(len(names))],
        "train": train, "val": validation, "test": test,
        "subsets": list(subsets(train, validation)) if train else [],
    }


def main():
    if not (3, 9) <= sys.version_info[:2] <= (3, 12):
        sys.exit("needs CPython 3.9 to 3.12")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "Goldens" / "datasets"
    folder.mkdir(parents=True, exist_ok=True)
    described = dict(trees())
    with tempfile.TemporaryDirectory() as root:
        for tree in described.values():
            tree.write(Path(root))
        items = {name: expectation(*read(name, tree, Path(root))) for name, tree in described.items()}
    write(folder / "trees.json", {name: tree.json() for name, tree in described.items()})
    write(folder / "items.json", items)


def write(path, value):
    """One data set a line."""
    lines = ",\n".join(
        f"{json.dumps(name)}:{json.dumps(content, separators=(',', ':'), ensure_ascii=False)}"
        for name, content in value.items()
    )
    path.write_text("{\n" + lines + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
