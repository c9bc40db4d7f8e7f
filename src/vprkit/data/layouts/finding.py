"""Which layout a folder is of; and where none fits, what is there instead of what was asked for."""

import dataclasses

from vprkit.config import nearest
from vprkit.data.layouts.layout import Request, Roles, layouts
from vprkit.errors import VprError

SPLITS = ("train", "val", "test")


def first_that_fits(request: Request) -> Roles | None:
    """What the first layout that knows the folder says; None where none does."""
    fitting = (layout for layout in layouts() if layout.knows(request))
    return next((found for layout in fitting if (found := layout.read(request)) is not None), None)


def why_nothing_fits(request: Request) -> str:
    """A sentence for a folder that no layout reads: another split or other folders of it, or what is understood."""
    split = next((split for split in SPLITS if split != request.split and _readable(request, split=split)), None)
    if split is not None:
        return f"{request.path}: has no split '{request.split}'; it has '{split}'"
    if request.database is not None or request.queries is not None:
        roles = _readable(request, database=None, queries=None)
        if roles is not None:
            return _missing_folder(request, roles)
    inside = ", ".join(sorted(entry.name for entry in request.path.iterdir())[:8]) or "nothing"
    summaries = "; ".join(layout.summary for layout in layouts())
    return f"{request.path}: no known layout for split '{request.split}' (it holds {inside}). Understood: {summaries}"


def _missing_folder(request: Request, roles: Roles) -> str:
    present = sorted(entry.name for entry in roles.root.iterdir() if entry.is_dir())
    asked = [name.strip() for each in (request.database, request.queries) for name in (each or "").split(",") if name]
    missing = next((name for name in asked if name not in present), asked[0])
    hint = nearest(missing, present) or nearest(f"queries_{missing}", present)
    return f"{roles.root}: there is no folder '{missing}'{hint}; there are {', '.join(present)}"


def _readable(request: Request, **changes: str | None) -> Roles | None:
    try:
        return first_that_fits(dataclasses.replace(request, **changes))  # type: ignore[arg-type]
    except VprError:
        return None
