"""Skip Tuning in PyTorch, twice, to be measured: as published, and as somebody would who had an afternoon for it.

`plain` does what the published implementation does: all twelve blocks to make features at the start layer, texts of 77
tokens. `tuned` stops at the start layer, cuts texts after the longest one's end, and updates with a fused optimiser. Both
run CLIP with PyTorch's scaled dot product attention; `--precision bf16` puts both under autocast.

One process: reads the model, makes features of the first images, trains on them, tests. Images are decoded and cropped
before anything is timed. Prints one line of JSON: seconds of a step (median, the first two left out), of features and of
testing per image, from the start of the process to the end of the first step, and bytes of memory at the most.
"""

import argparse
import contextlib
import json
import os
import resource
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import CLIPModel, CLIPTokenizer
from transformers.masking_utils import create_causal_mask

import reference_clip as reference

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)


def seconds_since_start() -> float:
    """Seconds since this process was started, interpreter and imports included."""
    started = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started


def pixels(file: Path, size: int) -> np.ndarray:
    """A picture [3, size, size], its centre cropped, normalised."""
    with Image.open(file) as picture:
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        square = picture.convert("RGB").resize((size, size), Image.Resampling.BICUBIC, (left, top, left + side, top + side))
    return ((np.asarray(square, dtype=np.float32) / 255 - MEAN) / DEVIATION).transpose(2, 0, 1)


class Tuning:
    """Skip Tuning of one CLIP. b images, C classes, k kept ones, t tokens of a text."""

    def __init__(self, options: argparse.Namespace, prompts: list[str]):
        self.options = options
        self.is_tuned = options.mode == "tuned"
        self.model = CLIPModel.from_pretrained(options.model, dtype=torch.float32, attn_implementation="sdpa").eval()
        self.trained = reference.freeze_prefix(self.model, options.start_layer)
        self.tokens = self.tokenized(prompts)
        self.ends = self.tokens.argmax(dim=-1)
        rates = [
            {"params": [p for name, p in self.trained.items() if reference.is_text(name)], "lr": 2e-5},
            {"params": [p for name, p in self.trained.items() if not reference.is_text(name)], "lr": 5e-6},
        ]
        self.optimizer = torch.optim.SGD(rates, momentum=0.9, weight_decay=5e-4, fused=self.is_tuned or None)

    def tokenized(self, prompts: list[str]) -> torch.Tensor:
        """Ids [C, t]: t is 77, or what the longest prompt needs."""
        tokenizer = CLIPTokenizer.from_pretrained(self.options.model)
        ids = [tokenizer(prompt)["input_ids"] for prompt in prompts]
        length = max(map(len, ids)) if self.is_tuned else reference.CONTEXT_LENGTH
        tokens = torch.zeros(len(ids), length, dtype=torch.int64)
        for row, prompt in zip(tokens, ids):
            row[: len(prompt)] = torch.tensor(prompt)
        return tokens

    def autocast(self) -> contextlib.AbstractContextManager:
        """bf16 where that is asked for."""
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.options.precision == "bf16")

    def blocks(self, images: bool, values: torch.Tensor, layers: range) -> torch.Tensor:
        """`values` [n, t, width] through some blocks of one encoder."""
        model = self.model.vision_model if images else self.model.text_model
        mask = None
        if not images:
            mask = create_causal_mask(
                config=model.config, inputs_embeds=values, attention_mask=None, past_key_values=None)
        for layer in layers:
            values = model.encoder.layers[layer](values, mask, **({} if images else {"is_causal": True}))
        return values

    @torch.no_grad()
    def prefix(self, images: bool, inputs: torch.Tensor) -> torch.Tensor:
        """What enters the start layer. The published code runs the other blocks too and throws the result away."""
        model = self.model.vision_model if images else self.model.text_model
        values = model.pre_layrnorm(model.embeddings(inputs)) if images else model.embeddings(inputs)
        values = self.blocks(images, values, range(self.options.start_layer))
        if not self.is_tuned:
            self.blocks(images, values, range(self.options.start_layer, model.config.num_hidden_layers))
        return values

    def image_features(self, values: torch.Tensor, start: int) -> torch.Tensor:
        """Unit features [b, E] of what enters block `start`."""
        vision = self.model.vision_model
        values = self.blocks(True, values, range(start, vision.config.num_hidden_layers))
        return reference.normalised(self.model.visual_projection(vision.post_layernorm(values[:, 0])))

    def text_features(self, values: torch.Tensor, start: int, ends: torch.Tensor) -> torch.Tensor:
        """Unit features [k, E] of what enters block `start`."""
        text = self.model.text_model
        values = self.blocks(False, values, range(start, text.config.num_hidden_layers))
        values = text.final_layer_norm(values)[torch.arange(len(values)), ends]
        return reference.normalised(self.model.text_projection(values))

    @torch.no_grad()
    def prepare(self) -> None:
        """Text features at the start layer and class prototypes, and the mask of class skipping."""
        start = self.options.start_layer
        self.text_prefix = self.prefix(False, self.tokens)
        self.prototypes = self.text_features(self.text_prefix, start, self.ends)
        self.mask = torch.arange(len(self.tokens)) < self.options.kept

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> int:
        """One step on features `images` [b, 197, 768]; how many classes were kept."""
        start = self.options.start_layer
        with self.autocast():
            image = self.image_features(images, start)
            scores = reference.class_scores(image.detach().float() @ self.prototypes.float().T, labels)
            kept = reference.kept_classes(scores, labels, self.mask)
            text = self.text_features(self.text_prefix[kept], start, self.ends[kept])
            logits = self.model.logit_scale.exp() * image @ text.T
        torch.nn.functional.cross_entropy(logits.float(), reference.remap_labels(labels, kept)).backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return len(kept)

    @torch.no_grad()
    def test(self, images: torch.Tensor) -> torch.Tensor:
        """Classes of `images` [n, 3, 224, 224], from all blocks."""
        vision, text = self.model.vision_model, self.model.text_model
        texts = self.text_features(text.embeddings(self.tokens), 0, self.ends)
        return (self.image_features(vision.pre_layrnorm(vision.embeddings(images)), 0) @ texts.T).argmax(dim=-1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="Hugging Face folder")
    parser.add_argument("--data", type=Path, required=True, help="folder that make_noise_data.py made")
    parser.add_argument("--mode", choices=["plain", "tuned"], required=True)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--start-layer", type=int, default=6)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--kept", type=int, default=52, help="classes in the loss")
    parser.add_argument("--steps", type=int, default=6, help="steps, after two that are not counted")
    parser.add_argument("--images", type=int, default=32, help="images that features are made of")
    parser.add_argument("--test-images", type=int, default=100)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)

    split = json.loads((options.data / "split.json").read_text())
    classes = {label: name for _, label, name in split["train"]}
    steps = options.steps + 2
    items = split["train"][: options.images]
    tuning = Tuning(options, [f"a photo of a {classes[label]}." for label in sorted(classes)])
    size = tuning.model.config.vision_config.image_size
    pictures = torch.from_numpy(np.stack([pixels(options.data / "images" / name, size) for name, _, _ in items]))

    with tuning.autocast():
        tuning.prepare()
        start = time.perf_counter()
        features = torch.cat([tuning.prefix(True, batch) for batch in pictures.split(options.batch)])
        extraction = time.perf_counter() - start
    labels = torch.tensor([label for _, label, _ in items])
    times, kept, first_step = [], [], 0.0
    for index in range(steps):
        share = torch.arange(index * options.batch, (index + 1) * options.batch) % len(items)
        start = time.perf_counter()
        kept.append(tuning.step(features[share].float(), labels[share]))
        times.append(time.perf_counter() - start)
        first_step = first_step or seconds_since_start()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    tests = torch.from_numpy(
        np.stack([pixels(options.data / "images" / name, size) for name, _, _ in split["test"][: options.test_images]]))
    with tuning.autocast():
        start = time.perf_counter()
        tuning.test(tests)
        test = time.perf_counter() - start
    print(json.dumps({
        "step_seconds": statistics.median(times[2:]),
        "extraction_seconds_per_image": extraction / len(items),
        "test_seconds_per_image": test / len(tests),
        "first_step_seconds": first_step,
        "training_memory_bytes": peak - features.numel() * features.element_size(),
        "memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "kept_classes": statistics.mean(kept),
        "torch": torch.__version__,
    }), flush=True)


if __name__ == "__main__":
    main()
