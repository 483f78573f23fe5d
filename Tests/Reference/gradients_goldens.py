"""Writes Tests/Goldens/gradients: loss, logits and the gradient of every trained tensor at several start layers.

    omega-0.safetensors, omega-6, omega-12: the 12-block model of Tests/Goldens/towers/model
    gelu-omega-1.safetensors: the model of towers/model-gelu (3 and 2 blocks)
    rounding.json: relative error of each file's float32 loss and gradients (the worst tensor) against float64

A file holds pixel_values [B, 3, H, W], token_ids [C, 77] and lengths [C] of all classes, labels [B], kept_classes [N],
remapped_labels [B], logits [B, N], loss [], and gradient.<Hugging Face name> of every trained parameter. The loss is
the mean cross-entropy over the kept classes.
"""

import argparse
from pathlib import Path

import torch
from transformers import CLIPModel

import reference_clip as reference

CASES = {
    "omega-0": ("model", 0),
    "omega-6": ("model", 6),
    "omega-12": ("model", 12),
    "gelu-omega-1": ("model-gelu", 1),
}
LABELS = [5, 2, 8, 5]
KEPT = [0, 2, 3, 5, 7, 8]


def batch(model: CLIPModel) -> dict[str, torch.Tensor]:
    """Four images with labels, nine prompts, and the classes that are kept."""
    tokens, lengths = reference.padded(reference.nine_prompts(model.config.text_config.vocab_size, seed=22))
    labels, kept = torch.tensor(LABELS), torch.tensor(KEPT)
    return {
        "pixel_values": reference.random_images(4, model.config.vision_config.image_size, seed=31),
        "token_ids": tokens,
        "lengths": lengths,
        "labels": labels,
        "kept_classes": kept,
        "remapped_labels": reference.remap_labels(labels, kept),
    }


def gradients(model: CLIPModel, start_layer: int, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """logits, loss and gradient.<name> of every parameter that `start_layer` trains, in the model's precision."""
    reference.freeze_prefix(model, start_layer)
    model.zero_grad(set_to_none=True)
    images = reference.image_features(model, inputs["pixel_values"].to(model.dtype))
    texts = reference.text_features(model, inputs["token_ids"][inputs["kept_classes"]])
    logits = reference.class_logits(model, images, texts)
    loss = reference.cross_entropy(logits, inputs["remapped_labels"])
    loss.backward()
    named = {f"gradient.{name}": value for name, value in reference.collect_gradients(model).items()}
    return {"logits": logits.detach(), "loss": loss.detach()} | named


def write_case(models: Path, output: Path, case: str) -> dict[str, float | str]:
    """One golden file; returns its rounding."""
    folder, start_layer = CASES[case]
    model = reference.load_clip(models / folder)
    inputs = batch(model)
    result = gradients(model, start_layer, inputs)
    reference.save_tensors(output / f"{case}.safetensors", inputs | result, {"start_layer": str(start_layer)})
    truth = gradients(reference.as_float64(model), start_layer, inputs)
    return reference.worst_rounding(result, truth)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True, help="folder of the models, Tests/Goldens/towers")
    parser.add_argument("--output", type=Path, required=True, help="folder to write, Tests/Goldens/gradients")
    arguments = parser.parse_args()
    reference.be_deterministic()
    roundings = {case: write_case(arguments.models, arguments.output, case) for case in CASES}
    reference.save_json(arguments.output / "rounding.json", roundings)


if __name__ == "__main__":
    main()
