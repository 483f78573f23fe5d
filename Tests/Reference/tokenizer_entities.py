"""Writes Sources/CLIPModel/Tokenizer/HTMLEntityNames.swift: the named character references of HTML 5.

Usage: python Tests/Reference/tokenizer_entities.py
Needs nothing but Python (3.11 was used); the facts come from html.entities.html5.
"""

import html.entities
import pathlib
import textwrap

NAMES = html.entities.html5
TARGET = pathlib.Path(__file__).parents[2] / "Sources/CLIPModel/Tokenizer/HTMLEntityNames.swift"
HEAD = '''\
/// The named character references of HTML 5.
///
/// Written by Tests/Reference/tokenizer_entities.py; do not edit. Each word is `name=code points`, in hexadecimal; a star
/// after the name says that it also counts without its semicolon.
enum HTMLEntityNames {
  static let table = """
'''


def word(name: str) -> str:
    bare = name.removesuffix(";")
    star = "*" if bare in NAMES else ""
    return f"{bare}{star}={','.join(f'{ord(c):X}' for c in NAMES[name])}"


def main() -> None:
    with_semicolon = sorted(name for name in NAMES if name.endswith(";"))
    assert all(name.isascii() for name in NAMES)
    assert all(NAMES.get(name + ";") == NAMES[name] for name in NAMES if not name.endswith(";"))
    words = " ".join(map(word, with_semicolon))
    lines = textwrap.wrap(words, width=116, break_long_words=False, break_on_hyphens=False)
    TARGET.write_text(HEAD + "".join(f"    {line}\n" for line in lines) + '    """\n}\n')


if __name__ == "__main__":
    main()
