"""A map that others may change on disk while it is served: opened anew, with the method that is loaded already."""

import logging
import threading
import time
from pathlib import Path

from vprkit.errors import VprError
from vprkit.retrieval import calibrated, fast, journal, map_settings, removed
from vprkit.retrieval.map import Map

LOOK_EVERY = 0.5
"""Seconds between two looks at the disk."""

_log = logging.getLogger(__name__)

State = tuple[tuple[int, int], ...]


class Following:
    """The newest state of a map; any thread may ask.

    Args:
        place_map: as it was opened.
    """

    def __init__(self, place_map: Map) -> None:
        self._map = place_map
        self._state = _state(place_map.folder)
        self._looked = time.monotonic()
        self._lock = threading.Lock()

    @property
    def current(self) -> Map:
        """The map as it was when somebody looked last: at once."""
        return self._map

    def latest(self) -> Map:
        """The map as it is on disk now, which may have to be opened; as it was where that cannot be read."""
        with self._lock:
            if time.monotonic() - self._looked >= LOOK_EVERY:
                self._look()
            return self._map

    def _look(self) -> None:
        self._looked = time.monotonic()
        state = _state(self._map.folder)
        if state == self._state:
            return
        self._state = state
        try:
            self._map = ready(Map.open(self._map.folder, method=self._map.method))
        except VprError as error:
            _log.warning("the map has changed and cannot be read, the old state is served: %s", error)


def ready(place_map: Map) -> Map:
    """A map whose columns are read, so that threads which ask at once find them there."""
    _ = place_map.records, place_map.live, place_map.index, place_map.store.names
    return place_map


def _state(folder: Path) -> State:
    """Size and time of the files that change with the map's content."""
    own = (folder / name for name in (removed.FILE, map_settings.FILE, calibrated.FILE))
    files = (folder / "store" / journal.FILE, folder / "index" / fast.FACTS, *own)
    return tuple((facts.st_size, facts.st_mtime_ns) for path in files if path.exists() for facts in (path.stat(),))
