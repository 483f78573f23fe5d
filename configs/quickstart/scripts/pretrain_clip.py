"""Pre-train the quick start's small CLIP on characters drawn from free fonts.

No handwriting data set is read. The result is a Hugging Face CLIP folder.
"""

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import augment
import glyphs
import torch
import torch.nn.functional as F
from captions import characters
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
from vocabulary import write_tokenizer

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
DIGITS = 10
ANCHOR_SCALE = 14.0


def build_config(arguments, vocabulary):
    """Describe a CLIP whose two towers have the same width, depth and heads."""
    tower = {
        "hidden_size": arguments.width,
        "intermediate_size": 4 * arguments.width,
        "num_hidden_layers": arguments.depth,
        "num_attention_heads": arguments.width // 64,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
        "projection_dim": arguments.embedding,
    }
    ends = {"bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1, "pad_token_id": vocabulary - 1}
    text = tower | ends | {"vocab_size": vocabulary, "max_position_embeddings": 77}
    vision = tower | {"image_size": augment.SIZE, "patch_size": arguments.patch, "num_channels": 3}
    return CLIPConfig(text_config=text, vision_config=vision, projection_dim=arguments.embedding)


def write_preprocessor(folder):
    """Write the image preparation in the form of the published CLIP folders."""
    settings = {
        "crop_size": {"height": augment.SIZE, "width": augment.SIZE},
        "do_center_crop": True,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor",
        "image_mean": list(MEAN),
        "image_processor_type": "CLIPImageProcessor",
        "image_std": list(STD),
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"shortest_edge": augment.SIZE},
    }
    text = json.dumps(settings, indent=2) + "\n"
    (folder / "preprocessor_config.json").write_text(text, encoding="utf-8")


def tokenize(classes, tokenizer):
    """Turn every caption of every class into one padded tensor of token ids per class."""
    return [
        tokenizer(list(entry.captions), padding="max_length", max_length=32, return_tensors="pt").input_ids
        for entry in classes
    ]


def normalise(pictures):
    """Repeat grey pictures in three channels and apply CLIP's mean and deviation."""
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    return (pictures.expand(-1, 3, -1, -1) - mean) / std


class Glyphs:
    """A pool of drawn characters from which classes and pictures are drawn at random."""

    def __init__(self, fonts, classes, digit_share):
        images, labels, weights = glyphs.build_pool(fonts, classes)
        self.images = torch.from_numpy(images)[:, None]
        self.labels = torch.from_numpy(labels)
        self.members = [(self.labels == label).nonzero().flatten() for label in range(len(classes))]
        self.weights = [torch.from_numpy(weights)[members] for members in self.members]
        others = len(classes) - DIGITS
        shares = [digit_share / DIGITS] * DIGITS + [(1 - digit_share) / others] * others
        self.shares = torch.tensor(shares)

    def draw_labels(self, count, generator):
        """Draw class numbers, digits with their share."""
        return torch.multinomial(self.shares, count, True, generator=generator)

    def draw(self, labels, generator):
        """Draw one glyph per class number."""
        rows = [
            self.members[label][torch.multinomial(self.weights[label], 1, generator=generator)]
            for label in labels.tolist()
        ]
        return self.images[torch.cat(rows)]


@dataclass
class Data:
    """Everything that batches are drawn from."""

    pool: Glyphs
    held_out: Glyphs
    captions: list
    anchors: torch.Tensor


def draw_captions(labels, captions, generator):
    """Draw one caption per class number; cut the common padding."""
    picks = [
        captions[label][torch.randint(len(captions[label]), (1,), generator=generator)]
        for label in labels.tolist()
    ]
    ids = torch.cat(picks)
    end = ids.max()
    return ids[:, : int((ids == end).int().argmax(1).max()) + 1]


def image_features(model, pixels):
    """Embed pictures."""
    pooled = model.vision_model(pixel_values=pixels).pooler_output
    return F.normalize(model.visual_projection(pooled).float(), dim=-1)


def text_features(model, ids):
    """Embed captions."""
    pooled = model.text_model(input_ids=ids).pooler_output
    return F.normalize(model.text_projection(pooled).float(), dim=-1)


def contrastive_loss(logits, positive):
    """Symmetric cross-entropy whose target is uniform over all matching pairs."""
    by_image = positive / positive.sum(1, keepdim=True)
    by_text = positive / positive.sum(0, keepdim=True)
    image_loss = -(by_image * logits.log_softmax(1)).sum(1).mean()
    text_loss = -(by_text * logits.log_softmax(0)).sum(0).mean()
    return (image_loss + text_loss) / 2


def anchor_loss(images, shown, texts, labels, anchors):
    """Cross-entropy of both towers against one fixed direction per class.

    Started from random weights, towers this small otherwise shrink all features to one point
    before they agree on anything.
    """
    image_loss = F.cross_entropy(ANCHOR_SCALE * images @ anchors.T, shown)
    return (image_loss + F.cross_entropy(ANCHOR_SCALE * texts @ anchors.T, labels)) / 2


@dataclass
class Course:
    """What changes in the course of training."""

    rate: float
    anchored: float
    strength: float


def course_at(step, arguments):
    """Cosine rate after a warm-up; anchors fade out; augmentation grows to full strength."""
    done = step / arguments.steps
    after = max(0.0, (step - arguments.warmup) / (arguments.steps - arguments.warmup))
    warm = min(1.0, (step + 1) / arguments.warmup)
    rate = arguments.rate * warm * (1 + math.cos(math.pi * after)) / 2
    anchored = max(0.0, 1 - done / arguments.anchored)
    return Course(rate, anchored, min(1.0, 0.1 + done / arguments.ramp))


def batch_loss(model, data, course, arguments, generator):
    """Loss of one batch: captions and `views` pictures of each caption's class."""
    labels = data.pool.draw_labels(arguments.batch, generator)
    shown = labels.repeat(arguments.views)
    pictures = augment.augment(data.pool.draw(shown, generator), generator, course.strength)
    images = image_features(model, normalise(pictures))
    texts = text_features(model, draw_captions(labels, data.captions, generator))
    logits = model.logit_scale.exp() * images @ texts.T
    loss = contrastive_loss(logits, (shown[:, None] == labels[None, :]).float())
    return loss + course.anchored * anchor_loss(images, shown, texts, labels, data.anchors)


def optimizer_for(model, arguments):
    """AdamW that decays matrices only."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=arguments.rate, betas=(0.9, 0.98), eps=1e-6)


@torch.no_grad()
def held_out_accuracy(model, data, generator):
    """Zero-shot accuracy on distorted digits of fonts that training never saw."""
    labels = torch.arange(DIGITS).repeat(60)
    pixels = normalise(augment.augment(data.held_out.draw(labels, generator), generator))
    texts = torch.stack([text_features(model, ids[:24]).mean(0) for ids in data.captions[:DIGITS]])
    predicted = (image_features(model, pixels) @ texts.T).argmax(1)
    return (predicted == labels).float().mean().item()


def update(model, optimizer, loss, rate):
    """Take one clipped optimizer step at the given learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    model.logit_scale.data.clamp_(max=math.log(100))


def train(model, data, arguments):
    """Run all steps and print loss and held-out accuracy now and then."""
    generator = torch.Generator().manual_seed(arguments.seed)
    optimizer = optimizer_for(model, arguments)
    started, total = time.time(), 0.0
    for step in range(arguments.steps):
        course = course_at(step, arguments)
        loss = batch_loss(model, data, course, arguments, generator)
        update(model, optimizer, loss, course.rate)
        total += loss.item()
        if (step + 1) % arguments.report == 0:
            accuracy = held_out_accuracy(model, data, torch.Generator().manual_seed(0))
            print(f"step {step + 1} loss {total / arguments.report:.3f} "
                  f"held-out fonts {accuracy:.3f} {time.time() - started:.0f} s", flush=True)
            total = 0.0


def split_fonts(families, root):
    """Locate all fonts and set the held-out files apart."""
    fonts = glyphs.locate_fonts(families, root)
    held = {name for family in families for name in family.get("held_out", [])}
    known = [entry for entry in fonts if entry[1].name not in held]
    return known, [entry for entry in fonts if entry[1].name in held]


def parse_arguments():
    """Read the command line."""
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=here.parent / "model", help="folder to write")
    parser.add_argument("--fonts", type=Path, default=here / "fonts.json", help="list of fonts")
    parser.add_argument("--font-root", type=Path, default=Path("/usr/share/fonts"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=1400)
    parser.add_argument("--batch", type=int, default=64, help="captions per step")
    parser.add_argument("--views", type=int, default=2, help="pictures per caption")
    parser.add_argument("--rate", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--warmup", type=int, default=60, help="steps of linear warm-up")
    parser.add_argument("--report", type=int, default=100, help="steps between reports")
    parser.add_argument("--digit-share", type=float, default=0.6, help="share of digits in a batch")
    parser.add_argument("--merges", type=int, default=256, help="learned byte pairs")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--patch", type=int, default=8)
    parser.add_argument("--embedding", type=int, default=128)
    parser.add_argument("--anchored", type=float, default=0.5, help="share of steps with anchors")
    parser.add_argument("--ramp", type=float, default=0.3, help="share of steps before full distortion")
    return parser.parse_args()


def load_data(arguments):
    """Write the tokenizer, draw the glyphs, tokenize the captions; return data and vocabulary size."""
    classes = characters()
    sentences = [sentence for entry in classes for sentence in entry.captions]
    vocabulary = write_tokenizer(arguments.output, sentences, arguments.merges)
    captions = tokenize(classes, CLIPTokenizer.from_pretrained(arguments.output))
    known, unseen = split_fonts(glyphs.load_families(arguments.fonts), arguments.font_root)
    anchors = torch.nn.init.orthogonal_(torch.empty(len(classes), arguments.embedding))
    pool = Glyphs(known, classes, arguments.digit_share)
    return Data(pool, Glyphs(unseen, classes, 1.0), captions, anchors), vocabulary


def main():
    """Write the tokenizer, train, write the model."""
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    arguments.output.mkdir(parents=True, exist_ok=True)
    data, vocabulary = load_data(arguments)
    model = CLIPModel(build_config(arguments, vocabulary))
    print(f"vocabulary {vocabulary}, parameters {model.num_parameters()}, "
          f"classes {len(data.captions)}, glyphs {len(data.pool.labels)}", flush=True)
    train(model, data, arguments)
    model.half().save_pretrained(arguments.output)
    (arguments.output / "model.safetensors").chmod(0o644)
    write_preprocessor(arguments.output)


if __name__ == "__main__":
    main()
