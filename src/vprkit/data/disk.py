"""Looking at the disk for names that somebody else wrote: whatever they hold, the answer is yes or no."""

from pathlib import Path


def is_file(path: Path) -> bool:
    """There is such a file; a name that no file can have (too long, a zero byte) is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
