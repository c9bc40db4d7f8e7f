"""Files of LaVPR's fusion: the authors' whole checkpoints by their shapes, and names. Needs no torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from vprkit import registry
from vprkit.errors import WeightsError
from vprkit.registry import Shapes

Held = TypeVar("Held")

IMAGE, TEXT = "vpr_encoder.", "text_encoder."
_HEADS = ("fusion.", "w_alpha", "vpr_proj.", "text_proj.")
PROJECTION = "vpr_proj.weight"
_WIDTHS = {384: "minilm", 1024: "bge-large"}


def to_network(name: str) -> str | None:
    """The network's name of a parameter outside the encoders, in the authors' files; None for one of an encoder."""
    if name.startswith((IMAGE, TEXT)):
        return None
    return f"head.{name}" if name.startswith(_HEADS) else name


def recognise(shapes: Shapes) -> dict[str, Any] | None:
    """The options that a checkpoint with these shapes stands for, or None where it is none of LaVPR's fusion."""
    if not all(any(name.startswith(part) for name in shapes) for part in (IMAGE, TEXT)):
        return None
    shapes = {unadapted(name): shape for name, shape in shapes.items() if ".lora_" not in name}
    image = below(shapes, IMAGE)
    words = shapes.get(f"{TEXT}embeddings.word_embeddings.weight", (0, 0))
    if len(words) != 2 or words[1] not in _WIDTHS:
        return None
    head, width = _head(shapes)
    # Both poolers have the same parameters; the published recipe takes the first.
    pooling = "cls" if any(name.startswith("text_pooling.") for name in shapes) else "none"
    found = {"image": image_method(image), "text": _WIDTHS[words[1]], "pooling": pooling}
    if head is not None:
        found["head"] = head
    if any(name.startswith("image_pooling.") for name in shapes):
        found["image_pooling"] = "patches"
    return found if width is None else {**found, "width": width}


def unadapted(name: str) -> str:
    """The name of a text encoder's parameter before adapters were put beside it."""
    return name.replace(f"{TEXT}base_model.model.", TEXT, 1).replace(".base_layer.", ".")


def below(held: Mapping[str, Held], prefix: str) -> dict[str, Held]:
    """What belongs to a part, without its name."""
    return {name.removeprefix(prefix): value for name, value in held.items() if name.startswith(prefix)}


def image_method(shapes: Shapes) -> str:
    """The variant of the image method with these shapes; `mixvpr-512` where none is."""
    for declaration in registry.declarations():
        known = declaration.recognise(shapes) if declaration.recognise and declaration.assemble is None else None
        if known is not None:
            return _variant(declaration, known)
    return "mixvpr-512"


def _variant(declaration: registry.Declaration, known: dict[str, Any]) -> str:
    for name, variant in declaration.variants.items():
        settings = variant.configuration
        if settings and all(_plain(known.get(key)) == _plain(value) for key, value in settings.items()):
            return name
    return declaration.name


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def refuse_untold(head: str, shapes: Shapes, path: Path) -> None:
    """Refuse two projections that nobody has said the use of.

    Raises:
        WeightsError: the file has them, and no head was chosen.
    """
    if head == "none" and PROJECTION in shapes:
        raise WeightsError(f"{path} holds projections of image and text, and does not tell whether they are "
                           "compared across (cross_modal=3) or added (fusion_type=add); say head=projections or "
                           "head=add")  # fmt: skip


def _head(shapes: Shapes) -> tuple[str | None, int | None]:
    """The head, None where the shapes leave it open, and its width where it has one."""
    if "w_alpha" in shapes:
        return "fixed", None
    if PROJECTION in shapes:
        return None, shapes[PROJECTION][0]
    last = shapes.get("fusion.2.weight")
    if last is None:
        return "none", None
    return ("ads", None) if last[0] == 2 else ("mlp", last[0])
