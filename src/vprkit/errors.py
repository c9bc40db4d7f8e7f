"""The errors a user sees: one to three sentences that say what was found, where, and what to do."""


class VprError(Exception):
    """Root of every error vprkit raises on purpose; the command line prints it without a traceback."""


class ConfigError(VprError):
    """An option or configuration key is unknown or has the wrong type or value."""


class DataError(VprError):
    """A data set, ground truth or image list cannot be read as it claims."""


class ImageError(DataError):
    """One image cannot be decoded or is too large; `path` names it."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class UnknownPicture(ImageError):
    """Not a picture of a format that is read."""


class PictureTooLarge(ImageError):
    """A picture of more pixels than are decoded."""


class WeightsError(VprError):
    """A weights file is unsafe, damaged, of another system, or does not fit key by key."""


class StoreError(VprError):
    """A feature store or map is damaged, locked, or made with another method."""


class MissingExtra(VprError):
    """A feature needs an optional package that is not installed."""


class NotAvailable(VprError):
    """What was asked for exists but cannot be had here (no network, no GPU, no weights at hand)."""
