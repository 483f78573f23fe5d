"""Compare what `skiptune analyze --json` found with PyTorch: hidden states of both models, and gradients by autograd.

The tuned model is the Hugging Face folder that the run wrote (output.save_model); images are prepared by Pillow.
"""

import argparse
import json
from pathlib import Path

import torch
from reference_clip import be_deterministic, load_clip, normalised
from reference_images import load_pixels, load_tokens

# Both sides compute in float32; a difference of features of two models has few digits left where it is small.
TOLERANCE = 1e-4
FLOOR = 1e-5


def read_states(model, pixels, tokens):
    """Features of class and end-of-text token behind each block: two lists of [sequences, width]."""
    images = model.vision_model(pixel_values=pixels, output_hidden_states=True).hidden_states[1:]
    texts = model.text_model(input_ids=tokens, output_hidden_states=True).hidden_states[1:]
    ends = tokens.argmax(dim=-1)
    rows = torch.arange(len(tokens))
    return [state[:, 0] for state in images], [state[rows, ends] for state in texts]


def change(before, after):
    """Mean relative change and mean cosine distance behind each block."""
    relative = [((b - a).norm(dim=-1) / a.norm(dim=-1)).mean().item() for a, b in zip(before, after)]
    cosine = [(1 - torch.cosine_similarity(a.double(), b.double(), dim=-1)).mean().item() for a, b in zip(before, after)]
    return {"relative": relative, "cosine_distance": cosine}


def gradient_shares(model, pixels, tokens, labels):
    """Mean share of the gradient of each image's own loss on each class's unit text feature."""
    with torch.no_grad():
        images = normalised(model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output))
        texts = normalised(model.text_projection(model.text_model(input_ids=tokens).pooler_output))
    by_class, by_rank = torch.zeros(len(texts)), torch.zeros(len(texts))
    for image, label in zip(images, labels):
        leaf = texts.clone().requires_grad_()
        logits = model.logit_scale.detach().exp() * leaf @ image
        torch.nn.functional.cross_entropy(logits[None], torch.tensor([label])).backward()
        lengths = leaf.grad.norm(dim=-1)
        shares = lengths / lengths.sum()
        scores = (texts @ image).clone()
        scores[label] = 1e4
        by_class += shares / len(images)
        by_rank += shares[torch.argsort(scores, descending=True, stable=True)] / len(images)
    return {"by_class": by_class.tolist(), "by_rank": by_rank.tolist()}


def compare(name, found, expected):
    """Largest difference over the larger of the value and the floor; ends where it is too large."""
    assert len(found) == len(expected), f"{name}: {len(found)} values, expected {len(expected)}"
    worst = max(abs(a - b) / max(abs(b), FLOOR) for a, b in zip(found, expected))
    print(f"{name}: {len(found)} values, largest relative difference {worst:.1e}")
    if not worst <= TOLERANCE:
        raise SystemExit(f"{name} differs: {found} and {expected}")


def main():
    """Compare every list of numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("analysis", type=Path)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--tuned", type=Path, required=True)
    arguments = parser.parse_args()
    be_deterministic()
    analysis = json.loads(arguments.analysis.read_text(encoding="utf-8"))
    base, tuned = load_clip(arguments.base), load_clip(arguments.tuned)
    pixels = load_pixels(arguments.base, [Path(path) for path in analysis["images"]])
    tokens = load_tokens(arguments.base, analysis["prompts"], base.config.text_config.max_position_embeddings)
    with torch.no_grad():
        before, after = read_states(base, pixels, tokens), read_states(tuned, pixels, tokens)
    for name, old, new in zip(("image_change", "text_change"), before, after):
        for key, expected in change(old, new).items():
            compare(f"{name}.{key}", analysis[name][key], expected)
    for key, expected in gradient_shares(base, pixels, tokens, analysis["labels"]).items():
        compare(f"gradient_shares.{key}", analysis["gradient_shares"][key], expected)


if __name__ == "__main__":
    main()
