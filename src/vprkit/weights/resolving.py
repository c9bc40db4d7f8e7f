"""Which method and which options a name, a weights file, or both stand for."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from vprkit import config, registry
from vprkit.errors import ConfigError, WeightsError
from vprkit.preprocessing import Preprocessing
from vprkit.registry import Declaration, Metric, Released
from vprkit.weights.fitting import KeyMap, fit, on_meta
from vprkit.weights.lora import Adapter, merge_into
from vprkit.weights.own import Header
from vprkit.weights.reading import Checkpoint


@dataclass(frozen=True)
class Choice:
    """A method with all options settled.

    Attributes:
        declaration: its system.
        name: the variant's name where the options are a variant's, else the system's.
        configuration: the dataclass the network is built from.
        preprocessing: how its images are prepared.
        metric: of its vectors.
        licence: of the weights, empty where unknown.
    """

    declaration: Declaration
    name: str
    configuration: Any
    preprocessing: Preprocessing
    metric: Metric
    licence: str = ""

    def build(self) -> nn.Module:
        """The network with initial values."""
        network: nn.Module = registry.load_attribute(self.declaration.network)(self.configuration)
        return network

    def reranker(self) -> Any:
        """The second stage with these options, None where the system has none."""
        declared = self.declaration.reranker
        return None if declared is None else registry.load_attribute(declared)(self.configuration)

    def unfinished(self) -> str | None:
        """Why this network describes no images yet, None where it does."""
        declared = self.declaration.unfinished
        return None if declared is None else registry.load_attribute(declared)(self.configuration)

    def fill(self, checkpoint: Checkpoint, adapter: Adapter | None = None) -> nn.Module:
        """The network with the numbers of a file, and an adapter merged into them.

        Raises:
            WeightsError: they do not fit, key by key.
        """
        if self.declaration.assemble:
            if adapter is not None:
                raise WeightsError(f"{self.name} is put together from other networks and takes no adapter")
            return self.assembled(checkpoint)
        network = on_meta(self.build)
        foreign, state = checkpoint.header is None, checkpoint.state
        if foreign and self.declaration.convert:
            state = registry.load_attribute(self.declaration.convert)(state)
        named = self._key_map()
        source = f"{checkpoint.path} does not fit {self.name}"
        fit(network, state, source=source, key_map=named if foreign else None)
        if adapter is not None:
            merge_into(network, adapter, named)
        return network

    def _key_map(self) -> KeyMap | None:
        """From the authors' names to the network's."""
        declared = self.declaration.key_map
        return registry.load_attribute(declared) if declared else None

    def assembled(self, checkpoint: Checkpoint | None) -> nn.Module:
        """The network of a method that is put together from others; without a file every part brings its own."""
        network: nn.Module = registry.load_attribute(str(self.declaration.assemble))(self.configuration, checkpoint)
        return network

    def header(self, **notes: Any) -> Header:
        """What a file with this network's weights says about itself."""
        plain = config.to_dict(self.configuration)
        return Header(self.name, plain, self.preprocessing, self.metric, self.licence, notes=notes)


def choose_by_name(
    name: str, options: Mapping[str, Any], known: Mapping[str, Any] | None = None, where: str = "the weights file"
) -> Choice:
    """The choice that a method or variant name and options stand for; `known` is what the file `where` says already.

    Raises:
        ConfigError: no such method or option, or two of the three contradict each other.
    """
    declaration = registry.find_declaration(name)
    variant = declaration.variants.get(name)
    settled = {key: value for key, value in (known or {}).items()
               if not (key in declaration.suggested and key in options)}  # fmt: skip
    layers = [
        (f"{where} is of", settled),
        (f"'{name}' means", variant.configuration if variant else {}),
        ("the options say", options),
    ]
    configuration = _agreed(registry.load_attribute(declaration.configuration), layers)
    final = _canonical(declaration, configuration, name)
    seen = declaration.for_variant(final).preprocessing
    if declaration.prepared:
        seen = registry.load_attribute(declaration.prepared)(configuration)
    return Choice(declaration, final, configuration, seen, declaration.metric)


def choose_for_file(checkpoint: Checkpoint, name: str | None, options: Mapping[str, Any]) -> Choice:
    """The choice that a weights file stands for, optionally with the name and options a user gave.

    Raises:
        WeightsError: no method recognises the file, several do, or it is of another method than the named one.
        ConfigError: an option is unknown or contradicts the file.
    """
    if checkpoint.header is not None:
        return _from_header(checkpoint, checkpoint.header, name, options)
    if name is not None:
        declaration = registry.find_declaration(name)
        known = declaration.recognise(checkpoint.shapes) if declaration.recognise else None
        return _licensed(choose_by_name(name, options, known, str(checkpoint.path)), checkpoint)
    candidates = recognising(checkpoint)
    if not candidates:
        raise WeightsError(_nobody(checkpoint))
    named = [(d, known) for d, known in candidates if any(r.file == checkpoint.path.name for r in d.released)]
    chosen = named if len(candidates) > 1 and named else candidates
    if len(chosen) > 1:
        names = ", ".join(declaration.name for declaration, _ in chosen)
        raise WeightsError(
            f"{checkpoint.path} fits several methods: {names}; say which one, for example {chosen[0][0].name}"
        )
    declaration, known = chosen[0]
    asked = _further_weights(declaration, checkpoint) or declaration.name
    return _licensed(choose_by_name(asked, options, known, str(checkpoint.path)), checkpoint)


def recognising(checkpoint: Checkpoint) -> list[tuple[Declaration, dict[str, Any]]]:
    """Every system whose `recognise` fits the file's shapes, with the options it read from them."""
    found = []
    for declaration in registry.declarations():
        known = declaration.recognise(checkpoint.shapes) if declaration.recognise else None
        if known is not None:
            found.append((declaration, known))
    return found


def released_as(file: str) -> tuple[str, Released] | None:
    """The method or variant whose authors' file has this name, and that file."""
    return next(((r.variant or d.name, r) for d in registry.declarations() for r in d.released if r.file == file), None)


def _from_header(checkpoint: Checkpoint, header: Header, name: str | None, options: Mapping[str, Any]) -> Choice:
    try:
        declaration = registry.find_declaration(header.method)
    except ConfigError as error:
        raise WeightsError(
            f"{checkpoint.path} is of the method '{header.method}', which is not installed here"
        ) from error
    if name not in (None, header.method, declaration.name):
        raise WeightsError(
            f"{checkpoint.path} is of the method '{header.method}', asked for was '{name}'; leave the name out"
        )
    cls = registry.load_attribute(declaration.configuration)
    free = {field.name for field in dataclasses.fields(cls) if config.is_free(field)} & set(options)
    made = {key: value for key, value in header.configuration.items() if key not in free}
    layers = [(f"{checkpoint.path} was made with", made), ("the options say", options)]
    configuration = _agreed(cls, layers)
    return Choice(declaration, header.method, configuration, header.preprocessing, header.metric, header.licence)


def _licensed(choice: Choice, checkpoint: Checkpoint) -> Choice:
    """With the licence of the authors' file of this name, where it is one."""
    for released in choice.declaration.released:
        if released.file == checkpoint.path.name:
            return dataclasses.replace(choice, licence=released.licence)
    return choice


def _canonical(declaration: Declaration, configuration: Any, asked: str) -> str:
    """One name for one configuration, however it was asked for: the most specific variant that it is an example of."""
    fitting = [
        name
        for name, variant in declaration.variants.items()
        if variant.configuration and _is_example(configuration, variant.configuration)
    ]
    if asked in declaration.variants or not fitting:
        return asked
    return max(fitting, key=lambda name: len(declaration.variants[name].configuration))


def _is_example(configuration: Any, variant: Mapping[str, Any]) -> bool:
    """Whether a configuration has everything that a variant says."""
    plain = config.to_dict(configuration)
    try:
        return config.to_dict(config.from_dict(type(configuration), {**plain, **variant})) == plain
    except ConfigError:  # the two contradict each other
        return False


def _agreed(cls: Any, layers: Sequence[tuple[str, Mapping[str, Any]]]) -> Any:
    """The configuration that several sources agree on.

    Args:
        cls: the configuration's dataclass.
        layers: (words, settings) of each source; the words introduce it in the error message.

    Raises:
        ConfigError: a setting is unknown, or two sources differ.
    """
    everything = {key: value for _, layer in layers for key, value in layer.items()}
    merged: dict[str, Any] = {}
    said: dict[str, str] = {}
    for words, layer in layers:
        plain = config.to_dict(config.from_dict(cls, {**everything, **layer}))
        for key in layer:
            if key in merged and merged[key] != plain[key]:
                raise ConfigError(
                    f"{said[key]} {key}={merged[key]!r}, {words} {key}={plain[key]!r}; leave one of them out"
                )
            merged[key], said[key] = plain[key], words
    return config.from_dict(cls, merged)


def _further_weights(declaration: Declaration, checkpoint: Checkpoint) -> str | None:
    """The variant that only has other weights (no configuration of its own), where the file's name says so."""
    for released in declaration.released:
        variant = declaration.variants.get(released.variant or "")
        if released.file == checkpoint.path.name and variant is not None and not variant.configuration:
            return released.variant
    return None


def _nobody(checkpoint: Checkpoint) -> str:
    names = list(checkpoint.shapes)
    first = ", ".join(f"'{name}' {checkpoint.shapes[name]}" for name in names[:3])
    wrapped = f", under {' > '.join(checkpoint.wrapper)}" if checkpoint.wrapper else ""
    return (
        f"no method recognises {checkpoint.path}: it holds {len(names)} tensors ({first}, ...){wrapped}. "
        "If it is of a known method, name that method to see what differs; `vpr methods` lists them"
    )
