"""Writes Tests/Goldens/sgd: Skip Tuning's training loop, 20 steps of momentum SGD at start layer 9.

    pool.safetensors     pixel_values [10, 3, 32, 32], labels [10], token_ids [9, 77], lengths [9], prototypes [9, E]
    settings.json        every setting, the mask over rank positions, and per step: epoch, image indices, labels,
                         learning rates, class scores, kept classes, loss
    final.safetensors    the trained weights after the last step (Hugging Face names)
    momentum.safetensors their momentum buffers
    unfiltered.json      the first five steps without class skipping (r = 1)

The model is Tests/Goldens/towers/model. Learning rates are larger than the published ones so that weights move.
The run is repeated in float64 with the same batches; it must keep the same classes, and `rounding` in settings.json
says how far losses, weight changes and momentum of float32 are from it.
"""

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import CLIPModel

import reference_clip as reference


@dataclass(frozen=True)
class Settings:
    """One run. `mask` says which rank positions are kept; its first K are, whatever it says."""

    start_layer: int = 9
    ratio: float = 0.5
    cap: int = 50
    mask: tuple[bool, ...] = (True, True, True, True, True, True, False, True, False)
    batch_size: int = 4
    epochs: int = 4
    steps_per_epoch: int = 5
    warmup_epochs: int = 1
    warmup_rate: float = 1e-4
    text_rate: float = 2e-3
    image_rate: float = 5e-4
    momentum: float = 0.9
    weight_decay: float = 5e-4


LABELS = [0, 1, 2, 3, 4, 5, 6, 8, 2, 5]
SEED = 43  # Of a few seeds, one whose scores are never close where the mask changes.


def make_pool(model: CLIPModel) -> dict[str, torch.Tensor]:
    """Ten images with labels (no image of class 7), nine prompts, and the prototypes of the untuned model."""
    tokens, lengths = reference.padded(reference.nine_prompts(model.config.text_config.vocab_size, seed=22))
    with torch.no_grad():
        prototypes = reference.normalised(reference.text_features(model, tokens))
    return {
        "pixel_values": reference.random_images(len(LABELS), model.config.vision_config.image_size, SEED),
        "labels": torch.tensor(LABELS),
        "token_ids": tokens,
        "lengths": lengths,
        "prototypes": prototypes,
    }


def make_batches(settings: Settings) -> list[list[int]]:
    """Indices into the pool, one list per step; no image twice in a batch."""
    generator = np.random.Generator(np.random.PCG64(SEED))
    steps = settings.epochs * settings.steps_per_epoch
    return [generator.permutation(len(LABELS))[: settings.batch_size].tolist() for _ in range(steps)]


def rates(settings: Settings, epoch: int) -> dict[str, float]:
    """The learning rates of one epoch, per group."""
    bases = {"text_rate": settings.text_rate, "image_rate": settings.image_rate}
    shared = (settings.warmup_epochs, settings.warmup_rate)
    return {name: reference.epoch_rate(epoch, settings.epochs, base, *shared) for name, base in bases.items()}


def choose_classes(settings: Settings, features: torch.Tensor, pool: dict, labels: torch.Tensor) -> dict[str, list]:
    """Class scores from the image features of the current model, and the kept classes."""
    classes = len(pool["prototypes"])
    top = reference.top_count(classes, settings.ratio, settings.cap)
    similarity = reference.normalised(features.detach()) @ pool["prototypes"].T
    scores = reference.class_scores(similarity, labels)
    mask = torch.tensor(settings.mask) | (torch.arange(classes) < top)
    kept = reference.kept_classes(scores, labels, mask)
    return {"scores": scores.tolist(), "kept_classes": kept.tolist()}


def train_step(model: CLIPModel, settings: Settings, pool: dict, indices: list[int]) -> dict[str, object]:
    """Forward and backward of one batch; returns what the golden says about the step but its rates."""
    labels = pool["labels"][indices]
    images = reference.image_features(model, pool["pixel_values"][indices])
    choice = choose_classes(settings, images, pool, labels)
    kept = torch.tensor(choice["kept_classes"])
    texts = reference.text_features(model, pool["token_ids"][kept])
    logits = reference.class_logits(model, images, texts)
    loss = reference.cross_entropy(logits, reference.remap_labels(labels, kept))
    loss.backward()
    return {"indices": indices, "labels": labels.tolist()} | choice | {"loss": loss.item()}


def train(model: CLIPModel, settings: Settings, pool: dict, batches: list[list[int]]) -> tuple[list[dict], dict, dict]:
    """All steps; returns what happened per step, the trained weights and their momentum buffers."""
    trained = reference.freeze_prefix(model, settings.start_layer)
    optimiser = reference.MomentumSGD(trained, settings.momentum, settings.weight_decay)
    twin = torch_twin(trained, settings)
    steps = []
    for number, indices in enumerate(batches):
        epoch = number // settings.steps_per_epoch
        result = train_step(model, settings, pool, indices)
        reference.collect_gradients(model)
        follow(twin, trained, rates(settings, epoch))
        optimiser.step(**rates(settings, epoch))
        steps.append({"step": number, "epoch": epoch} | rates(settings, epoch) | result)
    check_twin(twin, trained)
    return steps, {name: value.detach().clone() for name, value in trained.items()}, optimiser.buffers


def torch_twin(trained: dict[str, torch.nn.Parameter], settings: Settings) -> torch.optim.SGD:
    """PyTorch's own SGD over copies of the weights, in the order of `trained`."""
    groups = [{"params": [value.detach().clone()], "text": reference.is_text(name)} for name, value in trained.items()]
    return torch.optim.SGD(groups, lr=0.0, momentum=settings.momentum, weight_decay=settings.weight_decay)


def follow(twin: torch.optim.SGD, trained: dict[str, torch.nn.Parameter], current: dict[str, float]) -> None:
    """Takes the step in PyTorch's SGD too, with the same gradients."""
    for group, parameter in zip(twin.param_groups, trained.values()):
        group["lr"] = current["text_rate" if group["text"] else "image_rate"]
        group["params"][0].grad = parameter.grad.clone()
    twin.step()


def check_twin(twin: torch.optim.SGD, trained: dict[str, torch.nn.Parameter]) -> None:
    """Fails where the written-out SGD and PyTorch's disagree by more than rounding."""
    for group, (name, parameter) in zip(twin.param_groups, trained.items()):
        error = reference.relative_error(group["params"][0], parameter)
        assert error < 1e-6, f"{name}: {error} from torch.optim.SGD"


def in_float64(folder: Path, settings: Settings, pool: dict, batches: list[list[int]]) -> tuple[list[dict], dict, dict]:
    """The same run in float64, from float64 prototypes."""
    model = reference.as_float64(reference.load_clip(folder))
    with torch.no_grad():
        prototypes = reference.normalised(reference.text_features(model, pool["token_ids"]))
    wide = pool | {"pixel_values": pool["pixel_values"].double(), "prototypes": prototypes}
    return train(model, settings, wide, batches)


def smallest_gap(settings: Settings, steps: list[dict]) -> float:
    """The least difference of scores between neighbouring ranks of which one is kept and one is not."""
    mask = settings.mask
    edges = [place for place in range(len(mask) - 1) if mask[place] != mask[place + 1]]
    ordered = [sorted(step["scores"], reverse=True) for step in steps]
    gap = min(scores[place] - scores[place + 1] for scores in ordered for place in edges)
    assert gap > 1e-4, f"scores {gap} apart decide what is kept: rounding could too"
    return gap


def rounding(folder: Path, run: tuple, truth: tuple) -> dict[str, float | str]:
    """How far the float32 run is from the float64 one; `change` is of weights minus initial weights."""
    initial = {name: value.detach() for name, value in reference.load_clip(folder).named_parameters()}
    steps, weights, buffers = run
    true_steps, true_weights, true_buffers = truth
    assert [s["kept_classes"] for s in steps] == [s["kept_classes"] for s in true_steps]
    losses = [abs(a["loss"] - b["loss"]) / b["loss"] for a, b in zip(steps, true_steps)]
    names = [name for name in weights if "k_proj.bias" not in name]
    changes = {n: reference.relative_error(weights[n] - initial[n], true_weights[n] - initial[n]) for n in names}
    momenta = {n: reference.relative_error(buffers[n], true_buffers[n]) for n in names}
    worst = {"worst_loss": max(losses), "worst_change": max(changes.values()), "worst_momentum": max(momenta.values())}
    return worst | {"change_tensor": max(changes, key=changes.get), "momentum_tensor": max(momenta, key=momenta.get)}


def write_filtered(folder: Path, output: Path) -> None:
    """The run with class skipping: four files."""
    settings, pool = Settings(), make_pool(reference.load_clip(folder))
    batches = make_batches(settings)
    run = train(reference.load_clip(folder), settings, pool, batches)
    error = rounding(folder, run, in_float64(folder, settings, pool, batches))
    steps, weights, buffers = run
    reference.save_tensors(output / "pool.safetensors", pool)
    reference.save_tensors(output / "final.safetensors", weights)
    reference.save_tensors(output / "momentum.safetensors", buffers)
    summary = {"smallest_score_gap": smallest_gap(settings, steps), "rounding": error}
    reference.save_json(output / "settings.json", asdict(settings) | summary | {"steps": steps})


def write_unfiltered(folder: Path, output: Path) -> None:
    """The run without class skipping: one file."""
    settings, pool = Settings(ratio=1, mask=(True,) * 9), make_pool(reference.load_clip(folder))
    batches = make_batches(settings)[:5]
    steps, _, _ = train(reference.load_clip(folder), settings, pool, batches)
    reference.save_json(output / "unfiltered.json", asdict(settings) | {"steps": steps})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="model folder, Tests/Goldens/towers/model")
    parser.add_argument("--output", type=Path, required=True, help="folder to write, Tests/Goldens/sgd")
    arguments = parser.parse_args()
    reference.be_deterministic()
    write_filtered(arguments.model, arguments.output)
    write_unfiltered(arguments.model, arguments.output)


if __name__ == "__main__":
    main()
