"""Images in classes, classes in groups, as training reads them and as they are kept on disk."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vprkit import config
from vprkit.data.arrays import read_npz
from vprkit.data.folders import read_folder
from vprkit.data.groups import CosPlaceGrouping, Grouped
from vprkit.data.layouts.sfxl import CROPS, PANORAMAS
from vprkit.data.members import Members
from vprkit.data.records import Records
from vprkit.errors import ConfigError, DataError
from vprkit.files import replacing


@dataclass(frozen=True, eq=False)
class Group(Members):
    """The classes of one group.

    Attributes:
        classes: (K, 3) corners, ascending: row k is class k of classifiers, prompts and text features.
    """

    classes: np.ndarray


@dataclass(frozen=True, eq=False)
class GroupedImages:
    """A list of images with what a grouping made of it.

    Attributes:
        records: the images.
        grouping: the rule.
        grouped: classes and groups.
    """

    records: Records
    grouping: CosPlaceGrouping
    grouped: Grouped

    def group(self, number: int) -> Group:
        """The classes of group `number`.

        Raises:
            DataError: there are not so many groups.
        """
        if not 0 <= number < self.grouped.groups:
            raise DataError(f"there is no group {number}: these images make {self.grouped.groups} groups; lower groups "
                            "or min_images")  # fmt: skip
        classes = np.flatnonzero(self.grouped.group_of_class == number)
        rows = np.flatnonzero(self.grouped.group_of_image == number)
        labels = np.searchsorted(classes, self.grouped.labels[rows])
        members = Members.of(labels, len(classes))
        return Group(rows[members.rows], members.starts, self.grouped.classes[classes])

    def check_headings(self) -> None:
        """Refuse panoramas of kept classes whose direction is unknown: nothing can be cut out of them.

        Raises:
            DataError: one has no heading.
        """
        unknown = np.flatnonzero((self.grouped.labels >= 0) & ~np.isfinite(self.records.heading))
        if len(unknown):
            raise DataError(
                f"{len(unknown)} of {int((self.grouped.labels >= 0).sum())} panoramas tell no heading, such as "
                f"{self.records.path(int(unknown[0]))}; crops need the direction of each (field 9 of SF-XL's names)"
            )

    def summary(self) -> dict[str, int | str]:
        """Counts, and the fingerprint."""
        return {
            "images": len(self.records),
            "kept": int((self.grouped.labels >= 0).sum()),
            "classes": len(self.grouped.classes),
            "groups": self.grouped.groups,
            "fingerprint": self.fingerprint(),
        }

    def fingerprint(self) -> str:
        """A hash of the names in order and of the rule: the same list and rule give the same classes."""
        rule = json.dumps(config.to_dict(self.grouping), sort_keys=True)
        return hashlib.sha256((self.records.list_hash() + rule).encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Write the arrays as .npz, with rule and fingerprint."""
        with replacing(path) as temporary, temporary.open("wb") as file:
            arrays = {field.name: getattr(self.grouped, field.name) for field in dataclasses.fields(Grouped)}
            rule = json.dumps(config.to_dict(self.grouping))
            np.savez(file, **arrays, rule=np.array(rule), fingerprint=np.array(self.fingerprint()))

    @staticmethod
    def load(path: Path, records: Records) -> "GroupedImages":
        """The grouping that `save` wrote, of the same list.

        Raises:
            DataError: it is of another list, or no such file.
        """
        arrays = read_npz(path)
        missing = {"rule", "fingerprint", *(field.name for field in dataclasses.fields(Grouped))} - set(arrays)
        if missing:
            raise DataError(f"{path} holds no grouping: {', '.join(sorted(missing))} is missing; run vpr data group")
        rule = config.from_dict(CosPlaceGrouping, json.loads(str(arrays["rule"])))
        fields = {f.name: arrays[f.name] for f in dataclasses.fields(Grouped) if f.name != "groups"}
        found = GroupedImages(records, rule, Grouped(**fields, groups=int(arrays["groups"])))
        if str(arrays["fingerprint"]) != found.fingerprint():
            raise DataError(f"{path} was made of another list of images; run vpr data group again")
        return found


def group_images(records: Records, grouping: CosPlaceGrouping) -> GroupedImages:
    """Classes and groups of a list of images.

    Raises:
        DataError: an image has no position, or no heading where the rule needs it.
    """
    return GroupedImages(records, grouping, grouping.group(records.east, records.north, records.heading))


def training_records(path: Path, grouping: CosPlaceGrouping) -> Records:
    """The images of an SF-XL folder's training split, or of any folder whose names tell positions.

    Args:
        path: SF-XL's folder, or that of the images.
        grouping: rules with headings take crops, rules without take panoramas.

    Raises:
        DataError: there are none, or SF-XL's folder has only the other kind.
    """
    kinds = (CROPS, PANORAMAS) if grouping.degrees else (PANORAMAS, CROPS)
    wanted, other = ([path / name for name in names if (path / name).is_dir()] for names in kinds)
    if other and not wanted:
        what = "crops (headings are part of it)" if grouping.degrees else "panoramas"
        raise DataError(f"{path} has {other[0].relative_to(path)}, but this rule groups {what}; looked for "
                        f"{', '.join(kinds[0])}")  # fmt: skip
    return read_folder(wanted[0] if wanted else path)


def class_batches(
    group: Group, count: int, classes: int, images: int, generator: np.random.Generator
) -> Sequence[np.ndarray]:
    """Batches of distinct classes with random images of each: (classes, images) rows.

    Classes come in random order, a last incomplete batch is left out, and the order is drawn anew when it is used up
    (the published sampler).

    Args:
        group: its classes.
        count: batches.
        classes: of a batch.
        images: of each class.
        generator: decides everything.

    Raises:
        ConfigError: the group has fewer classes than a batch takes.
    """
    if len(group.classes) < classes:
        raise ConfigError(f"a batch takes {classes} classes, but a group has only {len(group.classes)}; lower batch, "
                          "min_images or groups")  # fmt: skip
    chosen = _orders(len(group.classes), classes, generator)
    return [group.draw(next(chosen), images, generator) for _ in range(count)]


def _orders(total: int, classes: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    while True:
        order = generator.permutation(total)
        for start in range(0, total - classes + 1, classes):
            yield order[start : start + classes]
