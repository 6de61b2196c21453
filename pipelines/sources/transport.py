"""One way to read a file from some byte on: http(s), a local path, file://, s3 and the like by fsspec."""

import email.utils
import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import fsspec
import requests
import urllib3

from cairnhub.core.errors import NotFound, Unreachable

CHUNK_BYTES = 1 << 20
CONNECT_TIMEOUT_S = 5.0  # for each address of a host: Amazon's have eight, and a minute must do for all
ASK_TIMEOUT_S = 2.0
_PACKED = {".gz": "gzip", ".tgz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd", ".zip": "zip"}
_UNPACKED = frozenset({"gzip", "x-gzip", "deflate"})
_PLAIN = frozenset(
    {"", "identity", "aws-chunked"}
)  # the last is how a file went into a store, not how it comes
PAGE_HEAD_BYTES = 64
_MOST_DIGITS = 20
RETRY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


class Interrupted(Exception):
    """A transfer failed in a way that another try may mend.

    Attributes:
        wait_s: how long the server asks to wait, None if it does not say.
    """

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class NoAnswer(Interrupted):
    """Nothing answered at all."""


@dataclass(frozen=True)
class Body:
    """The bytes of a file from `start` to its end.

    Attributes:
        start: offset of the first byte, in bytes; what was asked for, or 0 where the source cannot resume.
        total: size of the whole file in bytes as the source claims it, None if it does not.
        validator: changes when the file changes (entity tag, date or the like), None if the source has none.
        chunks: the bytes; raises `Interrupted` where the transfer breaks.
    """

    start: int
    total: int | None
    validator: str | None
    chunks: Iterator[bytes]


def announced_bytes(urls: Sequence[str], n_connections: int) -> list[int | None]:
    """Size of each file as its server tells without sending it; None where it does not.

    Where nothing answers, the rest is not asked.
    """
    unreachable = threading.Event()
    with requests.Session() as session, ThreadPoolExecutor(n_connections) as pool:
        for scheme in ("http://", "https://"):
            session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=n_connections))

        def ask(url: str) -> int | None:
            if not url.startswith(("http://", "https://")):
                return _file_bytes(url)
            if unreachable.is_set():
                return None
            try:
                headers = {"Accept-Encoding": "identity"}
                response = session.head(url, headers=headers, timeout=ASK_TIMEOUT_S, allow_redirects=True)
            except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError):
                unreachable.set()
                return None
            tells = response.status_code == 200 and not _is_packed(url, response)
            return _extent(response, 0)[1] if tells else None

        return list(pool.map(ask, urls))


def _file_bytes(url: str) -> int | None:
    try:
        system, path = fsspec.core.url_to_fs(url)
        return int(system.size(path))
    except Exception:  # as below; whoever reads the file will tell
        return None


def is_file(url: str) -> bool:
    """Whether it leads to a disk of this machine, where what is damaged can be looked at where it lies."""
    return "://" not in url or url.startswith("file://")


def local_path(url: str) -> Path:
    """The file that an address of this machine leads to."""
    return Path(url.removeprefix("file://"))


@contextmanager
def open_body(url: str, start: int, validator: str | None, timeout_s: float) -> Iterator[Body]:
    """Open `url` at byte `start`, provided that it is still the file that `validator` came with.

    Raises:
        Interrupted: another try may succeed.
        CairnError: no try will.
    """
    if url.startswith(("http://", "https://")):
        with _http_body(url, start, validator, timeout_s) as body:
            yield body
    else:
        with _file_body(url, start, validator) as body:
            yield body


@contextmanager
def _http_body(url: str, start: int, validator: str | None, timeout_s: float) -> Iterator[Body]:
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        response = requests.get(
            url, headers=headers, stream=True, timeout=(min(CONNECT_TIMEOUT_S, timeout_s), timeout_s)
        )
    except requests.ReadTimeout as error:
        raise Interrupted(f"no answer within {timeout_s:g} s") from error
    except requests.ConnectionError as error:
        raise _connection_failure(error) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
        raise Unreachable(f"{url}: {error}; check the address, or where it leads to") from error
    with response:
        if start and response.status_code == 416:  # nothing there: what we have is not a piece of this file
            response.close()
            with _http_body(url, 0, None, timeout_s) as body:
                yield body
            return
        _check_status(url, response)
        _check_encoding(url, response)
        first, total = _extent(response, start)
        current = _validator(response)
        if is_packed := _is_packed(url, response):  # sizes and places are those of the packed bytes
            total, current = None, None
        if (
            (first and is_packed)
            or first not in (0, start)
            or (first and validator and current and current != validator)
        ):
            response.close()
            with _http_body(url, 0, None, timeout_s) as body:
                yield body
            return
        yield Body(first, total, current, _refuse_page(url, response, first, timeout_s, is_packed))


def _connection_failure(error: requests.ConnectionError) -> Interrupted:
    """Tell a server that hung up from one that was never reached."""
    inner = error.args[0] if error.args else error
    if isinstance(inner, urllib3.exceptions.ProtocolError):
        return Interrupted("the server closed the connection without an answer")
    reason = getattr(inner, "reason", inner)
    return NoAnswer(str(reason).rsplit(": ", 1)[-1])


def _check_status(url: str, response: requests.Response) -> None:
    status = response.status_code
    if status in (200, 206):
        return
    if status in RETRY_STATUS:
        raise Interrupted(f"the server answers {status} {response.reason}", _retry_after_s(response))
    raise Unreachable(
        f"{url}: the server answers {status} {response.reason}; check the address or use a mirror"
    )


def _check_encoding(url: str, response: requests.Response) -> None:
    """Refuse what would be stored as it was packed, since nothing here unpacks it."""
    own = _PACKED.get(_suffix(url), "")
    unknown = [
        name for name in _encodings(response) if name not in _UNPACKED and name.removeprefix("x-") != own
    ]
    if unknown:
        raise Unreachable(
            f"{url}: the server packs the file as {unknown[0][:64]!r} (Content-Encoding), though asked not to; only "
            "gzip and deflate are unpacked here: use a mirror"
        )


def _retry_after_s(response: requests.Response) -> float | None:
    """Seconds or an HTTP date, RFC 9110 section 10.2.3; None for what is neither."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        seconds = _number(text)
        return None if seconds is None else float(seconds)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _extent(response: requests.Response, start: int) -> tuple[int, int | None]:
    """First byte and total size that the answer claims, RFC 9110 section 14.4."""
    if response.status_code == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        if not match:
            return start, None
        first = _number(match[1])
        return (start, None) if first is None else (first, _number(match[2]))
    length = response.headers.get("Content-Length", "")
    return 0, _number(length)


def _number(text: str) -> int | None:
    """A count of bytes; None for what is none that a disk could hold."""
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else None


def _validator(response: requests.Response) -> str | None:
    tag = response.headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified")


def _is_packed(url: str, response: requests.Response) -> bool:
    """Whether a server packed the file for the way, though asked not to; an archive it may itself call packed."""
    return bool(_encodings(response)) and _suffix(url) not in _PACKED


def _encodings(response: requests.Response) -> list[str]:
    """What was done to the file for the way, RFC 9110 section 8.4."""
    names = response.headers.get("Content-Encoding", "").lower().split(",")
    return [name.strip() for name in names if name.strip() not in _PLAIN]


def _suffix(url: str) -> str:
    return PurePosixPath(urlsplit(url).path).suffix


def _refuse_page(
    url: str, response: requests.Response, first: int, timeout_s: float, is_packed: bool
) -> Iterator[bytes]:
    """The body's chunks, unless it is a web page in place of the file (sign-in, quota, maintenance)."""
    chunks = _http_chunks(response, timeout_s, is_packed)
    if _suffix(url) in (".html", ".htm"):
        return chunks
    head = b""
    while first == 0 and len(head) < PAGE_HEAD_BYTES and (chunk := next(chunks, b"")):
        head += chunk
    is_page = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html"))
    if is_page or response.headers.get("Content-Type", "").startswith("text/html"):
        raise Interrupted("the server sends a web page instead of the file")
    return chain([head] if head else [], chunks)


def _http_chunks(response: requests.Response, timeout_s: float, is_packed: bool) -> Iterator[bytes]:
    """What has arrived is handed on at once: a cut loses nothing."""
    while True:
        try:
            chunk = response.raw.read1(CHUNK_BYTES, decode_content=is_packed)
        except urllib3.exceptions.ReadTimeoutError as error:
            raise Interrupted(f"the server sent nothing for {timeout_s:g} s") from error
        except urllib3.exceptions.HTTPError as error:
            raise Interrupted("the connection broke") from error
        if not chunk:
            return
        yield chunk


@contextmanager
def _file_body(url: str, start: int, validator: str | None) -> Iterator[Body]:
    try:
        system, path = fsspec.core.url_to_fs(url)
        total, current = int(system.size(path)), str(system.ukey(path))
        file = system.open(path, "rb")
    except (ImportError, ValueError) as error:
        raise Unreachable(f"{url}: {error}") from error
    except FileNotFoundError as error:
        raise NotFound(f"{url}: there is no such file; check the mirror in params.yaml") from error
    except (PermissionError, IsADirectoryError) as error:
        raise Unreachable(f"{url}: cannot be read ({error})") from error
    except OSError as error:
        raise Interrupted(str(error)) from error
    except Exception as error:  # every fsspec backend has errors of its own: credentials, buckets, regions
        raise Unreachable(f"{url}: cannot be opened ({type(error).__name__}: {error})") from error
    with file:
        first = start if start <= total and validator in (None, current) else 0
        file.seek(first)
        yield Body(first, total, current, _file_chunks(file))


def _file_chunks(file: fsspec.spec.AbstractBufferedFile) -> Iterator[bytes]:
    try:
        while chunk := file.read(CHUNK_BYTES):
            yield bytes(chunk)
    except OSError as error:
        raise Interrupted(str(error)) from error
