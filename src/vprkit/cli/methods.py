"""`vpr methods`."""

import itertools
import json
import textwrap
from typing import Annotated, Any

import typer

from vprkit.cli.options import Json


def methods(
    pattern: Annotated[str, typer.Argument(help="Name or wildcard, such as 'dinov2-*'.")] = "*",
    as_json: Json = False,
) -> None:
    """List methods: what they are, the weights they need, their licence, and the recipes that train them."""
    from vprkit.config import nearest
    from vprkit.errors import ConfigError
    from vprkit.registry import find_declaration, list_methods, published_candidates

    rows: list[dict[str, Any]] = []
    names = list_methods(pattern)
    if not names:
        raise ConfigError(f"no method fits '{pattern}'{nearest(pattern, list_methods())}")
    for name in sorted(names, key=lambda name: (own := find_declaration(name).name, name != own, name)):
        declaration = find_declaration(name)
        files = [released.file for released in declaration.released if released.variant in (None, name)]
        rows.append(
            {
                "name": name,
                "summary": declaration.summary,
                "paper": declaration.paper,
                "licence": declaration.licence,
                "needs_weights": declaration.needs_weights,
                "released": files,
                "candidates": published_candidates(name),
                "recipes": {recipe.name: recipe.summary for recipe in declaration.recipes},
            }
        )
    if as_json:
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for _, group in itertools.groupby(rows, key=lambda row: row["summary"]):
        first, *others = group
        typer.echo(f"{first['name']:<24} {first['summary']}")
        typer.echo(f"{'':<24} {first['paper']}; weights: {first['licence']}")
        for recipe, summary in first["recipes"].items():
            typer.echo(f"{'':<24} vpr train {recipe}: {summary}")
        if others:
            pad = " " * 25
            also = "also " + ", ".join(_named(row) for row in others)
            typer.echo(textwrap.fill(also, 120, initial_indent=pad, subsequent_indent=pad, break_on_hyphens=False))


def _named(row: dict[str, Any]) -> str:
    """A variant, with how many candidates its authors look at again."""
    return f"{row['name']} (re-ranks {row['candidates']})" if row["candidates"] else str(row["name"])
