"""Facts on the console: a name and a value a line, in words."""

from collections.abc import Mapping
from typing import Any

import typer


def echo_facts(facts: Mapping[str, Any], width: int) -> None:
    """Print facts line by line, their names `width` wide; what they hold is written in words, not in Python."""
    for name, value in facts.items():
        typer.echo(f"{name:<{width}} {in_words(value)}")


def in_words(value: Any) -> str:
    """`{"day": 28, "night": 4}` is `day 28, night 4`; what is empty is `none`."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {in_words(part)}" for key, part in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(in_words, value)) or "none"
    return str(value)
