"""A bucket of Google Cloud Storage, by Google's own client; honours STORAGE_EMULATOR_HOST.

Owns the translation of our verbs. Credentials are the client's default
chain and nothing else. Parts of a large file are objects under the scratch prefix until they are
composed: the XML API's multipart uploads take no "must not exist".
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import Any, Final, Literal

import requests
from google.auth import exceptions as auth
from requests.adapters import HTTPAdapter

from model_export.bucket import (
    COPY_FROM_BYTES,
    WORKERS,
    ObjectMissingError,
    Patience,
    StoredObject,
    damaged,
    part_bytes,
)
from model_export.content import Content, crc32c
from model_export.errors import RefusedError
from model_export.gcs_errors import explained
from model_export.gcs_folders import GcsFolders, has_folders
from model_export.transfers import Transfers

with warnings.catch_warnings():
    # It announces the end of each Python version to whoever runs a program.
    warnings.simplefilter("ignore", FutureWarning)
    from google.cloud.storage import Blob, Client
    from google.cloud.storage.retry import DEFAULT_RETRY

_CONTENT_TYPE: Final = "application/octet-stream"
# The service's limit for one request.
_COMPOSE_AT_MOST: Final = 32
_FIELDS: Final = "items(name,size,crc32c,updated,metadata),prefixes,nextPageToken"
_FIRST_PAUSE_SECONDS: Final = 0.5


class GcsBucket:
    """A bucket seen from a prefix, which is empty or ends in a slash."""

    def __init__(self, name: str, prefix: str = "", patience: Patience | None = None) -> None:
        patience = patience or Patience()
        self._prefix = prefix
        self.url = f"gs://{name}/{prefix}".rstrip("/")
        try:
            self._client = Client(project=None)
        except auth.DefaultCredentialsError as error:
            raise RefusedError(
                f"{self.url}: no Google credentials were found. Run `gcloud auth "
                "application-default login`, or run where a service account is attached."
            ) from error
        _prepare(self._client._http, self._client.api_endpoint)  # noqa: SLF001 no other door
        self._bucket = self._client.bucket(name)
        self._patience: dict[str, Any] = {
            "timeout": (patience.connect_seconds, patience.answer_seconds),
            "retry": DEFAULT_RETRY.with_delay(
                initial=min(_FIRST_PAUSE_SECONDS, patience.total_seconds / 16)
            ).with_timeout(patience.total_seconds),
        }

    def objects(self, prefix: str) -> tuple[StoredObject, ...]:
        """List all objects whose keys begin so."""
        with self._explained(prefix, "bucket"):
            blobs = self._client.list_blobs(
                self._bucket, prefix=self._prefix + prefix, fields=_FIELDS, **self._patience
            )
            return tuple(self._stored(blob) for blob in blobs)

    def folders(self, prefix: str) -> tuple[str, ...]:
        """List the names directly below a prefix, where objects are below."""
        begin = self._prefix + prefix
        with self._explained(prefix, "bucket"):
            pages = self._client.list_blobs(
                self._bucket, prefix=begin, delimiter="/", fields=_FIELDS, **self._patience
            )
            for _ in pages:
                pass  # The prefixes are known once the pages were read.
            return tuple(sorted(name[len(begin) : -1] for name in pages.prefixes))

    def real_folders(self, prefix: str) -> GcsFolders | None:
        """Give the folders of a bucket with a hierarchical namespace."""
        with self._explained(prefix, "bucket"):
            if not has_folders(self._bucket, self._prefix + prefix, self._patience):
                return None
        return GcsFolders(self._bucket, self._prefix, self._patience)

    def read(self, key: str, start: int = 0, count: int | None = None) -> bytes:
        """Read `count` bytes, or all."""
        end = None if count is None else start + count - 1
        with self._explained(key, "object"):
            data: bytes = self._blob(key).download_as_bytes(
                start=start or None, end=end, **self._patience
            )
            return data

    def create(self, key: str, data: bytes, content: Content) -> StoredObject:
        """Make an object unless it exists."""
        blob = self._blob(key)
        blob.metadata = {"sha256": content.sha256}
        with self._explained(key, "bucket"):
            blob.upload_from_string(
                data,
                _CONTENT_TYPE,
                if_generation_match=0,
                crc32c_checksum_value=content.checksum,
                **self._patience,
            )
        return self._checked(blob, content)

    def parts(self, key: str, scratch: str, *, resume: bool) -> "GcsParts":
        """Begin an object in parts, or go on."""
        known = self.objects(scratch) if resume else ()
        return GcsParts(self, key, scratch, {entry.key: entry.tag for entry in known})

    def worth_copying(self, size_bytes: int) -> bool:
        """Tell whether it is large enough."""
        return size_bytes >= COPY_FROM_BYTES

    def copy(self, source: str, key: str, content: Content) -> StoredObject:
        """Make an object of the bytes of another unless it exists."""
        blob = self._blob(key)
        blob.metadata = {"sha256": content.sha256}
        with self._explained(key, "object"):
            token = None
            while True:
                # Large objects that change their place of storage take several calls.
                token, _, _ = blob.rewrite(
                    self._blob(source), token=token, if_generation_match=0, **self._patience
                )
                if token is None:
                    return self._checked(blob, content)

    def holds(self, stored: StoredObject, content: Content) -> bool:
        """Compare the CRC32C, and the SHA-256 that we wrote beside the object."""
        return (stored.size_bytes, stored.tag) == (
            content.size_bytes,
            content.checksum,
        ) and stored.sha256 in {None, content.sha256}

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects."""
        with Transfers() as transfers:
            for key in keys:
                transfers.submit(0, partial(self._delete, key))

    def abandon_parts(self, _prefix: str) -> None:
        """Do nothing: parts are objects below the scratch prefix."""

    def write(self, key: str, data: bytes, checksum: str) -> None:
        """Write an object of the scratch prefix, whatever was there."""
        with self._explained(key, "bucket"):
            self._blob(key).upload_from_string(
                data, _CONTENT_TYPE, crc32c_checksum_value=checksum, **self._patience
            )

    def compose(self, sources: Sequence[str], key: str, content: Content | None) -> StoredObject:
        """Join objects into one: the final one unless it exists, or one of the scratch prefix."""
        blob = self._blob(key)
        blob.content_type = _CONTENT_TYPE
        if content:
            blob.metadata = {"sha256": content.sha256}
        with self._explained(key, "object"):
            blob.compose(
                [self._blob(source) for source in sources],
                if_generation_match=0 if content else None,
                **self._patience,
            )
        return self._checked(blob, content) if content else self._stored(blob)

    def _delete(self, key: str) -> None:
        with suppress(ObjectMissingError), self._explained(key, "object"):
            self._blob(key).delete(**self._patience)

    def _blob(self, key: str) -> Blob:
        return self._bucket.blob(self._prefix + key)

    def _stored(self, blob: Blob) -> StoredObject:
        return StoredObject(
            key=blob.name.removeprefix(self._prefix),
            size_bytes=blob.size,
            modified=blob.updated,
            tag=blob.crc32c,
            sha256=(blob.metadata or {}).get("sha256"),
        )

    def _checked(self, blob: Blob, content: Content) -> StoredObject:
        stored = self._stored(blob)
        if not self.holds(stored, content):
            raise damaged(self.url, stored.key)
        return stored

    def _explained(
        self, key: str, missing: Literal["bucket", "object"]
    ) -> AbstractContextManager[None]:
        return explained(self._bucket.name, f"{self.url}/{key}", missing)


def _prepare(session: requests.Session, url: str) -> None:
    """Let a client's session serve many threads at little cost."""
    # By itself it keeps ten connections, and opens one anew for each request of the other threads.
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=WORKERS))
    # And it looks through the whole environment for each request: all of them go to one host.
    found = session.merge_environment_settings(url, {}, None, None, None)
    session.proxies, session.verify, session.cert = found["proxies"], found["verify"], found["cert"]
    session.trust_env = False


class GcsParts:
    """A large object whose parts are objects, composed at the end, 32 at a time."""

    def __init__(self, bucket: GcsBucket, key: str, scratch: str, known: Mapping[str, str]) -> None:
        self._bucket = bucket
        self._key = key
        self._scratch = scratch
        self._known = known

    def put(self, number: int, data: bytes) -> None:
        """Store one part unless an earlier run did."""
        checksum = crc32c(data)
        name = self._name(0, number)
        if self._known.get(name) != checksum:
            self._bucket.write(name, data, checksum)

    def complete(self, content: Content) -> StoredObject:
        """Compose the parts, through as many levels as their number takes."""
        level = 0
        count = -(-content.size_bytes // part_bytes(content.size_bytes))
        names = [self._name(level, number) for number in range(count)]
        while len(names) > _COMPOSE_AT_MOST:
            level += 1
            groups = [
                names[start : start + _COMPOSE_AT_MOST]
                for start in range(0, len(names), _COMPOSE_AT_MOST)
            ]
            names = [self._name(level, number) for number in range(len(groups))]
            for group, name in zip(groups, names, strict=True):
                self._bucket.compose(group, name, None)
        return self._bucket.compose(names, self._key, content)

    def _name(self, level: int, number: int) -> str:
        return f"{self._scratch}{level}-{number}"
