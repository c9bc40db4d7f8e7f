"""`vpr methods`."""

import json
from typing import Annotated

import typer

from vprkit.cli.options import Json


def methods(
    pattern: Annotated[str, typer.Argument(help="Name or wildcard, such as 'dinov2-*'.")] = "*",
    as_json: Json = False,
) -> None:
    """List methods: what they are, the weights they need and their licence."""
    from vprkit.config import nearest
    from vprkit.errors import ConfigError
    from vprkit.registry import find_declaration, list_methods

    rows = []
    names = list_methods(pattern)
    if not names:
        raise ConfigError(f"no method fits '{pattern}'{nearest(pattern, list_methods())}")
    for name in names:
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
            }
        )
    if as_json:
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for row in rows:
        typer.echo(f"{row['name']:<24} {row['summary']}")
        typer.echo(f"{'':<24} {row['paper']}; weights: {row['licence']}")
