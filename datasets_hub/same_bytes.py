"""Whether a file elsewhere has the bytes that it has here, by what its storage says of it."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cairnhub.core.hashing import sha256_of
from cairnhub.datasets_hub.s3_uploads import PART_BYTES, S3Calls

Content = Path | bytes
"""A file of this machine, or what one would hold."""


def size_bytes(content: Content) -> int:
    """Bytes of a content."""
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def sha256(content: Content) -> str:
    """SHA-256 (hex) of a content."""
    return hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else sha256_of(content)


def git_blob(content: Content) -> str:
    """The name (hex) that git gives a file: SHA-1 over its length and its bytes."""
    raw = content if isinstance(content, bytes) else content.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()


def listed_as_same(entry: Mapping[str, Any], content: Content) -> bool | None:
    """What the listing of an object store says of a file; None where it does not tell.

    Args:
        entry: its entry: `ETag` on S3 (an MD5, or one of the MD5s of its parts), `md5Hash` on Google's (base64).
        content: what it should hold.
    """
    if int(entry["size"]) != size_bytes(content):
        return False
    if md5 := entry.get("md5Hash"):
        return base64.b64decode(md5) == _digests("md5", content, whole=True)[0]
    etag = str(entry.get("ETag", "")).strip('"')
    # Of an encrypted file the ETag is no MD5: that it differs says nothing.
    return True if etag and etag == _etag(content, "-" in etag) else None


def checked_as_same(filesystem: S3Calls, where: str, content: Content) -> bool | None:
    """What S3 says of a file by the SHA-256 that it was sent with; None where it has none, or one of other parts.

    Args:
        filesystem: an `s3fs.S3FileSystem`.
        where: `bucket/key`.
        content: what it should hold.
    """
    bucket, key, _ = filesystem.split_path(where)
    reply = filesystem.call_s3("head_object", Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    told = str(reply.get("ChecksumSHA256") or "")
    if not told:
        return None
    digest, _, n_parts = told.partition("-")
    parts = _digests("sha256", content, whole=False)
    whole = parts if len(parts) == 1 else _digests("sha256", content, whole=True)
    combined = hashlib.sha256(b"".join(parts)).digest()  # some servers leave out how many parts it is of
    if digest in {base64.b64encode(each).decode() for each in (*whole, combined)}:
        return True
    return None if n_parts and n_parts != str(len(parts)) else False


def _etag(content: Content, in_parts: bool) -> str:
    digests = _digests("md5", content, whole=not in_parts)
    if not in_parts:
        return digests[0].hex()
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"


def _digests(name: str, content: Content, *, whole: bool) -> list[bytes]:
    """The digest of a content, or those of its parts."""
    if whole and isinstance(content, Path):
        with content.open("rb") as file:
            return [hashlib.file_digest(file, name).digest()]
    return [hashlib.new(name, part, usedforsecurity=False).digest() for part in _parts(content)]


def _parts(content: Content) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        while part := file.read(PART_BYTES):
            yield part
