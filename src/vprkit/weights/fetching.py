"""Where weights files lie on this machine, and how the authors' files get there."""

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any

from vprkit.errors import NotAvailable, VprError, WeightsError
from vprkit.files import replacing
from vprkit.registry import Released
from vprkit.weights.reading import sha256_of
from vprkit.weights.sniffing import sniff

Progress = Callable[[int, int | None], None]
"""Called with bytes so far and bytes in all (None where the server does not say)."""

_CHUNK = 2**20
_LARGEST = 16 * 2**30


def directory() -> Path:
    """The folder of weights files: `$VPRKIT_WEIGHTS`, else `vprkit/weights` in the user's cache folder."""
    asked = os.environ.get("VPRKIT_WEIGHTS")
    if asked:
        return Path(asked).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "vprkit" / "weights"


def find(file: str | Path) -> Path:
    """A weights file by path, or by name in the weights folder.

    Raises:
        NotAvailable: it is in neither place.
    """
    for place in (Path(file).expanduser(), directory() / file):
        if place.is_file():
            return place
    raise NotAvailable(f"there is no weights file {file}, neither here nor in {directory()}")


def how_to_get(released: Released, name: str = "") -> str:
    """A sentence for a file that is not here: where it is, where to put it; `name` is what fetches it, if that can."""
    way = f"run `vpr weights fetch {name}`, or download it" if name else "download it"
    if released.browser_only:
        way = "open the address in a browser, download it"
    return f"{released.file} is at {released.url}: {way} and put it into {directory()}"


def fetch(
    released: Released,
    *,
    folder: Path | None = None,
    overwrite: bool = False,
    timeout: float = 30.0,
    limit: int = _LARGEST,
    progress: Progress | None = None,
) -> Path:
    """Download an authors' file into the weights folder, or find it there.

    The file gets its name only when it is complete and its checksum, where one is known, is right.

    Args:
        released: which file.
        folder: where to, default `directory()`.
        overwrite: download again even if it is there.
        timeout: seconds without an answer.
        limit: refuse a larger file, in bytes.
        progress: called after every piece.

    Raises:
        NotAvailable: the address needs a browser, cannot be reached, or is not https; the message says which file to
            put where.
        WeightsError: what came is too large, cut off, not a weights file, or has another checksum.
    """
    target = (folder or directory()) / released.file
    if target.is_file() and not overwrite:
        _check_sum(target, sha256_of(target), released)
        return target
    if released.browser_only:
        raise NotAvailable(f"the address of {released.file} needs a browser; {how_to_get(released)}")
    if not released.url.startswith("https://"):
        raise NotAvailable(f"{released.url} is not an https address, so it is not fetched; {how_to_get(released)}")
    try:
        with replacing(target) as temporary:
            found = _download(released, temporary, timeout, limit, progress)
            _check_sum(target, found, released)
            _check_is_weights(temporary, released)
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        raise NotAvailable(f"{released.url} cannot be reached ({_reason(error)}); {how_to_get(released)}") from error
    except OSError as error:
        raise VprError(f"{target} cannot be written: {error.strerror or error}") from error
    return target


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https addresses only."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not newurl.startswith("https://"):
            raise urllib.error.URLError(f"it redirects to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(url: str, timeout: float) -> Any:
    request = urllib.request.Request(url, headers={"User-Agent": "vprkit"})
    return urllib.request.build_opener(_HttpsOnly).open(request, timeout=timeout)


def _download(released: Released, place: Path, timeout: float, limit: int, progress: Progress | None) -> str:
    """Write what the address gives to `place`; returns its SHA-256."""
    with _open(released.url, timeout) as answer, place.open("wb") as file:
        length = answer.headers.get("Content-Length")
        total = int(length) if length and length.isdigit() else None
        _check_size(released, total or 0, limit)
        digest, done = _copy(released, answer, file, total, limit, progress)
    if total is not None and done != total:
        raise WeightsError(f"{released.url} was cut off after {done} of {total} bytes; fetch it again")
    return digest


def _copy(
    released: Released, answer: Any, file: IO[bytes], total: int | None, limit: int, progress: Progress | None
) -> tuple[str, int]:
    digest, done = hashlib.sha256(), 0
    while piece := answer.read(_CHUNK):
        done += len(piece)
        _check_size(released, done, limit)
        digest.update(piece)
        file.write(piece)
        if progress:
            progress(done, total)
    return digest.hexdigest(), done


def _check_is_weights(path: Path, released: Released) -> None:
    try:
        sniff(path)
    except WeightsError as error:
        raise WeightsError(str(error).replace(str(path), f"what {released.url} sent")) from error


def _check_size(released: Released, size: int, limit: int) -> None:
    if size > limit:
        raise WeightsError(f"{released.url} is larger than {limit} bytes and was not fetched")


def _check_sum(path: Path, found: str, released: Released) -> None:
    if released.sha256 and found != released.sha256.lower():
        raise WeightsError(
            f"{path} has the SHA-256 {found}, expected is {released.sha256}; it is damaged or not the authors' file"
        )


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return str(reason) or type(error).__name__
