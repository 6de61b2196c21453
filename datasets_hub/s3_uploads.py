"""Files on their way to S3: sent once, and checked by the checksums that the server returns, not read back."""

import base64
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from cairnhub.core.errors import Unreachable

N_UPLOADS = 8  # files on their way at once
PART_BYTES = 32 * 2**20  # S3 takes parts from 5 MiB on; each upload holds one in memory
_MD5 = re.compile(r'"?([0-9a-f]{32})"?')


class S3Calls(Protocol):
    """What is needed of `s3fs.S3FileSystem`."""

    def split_path(self, path: str, /) -> tuple[str, str, str | None]:
        """Bucket, key and version."""

    def call_s3(self, method: str, **arguments: object) -> Mapping[str, Any]:
        """One request."""


def upload_checked(filesystem: S3Calls, source: Path, where: str) -> str | None:
    """Send a file; above `PART_BYTES` in parts, which appear together at the end.

    Args:
        filesystem: an `s3fs.S3FileSystem`.
        source: the file.
        where: `bucket/key`.

    Returns:
        SHA-256 (hex) of what was sent and has arrived; None where the server says nothing to tell it by.

    Raises:
        Unreachable: the server has other bytes; what it has is removed.
    """
    bucket, key, _ = filesystem.split_path(where)
    target = {"Bucket": bucket, "Key": key}
    if source.stat().st_size <= PART_BYTES:
        content = source.read_bytes()
        try:
            _, told = _send(filesystem, "put_object", content, **target)
        except _Altered:
            filesystem.call_s3("delete_object", **target)
            raise Unreachable(f"s3://{where} arrived altered and was removed; push again") from None
        return hashlib.sha256(content).hexdigest() if told else None
    reply = filesystem.call_s3("create_multipart_upload", ChecksumAlgorithm="SHA256", **target)
    upload = {**target, "UploadId": reply["UploadId"]}
    try:
        return _send_parts(filesystem, source, upload)
    except BaseException as error:
        filesystem.call_s3("abort_multipart_upload", **upload)
        if isinstance(error, _Altered):
            raise Unreachable(f"s3://{where}: a part arrived altered, nothing is there; push again") from None
        raise


def put_if_unchanged(filesystem: S3Calls, where: str, text: str, before: str | None) -> bool:
    """Write a small file in one step with the look at whether it is still what it was; tells whether it was.

    Args:
        filesystem: an `s3fs.S3FileSystem`.
        where: `bucket/key`.
        text: what to write.
        before: what it must hold; None: it must not be there.
    """
    bucket, key, _ = filesystem.split_path(where)
    target: dict[str, object] = {"Bucket": bucket, "Key": key}
    condition: dict[str, object] = {"IfNoneMatch": "*"}
    if before is not None:
        etag = str(filesystem.call_s3("head_object", **target)["ETag"])
        if etag.strip('"') != hashlib.md5(before.encode(), usedforsecurity=False).hexdigest():
            return False
        condition = {"IfMatch": etag}
    try:
        filesystem.call_s3("put_object", Body=text.encode(), **condition, **target)
    except (OSError, FileNotFoundError) as error:
        if _is_refused(error):
            return False
        raise
    return True


def _is_refused(error: BaseException) -> bool:
    """Whether S3 says that a condition does not hold, or that another write was at it."""
    while error:
        code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
        if code in ("PreconditionFailed", "ConditionalRequestConflict"):
            return True
        if error.__cause__ is None:
            return "condition" in str(error).lower()
        error = error.__cause__
    return False


class _Altered(Exception):
    """The server has other bytes than were sent."""


def _send_parts(filesystem: S3Calls, source: Path, upload: Mapping[str, object]) -> str | None:
    whole, all_told = hashlib.sha256(), True
    parts: list[dict[str, object]] = []
    with source.open("rb") as file:
        while content := file.read(PART_BYTES):
            whole.update(content)
            number = len(parts) + 1
            etag, told = _send(filesystem, "upload_part", content, PartNumber=number, **upload)
            all_told = all_told and told
            parts.append({"PartNumber": number, "ETag": etag, "ChecksumSHA256": _digest(content)})
    filesystem.call_s3("complete_multipart_upload", MultipartUpload={"Parts": parts}, **upload)
    return whole.hexdigest() if all_told else None


def _send(filesystem: S3Calls, method: str, content: bytes, **arguments: object) -> tuple[str, bool]:
    """Send bytes and their SHA-256, which S3 compares too; gives the ETag, and whether the reply says what arrived."""
    expected = _digest(content)
    told = {"ChecksumSHA256": expected, "ChecksumAlgorithm": "SHA256"}
    reply = filesystem.call_s3(method, Body=content, **told, **arguments)
    etag = str(reply.get("ETag", ""))
    arrived: object = reply.get("ChecksumSHA256")
    if arrived is None:
        arrived = _md5_in(etag, reply)
        expected = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if arrived not in (None, expected):
        raise _Altered
    return etag, arrived is not None


def _digest(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def _md5_in(etag: str, reply: Mapping[str, Any]) -> str | None:
    """The MD5 that the ETag of one put is, unless the server encrypts with a key of its own."""
    match = _MD5.fullmatch(etag)
    return match[1] if match and reply.get("ServerSideEncryption") in (None, "AES256") else None
