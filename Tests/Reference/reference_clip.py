"""Skip Tuning on Hugging Face's CLIPModel: the slow, independent twin that the goldens are made with.

Everything here follows the description of the method (arXiv 2412.11509), not the Swift code: the models with random
weights, what LSkip freezes, what CSkip keeps, the loss, momentum SGD and the learning-rate schedule.

Shapes: B images, C classes, N kept classes, T tokens, D width, E embedding.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel
from transformers.utils import logging

OWN_LABEL_SCORE = 1e4
CONTEXT_LENGTH = 77


def be_deterministic() -> None:
    """One thread and deterministic algorithms: sums are taken in the same order at every run."""
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    logging.disable_progress_bar()


# Models


@dataclass(frozen=True)
class Tower:
    """One encoder: width (model features), heads, blocks; the MLP is four times as wide."""

    width: int
    heads: int
    blocks: int

    def config(self) -> dict:
        """The keys of this tower in a Hugging Face configuration."""
        return {
            "hidden_size": self.width,
            "intermediate_size": 4 * self.width,
            "num_attention_heads": self.heads,
            "num_hidden_layers": self.blocks,
        }


@dataclass(frozen=True)
class Shape:
    """A whole CLIP. `end_token` None means the last token of the vocabulary."""

    image: Tower
    text: Tower
    image_size: int
    patch_size: int
    vocabulary: int
    embedding: int
    activation: str
    end_token: int | None = None

    def config(self) -> CLIPConfig:
        """The Hugging Face configuration of this shape."""
        end = self.vocabulary - 1 if self.end_token is None else self.end_token
        shared = {"projection_dim": self.embedding, "hidden_act": self.activation}
        text = self.text.config() | shared | {"vocab_size": self.vocabulary, "max_position_embeddings": CONTEXT_LENGTH}
        text |= {"bos_token_id": self.vocabulary - 2, "eos_token_id": end, "pad_token_id": 0}
        image = self.image.config() | shared | {"image_size": self.image_size, "patch_size": self.patch_size}
        return CLIPConfig(text_config=text, vision_config=image, projection_dim=self.embedding)


# The published depth at a width that keeps files small: 12 blocks each, heads of 16.
TWELVE_BLOCKS = Shape(Tower(32, 2, 12), Tower(32, 2, 12), 32, 8, vocabulary=600, embedding=24, activation="quick_gelu")
# Towers that differ in width, depth and head size (16 and 8); end token 2 is what OpenAI's own folders say.
GELU = Shape(Tower(48, 3, 3), Tower(32, 4, 2), 48, 16, vocabulary=500, embedding=20, activation="gelu", end_token=2)


def random_clip(shape: Shape, seed: int) -> CLIPModel:
    """A float32 model of `shape` whose every tensor, biases and norms included, is random and non-zero."""
    config = shape.config()
    model = CLIPModel._from_config(config, attn_implementation="eager").eval()
    generator = np.random.Generator(np.random.PCG64(seed))
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            parameter.copy_(torch.from_numpy(_random_values(name, parameter, generator)))
    return model


def _random_values(name: str, parameter: torch.Tensor, generator: np.random.Generator) -> np.ndarray:
    """Values for one tensor, scaled so that attention is not uniform and no activation dies or explodes."""
    if name == "logit_scale":
        return np.array(3.0, dtype=np.float32)
    noise = generator.standard_normal(tuple(parameter.shape))
    if "norm" in name and name.endswith("weight"):
        return (1.0 + 0.2 * noise).astype(np.float32)
    return (_spread(name, parameter) * noise).astype(np.float32)


def _spread(name: str, parameter: torch.Tensor) -> float:
    """The standard deviation of one tensor's values."""
    if name.endswith("bias"):
        return 0.1
    if "embedding" in name:
        return {"patch_embedding": 0.08, "token_embedding": 0.8}.get(name.split(".")[-2], 0.3)
    fan_in = parameter.shape[1]
    gain = {"q_proj": 1.2, "k_proj": 1.2, "v_proj": 1.0, "out_proj": 0.6, "fc1": 1.0, "fc2": 0.6}
    return gain.get(name.split(".")[-2], 1.0) * fan_in**-0.5


def load_clip(folder: Path) -> CLIPModel:
    """The model of a Hugging Face folder, whatever precision it is stored in, as float32 with eager attention."""
    return CLIPModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def save_clip(model: CLIPModel, folder: Path, dtype: torch.dtype = torch.float32) -> None:
    """Writes `config.json` and `model.safetensors` with the weights rounded to `dtype`; turns `model` into it."""
    model.to(dtype).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)


def as_float64(model: CLIPModel) -> CLIPModel:
    """`model`, turned into float64 throughout: eager attention takes its softmax in float32, so it is replaced."""
    model.set_attn_implementation("sdpa")
    return model.double()


# Features, logits, loss


def image_features(model: CLIPModel, pixels: torch.Tensor) -> torch.Tensor:
    """Unnormalised image features [B, E] of pixels [B, 3, H, W]."""
    return model.get_image_features(pixel_values=pixels).pooler_output


def text_features(model: CLIPModel, tokens: torch.Tensor) -> torch.Tensor:
    """Unnormalised text features [C, E] of token ids [C, T], each row padded with 0 after its end token."""
    return model.get_text_features(input_ids=tokens).pooler_output


def normalised(features: torch.Tensor) -> torch.Tensor:
    """Features divided by their Euclidean length, along the last axis."""
    return features / features.norm(dim=-1, keepdim=True)


def class_logits(model: CLIPModel, images: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
    """Logits [B, C] = exp(logit_scale) * cos(image, text), from unnormalised features."""
    return model.logit_scale.exp() * normalised(images) @ normalised(texts).T


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean over the batch of -log softmax(logits)[label]."""
    return -torch.log_softmax(logits, dim=-1)[torch.arange(len(labels)), labels].mean()


# LSkip


def is_trained(name: str, start_layer: int) -> bool:
    """Whether Skip Tuning that starts at block `start_layer` trains the parameter `name` (a Hugging Face name)."""
    if ".encoder.layers." in name:
        return int(name.split(".encoder.layers.")[1].split(".")[0]) >= start_layer
    ends = ("post_layernorm", "final_layer_norm", "visual_projection", "text_projection")
    return any(f"{end}." in name for end in ends)


def freeze_prefix(model: CLIPModel, start_layer: int) -> dict[str, torch.nn.Parameter]:
    """Freezes everything before block `start_layer` and `logit_scale`; returns the trained parameters by name."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(is_trained(name, start_layer))
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def collect_gradients(model: CLIPModel) -> dict[str, torch.Tensor]:
    """Gradients of all trained parameters; fails where a trained one has none or a frozen one has some."""
    for name, parameter in model.named_parameters():
        has_gradient = parameter.grad is not None
        assert has_gradient == parameter.requires_grad, f"{name}: gradient {has_gradient}"
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}


# CSkip


def top_count(classes: int, ratio: float, cap: int = 50) -> int:
    """K, the number of best ranks that are always kept; `classes` where nothing is filtered."""
    if ratio == 1:
        return classes
    count = math.ceil(ratio * classes) if ratio < 1 else min(math.ceil(ratio), classes)
    return min(count, cap)


def keep_probabilities(classes: int, top: int, decay: float, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Probabilities [C - K] that the rank positions after the best K are kept; `decay` is the paper's lambda."""
    if classes - top == 1:
        return torch.ones(1, dtype=dtype)  # The formula below is 0 / 0 here.
    x = torch.linspace(0, 5, classes - top, dtype=dtype)
    f = torch.exp(-x / decay) / decay
    return (f - f.min()) / (f.max() - f.min())


def class_scores(similarity: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Scores [C]: the maximum over the batch of `similarity` [B, C], each image's own label counting as 1e4."""
    raised = similarity.clone()
    raised[torch.arange(len(labels)), labels] = OWN_LABEL_SCORE
    return raised.max(dim=0).values


def rank_classes(scores: torch.Tensor) -> torch.Tensor:
    """Class indices by score, best first; of equal scores the lower class index comes first."""
    return torch.sort(scores, descending=True, stable=True).indices


def kept_classes(scores: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Kept class indices, sorted: those whose rank position `mask` [C] keeps, and every label of the batch."""
    ranked = rank_classes(scores)
    return torch.unique(torch.cat([ranked[mask], labels]))


def remap_labels(labels: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """Positions of `labels` within the sorted `kept` classes."""
    positions = torch.searchsorted(kept, labels)
    assert torch.equal(kept[positions], labels)
    return positions


# Optimiser and schedule


def epoch_rate(epoch: int, epochs: int, base: float, warmup_epochs: int, warmup_rate: float) -> float:
    """Learning rate of one epoch: constant warm-up, then a cosine that starts from its beginning."""
    if epoch < warmup_epochs:
        return warmup_rate
    return base * (1 + math.cos(math.pi * (epoch - warmup_epochs) / epochs)) / 2


def is_text(name: str) -> bool:
    """Whether a parameter belongs to the text side, which has its own learning rate."""
    return name.startswith("text_")


class MomentumSGD:
    """g += decay * p; m = momentum * m + g (m = g at first); p -= rate * m. No dampening, no Nesterov."""

    def __init__(self, parameters: dict[str, torch.nn.Parameter], momentum: float, weight_decay: float):
        self.parameters = parameters
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.buffers: dict[str, torch.Tensor] = {}

    @torch.no_grad()
    def step(self, text_rate: float, image_rate: float) -> None:
        """Applies the gradients that backward left behind and clears them."""
        for name, parameter in self.parameters.items():
            gradient = parameter.grad + self.weight_decay * parameter
            previous = self.buffers.get(name)
            self.buffers[name] = gradient if previous is None else self.momentum * previous + gradient
            parameter -= (text_rate if is_text(name) else image_rate) * self.buffers[name]
            parameter.grad = None


# Inputs


def random_images(count: int, size: int, seed: int) -> torch.Tensor:
    """Normalised pixels [count, 3, size, size]: coarse random patterns plus fine noise, so that images differ."""
    generator = np.random.Generator(np.random.PCG64(seed))
    coarse = generator.standard_normal((count, 3, 4, 4)).repeat(size // 4, axis=2).repeat(size // 4, axis=3)
    fine = generator.standard_normal((count, 3, size, size))
    return torch.from_numpy((coarse + 0.4 * fine).astype(np.float32))


def nine_prompts(vocabulary: int, seed: int) -> list[list[int]]:
    """Token ids of nine prompts (start, ids, end) of 3 to 77 tokens; five share their first five tokens."""
    generator = np.random.Generator(np.random.PCG64(seed))
    shared = [17, 203, 45, 17]
    words = [
        shared + [301, 13],
        shared + [301, 88, 13],
        shared + [302, 13],
        shared + [120, 121, 122, 123, 13],
        shared + [301],
        [17],
        shared[:2] + generator.integers(1, vocabulary - 2, 14).tolist(),
        generator.integers(1, vocabulary - 2, CONTEXT_LENGTH - 2).tolist(),
        generator.integers(1, vocabulary - 2, 9).tolist(),
    ]
    return [[vocabulary - 2, *ids, vocabulary - 1] for ids in words]


def padded(prompts: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids [C, 77] padded with 0, and lengths [C]."""
    tokens = torch.zeros(len(prompts), CONTEXT_LENGTH, dtype=torch.int64)
    for row, prompt in zip(tokens, prompts):
        row[: len(prompt)] = torch.tensor(prompt)
    return tokens, torch.tensor([len(prompt) for prompt in prompts])


# Files


def save_tensors(path: Path, tensors: dict[str, torch.Tensor], notes: dict[str, str] | None = None) -> None:
    """Writes a safetensors file; integers as int32, floats as float32, `notes` as its metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = {name: _storable(tensor) for name, tensor in tensors.items()}
    save_file(stored, path, metadata=notes)


def _storable(tensor: torch.Tensor) -> torch.Tensor:
    kind = torch.float32 if tensor.is_floating_point() else torch.int32
    return tensor.detach().to(kind).contiguous().clone()


def save_json(path: Path, value: object) -> None:
    """Writes JSON: one line per item of the top level, so that differences stay readable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(f"  {json.dumps(key)}: {_json_lines(item)}" for key, item in value.items())
    path.write_text(f"{{\n{lines}\n}}\n")


def _json_lines(item: object) -> str:
    if isinstance(item, list) and item and isinstance(item[0], (dict, list)):
        return "[\n" + ",\n".join(f"    {json.dumps(entry)}" for entry in item) + "\n  ]"
    return json.dumps(item)


def relative_error(value: torch.Tensor, truth: torch.Tensor) -> float:
    """|value - truth| / |truth| in Euclidean length, taken in float64."""
    value, truth = value.detach().double(), truth.detach().double()
    return float((value - truth).norm() / truth.norm().clamp_min(1e-300))


def worst_rounding(result: dict[str, torch.Tensor], truth: dict[str, torch.Tensor]) -> dict[str, float | str]:
    """Relative error of the loss, of the worst other tensor against float64, and that tensor's name.

    Gradients of key biases are zero but for rounding (softmax ignores them), so they are left out here.
    """
    errors = {name: relative_error(result[name], truth[name]) for name in result if "k_proj.bias" not in name}
    loss = errors.pop("loss")
    worst = max(errors, key=errors.get)
    return {"loss": loss, "worst": errors[worst], "tensor": worst}
