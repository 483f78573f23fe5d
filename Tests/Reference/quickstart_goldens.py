"""Writes Tests/Goldens/quickstart: what the committed small CLIP computes from real images and prompts.

    features.safetensors       pixel_values [8, 3, H, W], labels [8], token_ids [C, 77], image.features [8, E],
                               text.features [C, E] (both unnormalised), logits [8, C]; metadata: the image paths and
                               the prompts as JSON lists
    gradients-omega-N.safetensors, for N = depth and N = depth / 2 (depth - 1 where that would be over 4 MB):
                               pixel_values, labels, token_ids of the first four images and all prompts, logits, loss
                               (mean cross-entropy over all classes) and gradient.<Hugging Face name>
    rounding.json              relative error of float32 against float64

Images are the first test image of the first eight classes of a CoOp-style split file, `[path, label, class name]`.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from transformers import CLIPImageProcessorPil, CLIPModel

import reference_clip as reference
from reference_images import load_pixels, load_tokens

TEMPLATE = "a photo of the digit {}."
LARGEST_GRADIENTS = 4_000_000  # bytes


@dataclass(frozen=True)
class Examples:
    """Images with labels, and one prompt per class."""

    root: Path
    paths: list[str]
    labels: torch.Tensor
    prompts: list[str]

    @staticmethod
    def of(data: Path, count: int) -> "Examples":
        """The first test image of the first `count` classes of the data set in `data`."""
        (split,) = data.glob("split_*.json")
        first: dict[int, tuple[str, str]] = {}
        for path, label, name in json.loads(split.read_text())["test"]:
            first.setdefault(label, (path, name))
        prompts = [TEMPLATE.format(first[label][1].replace("_", " ")) for label in sorted(first)]
        labels = sorted(first)[:count]
        return Examples(data / "images", [first[label][0] for label in labels], torch.tensor(labels), prompts)

    def inputs(self, folder: Path, context: int) -> dict[str, torch.Tensor]:
        """pixel_values, labels and token_ids for the model in `folder`."""
        files = [self.root / path for path in self.paths]
        pixels = load_pixels(folder, files)
        compare_with_processor(folder, files, pixels)
        tokens = load_tokens(folder, self.prompts, context)
        return {"pixel_values": pixels, "labels": self.labels, "token_ids": tokens}


def compare_with_processor(folder: Path, files: list[Path], pixels: torch.Tensor) -> None:
    """Fails where Transformers' own image processor prepares these files differently."""
    images = [Image.open(file).convert("RGB") for file in files]
    theirs = CLIPImageProcessorPil.from_pretrained(folder)(images, return_tensors="pt")["pixel_values"]
    assert torch.allclose(pixels, theirs, atol=1e-5), f"{(pixels - theirs).abs().max()} from Transformers' pixels"


def forward(model: CLIPModel, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Unnormalised features of both sides and logits, in the model's precision."""
    images = reference.image_features(model, inputs["pixel_values"].to(model.dtype))
    texts = reference.text_features(model, inputs["token_ids"])
    return {
        "image.features": images,
        "text.features": texts,
        "logits": reference.class_logits(model, images, texts),
    }


def gradients(model: CLIPModel, inputs: dict[str, torch.Tensor], start_layer: int) -> dict[str, torch.Tensor]:
    """logits, loss and gradient.<name> of all trained tensors."""
    reference.freeze_prefix(model, start_layer)
    model.zero_grad(set_to_none=True)
    logits = forward(model, inputs)["logits"]
    loss = reference.cross_entropy(logits, inputs["labels"])
    loss.backward()
    named = {f"gradient.{name}": value for name, value in reference.collect_gradients(model).items()}
    return {"logits": logits.detach(), "loss": loss.detach()} | named


def start_layers(model: CLIPModel) -> list[int]:
    """The depth, and half of it or, where those gradients are too large to commit, the last block."""
    depth = model.config.vision_config.num_hidden_layers
    assert depth == model.config.text_config.num_hidden_layers, "the towers must be equally deep"
    trained = [value for name, value in model.named_parameters() if reference.is_trained(name, depth // 2)]
    size = 4 * sum(value.numel() for value in trained)
    return [depth // 2 if size <= LARGEST_GRADIENTS else depth - 1, depth]


def write_features(folder: Path, examples: Examples, output: Path) -> dict[str, float]:
    """features.safetensors; returns the rounding."""
    model = reference.load_clip(folder)
    inputs = examples.inputs(folder, model.config.text_config.max_position_embeddings)
    with torch.no_grad():
        result = forward(model, inputs)
        truth = forward(reference.as_float64(model), inputs)
    notes = {"images": json.dumps(examples.paths), "texts": json.dumps(examples.prompts)}
    reference.save_tensors(output / "features.safetensors", inputs | result, notes)
    return {name: reference.relative_error(result[name], truth[name]) for name in result}


def write_gradients(folder: Path, examples: Examples, output: Path, start_layer: int) -> dict[str, float | str]:
    """One gradient file; returns the rounding."""
    model = reference.load_clip(folder)
    inputs = examples.inputs(folder, model.config.text_config.max_position_embeddings)
    result = gradients(model, inputs, start_layer)
    notes = {"start_layer": str(start_layer), "images": json.dumps(examples.paths)}
    reference.save_tensors(output / f"gradients-omega-{start_layer}.safetensors", inputs | result, notes)
    return reference.worst_rounding(result, gradients(reference.as_float64(model), inputs, start_layer))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="configs/quickstart/model")
    parser.add_argument("--data", type=Path, required=True, help="folder of a split_*.json and images/")
    parser.add_argument("--output", type=Path, required=True, help="folder to write, Tests/Goldens/quickstart")
    arguments = parser.parse_args()
    reference.be_deterministic()
    eight, four = Examples.of(arguments.data, 8), Examples.of(arguments.data, 4)
    roundings: dict[str, dict] = {"features": write_features(arguments.model, eight, arguments.output)}
    for layer in start_layers(reference.load_clip(arguments.model)):
        roundings[f"gradients-omega-{layer}"] = write_gradients(arguments.model, four, arguments.output, layer)
    reference.save_json(arguments.output / "rounding.json", roundings)


if __name__ == "__main__":
    main()
