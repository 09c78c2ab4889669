"""A bucket of S3 or of a store that speaks its protocol, by Amazon's own client.

Owns the translation of our verbs and of S3's errors. Honours S3_ENDPOINT (host:port or URL; then
with the bucket in the path), S3_USE_HTTPS, S3_VERIFY_SSL and AWS_REGION; credentials are the
client's default chain and nothing else.
"""

import os
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Final

from botocore import exceptions as boto

from model_export.bucket import (
    COPY_FROM_BYTES,
    ObjectExistsError,
    ObjectMissingError,
    Patience,
    StoredObject,
    damaged,
)
from model_export.content import Content, crc32c
from model_export.errors import ModelExportError
from model_export.s3_session import BROKEN_OFF, connect, explained, is_conflict

# The service's limits for one request.
_COPY_AT_MOST_BYTES: Final = 5 << 30
_DELETE_AT_MOST: Final = 1000
_CONFLICT_PAUSE_SECONDS: Final = 0.1


class S3Bucket:
    """A bucket seen from a prefix, which is empty or ends in a slash."""

    def __init__(self, name: str, prefix: str = "", patience: Patience | None = None) -> None:
        self._name = name
        self._prefix = prefix
        self._patience = patience or Patience()
        self.url = f"s3://{name}/{prefix}".rstrip("/")
        with self._explained(""):
            self._client, self._quick = connect(os.environ, self._patience)

    def objects(self, prefix: str) -> tuple[StoredObject, ...]:
        """List all objects whose keys begin so."""
        with self._explained(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._name, Prefix=self._prefix + prefix
            )
            return tuple(
                StoredObject(
                    key=entry["Key"].removeprefix(self._prefix),
                    size_bytes=entry["Size"],
                    modified=entry["LastModified"],
                    tag=entry["ETag"],
                )
                for page in pages
                for entry in _listed(page).get("Contents", ())
            )

    def folders(self, prefix: str) -> tuple[str, ...]:
        """List the names directly below a prefix, where objects are below."""
        begin = self._prefix + prefix
        with self._explained(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._name, Prefix=begin, Delimiter="/"
            )
            return tuple(
                entry["Prefix"][len(begin) : -1]
                for page in pages
                for entry in _listed(page).get("CommonPrefixes", ())
            )

    def real_folders(self, _prefix: str) -> None:
        """Give none: on S3 a folder is a part of its objects' names."""

    def read(self, key: str, start: int = 0, count: int | None = None) -> bytes:
        """Read `count` bytes, or all."""
        chosen = {"Range": f"bytes={start}-{'' if count is None else start + count - 1}"}
        whole = start == 0 and count is None
        for attempt in range(self._patience.attempts):
            with self._explained(key):
                answer = self._client.get_object(
                    Bucket=self._name, Key=self._prefix + key, **({} if whole else chosen)
                )
                # The client repeats a request that fails, not a body that breaks off.
                try:
                    data: bytes = answer["Body"].read()
                except BROKEN_OFF:
                    if attempt + 1 == self._patience.attempts:
                        raise
                else:
                    return data
        raise AssertionError

    def create(self, key: str, data: bytes, content: Content) -> StoredObject:
        """Make an object unless it exists; S3 refuses a body that has another checksum."""
        headers = {
            "If-None-Match": "*",
            "x-amz-checksum-crc32c": content.checksum,
            "x-amz-meta-sha256": content.sha256,
        }
        with self._explained(key):
            answer = self._quick and self._quick.put(self._prefix + key, data, headers)
        if answer and not answer.made:
            raise ObjectExistsError(f"{self.url}/{key} exists already.")
        if answer:
            return self._made(key, content, answer.tag, answer.checksum)
        return self._conditionally(
            self._client.put_object,
            key,
            content,
            Body=data,
            ChecksumCRC32C=content.checksum,
            Metadata={"sha256": content.sha256},
        )

    def parts(self, key: str, _scratch: str, *, resume: bool) -> "S3Parts":
        """Begin an object in parts, or go on with the latest that was begun."""
        return S3Parts(self, key, resume=resume)

    def worth_copying(self, size_bytes: int) -> bool:
        """Tell whether it is large enough, and not too large for one part."""
        return COPY_FROM_BYTES <= size_bytes <= _COPY_AT_MOST_BYTES

    def copy(self, source: str, key: str, content: Content) -> StoredObject:
        """Make an object of the bytes of another unless it exists, as a single copied part.

        Not every store honours the condition on the request that copies whole objects.
        """
        upload = self.begin_upload(key)
        with self._explained(key):
            answer = self._client.upload_part_copy(
                Bucket=self._name,
                Key=self._prefix + key,
                UploadId=upload,
                PartNumber=1,
                CopySource={"Bucket": self._name, "Key": self._prefix + source},
            )["CopyPartResult"]
        if _differs(answer.get("ChecksumCRC32C"), content):
            raise damaged(self.url, key)
        return self.end_upload(key, upload, [_part(1, answer)], content)

    def holds(self, stored: StoredObject, content: Content) -> bool:
        """Ask for the CRC32C, and for the SHA-256 that we wrote beside what went in one piece."""
        if stored.size_bytes != content.size_bytes:
            return False
        with self._explained(stored.key):
            answer = self._client.head_object(
                Bucket=self._name, Key=self._prefix + stored.key, ChecksumMode="ENABLED"
            )
        sha256 = answer.get("Metadata", {}).get("sha256", content.sha256)
        return (answer.get("ChecksumCRC32C"), sha256) == (content.checksum, content.sha256)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects, a thousand in a request."""
        named = [{"Key": self._prefix + key} for key in keys]
        for start in range(0, len(named), _DELETE_AT_MOST):
            chosen = named[start : start + _DELETE_AT_MOST]
            with self._explained(""):
                answer = self._client.delete_objects(
                    Bucket=self._name, Delete={"Objects": chosen, "Quiet": True}
                )
            for failed in answer.get("Errors", ()):
                raise ModelExportError(
                    f"s3://{self._name}/{failed['Key']} cannot be removed: {failed['Message']}."
                )

    def abandon_parts(self, prefix: str) -> None:
        """Abort the multipart uploads that nothing became of."""
        for key, upload in self.uploads(prefix):
            with self._explained(key):
                self._client.abort_multipart_upload(
                    Bucket=self._name, Key=self._prefix + key, UploadId=upload
                )

    def uploads(self, prefix: str) -> list[tuple[str, str]]:
        """List the multipart uploads that are under way, by key and id, oldest first."""
        with self._explained(prefix):
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._name, Prefix=self._prefix + prefix
            )
            found = [entry for page in pages for entry in page.get("Uploads", ())]
        return [
            (entry["Key"].removeprefix(self._prefix), entry["UploadId"])
            for entry in sorted(found, key=lambda entry: entry["Initiated"])
        ]

    def begin_upload(self, key: str) -> str:
        """Begin a multipart upload."""
        with self._explained(key):
            upload: str = self._client.create_multipart_upload(
                Bucket=self._name,
                Key=self._prefix + key,
                ChecksumAlgorithm="CRC32C",
                ChecksumType="FULL_OBJECT",
            )["UploadId"]
        return upload

    def parts_of(self, key: str, upload: str) -> dict[int, dict[str, Any]]:
        """List the parts that a multipart upload has."""
        with self._explained(key):
            pages = self._client.get_paginator("list_parts").paginate(
                Bucket=self._name, Key=self._prefix + key, UploadId=upload
            )
            return {part["PartNumber"]: part for page in pages for part in page.get("Parts", ())}

    def send_part(self, key: str, upload: str, number: int, data: bytes, checksum: str) -> Any:
        """Send a part, which S3 refuses if it arrives with another checksum."""
        with self._explained(key):
            return self._client.upload_part(
                Bucket=self._name,
                Key=self._prefix + key,
                UploadId=upload,
                PartNumber=number,
                Body=data,
                ChecksumCRC32C=checksum,
            )

    def end_upload(
        self, key: str, upload: str, parts: list[dict[str, Any]], content: Content
    ) -> StoredObject:
        """Make the object of its parts unless it exists."""
        try:
            return self._conditionally(
                self._client.complete_multipart_upload,
                key,
                content,
                UploadId=upload,
                MultipartUpload={"Parts": parts},
                ChecksumCRC32C=content.checksum,
                ChecksumType="FULL_OBJECT",
            )
        except ObjectMissingError as error:
            # The same request repeated after its answer was lost: the upload has become an object.
            raise ObjectExistsError(str(error)) from error

    def _conditionally(
        self, request: Any, key: str, content: Content, **parameters: Any
    ) -> StoredObject:
        with self._explained(key):
            answer = self._undisturbed(
                lambda: request(
                    Bucket=self._name, Key=self._prefix + key, IfNoneMatch="*", **parameters
                )
            )
            tag = answer["ETag"]
        return self._made(key, content, tag, answer.get("ChecksumCRC32C"))

    def _made(self, key: str, content: Content, tag: str, checksum: str | None) -> StoredObject:
        if _differs(checksum, content):
            raise damaged(self.url, key)
        return StoredObject(
            key=key, size_bytes=content.size_bytes, modified=datetime.now(UTC), tag=tag
        )

    def _undisturbed(self, request: Callable[[], Any]) -> Any:
        """Repeat a request for as long as the store says that another one is in its way."""
        attempt = 1
        while True:
            try:
                return request()
            except boto.ClientError as error:
                if not is_conflict(error) or attempt == self._patience.attempts:
                    raise
            time.sleep(_CONFLICT_PAUSE_SECONDS * 2**attempt)
            attempt += 1

    def _explained(self, key: str) -> AbstractContextManager[None]:
        return explained(f"{self.url}/{key}".rstrip("/"), self._name)


class S3Parts:
    """A multipart upload, begun or gone on with."""

    def __init__(self, bucket: S3Bucket, key: str, *, resume: bool) -> None:
        self._bucket = bucket
        self._key = key
        known = [upload for found, upload in bucket.uploads(key) if found == key] if resume else []
        self._upload = known[-1] if known else bucket.begin_upload(key)
        self._there = bucket.parts_of(key, self._upload) if known else {}
        self._parts: dict[int, dict[str, Any]] = {}

    def put(self, number: int, data: bytes) -> None:
        """Store one part unless an earlier run did."""
        checksum = crc32c(data)
        part = self._there.get(number + 1)
        if part is None or part.get("ChecksumCRC32C") != checksum:
            part = self._bucket.send_part(self._key, self._upload, number + 1, data, checksum)
        # One assignment, which threads may do at once.
        self._parts[number] = _part(number + 1, part)

    def complete(self, content: Content) -> StoredObject:
        """Make the object of all parts."""
        parts = [self._parts[number] for number in sorted(self._parts)]
        return self._bucket.end_upload(self._key, self._upload, parts, content)


def _listed(page: dict[str, Any]) -> dict[str, Any]:
    """Require that a page is one of S3's, which name their bucket even where nothing is in it."""
    if "Name" not in page:
        raise KeyError("Name")
    return page


def _differs(checksum: str | None, content: Content) -> bool:
    """Tell whether the store names another checksum; not every store names one of the whole."""
    return bool(checksum) and "-" not in str(checksum) and checksum != content.checksum


def _part(number: int, answer: dict[str, Any]) -> dict[str, Any]:
    """Name a part as the completing request wants it."""
    known = {name: answer[name] for name in ("ETag", "ChecksumCRC32C") if answer.get(name)}
    return {"PartNumber": number, **known}
