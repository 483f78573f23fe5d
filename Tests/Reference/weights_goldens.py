"""Writes Tests/Goldens/weights: one small CLIP in the forms that people have weights in, and odd archives of torch.save.

    model/                Hugging Face folder: config.json, model.safetensors (float16), vocab.json, merges.txt
    openai-script.pt      TorchScript of torch.jit.save under OpenAI's names, float16, with the buffers of sizes they have
    openai-state.pt       state dictionary of torch.save, float16, under `state_dict` with the prefix of several devices
    open_clip/            folder of open_clip, bfloat16 or float16 as stored
    bpe_simple_vocab_16e6.txt.gz   the tokenizer as OpenAI's code carries it, longer than what is used of it
    outputs.safetensors   inputs, and features by Hugging Face's CLIPModel in float32
    archives/             torch.save of tensors of all types and strides, what torch.load gives, and what is to be refused

Every file is read back with torch.load or torch.jit.load here and compared to the bit with what it was made of.
"""

import argparse
import gzip
import io
import json
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

import openai_clip
import reference_clip as reference

SHAPE = reference.Shape(
    reference.Tower(64, 1, 2), reference.Tower(64, 1, 1), 32, 8, vocabulary=520, embedding=24, activation="quick_gelu"
)
# All of OpenAI's models have heads of this width; their MLPs are four times as wide, which is too large for a golden.
MLP = 96
MERGES = [("t", "h"), ("th", "e</w>"), ("a", "n"), ("an", "d</w>"), ("i", "n"), ("in", "g</w>")]


class QuickGELU(nn.Module):
    """x * sigmoid(1.702 x); its name is what a TorchScript archive tells."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(1.702 * x)


def openai_names(name: str) -> str:
    """The name that OpenAI's weights have for a parameter of Hugging Face's, which is not part of query, key, value."""
    exact = {
        "visual_projection.weight": "visual.proj",
        "text_projection.weight": "text_projection",
        "vision_model.embeddings.class_embedding": "visual.class_embedding",
        "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
        "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
        "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
        "text_model.embeddings.position_embedding.weight": "positional_embedding",
        "logit_scale": "logit_scale",
    }
    if name in exact:
        return exact[name]
    kind, rest = name.split(".", 1)
    tower = "visual." if kind == "vision_model" else ""
    norms = {"pre_layrnorm": "ln_pre", "post_layernorm": "ln_post", "final_layer_norm": "ln_final"}
    if rest.split(".")[0] in norms:
        return f"{tower}{norms[rest.split('.')[0]]}.{rest.split('.')[1]}"
    _, _, layer, part, *more = rest.split(".") if rest.startswith("encoder") else None
    parts = {"layer_norm1": "ln_1", "layer_norm2": "ln_2"}
    if part in parts:
        inner = f"{parts[part]}.{more[0]}"
    elif part == "mlp":
        inner = f"mlp.{ {'fc1': 'c_fc', 'fc2': 'c_proj'}[more[0]] }.{more[1]}"
    else:
        inner = f"attn.out_proj.{more[1]}"
    return f"{tower}transformer.resblocks.{layer}.{inner}"


def openai_state(state: dict[str, torch.Tensor]) -> "OrderedDict[str, torch.Tensor]":
    """Hugging Face's tensors under OpenAI's names: query, key and value as one, projections transposed."""
    result: OrderedDict[str, torch.Tensor] = OrderedDict()
    for name, tensor in state.items():
        if ".k_proj." in name or ".v_proj." in name or name.endswith("position_ids"):
            continue
        if ".q_proj." in name:
            fused = torch.cat([state[name.replace(".q_proj.", f".{part}_proj.")] for part in "qkv"])
            stem = openai_names(name.replace(".q_proj.", ".out_proj."))
            result[stem.replace(".out_proj.", ".in_proj_")] = fused
        else:
            transposed = name in ("visual_projection.weight", "text_projection.weight")
            result[openai_names(name)] = tensor.t().contiguous() if transposed else tensor
    return result


def small_model() -> nn.Module:
    """Random weights that float16 holds exactly."""
    config = SHAPE.config()
    for part in (config.text_config, config.vision_config):
        part.intermediate_size = MLP
    original = reference.Shape.config
    reference.Shape.config = lambda _: config
    model = reference.random_clip(SHAPE, seed=91)
    reference.Shape.config = original
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half().float())
    return model


def open_clip_config() -> dict:
    """What describes the model to open_clip."""
    tower = {"layers": 2, "width": 64, "mlp_ratio": MLP / 64}
    vision = tower | {"image_size": 32, "patch_size": 8, "head_width": 64}
    text = tower | {"layers": 1, "context_length": 77, "vocab_size": SHAPE.vocabulary, "heads": 1}
    return {
        "model_cfg": {"embed_dim": 24, "quick_gelu": True, "vision_cfg": vision, "text_cfg": text},
        "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "interpolation": "bicubic"},
    }


def save_script(state: dict[str, torch.Tensor], path: Path) -> None:
    """A module of OpenAI's structure, traced through one block's activation so that its class is in the archive."""

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            openai_clip.QuickGELU = QuickGELU
            clip = openai_clip.CLIP(open_clip_config()["model_cfg"])
            clip.load_state_dict(state)
            self.visual, self.transformer = clip.visual, clip.transformer
            self.token_embedding, self.ln_final = clip.token_embedding, clip.ln_final
            for name in ("positional_embedding", "text_projection", "logit_scale"):
                setattr(self, name, getattr(clip, name))
            for name, size in (("input_resolution", 32), ("context_length", 77), ("vocab_size", SHAPE.vocabulary)):
                self.register_buffer(name, torch.tensor(size))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for tower in (self.visual.transformer, self.transformer):
                for block in tower.resblocks:
                    x = x + block.mlp(block.ln_2(x))
            return x

    module = Whole().eval()
    with torch.no_grad():
        traced = torch.jit.trace(module, torch.randn(2, 64), check_trace=False)
    torch.jit.save(traced.half(), str(path))
    loaded = torch.jit.load(str(path)).state_dict()
    for name, tensor in state.items():
        assert torch.equal(loaded[name].float(), tensor.float()), name


def write_tokenizer(folder: Path, packed: Path) -> None:
    """The same tokenizer twice."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spelling = {byte: chr(byte) for byte in visible}
    for byte in range(256):
        spelling.setdefault(byte, chr(256 + len(spelling) - len(visible)))
    ordered = list(spelling.values())
    tokens = ordered + [token + "</w>" for token in ordered] + ["".join(pair) for pair in MERGES]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    assert len(tokens) == SHAPE.vocabulary, len(tokens)
    text = json.dumps({token: number for number, token in enumerate(tokens)}, ensure_ascii=False)
    (folder / "vocab.json").write_text(text + "\n")
    lines = [" ".join(pair) for pair in MERGES]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *lines]) + "\n")
    unused = ["o r</w>", "o u"]
    content = "\n".join(['"bpe_simple_vocab_16e6.txt#version: 0.2', *lines, *unused]) + "\n"
    packed.write_bytes(gzip.compress(content.encode(), mtime=0))


def write_archives(folder: Path) -> None:
    """Tensors of all types and strides; what torch.load gives of them, as float32 and contiguous."""
    generator = torch.Generator().manual_seed(5)
    base = torch.randn(6, 5, generator=generator)
    tensors = {
        "float": base.clone(),
        "half": base.half(),
        "bfloat": base.bfloat16(),
        "double": base.double(),
        "transposed": base.t(),
        "columns": base[:, 1:4],
        "every_second": base[::2, ::2],
        "permuted": torch.randn(2, 3, 4, 2, generator=generator).permute(3, 1, 0, 2),
        "channels_last": torch.randn(2, 3, 4, 4, generator=generator).half().to(memory_format=torch.channels_last),
        "row": base[3],
        "scalar": torch.tensor(2.5),
        "empty": torch.empty(0, 7),
        "parameter": nn.Parameter(torch.randn(4, generator=generator)),
    }
    torch.save(tensors | {"epoch": 3, "words": ["a", None]}, folder / "tensors.pt")
    loaded = torch.load(folder / "tensors.pt", weights_only=True)
    expected = {name: loaded[name].detach().float().contiguous() for name in tensors}
    reference.save_tensors(folder / "tensors.safetensors", expected)

    torch.save({"weight": base}, folder / "old.pt", _use_new_zipfile_serialization=False)
    torch.save({"weight": base.expand(100, 6, 5)}, folder / "expanded.pt")
    torch.save(QuickGELU(), folder / "whole-module.pt")
    torch.save({"epoch": 3}, folder / "no-tensors.pt")
    packed = io.BytesIO()
    with zipfile.ZipFile(folder / "tensors.pt") as stored, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as deflated:
        for info in stored.infolist():
            deflated.writestr(zipfile.ZipInfo(info.filename), stored.read(info), zipfile.ZIP_DEFLATED)
    (folder / "deflated.pt").write_bytes(packed.getvalue())


@torch.no_grad()
def write_outputs(model: nn.Module, path: Path) -> None:
    """Inputs, and features by Hugging Face's code."""
    pixels = reference.random_images(3, SHAPE.image_size, seed=31)
    tokens, lengths = reference.padded(reference.nine_prompts(SHAPE.vocabulary, seed=32))
    features = {
        "image.features": reference.image_features(model, pixels),
        "text.features": reference.text_features(model, tokens),
    }
    reference.save_tensors(path, {"pixel_values": pixels, "token_ids": tokens, "lengths": lengths} | features)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder to write, Tests/Goldens/weights")
    output = parser.parse_args().output
    reference.be_deterministic()
    for name in ("model", "open_clip", "archives"):
        (output / name).mkdir(parents=True, exist_ok=True)
    model = small_model()
    reference.save_clip(model, output / "model", torch.float16)
    write_outputs(reference.load_clip(output / "model"), output / "outputs.safetensors")
    state = openai_state(model.state_dict())
    save_script(state, output / "openai-script.pt")
    half = {f"module.{name}": tensor.half() for name, tensor in state.items()}
    torch.save({"epoch": 1, "name": "small", "state_dict": half}, output / "openai-state.pt")
    loaded = torch.load(output / "openai-state.pt", weights_only=True)["state_dict"]
    assert all(torch.equal(loaded[name], tensor) for name, tensor in half.items())
    save_file({name: tensor.half() for name, tensor in state.items()}, output / "open_clip/open_clip_model.safetensors")
    (output / "open_clip/open_clip_config.json").write_text(json.dumps(open_clip_config(), indent=2) + "\n")
    write_tokenizer(output / "model", output / "bpe_simple_vocab_16e6.txt.gz")
    write_archives(output / "archives")


if __name__ == "__main__":
    main()
