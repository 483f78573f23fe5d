"""A CLIP under the parameter names of OpenAI's published weights, which open_clip shares, written from those names.

Nothing of skiptune and nothing of open_clip is used: `load` fails where a name or a shape is another. Shapes: B images or
texts, T tokens, W width, E embedding.
"""

import json
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn


class QuickGELU(nn.Module):
    """x * sigmoid(1.702 x)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    """x + attn(ln_1(x)), then x + mlp(ln_2(x)); query, key and value are one matrix, `in_proj_weight`."""

    def __init__(self, width: int, heads: int, ratio: float, activation: type[nn.Module], epsilon: float):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps=epsilon)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(width, eps=epsilon)
        hidden = int(width * ratio)
        layers = [("c_fc", nn.Linear(width, hidden)), ("gelu", activation()), ("c_proj", nn.Linear(hidden, width))]
        self.mlp = nn.Sequential(OrderedDict(layers))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        normed = self.ln_1(x)
        x = x + self.attn(normed, normed, normed, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    """Blocks one after the other."""

    def __init__(self, layers: int, *block: object):
        super().__init__()
        self.resblocks = nn.ModuleList(Block(*block) for _ in range(layers))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        for block in self.resblocks:
            x = block(x, mask)
        return x


class ImageEncoder(nn.Module):
    """Pixels [B, 3, H, H] to features [B, E]; `proj` is stored [W, E]."""

    def __init__(self, config: dict, embedding: int, activation: type[nn.Module]):
        super().__init__()
        width, patch = config["width"], config["patch_size"]
        epsilon = config.get("norm_kwargs", {}).get("eps", 1e-5)
        self.conv1 = nn.Conv2d(3, width, patch, stride=patch, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty((config["image_size"] // patch) ** 2 + 1, width))
        self.ln_pre = nn.LayerNorm(width, eps=epsilon)
        heads, ratio = width // config["head_width"], config.get("mlp_ratio", 4.0)
        self.transformer = Transformer(config["layers"], width, heads, ratio, activation, epsilon)
        self.ln_post = nn.LayerNorm(width, eps=epsilon)
        self.proj = nn.Parameter(torch.empty(width, embedding))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        patches = self.conv1(pixels).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(patches), 1, -1)
        x = self.ln_pre(torch.cat([first, patches], dim=1) + self.positional_embedding)
        return self.ln_post(self.transformer(x)[:, 0]) @ self.proj


class CLIP(nn.Module):
    """Both encoders; the text encoder's parameters have no prefix, and `text_projection` is stored [W, E]."""

    def __init__(self, config: dict):
        super().__init__()
        activation = QuickGELU if config.get("quick_gelu") else nn.GELU
        text, embedding = config["text_cfg"], config["embed_dim"]
        epsilon = text.get("norm_kwargs", {}).get("eps", 1e-5)
        self.end = text["eos_id"] if text.get("pool_type") == "eos" else None
        self.visual = ImageEncoder(config["vision_cfg"], embedding, activation)
        self.token_embedding = nn.Embedding(text["vocab_size"], text["width"])
        self.positional_embedding = nn.Parameter(torch.empty(text["context_length"], text["width"]))
        block = (text["width"], text["heads"], text.get("mlp_ratio", 4.0), activation, epsilon)
        self.transformer = Transformer(text["layers"], *block)
        self.ln_final = nn.LayerNorm(text["width"], eps=epsilon)
        self.text_projection = nn.Parameter(torch.empty(text["width"], embedding))
        self.logit_scale = nn.Parameter(torch.empty(()))

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """Unnormalised features [B, E]."""
        return self.visual(pixels)

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        """Unnormalised features [B, E] of token ids [B, T], read at the end token: the highest one, unless told."""
        length = tokens.shape[1]
        mask = torch.full((length, length), float("-inf")).triu(1)
        x = self.transformer(self.token_embedding(tokens) + self.positional_embedding[:length], mask)
        ends = tokens.argmax(dim=1) if self.end is None else (tokens == self.end).int().argmax(dim=1)
        return self.ln_final(x[torch.arange(len(x)), ends]) @ self.text_projection


def load(folder: Path) -> CLIP:
    """The model of a folder with `open_clip_config.json` and `open_clip_model.safetensors`."""
    model = CLIP(json.loads((folder / "open_clip_config.json").read_text())["model_cfg"])
    model.load_state_dict(load_file(folder / "open_clip_model.safetensors"), strict=True)
    return model.eval()
