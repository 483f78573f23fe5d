"""Writes Tests/Goldens/methods: loss and gradients of the methods that Skip Tuning is compared with.

    full.safetensors            every parameter but logit_scale is trained
    prompt-tuning.safetensors   learned context vectors before the class names, both encoders frozen
    adapter.safetensors         a bottleneck on image features, both encoders frozen
    linear-probe.safetensors    a linear classifier on pooled image features
    ensemble.safetensors        text features of three templates, averaged
    rounding.json               relative error of each file's float32 numbers against float64

The model is Tests/Goldens/towers/model-gelu. A file of gradients holds pixel_values, token_ids, lengths, labels, loss, the
parameters that a method adds under their names, and gradient.<name> of every trained parameter.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import CLIPModel

import gradients_goldens
import reference_clip as reference

Tensors = dict[str, torch.Tensor]

CONTEXT_LENGTH = 4
ADAPTER_REDUCTION = 4
ADAPTER_RATIO = 0.2


def noise(shape: tuple[int, ...], seed: int, deviation: float) -> torch.Tensor:
    """Normally distributed numbers."""
    return deviation * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def freeze(model: CLIPModel) -> None:
    """Gives no parameter of the model a gradient."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)


def variables(model: CLIPModel, added: Tensors) -> Tensors:
    """A method's own parameters in the model's precision, with gradients."""
    return {name: value.to(model.dtype).clone().requires_grad_() for name, value in added.items()}


def gradients_of(loss: torch.Tensor, trained: Tensors) -> Tensors:
    """The loss, and gradient.<name> of what is trained."""
    loss.backward()
    return {"loss": loss.detach()} | {f"gradient.{name}": value.grad for name, value in trained.items()}


def full(model: CLIPModel, inputs: Tensors, _: Tensors) -> Tensors:
    """Full fine-tuning: logit_scale alone is frozen."""
    trained = dict(model.named_parameters())
    for name, parameter in trained.items():
        parameter.grad = None
        parameter.requires_grad_(name != "logit_scale")
    del trained["logit_scale"]
    images = reference.image_features(model, inputs["pixel_values"].to(model.dtype))
    texts = reference.text_features(model, inputs["token_ids"])
    loss = reference.cross_entropy(reference.class_logits(model, images, texts), inputs["labels"])
    return gradients_of(loss, trained)


def prompt_tuning(model: CLIPModel, inputs: Tensors, added: Tensors) -> Tensors:
    """CoOp: start token, context, class name and end token; the context takes the place of placeholders."""
    freeze(model)
    trained = variables(model, added)
    context = trained["prompt_context"]

    def put_context(_: torch.nn.Module, __: object, output: torch.Tensor) -> torch.Tensor:
        own = context.expand(len(output), -1, -1)
        return torch.cat([output[:, :1], own, output[:, 1 + len(context) :]], dim=1)

    hook = model.text_model.embeddings.token_embedding.register_forward_hook(put_context)
    texts = reference.text_features(model, inputs["token_ids"])
    hook.remove()
    images = reference.image_features(model, inputs["pixel_values"].to(model.dtype))
    loss = reference.cross_entropy(reference.class_logits(model, images, texts), inputs["labels"])
    return gradients_of(loss, trained)


def adapter(model: CLIPModel, inputs: Tensors, added: Tensors) -> Tensors:
    """CLIP-Adapter: two linear layers without bias, a ReLU behind each, added to the feature by a ratio."""
    freeze(model)
    trained = variables(model, added)
    images = reference.image_features(model, inputs["pixel_values"].to(model.dtype))
    hidden = torch.relu(images @ trained["adapter.down.weight"].T)
    adapted = torch.relu(hidden @ trained["adapter.up.weight"].T)
    mixed = ADAPTER_RATIO * adapted + (1 - ADAPTER_RATIO) * images
    texts = reference.text_features(model, inputs["token_ids"])
    loss = reference.cross_entropy(reference.class_logits(model, mixed, texts), inputs["labels"])
    return gradients_of(loss, trained)


def linear_probe(model: CLIPModel, inputs: Tensors, added: Tensors) -> Tensors:
    """Logistic regression on the class token after the last norm."""
    freeze(model)
    trained = variables(model, added)
    pooled = model.vision_model(pixel_values=inputs["pixel_values"].to(model.dtype)).pooler_output
    logits = pooled @ trained["linear_probe.weight"].T + trained["linear_probe.bias"]
    return gradients_of(reference.cross_entropy(logits, inputs["labels"]), trained)


@torch.no_grad()
def ensemble(model: CLIPModel, inputs: Tensors, _: Tensors) -> Tensors:
    """Unit features of each prompt, their mean over three templates of three classes, scaled to unit length."""
    units = reference.normalised(reference.text_features(model, inputs["token_ids"]))
    return {"features": reference.normalised(units.reshape(3, 3, -1).mean(dim=0))}


def with_placeholders(tokens: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Prompts of at most 20 tokens with room for the context after their start tokens."""
    short = lengths <= 20
    room = torch.zeros(int(short.sum()), CONTEXT_LENGTH, dtype=tokens.dtype)
    wide = torch.cat([tokens[short, :1], room, tokens[short, 1:-CONTEXT_LENGTH]], dim=1)
    return wide, lengths[short] + CONTEXT_LENGTH


def added_parameters(model: CLIPModel, classes: int) -> dict[str, Tensors]:
    """What each method adds, far enough from zero for every unit to matter."""
    text, image = model.config.text_config.hidden_size, model.config.vision_config.hidden_size
    embedding = model.config.projection_dim
    narrow = embedding // ADAPTER_REDUCTION
    return {
        "prompt-tuning": {"prompt_context": noise((CONTEXT_LENGTH, text), 41, 0.5)},
        "adapter": {
            "adapter.down.weight": noise((narrow, embedding), 42, 0.4),
            "adapter.up.weight": noise((embedding, narrow), 43, 0.4),
        },
        "linear-probe": {
            "linear_probe.weight": noise((classes, image), 44, 0.1),
            "linear_probe.bias": noise((classes,), 45, 0.1),
        },
    }


CASES: dict[str, Callable[[CLIPModel, Tensors, Tensors], Tensors]] = {
    "full": full,
    "prompt-tuning": prompt_tuning,
    "adapter": adapter,
    "linear-probe": linear_probe,
    "ensemble": ensemble,
}


def write_case(folder: Path, output: Path, case: str) -> dict[str, float]:
    """One golden file; returns the rounding of its worst number."""
    model = reference.load_clip(folder)
    inputs = gradients_goldens.batch(model)
    inputs = {name: inputs[name] for name in ("pixel_values", "token_ids", "lengths", "labels")}
    if case == "prompt-tuning":
        inputs["token_ids"], inputs["lengths"] = with_placeholders(inputs["token_ids"], inputs["lengths"])
        inputs["labels"] = inputs["labels"] % len(inputs["lengths"])
    added = added_parameters(model, len(inputs["lengths"])).get(case, {})
    result = CASES[case](model, inputs, added)
    reference.save_tensors(output / f"{case}.safetensors", inputs | added | result)
    truth = CASES[case](reference.as_float64(model), inputs, added)
    errors = {
        name: reference.relative_error(result[name], truth[name]) for name in result if "k_proj.bias" not in name
    }
    worst = max(errors, key=errors.get)
    return {"worst": errors[worst], "tensor": worst}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True, help="folder of the models, Tests/Goldens/towers")
    parser.add_argument("--output", type=Path, required=True, help="folder to write, Tests/Goldens/methods")
    arguments = parser.parse_args()
    reference.be_deterministic()
    folder = arguments.models / "model-gelu"
    roundings = {case: write_case(folder, arguments.output, case) for case in CASES}
    reference.save_json(arguments.output / "rounding.json", roundings)


if __name__ == "__main__":
    main()
