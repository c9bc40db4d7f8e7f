"""What was made lately, kept while there is room: the least recently used goes first."""

from collections import OrderedDict
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """Values by number, up to so many bytes together.

    Args:
        room: bytes; what is larger than all of it is not kept.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self.used = 0
        self._kept: OrderedDict[int, tuple[Value, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, number: int) -> Value | None:
        """The value of a number, which thereby becomes the most recent one; None where it is not here."""
        if number not in self._kept:
            return None
        self._kept.move_to_end(number)
        return self._kept[number][0]

    def keep(self, number: int, value: Value, size: int) -> None:
        """Keep a value of so many bytes; others make room."""
        if number in self._kept:
            self.used -= self._kept.pop(number)[1]
        if size > self.room:
            return
        self._kept[number] = value, size
        self.used += size
        while self.used > self.room:
            self.used -= self._kept.popitem(last=False)[1][1]
