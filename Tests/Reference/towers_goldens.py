"""Writes Tests/Goldens/towers: three small CLIP folders and every hidden state of both towers.

    model/            12 blocks each, QuickGELU, float32
    model-gelu/       3 and 2 blocks, exact GELU, float16, end token 2 as in OpenAI's folders
    model-gelu-bf16/  the same rounded to bfloat16, with its real end token
    model-outputs.safetensors, ...: inputs and outputs of each
    rounding.json: relative error of those float32 outputs against float64, what a tolerance must allow
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from transformers import CLIPModel

import reference_clip as reference

FOLDERS = {
    "model": (reference.TWELVE_BLOCKS, torch.float32, 11),
    "model-gelu": (reference.GELU, torch.float16, 12),
    "model-gelu-bf16": (replace(reference.GELU, end_token=None), torch.bfloat16, 12),
}


def record_blocks(tower: torch.nn.Module, states: list[torch.Tensor]) -> None:
    """Makes `tower` append what enters block 0, then what every block returns, to `states`."""
    layers = tower.encoder.layers
    layers[0].register_forward_pre_hook(lambda _, arguments: states.append(arguments[0].detach()))
    for layer in layers:
        layer.register_forward_hook(lambda _, __, output: states.append(output.detach()))


def image_outputs(model: CLIPModel, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
    """image.embeddings (before ln_pre), image.hidden.0 (entering block 0) ... image.hidden.n [B, T, D]."""
    states: list[torch.Tensor] = []
    record_blocks(model.vision_model, states)
    features = reference.image_features(model, pixels)
    named = {f"image.hidden.{index}": state for index, state in enumerate(states)}
    return named | {"image.embeddings": model.vision_model.embeddings(pixels), "image.features": features}


def text_outputs(model: CLIPModel, tokens: torch.Tensor, lengths: torch.Tensor) -> dict[str, torch.Tensor]:
    """text.hidden.0 (entering block 0) ... text.hidden.n: [sum of lengths, D], one prompt after the other."""
    states: list[torch.Tensor] = []
    record_blocks(model.text_model, states)
    features = reference.text_features(model, tokens)
    valid = torch.arange(tokens.shape[1]) < lengths[:, None]
    return {f"text.hidden.{index}": state[valid] for index, state in enumerate(states)} | {"text.features": features}


@torch.no_grad()
def outputs(model: CLIPModel, shape: reference.Shape) -> dict[str, torch.Tensor]:
    """All tensors of one golden file."""
    pixels = reference.random_images(5, shape.image_size, seed=21)
    tokens, lengths = reference.padded(reference.nine_prompts(shape.vocabulary, seed=22))
    result = {"pixel_values": pixels, "token_ids": tokens, "lengths": lengths}
    result |= image_outputs(model, pixels) | text_outputs(model, tokens, lengths)
    images, texts = result["image.features"], result["text.features"]
    result |= {"image.normalised": reference.normalised(images), "text.normalised": reference.normalised(texts)}
    return result | {"logits": reference.class_logits(model, images, texts)}


def rounding(model: CLIPModel, result: dict[str, torch.Tensor]) -> dict[str, float]:
    """Relative error of every float32 output against the same model in float64, which `model` becomes."""
    names = ("image.features", "text.features", "logits")
    pixels, tokens = result["pixel_values"].double(), result["token_ids"]
    wide = reference.as_float64(model)
    with torch.no_grad():
        images, texts = reference.image_features(wide, pixels), reference.text_features(wide, tokens)
        truth = dict(zip(names, (images, texts, reference.class_logits(wide, images, texts))))
    return {name: reference.relative_error(result[name], truth[name]) for name in names}


def write_folder(output: Path, name: str) -> dict[str, float]:
    """One model folder, and its golden file beside it; returns the rounding of the latter."""
    shape, dtype, seed = FOLDERS[name]
    reference.save_clip(reference.random_clip(shape, seed), output / name, dtype)
    model = reference.load_clip(output / name)
    result = outputs(model, shape)
    reference.save_tensors(output / f"{name}-outputs.safetensors", result)
    return rounding(model, result)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder to write, Tests/Goldens/towers")
    output = parser.parse_args().output
    reference.be_deterministic()
    reference.save_json(output / "rounding.json", {name: write_folder(output, name) for name in FOLDERS})


if __name__ == "__main__":
    main()
