"""What kind of weights file this is, from its first bytes; anything else gets a sentence that says what it is."""

import enum
import zipfile
from pathlib import Path

from vprkit.errors import NotAvailable, WeightsError

_LARGEST_SAFETENSORS_HEADER = 100_000_000  # the format's own limit
_SMALL = 2**24
_TELL_TALE = (
    (b"version https://git-lfs", "is a git-lfs pointer, not the file itself; run `git lfs pull` where it came from"),
    (b"<!doctype html", "is a web page: the download was answered with a login or error page; download it again"),
    (b"<html", "is a web page: the download was answered with a login or error page; download it again"),
    (b"<?xml", "is an XML text, often the error message of a download; download it again"),
    (b"\x1f\x8b", "is gzip-compressed; unpack it first"),
    (b"bzh", "is bzip2-compressed; unpack it first"),
    (b"7z\xbc\xaf", "is a 7z archive; unpack it first"),
    (b"rar!", "is a RAR archive; unpack it first"),
    (b"\x89hdf", "is an HDF5 file; vprkit reads .safetensors and PyTorch files"),
)


class FileFormat(enum.Enum):
    """Formats that can be read."""

    SAFETENSORS = "safetensors"
    TORCH_ZIP = "PyTorch"
    TORCH_LEGACY = "PyTorch, before version 1.6"
    TORCHSCRIPT = "TorchScript archive"
    MATLAB = "MATLAB"


def sniff(path: Path) -> FileFormat:
    """The format of a weights file.

    Raises:
        NotAvailable: there is no such file.
        WeightsError: it is empty, cut off, or no weights file.
    """
    if not path.is_file():
        found = "is a folder, not a weights file" if path.is_dir() else "does not exist"
        raise NotAvailable(f"{path} {found}")
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        raise WeightsError(f"{path} is empty; download or copy it again")
    if head.startswith(b"PK\x03\x04"):
        return _sniff_zip(path, size)
    if head[0] == 0x80 and len(head) > 1 and head[1] <= 5:
        return FileFormat.TORCH_LEGACY
    if head.startswith(b"MATLAB 5.0"):
        return FileFormat.MATLAB
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for start, sentence in _TELL_TALE:
        if text.startswith(start):
            raise WeightsError(f"{path} {sentence}")
    if len(head) > 8 and head[8:9] == b"{":
        _check_safetensors(path, int.from_bytes(head[:8], "little"), size)
        return FileFormat.SAFETENSORS
    raise WeightsError(f"{path} is no weights file that vprkit knows: it starts with {head[:12]!r}")


def zip_root(archive: zipfile.ZipFile, path: Path) -> str:
    """The folder inside a PyTorch zip that holds `data.pkl`."""
    roots = [name.removesuffix("data.pkl") for name in archive.namelist() if name.endswith("/data.pkl")]
    if not roots:
        raise WeightsError(f"{path} is a zip archive without PyTorch weights (no data.pkl in it)")
    return min(roots, key=len)


def _sniff_zip(path: Path, size: int) -> FileFormat:
    try:
        with zipfile.ZipFile(path) as archive:
            root = zip_root(archive, path)
            names = set(archive.namelist())
            unpacked = sum(info.file_size for info in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{path} is damaged, most likely cut off ({error}); download or copy it again") from error
    if unpacked > 4 * size + _SMALL:
        # PyTorch compresses only the program text of TorchScript: anything that unpacks to much more is a trap.
        raise WeightsError(f"{path} claims {unpacked} bytes in a file of {size}; PyTorch does not write such files")
    is_script = f"{root}constants.pkl" in names or any(name.startswith(f"{root}code/") for name in names)
    return FileFormat.TORCHSCRIPT if is_script else FileFormat.TORCH_ZIP


def _check_safetensors(path: Path, header: int, size: int) -> None:
    if header > _LARGEST_SAFETENSORS_HEADER:
        raise WeightsError(f"{path} is no weights file that vprkit knows (a safetensors header of {header} bytes)")
    if header + 8 > size:
        raise WeightsError(f"{path} is cut off: its header needs {header + 8} bytes, the file has {size}")
