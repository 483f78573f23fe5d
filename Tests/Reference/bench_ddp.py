"""Measures the same training in PyTorch: DistributedDataParallel over gloo, CLIP ViT-B/16 with random weights.

Skip Tuning's trained part: features at the start layer are given, as skiptune has them cached, texts are cut after their
end, and the loss is over the kept classes. Full fine-tuning: everything from pixels and tokens on, against all classes.
Prints one line of JSON: the median seconds of a step, and of the same step without communication (`no_sync`).

Started once per rank: by mpirun (rank and size are taken from Open MPI's variables), or with RANK and WORLD_SIZE set.
MASTER_ADDR, MASTER_PORT and GLOO_SOCKET_IFNAME say how ranks find each other.
"""

import argparse
import contextlib
import json
import os
import statistics
import time

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from transformers import CLIPConfig, CLIPModel

import reference_clip as reference

VOCABULARY_END = 49407


class Suffix(nn.Module):
    """Both encoders from a start layer on, and the loss: what Skip Tuning trains. b images, k classes, t tokens."""

    def __init__(self, model: CLIPModel, start_layer: int):
        super().__init__()
        reference.freeze_prefix(model, start_layer)
        vision, text = model.vision_model, model.text_model
        self.image_blocks = nn.ModuleList(vision.encoder.layers[start_layer:])
        self.text_blocks = nn.ModuleList(text.encoder.layers[start_layer:])
        self.image_norm, self.text_norm = vision.post_layernorm, text.final_layer_norm
        self.image_projection, self.text_projection = model.visual_projection, model.text_projection
        self.scale = model.logit_scale.detach().exp()

    def forward(self, images: torch.Tensor, texts: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The mean loss of features `images` [b, 197, 768] against `texts` [k, t, 512], whose last token is the end."""
        for block in self.image_blocks:
            images = block(images, None)
        for block in self.text_blocks:
            texts = block(texts, None, is_causal=True)
        image = self.image_projection(self.image_norm(images[:, 0]))
        text = self.text_projection(self.text_norm(texts[:, -1]))
        logits = self.scale * reference.normalised(image) @ reference.normalised(text).T
        return reference.cross_entropy(logits, labels)


class Whole(nn.Module):
    """All of a CLIP, and the loss: what full fine-tuning trains."""

    def __init__(self, model: CLIPModel):
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor, tokens: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The mean loss of `pixels` [b, 3, 224, 224] against `tokens` [C, t], cut after their end."""
        image = reference.image_features(self.model, pixels)
        text = reference.text_features(self.model, tokens)
        return reference.cross_entropy(reference.class_logits(self.model, image, text), labels)


def from_launcher(name: str, variable: str, default: int) -> int:
    """A number that torchrun calls `name` and Open MPI `variable`."""
    return int(os.environ.get(name, os.environ.get(variable, default)))


def inputs(options: argparse.Namespace, model: CLIPModel, share: int) -> tuple[torch.Tensor, ...]:
    """Random features, or pixels and tokens, of this rank's images and all kept classes."""
    labels = torch.arange(share) % options.kept
    if options.method == "skip":
        vision, text = model.config.vision_config, model.config.text_config
        tokens = 1 + (vision.image_size // vision.patch_size) ** 2
        images = torch.randn(share, tokens, vision.hidden_size)
        return images, torch.randn(options.kept, options.tokens, text.hidden_size), labels
    prompts = torch.randint(1, VOCABULARY_END - 1, (options.classes, options.tokens))
    prompts[:, -1] = VOCABULARY_END
    return torch.randn(share, 3, 224, 224), prompts, labels


def median_seconds(step, steps: int) -> float:
    """The median of `steps` steps, after two more; ranks begin each together."""
    times = []
    for _ in range(steps + 2):
        distributed.barrier()
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", choices=["skip", "full"], default="skip")
    parser.add_argument("--start-layer", type=int, default=6)
    parser.add_argument("--batch", type=int, default=4, help="images of all ranks together")
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--kept", type=int, default=52, help="classes in Skip Tuning's loss")
    parser.add_argument("--tokens", type=int, default=10, help="tokens of a prompt")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", "1")))
    options = parser.parse_args()
    rank = from_launcher("RANK", "OMPI_COMM_WORLD_RANK", 0)
    size = from_launcher("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", 1)
    assert options.batch % size == 0, "ranks take equal shares of the batch: DistributedDataParallel averages over them"
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", "29500")
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    distributed.init_process_group("gloo", rank=rank, world_size=size)

    tokens = {"bos_token_id": VOCABULARY_END - 1, "eos_token_id": VOCABULARY_END}
    model = CLIPModel(CLIPConfig(text_config=tokens, vision_config={"patch_size": 16}))
    trained = Suffix(model, options.start_layer) if options.method == "skip" else Whole(model)
    parallel = DistributedDataParallel(trained, gradient_as_bucket_view=True)
    parameters = [parameter for parameter in parallel.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=1e-6, momentum=0.9, weight_decay=5e-4, foreach=True)
    batch = inputs(options, model, options.batch // size)

    def step(synchronise: bool = True) -> None:
        with contextlib.nullcontext() if synchronise else parallel.no_sync():
            parallel(*batch).backward()
        optimizer.step()
        optimizer.zero_grad()

    result = {
        "method": options.method,
        "ranks": size,
        "threads": options.threads,
        "step_seconds": median_seconds(step, options.steps),
        "seconds_without_exchange": median_seconds(lambda: step(False), options.steps),
        "gradient_bytes": 4 * sum(parameter.numel() for parameter in parameters),
        "torch": torch.__version__,
    }
    if rank == 0:
        print(json.dumps(result), flush=True)
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
