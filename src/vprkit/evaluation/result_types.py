"""Whether what a file says is of the types that its dataclasses declare: a saved result comes from anywhere.

`vprkit.config` converts as it reads, and is made for a page of settings; this only looks, at a million numbers.
"""

import dataclasses
import functools
import types
from collections.abc import Callable
from typing import Any, Union, get_args, get_origin, get_type_hints

MOST_WHOLE = 2**63 - 1
"""What NumPy's integers hold."""

Holds = Callable[[Any], bool]


def check_types(one: Any, where: str = "") -> None:
    """Refuse a dataclass with a field that is not what its hint says; numbers may be None, which JSON has for NaN.

    Args:
        one: the dataclass; those in its fields are looked at too.
        where: begins the name of the field in messages.

    Raises:
        TypeError: names the field.
    """
    for name, holds in _fields(one.__class__):
        if holds(value := getattr(one, name)):
            continue
        for place, item in value.items() if isinstance(value, dict) else enumerate(value if _listed(value) else ()):
            if dataclasses.is_dataclass(item):
                check_types(item, f"{where}{name}[{place}].")
        raise TypeError(f"'{where}{name}' is of the wrong type")


@functools.cache
def _fields(cls: Any) -> tuple[tuple[str, Holds], ...]:
    hints = get_type_hints(cls)
    return tuple((field.name, _holds(hints[field.name])) for field in dataclasses.fields(cls))


def _holds(hint: Any) -> Holds:
    """What tells whether a value fits a hint."""
    origin, inner = get_origin(hint), [_holds(part) for part in get_args(hint) if part is not Ellipsis]
    if hint is Any:
        return lambda value: True
    if origin in (Union, types.UnionType):
        return lambda value: any(holds(value) for holds in inner)
    if origin is dict:
        keys, values = inner
        return lambda value: isinstance(value, dict) and all(map(keys, value)) and all(map(values, value.values()))
    if origin is list:
        return lambda value: isinstance(value, list) and all(map(inner[0], value))
    if origin is tuple and Ellipsis in get_args(hint):
        return lambda value: isinstance(value, tuple) and all(map(inner[0], value))
    if origin is tuple:
        return lambda value: (
            isinstance(value, tuple)
            and len(value) == len(inner)
            and all(holds(item) for holds, item in zip(inner, value, strict=True))
        )
    if dataclasses.is_dataclass(hint):
        return functools.partial(_is_one_of, hint)
    return {int: _is_whole, float: _is_number}.get(hint, lambda value: isinstance(value, hint))


def _is_one_of(cls: Any, value: Any) -> bool:
    return isinstance(value, cls) and all(holds(getattr(value, name)) for name, holds in _fields(cls))


def _is_whole(value: Any) -> bool:
    return type(value) is int and abs(value) <= MOST_WHOLE


def _is_number(value: Any) -> bool:
    return value is None or type(value) is float or _is_whole(value)


def _listed(value: Any) -> bool:
    return isinstance(value, (list, tuple))
