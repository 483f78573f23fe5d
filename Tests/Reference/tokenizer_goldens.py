"""Writes Tests/Goldens/tokenizer: a vocabulary in Hugging Face's form and the token numbers of many strings.

Usage: python Tests/Reference/tokenizer_goldens.py [--merges COUNT] [--output FOLDER]
Needs open_clip_torch, ftfy, regex, torch and numpy as pinned in requirements.txt (of open_clip only the tokenizer module is
loaded, so its other dependencies may be missing).

The reference is open_clip's SimpleTokenizer on the first COUNT merges of its vocabulary, with the special tokens spelled as
in OpenAI's vocabulary. `--merges 48894` takes all of them: the 49,408 tokens of the published models.
"""

import argparse
import gzip
import html.entities
import importlib.util
import json
import pathlib
import random
import tempfile
import unicodedata

import ftfy
import regex

GOLDENS = pathlib.Path(__file__).parents[1] / "Goldens/tokenizer"
SPECIALS = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
CONTEXT_LENGTH = 77

NOUNS = """tench goldfish hammerhead stingray house-finch indigo_bunting junco water-ouzel bald-eagle axolotl tailed_frog
Komodo-dragon trilobite black-widow tarantula koala jellyfish nematode hermit-crab flamingo limpkin pelican dugong chihuahua
Shih-Tzu bloodhound borzoi otterhound malinois kelpie komondor Rottweiler affenpinscher basenji dalmatian Newfoundland
keeshond pug samoyed dingo dhole tabby cougar lynx leopard jaguar cheetah ladybug weevil cicada lacewing monarch sea-urchin
hamster porcupine marmot warthog hippopotamus ibex gazelle llama armadillo orangutan siamang capuchin indri abacus abaya
accordion aircraft-carrier altar ambulance amphibian apiary apron backpack bakery balance-beam ballpoint banjo bannister
barbershop barn barometer bassinet bathtub beacon beaker bearskin bikini binder birdhouse bobsled bolo-tie bonnet bookcase
bow-tie brassiere breakwater broom bulletproof-vest caldron can-opener cardigan cassette catamaran cello chain-saw chime
cleaver cocktail-shaker corkscrew crash-helmet crossword daisy guacamole espresso carbonara trifle burrito volcano promontory
Boeing-737-200 A340-600 DHC-8-100 Spitfire Cessna-172 Tornado 2012-Tesla-Model-S BMW-M3-Coupe-2012 Audi-R8 Fisker-Karma pho
beignets bibimbap crème-brûlée paella takoyaki ramen jalapeño piñata naïve-café Mölkky Ångström fuchsia hibiscus dahlia""".split()
TEMPLATES = """a photo of a {}.|a bad photo of the {}.|a photo of many {}.|itap of my {}.|a {} in a video game.|art of the {}.
a origami {}.|a photo of a {}, a type of pet.|a photo of a {}, a type of aircraft.|{} texture.|a centered satellite photo of {}.
a photo of a person doing {}.|A PHOTO OF A {}!|"{}"|({})|#{}|@{}: it's {}'s|{}'s, they'RE, we'Ve, I'M, he'LL, she'D, don'T""".replace(
    "\n", "|"
).split("|")
SENTENCES = [
    "", " ", "\n", "\t \r\n ", "a", "A", "!", "'", "''", "'s", "'S", "s'", "it's", "IT'S", "''s", "!'s", "'sea", "'ll'll",
    "rock'n'roll", "o'clock", "'tis", "y'all'd've", "I'm you're we've they'll he'd she's can't", "“curly” ‘quotes’ ‚low„",
    "don’t", "ʼn ŉ", "5'10\"", "3.14159", "1,234,567.89", "0x1F", "١٢٣ ۴۵۶ १२३", "½ ² ⅷ Ⅷ ① ㊿", "50% off!!!", "a+b=c",
    "C++ & C#", "f(x) = x^2", "snake_case camelCase kebab-case", "http://example.org/a?b=c&d=e#f", "user@example.org",
    "...", "…", "—–-‐‑", "~`!@#$%^&*()_+-={}|[]\\:\";'<>?,./", "a" * 300, "ab " * 200, "!" * 200, "1" * 200,
    "supercalifragilisticexpialidocious", "pneumonoultramicroscopicsilicovolcanoconiosis", "x" * 64 + "y", "zz" * 4000,
    "the quick brown fox jumps over the lazy dog " * 40,
    "<|startoftext|>", "<|endoftext|>", "a <|endoftext|> b", "<|ENDOFTEXT|>", "a<|endoftext|>b", "!<|endoftext|>",
    "<|endoftext|><|endoftext|>!", "<|ſtartoftext|>", "<|endoftext", "<start_of_text>", "<end_of_text>", "'ſ 'ſt", "<|", "|>",
    "😀", "👩‍👩‍👧‍👦", "🏳️‍🌈 🇩🇪 👍🏽", "🦜 parrot 🦜", "❤️ ❤ ☺️", "🏴󠁧󠁢󠁷󠁬󠁳󠁿", "♥♦♣♠", "→ ⇒ ∀x∈ℝ", "€ £ ¥ ¢ ₹", "™ ® ©", "°C °F", "№ ℡",
    "猫", "这是一只猫的照片。", "猫の写真、可愛い！", "カタカナ ｶﾀｶﾅ ﾊﾟ", "ひらがな", "고양이 사진", "ﾡﾢﾣ", "ภาพถ่ายของแมว", "बिल्ली की तस्वीर",
    "صورة لقطة", "قِطَّة", "תמונה של חתול", "שָׁלוֹם", "ﷺ ﷲ", "ﺍﻟﻌﺮﺑﻴﺔ", "фото кошки", "ФОТО КОШКИ ЁЖ", "φωτογραφία μιας γάτας",
    "ΟΔΟΣ ΟΔΟΣ. ΟΔΟΣ' ΣΑΣ Σ ΑΣ́ ΑΣΑ", "ΣΊΣΥΦΟΣ", "İstanbul ISPARTA ığdır", "İ", "I\u0307", "STRASSE Straße STRAẞE", "ǅ ǲ ǈ ǋ ĳ Ĳ",
    "ﬁne ﬂuﬃest ﬀ ﬄ ﬅ ﬆ", "ﬓ", "Ａ Ｂ ｃ １２３ ！？ ＆ａｍｐ；", "＆amp；", "￥ ￦ ￠", "ideographic\u3000space", "e\u0301 é E\u0301 É", "A\u030a Å Å",
    "o\u0308\u0323", "q\u0307\u0323", "z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢", "x\u0345y \u0345 ᾳ ᾼ", "K Å Ω", "ſ ſs", "µ μ", "ʰ ˈ ː", "zero\u200bwidth", "a\u200cb\u200dc", "\u2060word\u2060",
    "\ufeffbom", "bom\ufeff", "soft\u00adhyphen", "no\u00a0break", "thin\u2009space", "nel\x85x", "vt\x0bx", "ff\x0cx", "fs\x1cx",
    "us\x1fx", "nul\x00x", "bel\x07", "del\x7f", "esc\x1b[31mred\x1b[0m", "esc\x1b[x", "esc\x1b[1;2", "\x1b", "line\u2028sep\u2029par",
    "cr\rlf\ncrlf\r\nend", "rtl\u202eoverride", "\u206adeprecated\u206f", "obj\ufffc", "\ufffd", "\ufff9a\ufffab\ufffb", "\u180e",
    "\ue000 private", "\U0010ffff", "\ufdd0", "𝒜 𝔸 𝐀 ℌ", "𐐀 𐐨", "𠀀", "🄰 🅐 Ⓐ", "ª º", "ǰ ΐ ŉ", "ﬖ", "ᄀ가 \u1100\u1161", "가\u11a8",
    "&amp;", "&amp", "&AMP;", "&Amp;", "&amp;amp;", "&amp;amp;amp;", "&amp;amp;amp;amp;", "&lt;b&gt;", "<b>&amp;</b>", "<&eacute;>", "&eacute;",
    "&EACUTE;", "&Eacute;", "&eAcute;", "&SZLIG;", "&szlig;", "&NTILDE;", "&FRAC12;", "&frac12;", "&HELLIP;", "&hellip;", "&notit;", "&notin;",
    "&not", "&noti", "&notx;", "&copyright", "&copy2023", "&COPY;", "&REG", "&ampx;", "&AMPX;", "&GTX;", "&nbsp;x&nbsp;", "&NBSP;", "&#65;", "&#65", "&#065;b", "&#x41;",
    "&#X41", "&#x;", "&#;", "&#", "&", "&&", "&&amp;", "& amp;", "&#0;", "&#x0;", "&#128;", "&#x93;quoted&#x94;", "&#129;", "&#150;", "&#13;", "&#10;",
    "&#11;", "&#1;", "&#127;", "&#xD800;", "&#x110000;", "&#99999999999999999999;", "&#xFFFE;", "&#xFFFF;", "&#x1FFFF;", "&#xFDD0;", "&#59;",
    "&#38;amp;", "&#x26;amp;amp;", "&#12a;", "&#x1F600;", "&#128512", "a&#8203;b", "&ldquo;x&rdquo;", "&amp;ldquo;x&amp;rdquo;", "&quot;", "&apos;s", "it&#39;s",
    "it&rsquo;s", "it&amp;rsquo;s", "&CounterClockwiseContourIntegral;", "&" + "a" * 40 + ";", "&" + "é" * 5 + ";", "&acE;", "&NotEqualTilde;", "&fjlig;", "&\u212aopf;", "&Kopf;",
    "x < y &amp; z\nnext &amp;amp; line", "&amp;amp;amp; first\nx < y &amp;amp;amp;amp; z", "&#00000000000000000000065;", "&#000000000000000000000065;", "&ZWNJ;&zwj;",
    "Tom &amp; Jerry", "fish &amp; chips", "R&D", "AT&T", "P&L;", "&thinsp;x&ensp;y", "&Tab;x&NewLine;y", "&DownBreve;", "&THORN;&thorn;&THORN",
]  # fmt: skip
ALPHABETS = {
    "ascii": [(0x20, 0x7F)],
    "latin": [(0x20, 0x7F), (0xA0, 0x250)],
    "greek": [(0x370, 0x400), (0x20, 0x40)],
    "cyrillic": [(0x400, 0x530), (0x20, 0x40)],
    "semitic": [(0x590, 0x700)],
    "indic": [(0x900, 0xE00)],
    "marks": [(0x300, 0x370), (0x61, 0x7B), (0x1DC0, 0x1E00)],
    "extended": [(0x1E00, 0x2000)],
    "symbols": [(0x2000, 0x2C00)],
    "cjk": [(0x3000, 0x3100), (0x4E00, 0x4F00), (0xAC00, 0xAD00)],
    "forms": [(0xFB00, 0xFB50), (0xFE70, 0xFFFE)],
    "beyond": [(0x10300, 0x10500), (0x1D400, 0x1D800), (0x1F300, 0x1F700)],
    "wild": [(0x0, 0x3000)],
}


def unchanging(text: str) -> bool:
    """Assigned in an old version of Unicode, so that Python's, regex's and Swift's tables agree."""
    return all(unicodedata.ucd_3_2_0.category(c) != "Cn" or 0x1F300 <= ord(c) < 0x1F700 for c in text)


def random_strings(random_source: random.Random) -> list[str]:
    strings = []
    for ranges in ALPHABETS.values():
        pool = [chr(c) for begin, end in ranges for c in range(begin, end)]
        pool = [c for c in pool if unchanging(c) and unicodedata.category(c) not in ("Cn", "Cs")]
        for _ in range(30):
            words = ["".join(random_source.choices(pool, k=random_source.randint(1, 9))) for _ in range(4)]
            strings.append(" ".join(words))
    return strings


def entity_strings(random_source: random.Random) -> list[str]:
    """Every named reference once, and as many cut or run together."""
    names = sorted(html.entities.html5)
    strings = [" ".join("&" + name for name in names[i : i + 9]) for i in range(0, len(names), 9)]
    for _ in range(60):
        name = random_source.choice(names).rstrip(";")
        tail = random_source.choice(["", ";", "x", "x;", "é;", "1", "=", "\u0301"])
        strings.append(f"a&{name[: random_source.randint(1, len(name))]}{tail}b &{name.upper()}; &{name.lower()}{tail}")
    return strings


def strings() -> list[str]:
    random_source = random.Random(20)
    prompts = [random_source.choice(TEMPLATES).format(*[noun.replace("-", random_source.choice("- "))] * 2) for noun in NOUNS * 3]
    everything = SENTENCES + prompts + random_strings(random_source) + entity_strings(random_source)
    return list(dict.fromkeys(everything))


def load_tokenizer_module():
    package = importlib.util.find_spec("open_clip")
    path = pathlib.Path(package.submodule_search_locations[0])
    spec = importlib.util.spec_from_file_location("open_clip_tokenizer", path / "tokenizer.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reference_tokenizer(merge_count: int):
    module = load_tokenizer_module()
    lines = gzip.open(module.default_bpe()).read().decode().split("\n")[: 1 + merge_count]
    with tempfile.NamedTemporaryFile(suffix=".gz") as file:
        file.write(gzip.compress("\n".join(lines).encode()))
        file.flush()
        tokenizer = module.SimpleTokenizer(file.name)
    pattern = tokenizer.pat.pattern
    for own, openai in SPECIALS.items():
        tokenizer.encoder[openai] = tokenizer.encoder.pop(own)
        pattern = pattern.replace(own, regex.escape(openai))
    tokenizer.pat = regex.compile(pattern, regex.IGNORECASE)
    tokenizer.cache = {openai: openai for openai in SPECIALS.values()}
    return tokenizer, lines[1:]


def is_repaired(text: str) -> bool:
    """Whether ftfy takes the text for wrongly decoded; skiptune does not do that."""
    return ftfy.fix_text(text) != ftfy.fix_text(text, fix_encoding=False)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--merges", type=int, default=6000)
    parser.add_argument("--output", type=pathlib.Path, default=GOLDENS)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    tokenizer, merges = reference_tokenizer(options.merges)
    (options.output / "vocab.json").write_text(json.dumps(tokenizer.encoder, ensure_ascii=False, separators=(",", ":")))
    (options.output / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    kept = [text for text in strings() if not is_repaired(text)]
    rows = []
    for text in kept:
        row = {"text": text, "tokens": tokenizer.encode(text)}
        if len(row["tokens"]) + 2 > CONTEXT_LENGTH:
            row["context"] = tokenizer([text], CONTEXT_LENGTH)[0].tolist()
        rows.append(json.dumps(row, separators=(",", ":")))
    (options.output / "strings.json").write_text("[\n" + ",\n".join(rows) + "\n]\n")
    print(f"{len(tokenizer.encoder)} tokens, {len(kept)} strings, {len(strings()) - len(kept)} left out as repaired by ftfy")


if __name__ == "__main__":
    main()
