"""Report the zero-shot accuracy of the committed CLIP folder on both digit data sets."""

import argparse
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

DATASETS = {
    "mnist": "split_skiptune_Mnist.json",
    "uci_digits": "split_skiptune_UciDigits.json",
}


def read_split(folder, split_file, part):
    """Return image paths, labels and class names in label order of one part of a data set."""
    split = json.loads((folder / split_file).read_text(encoding="utf-8"))
    paths = [folder / "images" / path for path, _, _ in split[part]]
    labels = torch.tensor([label for _, label, _ in split[part]])
    names = {label: name for _, label, name in split[part]}
    return paths, labels, [names[label] for label in sorted(names)]


def load_pixels(paths, processor):
    """Read the images as RGB and prepare them as the folder's preprocessor says."""
    images = [Image.open(path).convert("RGB") for path in paths]
    return processor(images, return_tensors="pt").pixel_values


@torch.no_grad()
def embed_images(model, pixels):
    """Embed all pictures in pieces; features have length 1."""
    pooled = [model.vision_model(pixel_values=piece).pooler_output for piece in pixels.split(500)]
    return F.normalize(model.visual_projection(torch.cat(pooled)), dim=-1)


@torch.no_grad()
def embed_names(model, tokenizer, names, template):
    """Embed the class names inside the template; features have length 1."""
    sentences = [template.format(name.replace("_", " ")) for name in names]
    tokens = tokenizer(sentences, padding=True, return_tensors="pt")
    pooled = model.text_model(**tokens).pooler_output
    return F.normalize(model.text_projection(pooled), dim=-1)


def accuracy(images, labels, texts, classes):
    """Accuracy in per cent over the images of `classes` among these classes."""
    kept = torch.isin(labels, classes)
    predicted = classes[(images[kept] @ texts[classes].T).argmax(1)]
    return 100 * (predicted == labels[kept]).float().mean().item()


def report(name, images, labels, texts):
    """Print accuracy on all classes and on the base and new halves."""
    classes = torch.arange(len(texts))
    half = (len(texts) + 1) // 2
    every = accuracy(images, labels, texts, classes)
    base = accuracy(images, labels, texts, classes[:half])
    new = accuracy(images, labels, texts, classes[half:])
    mean = 2 / (1 / base + 1 / new)
    print(f"{name}: all {every:.2f}  base {base:.2f}  new {new:.2f}  H {mean:.2f}  ({len(labels)} images)")


def parse_arguments():
    """Read the command line."""
    root = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=root / "model")
    parser.add_argument("--data", type=Path, default=root / "data")
    parser.add_argument("--part", default="test", choices=["train", "val", "test"])
    parser.add_argument("--template", default="a photo of the digit {}.")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def main():
    """Print one line per data set."""
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    model = CLIPModel.from_pretrained(arguments.model, dtype=torch.float32).eval()
    tokenizer = CLIPTokenizer.from_pretrained(arguments.model)
    processor = CLIPImageProcessorPil.from_pretrained(arguments.model)
    for name, split_file in DATASETS.items():
        paths, labels, names = read_split(arguments.data / name, split_file, arguments.part)
        texts = embed_names(model, tokenizer, names, arguments.template)
        report(name, embed_images(model, load_pixels(paths, processor)), labels, texts)


if __name__ == "__main__":
    main()
