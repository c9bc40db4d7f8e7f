"""What ProGEO's first stage leaves: prompts, their text features, and of which classes and which CLIP they are."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor

from vprkit import config
from vprkit.data.groups import CosPlaceGrouping
from vprkit.errors import ConfigError, WeightsError
from vprkit.files import replacing

_KEY = "vprkit.progeo.prompts"


@dataclass(frozen=True)
class PromptFacts:
    """What the prompts belong to.

    Attributes:
        clip: SHA-256 of the CLIP file.
        dim: width of a text feature.
        grouping: how images became classes.
        images: fingerprint of the training list and the grouping.
        notes: how they were made.
    """

    clip: str
    dim: int
    grouping: CosPlaceGrouping
    images: str
    notes: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class PromptFile:
    """Prompts of several groups.

    Attributes:
        facts: what they belong to.
        vectors: (K, 4, width) learnt vectors of each group.
        features: (K, dim) float32 text features of each group.
        classes: (K, 3) class corners of each group, which the rows above are of.
    """

    facts: PromptFacts
    vectors: Sequence[Tensor]
    features: Sequence[Tensor]
    classes: Sequence[Tensor]

    def write(self, path: Path) -> None:
        """Replace `path`, whole or not at all."""
        parts = {"vectors": self.vectors, "features": self.features, "classes": self.classes}
        tensors = {f"{part}.{number}": tensor.detach().cpu().contiguous()
                   for part, values in parts.items() for number, tensor in enumerate(values)}  # fmt: skip
        facts = {**dataclasses.asdict(self.facts), "grouping": config.to_dict(self.facts.grouping)}
        with replacing(path) as temporary:
            save_file(tensors, temporary, {_KEY: json.dumps(facts)})

    def features_of(self, group: int, classes: np.ndarray) -> Tensor:
        """(K, dim) text features of these classes, found by their corners, in their order.

        Raises:
            ConfigError: the file lacks the group, or one of the classes.
        """
        if group >= len(self.classes):
            raise ConfigError(f"the prompts are of {len(self.classes)} groups, group {group + 1} is wanted; lower "
                              "groups, or learn prompts of as many")  # fmt: skip
        rows = {tuple(corner): row for row, corner in enumerate(self.classes[group].tolist())}
        absent = [corner for corner in classes.tolist() if tuple(corner) not in rows]
        if absent:
            raise ConfigError(f"the prompts lack {len(absent)} of {len(classes)} classes of group {group + 1}, such as "
                              f"{tuple(absent[0])}; learn them on this training set")  # fmt: skip
        return self.features[group][[rows[tuple(corner)] for corner in classes.tolist()]]

    def check(self, clip: str | None, dim: int, grouping: CosPlaceGrouping) -> None:
        """Refuse prompts of another CLIP, another width or other classes.

        Raises:
            ConfigError: one of them differs; both values are named.
        """
        facts = self.facts
        if facts.dim != dim:
            raise ConfigError(f"the prompts' features have {facts.dim} values, the model's dim is {dim}; both must be "
                              "CLIP's joint width")  # fmt: skip
        if clip is not None and clip != facts.clip:
            raise ConfigError("the prompts were learnt with another CLIP file than the one training starts from; give "
                              "both stages the same clip")  # fmt: skip
        if facts.grouping != grouping:
            raise ConfigError(f"the prompts were learnt with {facts.grouping}, not {grouping}; give both stages the "
                              "same grouping")  # fmt: skip


def read_prompts(path: Path) -> PromptFile:
    """A file that the first stage wrote.

    Raises:
        WeightsError: it is none.
    """
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            text = (file.metadata() or {}).get(_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, safetensors.SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read as prompts ({error}); give last.safetensors of a progeo-prompts run"
                           ) from error  # fmt: skip
    if text is None:
        raise WeightsError(f"{path} holds no prompts; give last.safetensors of a run of recipe progeo-prompts")
    facts = json.loads(text)
    groups = range(sum(name.startswith("classes.") for name in tensors))
    grouping = config.from_dict(CosPlaceGrouping, facts.pop("grouping"))
    parts = ([tensors[f"{part}.{g}"] for g in groups] for part in ("vectors", "features", "classes"))
    return PromptFile(PromptFacts(**facts, grouping=grouping), *parts)


def class_tensor(classes: np.ndarray) -> Tensor:
    """Class corners as a tensor."""
    return torch.from_numpy(np.ascontiguousarray(classes))
