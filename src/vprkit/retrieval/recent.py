"""What was made lately, kept while there is room: the least recently used goes first."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """Values by key, up to so many bytes together.

    Args:
        room: bytes; what is larger than all of it is not kept.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self.used = 0
        self._kept: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> Value | None:
        """The value of a key, which thereby becomes the most recent one; None where it is not here."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def keep(self, key: Hashable, value: Value, size: int) -> None:
        """Keep a value of so many bytes; others make room."""
        if key in self._kept:
            self.used -= self._kept.pop(key)[1]
        if size > self.room:
            return
        self._kept[key] = value, size
        self.used += size
        while self.used > self.room:
            self.used -= self._kept.popitem(last=False)[1][1]
