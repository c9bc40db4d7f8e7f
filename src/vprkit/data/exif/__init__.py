"""Writing a position into a photo's EXIF without touching anything else of the file."""

from vprkit.data.exif.files import with_position
from vprkit.data.exif.gps import Fix

__all__ = ["Fix", "with_position"]
