"""Changes of descriptions: what they do, and that they follow from the image's own generator."""

import numpy as np
import pytest

from vprkit.errors import ConfigError
from vprkit.training.randomness import generator_for
from vprkit.training.text_augmentation import FAMILIES, TextAugmentation, reverse_clauses, swap_colours

TEXT = "A Red house with a black door, a grey wall, broad trees."


def test_clauses_change_their_order_and_nothing_else() -> None:
    assert reverse_clauses(TEXT) == "broad trees, a grey wall, A Red house with a black door."
    assert reverse_clauses("one clause") == "one clause" and reverse_clauses("") == ""


def test_colours_stay_in_their_family() -> None:
    for seed in range(20):
        changed = swap_colours(TEXT, np.random.default_rng(seed))
        before, after = TEXT.split(), changed.split()
        differing = {a: b for a, b in zip(before, after, strict=True) if a != b}
        assert set(differing) == {"Red", "black", "grey"}
        assert differing["Red"].lower() in FAMILIES[0] and differing["Red"][0].isupper()
        assert differing["grey"] in ("gray", "silver", "charcoal")
    assert swap_colours("a redbrick tannery", np.random.default_rng(0)) == "a redbrick tannery"


def test_the_same_image_of_the_same_batch_gets_the_same_text() -> None:
    changing = TextAugmentation(0.5, 0.5)
    first = [changing(TEXT, generator_for(3, 1, 2, place)) for place in range(40)]
    assert first == [changing(TEXT, generator_for(3, 1, 2, place)) for place in range(40)]
    assert TEXT in first and len(set(first)) > 10
    off, generator = TextAugmentation(), np.random.default_rng(0)
    assert off(TEXT, generator) == TEXT and generator.random() == np.random.default_rng(0).random()


def test_probabilities_are_checked() -> None:
    with pytest.raises(ConfigError, match="swap_colours is a probability from 0 to 1, got 2"):
        TextAugmentation(swap_colours=2)
