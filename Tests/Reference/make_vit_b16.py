"""Writes a full-size CLIP ViT-B/16 folder (149,620,737 parameters, about 600 MB) with random weights.

For measurements and for tests of real shapes where nobody has downloaded a model. The weights are Transformers' own
initialisation under a fixed seed. Tokenizer files are copied from --tokenizer, whose vocabulary may be smaller than
the model's 49,408; `eos_token_id` becomes that tokenizer's end token.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

import reference_clip as reference

TOKENIZER_FILES = ["vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]
PARAMETERS = 149_620_737
PREPROCESSING = {
    "crop_size": {"height": 224, "width": 224},
    "do_center_crop": True,
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_processor_type": "CLIPImageProcessor",
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
    "rescale_factor": 1 / 255,
    "size": {"shortest_edge": 224},
}


def configuration(tokenizer: Path) -> CLIPConfig:
    """ViT-B/16 with the special tokens of the tokenizer in a folder."""
    words = CLIPTokenizer.from_pretrained(tokenizer)
    tokens = {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id}
    assert words.eos_token_id == len(words) - 1, "the end token must be the largest id"
    return CLIPConfig(text_config=tokens, vision_config={"patch_size": 16}, logit_scale_init_value=4.6052)


def copy_tokenizer(source: Path, output: Path) -> None:
    """Copies those of the known tokenizer files that the folder has."""
    for name in TOKENIZER_FILES:
        if (source / name).exists():
            shutil.copyfile(source / name, output / name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="folder to write")
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder with vocab.json and merges.txt")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    reference.be_deterministic()
    torch.manual_seed(arguments.seed)
    model = CLIPModel(configuration(arguments.tokenizer))
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS
    reference.save_clip(model, arguments.output)
    copy_tokenizer(arguments.tokenizer, arguments.output)
    (arguments.output / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING, indent=2) + "\n")


if __name__ == "__main__":
    main()
