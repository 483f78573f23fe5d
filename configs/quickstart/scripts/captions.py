"""The character classes of the pre-training and the sentences that describe them."""

from dataclasses import dataclass

DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
# Left out: characters that many fonts draw like a digit (O, I, l, o) and lower-case letters that
# differ from their capitals by size alone.
CAPITALS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
SMALL = "abdefghkmnpqrty"

DIGIT_NOUNS = ["{}", "digit {}", "digit {}", "number {}", "figure {}", "numeral {}"]
CAPITAL_NOUNS = ["capital {}", "capital letter {}", "upper case letter {}", "big letter {}"]
SMALL_NOUNS = ["small {}", "small letter {}", "lower case letter {}", "little letter {}"]

FRAMES = [
    "{}", "{}.", "a {}.", "the {}.", "this is a {}.", "this is the {}.",
    "a photo of a {}.", "a photo of the {}.", "a photo of {}.", "a photo of one {}.",
    "a bad photo of a {}.", "a bad photo of the {}.", "a good photo of the {}.",
    "a blurry photo of the {}.", "a bright photo of a {}.", "a dark photo of the {}.",
    "a close-up photo of a {}.", "a cropped photo of the {}.", "a photo of the nice {}.",
    "a low resolution photo of the {}.", "a black and white photo of the {}.",
    "a centered photo of the {}.", "itap of a {}.", "itap of the {}.",
    "a picture of a {}.", "a picture of the {}.", "an image of a {}.", "an image of the {}.",
    "a scan of the {}.", "a drawing of a {}.", "a sketch of a {}.", "a rendition of a {}.",
    "a handwritten {}", "a handwritten {}.", "the handwritten {}.", "a printed {}.",
    "a photo of a handwritten {}.", "the {} written by hand.", "somebody wrote the {}.",
    "a {} drawn in ink.", "a {} on paper.", "the shape of the {}.",
]


@dataclass(frozen=True)
class Character:
    """One class: the character that is drawn and every caption that fits it."""

    glyph: str
    is_digit: bool
    is_small: bool
    captions: tuple


def _captions(nouns, word):
    return tuple(frame.format(noun.format(word)) for frame in FRAMES for noun in nouns)


def characters():
    """List all classes: ten digits first, then capitals, then small letters."""
    digits = [
        Character(str(value), True, False, _captions(DIGIT_NOUNS, word))
        for value, word in enumerate(DIGITS)
    ]
    capitals = [
        Character(letter, False, False, _captions(CAPITAL_NOUNS, letter.lower()))
        for letter in CAPITALS
    ]
    small = [Character(letter, False, True, _captions(SMALL_NOUNS, letter)) for letter in SMALL]
    return digits + capitals + small
