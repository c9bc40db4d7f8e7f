"""The prompt files of ProGEO's authors: a pickled list of modules, one per group, whose rows name no classes.

Row k belongs to the k-th class of the group in the order of a Python set that was filled image by image, so a file can
only be read beside the training list it was learnt on. That order depends on the numbers alone, not on the process.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vprkit.data.grouped_images import GroupedImages
from vprkit.errors import ConfigError, WeightsError
from vprkit.methods.progeo.clip_files import Clip, text_tower
from vprkit.methods.progeo.prompt_files import PromptFacts, PromptFile, class_tensor
from vprkit.methods.progeo.prompts import Prompts, sentence_vectors
from vprkit.weights.pickled_modules import read_modules

_CLASS = "cosplace_model.cosplace_network_stage1.PromptLearner"
_SAME = 1e-3  # between word vectors in half and in single precision


def published_order(images: GroupedImages, number: int) -> np.ndarray:
    """(K,) places of a group's classes, in the published order, among the sorted ones."""
    grouped = images.grouped
    used = np.flatnonzero(grouped.group_of_image == number)
    width = 3 if images.grouping.degrees else 2
    corners = [tuple(corner[:width]) for corner in grouped.classes.tolist()]
    _, first = np.unique(grouped.labels[used], return_index=True)
    filled = set()
    for label in grouped.labels[used[np.sort(first)]].tolist():  # a class seen again changes nothing
        filled.add(corners[label])
    place = {corners[label]: row for row, label in enumerate(np.flatnonzero(grouped.group_of_class == number).tolist())}
    return np.array([place[corner] for corner in filled], np.int64)


def read_official_prompts(path: Path, images: GroupedImages, clip: Clip, groups: int) -> PromptFile:
    """A file `last_prompt_learners.pth` or `prompt_learners_<epoch>.pth` of the published program.

    Args:
        path: the file; read as data, no class of it is ever made.
        images: the training list it was learnt on, with its grouping.
        clip: whose text tower gives the features.
        groups: how many are wanted.

    Raises:
        WeightsError: it is no such file, or of another CLIP.
        ConfigError: it has fewer groups, or other numbers of classes.
    """
    modules = read_modules(path, (_CLASS,))
    if len(modules) < groups:
        raise ConfigError(f"{path} has prompts of {len(modules)} groups, groups={groups} are wanted; lower groups")
    sentence, tower = sentence_vectors(clip.table), text_tower(clip)
    corners = [images.group(number).classes for number in range(groups)]
    learnt = []
    for number, state in enumerate(modules[:groups]):
        where = f"{path}, group {number + 1}"
        prompts = _filled(Prompts(len(corners[number]), sentence), state, where, clip)
        sorted_rows = torch.from_numpy(np.argsort(published_order(images, number)))
        prompts.cls_ctx = nn.Parameter(prompts.cls_ctx.detach()[sorted_rows])
        learnt.append(prompts)
    facts = PromptFacts(clip.sha256, clip.dim, images.grouping, images.fingerprint(), {"source": path.name})
    return PromptFile(
        facts,
        [prompts.cls_ctx.detach() for prompts in learnt],
        [prompts.all_features(tower) for prompts in learnt],
        [class_tensor(classes) for classes in corners],
    )


def _filled(prompts: Prompts, state: Mapping[str, Tensor], where: str, clip: Clip) -> Prompts:
    """The prompts with a module's tensors, rows in the published order."""
    own = prompts.state_dict()
    missing = [name for name in own if name not in state]
    if missing:
        raise WeightsError(f"{where}: {', '.join(missing)} is missing; this is no prompt learner of ProGEO")
    if len(state["cls_ctx"]) != len(own["cls_ctx"]):
        raise ConfigError(
            f"{where}: {len(state['cls_ctx'])} prompts, but this training list makes {len(own['cls_ctx'])} classes; "
            "give the list and the grouping they were learnt on"
        )
    if any(state[name].shape != value.shape for name, value in own.items()):
        raise WeightsError(f"{where}: the word vectors have another shape than those of {clip.path}")
    if not torch.allclose(state["token_prefix"].float(), own["token_prefix"], atol=_SAME):
        raise WeightsError(f"{where}: learnt with another CLIP than {clip.path}, the word vectors differ")
    prompts.load_state_dict({name: state[name].float() for name in own})
    return prompts
