"""Learn a small byte-pair vocabulary in CLIP's file format."""

import json
from collections import Counter

START, END = "<|startoftext|>", "<|endoftext|>"


def byte_symbols():
    """Return CLIP's 256 printable stand-ins for bytes, in the order of its vocabulary."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [value for value in range(256) if value not in visible]
    return [chr(value) for value in visible] + [chr(256 + rank) for rank in range(len(hidden))]


def _split_words(captions):
    words = Counter()
    for caption in captions:
        spaced = "".join(c if c.isalpha() else f" {c} " for c in caption.lower())
        words.update(spaced.split())
    return {(*word[:-1], word[-1] + "</w>"): count for word, count in words.items()}


def _merge(symbols, pair):
    merged, index = [], 0
    while index < len(symbols):
        if symbols[index : index + 2] == pair:
            merged.append("".join(pair))
            index += 2
        else:
            merged.append(symbols[index])
            index += 1
    return tuple(merged)


def learn_merges(captions, limit):
    """Learn at most `limit` merges, always the most frequent pair (ties: first in text order)."""
    words, merges = _split_words(captions), []
    while len(merges) < limit:
        pairs = Counter()
        for symbols, count in words.items():
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += count
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = {_merge(symbols, best): count for symbols, count in words.items()}
    return merges


def write_tokenizer(folder, captions, limit):
    """Write vocab.json, merges.txt and the two settings files; return the vocabulary size."""
    merges = learn_merges(captions, limit)
    symbols = byte_symbols()
    tokens = symbols + [symbol + "</w>" for symbol in symbols]
    tokens += ["".join(pair) for pair in merges] + [START, END]
    assert len(set(tokens)) == len(tokens)
    vocabulary = {token: index for index, token in enumerate(tokens)}
    _write_json(folder / "vocab.json", vocabulary)
    lines = ["#version: 0.2"] + [" ".join(pair) for pair in merges]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    special = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    _write_json(folder / "special_tokens_map.json", special)
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True}
    _write_json(folder / "tokenizer_config.json", settings | {"errors": "replace"} | special)
    return len(tokens)


def _write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
