"""Cheap random changes of descriptions in training, drawn from each image's own generator."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vprkit.config import option
from vprkit.errors import ConfigError

FAMILIES = (
    ("red", "crimson", "scarlet", "maroon"),
    ("orange", "amber", "rust"),
    ("brown", "tan", "beige", "chestnut"),
    ("yellow", "golden", "mustard"),
    ("green", "olive", "lime", "emerald"),
    ("blue", "navy", "azure", "turquoise"),
    ("purple", "violet", "lavender", "mauve"),
    ("pink", "rose", "salmon"),
    ("grey", "gray", "silver", "charcoal"),
    ("white", "cream", "ivory"),
    ("black", "ebony", "jet"),
)
"""Colour words that may stand for each other."""

_FAMILY: Mapping[str, tuple[str, ...]] = {word: family for family in FAMILIES for word in family}
_COLOURS = re.compile(rf"\b({'|'.join(_FAMILY)})\b", re.IGNORECASE)
_END = ".!?"


@dataclass(frozen=True)
class TextAugmentation:
    """Probabilities of changes to a text; everything is off unless asked for."""

    reverse_clauses: float = option(0.0, "the parts between commas in the opposite order")
    swap_colours: float = option(0.0, "every colour word becomes another one of its family (red, crimson, scarlet)")

    def __post_init__(self) -> None:
        for name, share in (("reverse_clauses", self.reverse_clauses), ("swap_colours", self.swap_colours)):
            if not 0 <= share <= 1:
                raise ConfigError(f"text_augmentation.{name} is a probability from 0 to 1, got {share}")

    def __call__(self, text: str, generator: np.random.Generator) -> str:
        """The text, changed at random."""
        if self.reverse_clauses and generator.random() < self.reverse_clauses:
            text = reverse_clauses(text)
        if self.swap_colours and generator.random() < self.swap_colours:
            text = swap_colours(text, generator)
        return text


def reverse_clauses(text: str) -> str:
    """`a door, a tree.` -> `a tree, a door.`"""
    body = text.rstrip()
    end = body[len(body.rstrip(_END)) :]
    clauses = [clause.strip() for clause in body.removesuffix(end).split(",")]
    return ", ".join(reversed(clauses)) + end


def swap_colours(text: str, generator: np.random.Generator) -> str:
    """Each colour word replaced by another one of its family, its first letter as large as before."""

    def other(match: re.Match[str]) -> str:
        word = match[0]
        family = [name for name in _FAMILY[word.lower()] if name != word.lower()]
        chosen = family[int(generator.integers(len(family)))]
        return chosen.capitalize() if word[0].isupper() else chosen

    return _COLOURS.sub(other, text)
