"""Which methods exist: one declaration per system, found by folder or entry point, read without importing torch."""

import dataclasses
import functools
import importlib
import importlib.metadata
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from vprkit.config import nearest
from vprkit.errors import ConfigError, NotAvailable
from vprkit.preprocessing import Preprocessing

Metric = Literal["ip", "l2"]
Shapes = Mapping[str, tuple[int, ...]]
"""Parameter name -> shape of a checkpoint, wrappers and prefixes already stripped."""


def check_metric(metric: str) -> None:
    """Refuse what is no metric of vectors."""
    if metric not in ("ip", "l2"):
        cosine = "; for cosine similarity bring the vectors to length 1 and use 'ip'" if metric == "cosine" else ""
        raise ConfigError(f"metric '{metric}' is unknown; use 'ip' or 'l2'{cosine}")


@dataclass(frozen=True)
class Released:
    """A weights file of the original authors."""

    file: str
    url: str
    licence: str
    sha256: str | None = None
    variant: str | None = None
    browser_only: bool = False


@dataclass(frozen=True)
class Variant:
    """A named setting of a method.

    Attributes:
        configuration: what differs from the method's default.
        preprocessing: where it differs.
        candidates: how many candidates its authors look at again, where they say so.
    """

    configuration: Mapping[str, Any] = field(default_factory=dict)
    preprocessing: Preprocessing | None = None
    candidates: int | None = None


@dataclass(frozen=True)
class Recipe:
    """How a method is trained. Parts written `"module:attribute"` load when needed.

    Attributes:
        name: what `vpr train` calls it.
        summary: one line.
        settings: a dataclass, a `vprkit.training.settings.TrainingConfig` with the recipe's own fields and defaults.
        task: a callable `(settings, training sets by name) -> vprkit.training.task.Task`.
        stages: recipes that come before it, in order, where it starts from what they wrote.
    """

    name: str
    summary: str
    settings: str
    task: str
    stages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Declaration:
    """Everything vprkit knows of a system before loading it. Parts written `"module:attribute"` load when needed.

    Attributes:
        name: the name of its folder or file under `methods/`.
        summary: one line for `vpr methods`.
        paper: citation or address of the source.
        licence: licence of the released weights ("none needed" where it has none).
        preprocessing: how its images are prepared unless a variant or a weights file says otherwise.
        metric: `ip` (inner product) or `l2` (squared distance) between its index vectors.
        configuration: a dataclass, its keyword arguments are the method's options.
        network: a callable `(configuration) -> nn.Module` whose forward gives `Features` or a (B, D) tensor.
        variants: names a user may ask for besides `name`.
        needs_weights: False for training-free methods.
        released: the authors' files.
        recognise: shapes of a foreign checkpoint -> options of this method, or None where it is not one of ours.
        key_map: a callable `(name) -> name | None` from a foreign checkpoint's key to the network's; None drops it.
        recipes: how it is trained.
        reranker: a callable `(configuration) -> vprkit.rerank.reranker.Reranker`, where it has a second stage.
        convert: a callable from a foreign checkpoint's tensors to ones of the network's layout, before their names are
            mapped; for files of other programs (MATLAB) whose axes differ.
        prepared: a callable `(configuration) -> Preprocessing`, where options decide how images are prepared.
        assemble: a callable `(configuration, checkpoint or None) -> nn.Module` that gives the network its weights, for
            a method that is put together from others: what the checkpoint lacks comes from the files of its parts.
        unfinished: a callable `(configuration) -> str | None` that says why a network with these options describes no
            images yet (what only a training stage needs), and what to do; None where it does.
        suggested: options of which shapes tell what is usual and no more; what a user says counts.
        candidates: how many candidates its authors look at again, where they say so and variants do not differ.
    """

    name: str
    summary: str
    paper: str
    licence: str
    preprocessing: Preprocessing
    configuration: str
    network: str
    metric: Metric = "ip"
    variants: Mapping[str, Variant] = field(default_factory=dict)
    needs_weights: bool = True
    released: tuple[Released, ...] = ()
    recognise: Callable[[Shapes], dict[str, Any] | None] | None = None
    key_map: str | None = None
    convert: str | None = None
    recipes: tuple[Recipe, ...] = ()
    reranker: str | None = None
    prepared: str | None = None
    assemble: str | None = None
    unfinished: str | None = None
    suggested: tuple[str, ...] = ()
    candidates: int | None = None

    def for_variant(self, name: str) -> "Declaration":
        """The declaration as the variant `name` sees it (itself for its own name)."""
        variant = self.variants.get(name)
        if variant is None or variant.preprocessing is None:
            return self
        return dataclasses.replace(self, preprocessing=variant.preprocessing)


REFUSED: Mapping[str, str] = {
    "cricavpr": "its multi-scale adapters inside DINOv2 are not specified here, and its encoder attends across the "
    "images of a batch, so descriptors depend on what else is in the batch; use cricavpr_small, salad, boq or megaloc",
    "sfrs": "it needs its authors' own VGG-16, soft-margin NetVLAD and PCA files, whose layout is not specified here; "
    "use netvlad, or a newer method such as cosplace",
    "eva": "EVA-02's towers are open_clip's alone (merged2b_s8b_b131k): their layers are not specified here, and the "
    "library needs torchvision; use lavpr-crossmodal with BLIP, CLIP or SigLIP",
    "anyloc": "its VLAD vocabularies, one per domain, are data that its authors distribute apart from any weights, and "
    "their layout is not specified here; use dinov2 with pooling=gem, or salad",
}
"""Systems that people ask for and vprkit does not have -> why, and what to use instead."""


def load_attribute(reference: str) -> Any:
    """The object that `"module:attribute"` names."""
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)


@functools.cache
def _modules() -> dict[str, str]:
    """Method name -> module, by listing `vprkit.methods` and the entry points, importing none of them.

    A folder cannot have a hyphen in its name, so hyphens of a method's name are underscores here.
    """
    package = importlib.import_module("vprkit.methods")
    modules = {info.name: f"vprkit.methods.{info.name}" for info in pkgutil.iter_modules(package.__path__)}
    for entry in importlib.metadata.entry_points(group="vprkit.methods"):
        modules.setdefault(_folder(entry.name), entry.value)
    return modules


def _folder(name: str) -> str:
    return name.replace("-", "_")


@functools.cache
def _declaration_of(module: str) -> Declaration:
    name, _, attribute = module.partition(":")
    declaration: Declaration = getattr(importlib.import_module(name), attribute or "METHOD")
    return declaration


def declarations() -> Iterator[Declaration]:
    """Every declaration, by name."""
    for _, module in sorted(_modules().items()):
        yield _declaration_of(module)


def list_methods(pattern: str = "*") -> list[str]:
    """Names that `load_method` takes, variants included; `pattern` may hold wildcards (`dinov2-*`)."""
    names = {name for declaration in declarations() for name in (declaration.name, *declaration.variants)}
    return sorted(name for name in names if fnmatchcase(name, pattern))


def list_recipes(pattern: str = "*") -> list[str]:
    """Names that `vpr train` takes; `pattern` may hold wildcards."""
    return sorted(name for name in _recipes() if fnmatchcase(name, pattern))


def find_recipe(name: str) -> Recipe:
    """The recipe of this name.

    Raises:
        ConfigError: there is none; the nearest one is named.
    """
    recipes = _recipes()
    if name not in recipes:
        raise ConfigError(f"there is no recipe '{name}'{nearest(name, recipes)}; `vpr methods` lists them")
    return recipes[name]


def _recipes() -> dict[str, Recipe]:
    return {recipe.name: recipe for declaration in declarations() for recipe in declaration.recipes}


def find_declaration(name: str) -> Declaration:
    """The declaration behind a method or variant name.

    Raises:
        ConfigError: no method has this name; the nearest one is named.
        NotAvailable: a known system that vprkit does not have; the message says why.
    """
    modules = _modules()
    if _folder(name) in modules:
        return _declaration_of(modules[_folder(name)])
    for declaration in declarations():
        if name in declaration.variants:
            return declaration.for_variant(name)
    if refused := _refused(name):
        raise NotAvailable(f"'{name}' is not offered: {refused}")
    raise ConfigError(f"there is no method '{name}'{nearest(name, list_methods())}; `vpr methods` lists them")


def published_candidates(name: str) -> int | None:
    """How many candidates the authors of a method or variant look at again; None where nobody says.

    Raises:
        ConfigError: no method has this name.
    """
    declaration = find_declaration(name)
    variant = declaration.variants.get(name, Variant())
    return declaration.candidates if variant.candidates is None else variant.candidates


def _refused(name: str) -> str | None:
    """Why a system is not here; variants such as `anyloc-urban` count as theirs."""
    return REFUSED.get(name) or REFUSED.get(name.partition("-")[0])
