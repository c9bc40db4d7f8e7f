"""Typed configuration: dataclasses <-> plain data <-> YAML <-> `key=value`.

A configuration is a (nested) dataclass whose fields are made with `option(default, help)`. Reading is strict: an
unknown key names its nearest neighbour, a value of the wrong type names the key, the type wanted and the value found.
"""

import contextlib
import dataclasses
import difflib
import enum
import math
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from vprkit.errors import ConfigError
from vprkit.files import unread

T = TypeVar("T")


def option(default: Any = dataclasses.MISSING, help: str = "", *, factory: Any = dataclasses.MISSING) -> Any:
    """A dataclass field with a sentence that explains it."""
    if factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=factory, metadata={"help": help})
    return dataclasses.field(default=default, metadata={"help": help})


FREE = "[free]"
"""How the sentence of an option begins that may differ from what a file or a run was made with."""


def is_free(field: "dataclasses.Field[Any]") -> bool:
    """Whether an option may differ from what a file or a run was made with."""
    return str(field.metadata.get("help", "")).startswith(FREE)


NEAR = 0.6
"""Likeness (difflib's) from which a name is suggested: a slip of the hand, or the beginning of a longer name."""

LISTED = 30
"""Known names are listed up to so many; who needs more has a command for it."""


def nearest(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or the known names where none is near and they are not too many."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=NEAR)
    if close:
        return f" (did you mean '{close[0]}'?)"
    return f" (known: {', '.join(names)})" if 0 < len(names) <= LISTED else ""


def to_dict(config: Any) -> dict[str, Any]:
    """Plain data of a configuration: what YAML and JSON can hold, in field order."""
    return {field.name: _plain(getattr(config, field.name)) for field in dataclasses.fields(config)}


def from_dict(cls: type[T], data: Mapping[str, Any], where: str = "") -> T:
    """Build `cls` from plain data, strictly.

    Raises:
        ConfigError: unknown or missing key, or a value of the wrong type; the message names the dotted key.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where or cls.__name__}: expected keys and values, got {data!r}")
    hints = get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in data:
        if key not in fields:
            raise ConfigError(f"unknown key '{_dotted(where, str(key))}'{nearest(str(key), fields)}")
    missing = [name for name, field in fields.items() if name not in data and _is_required(field)]
    if missing:
        raise ConfigError(f"missing key '{_dotted(where, missing[0])}' of {cls.__name__}")
    return cls(**{key: _convert(hints[key], value, _dotted(where, key)) for key, value in data.items()})


def override(config: T, assignments: Iterable[str]) -> T:
    """A copy of `config` with `key.sub=value` assignments applied; values are read as YAML."""
    values = {}
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator or not key:
            raise ConfigError(f"'{assignment}' is not an assignment; write key=value")
        values[key.strip()] = parse_value(text, key)
    return with_values(config, values)


def with_values(config: T, values: Mapping[str, Any]) -> T:
    """A copy of `config` with the values of dotted keys (`schedule.epochs`) replaced.

    Raises:
        ConfigError: unknown key, or a value of the wrong type.
    """
    data = to_dict(config)
    for key, value in values.items():
        parts = key.split(".")
        target = data
        for depth, part in enumerate(parts[:-1]):
            if not isinstance(target.get(part), dict):
                dotted = ".".join(parts[: depth + 1])
                raise ConfigError(f"unknown key '{dotted}'{nearest(part, target)}")
            target = target[part]
        if parts[-1] not in target:
            raise ConfigError(f"unknown key '{key}'{nearest(parts[-1], target)}")
        target[parts[-1]] = _plain(value)
    return from_dict(type(config), data)


def parse_value(text: str, key: str = "") -> Any:
    """Read one value as YAML (`3`, `1e-4`, `true`, `[1, 5]`, `text`)."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"the value of '{key}' is not readable as YAML: {text!r}") from error
    if isinstance(value, str) and value[:1] in set("+-.0123456789"):
        with contextlib.suppress(ValueError):
            return float(value)  # YAML 1.1 reads 1e-4 as text
    return value


def from_yaml(cls: type[T], path: str | Path) -> T:
    """Read a configuration file; keys it leaves out keep their defaults, also inside sections.

    Raises:
        ConfigError: it cannot be read, or holds an unknown key or a value of the wrong type.
    """
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(unread(path, error, "cannot be read as YAML")) from error
    if data is not None and not isinstance(data, dict):
        raise ConfigError(f"{path}: expected keys and values, got {data!r:.60}")
    try:
        return with_values(cls(), _dotted_values(cls(), data or {}))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _dotted_values(config: Any, data: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """The leaves of nested data under dotted keys; what is no section of `config` is a leaf."""
    leaves: dict[str, Any] = {}
    for key, value in data.items():
        name, section = _dotted(where, str(key)), getattr(config, str(key), None)
        if isinstance(value, Mapping) and dataclasses.is_dataclass(section):
            leaves |= _dotted_values(section, value, name)
        else:
            leaves[name] = value
    return leaves


def to_yaml(config: Any) -> str:
    """The configuration as YAML, each key with its explanation as a comment."""
    return "\n".join(_yaml_lines(config, 0)) + "\n"


def _yaml_lines(config: Any, indent: int) -> list[str]:
    pad = "  " * indent
    lines = []
    for field in dataclasses.fields(config):
        value, comment = getattr(config, field.name), field.metadata.get("help", "")
        suffix = f"  # {comment}" if comment else ""
        if dataclasses.is_dataclass(value):
            lines += [f"{pad}{field.name}:{suffix}", *_yaml_lines(value, indent + 1)]
        else:
            text = yaml.safe_dump(_plain(value), default_flow_style=True, width=10**6).removesuffix("...\n").strip()
            lines.append(f"{pad}{field.name}: {text}{suffix}")
    return lines


def _is_required(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _dotted(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_dict(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin = get_origin(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        return _convert_union(get_args(hint), value, where)
    if origin is Literal:
        if value in get_args(hint):
            return value
        raise ConfigError(f"'{where}' must be one of {', '.join(map(repr, get_args(hint)))}, got {value!r}")
    if origin in (tuple, list):
        return _convert_sequence(hint, value, where)
    if origin in (dict, Mapping) or typing.get_origin(hint) is dict:
        if isinstance(value, Mapping):
            inner = get_args(hint)[1] if get_args(hint) else Any
            return {str(key): _convert(inner, item, _dotted(where, str(key))) for key, item in value.items()}
    elif dataclasses.is_dataclass(hint):
        return value if isinstance(value, hint) else from_dict(hint, value, where)  # type: ignore[arg-type]
    elif isinstance(hint, type):
        return _convert_scalar(hint, value, where)
    raise ConfigError(f"'{where}' must be {_type_name(hint)}, got {value!r}")


def _convert_union(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in choices:
        return None
    for choice in choices:
        if choice is not type(None):
            try:
                return _convert(choice, value, where)
            except ConfigError:
                continue
    names = " or ".join("none" if choice is type(None) else _type_name(choice) for choice in choices)
    raise ConfigError(f"'{where}' must be {names}, got {value!r}")


def _convert_sequence(hint: Any, value: Any, where: str) -> Any:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"'{where}' must be a list, got {value!r}")
    args = get_args(hint)
    if get_origin(hint) is tuple and args and args[-1] is not Ellipsis:
        if len(args) != len(value):
            raise ConfigError(f"'{where}' must have {len(args)} items, got {len(value)}")
        return tuple(
            _convert(arg, item, f"{where}[{i}]") for i, (arg, item) in enumerate(zip(args, value, strict=True))
        )
    inner = args[0] if args else Any
    items = [_convert(inner, item, f"{where}[{i}]") for i, item in enumerate(value)]
    return tuple(items) if get_origin(hint) is tuple else items


def _convert_scalar(hint: type, value: Any, where: str) -> Any:
    if issubclass(hint, enum.Enum):
        try:
            return hint(value)
        except ValueError:
            choices = ", ".join(repr(member.value) for member in hint)
            raise ConfigError(f"'{where}' must be one of {choices}, got {value!r}") from None
    if hint is Path and isinstance(value, (str, Path)):
        return Path(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"'{where}' must be a finite number, got {value!r}")
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise ConfigError(f"'{where}' must be a number below 1.8e308") from None
    if hint is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, hint) and not (isinstance(value, bool) and hint in (int, float)):
        return value
    raise ConfigError(f"'{where}' must be {_type_name(hint)}, got {value!r}")


def _type_name(hint: Any) -> str:
    plain = {int: "a whole number", float: "a number", str: "text", bool: "true or false", Path: "a path"}
    return plain.get(hint, getattr(hint, "__name__", str(hint)))
