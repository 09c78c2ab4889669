"""The folders of a bucket with a hierarchical namespace: renamed in one step, removed when empty.

Google's client for objects has no words for folders, so they are asked for by the same JSON API,
through the same connection, with the same patience.
"""

import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote

from model_export.bucket import ObjectExistsError, ObjectMissingError
from model_export.errors import ModelExportError
from model_export.gcs_errors import explained

with warnings.catch_warnings():
    # It announces the end of each Python version to whoever runs a program.
    warnings.simplefilter("ignore", FutureWarning)
    from google.api_core import exceptions as api
    from google.cloud.storage import Bucket

# Google renames a folder in the background, one with many thousand objects for some minutes.
_RENAMED_WITHIN_SECONDS: Final = 600.0
_PAUSE_SECONDS: Final = 0.5
# google.rpc.Code, as an operation reports how it ended.
_NOT_FOUND: Final = 5
_IN_THE_WAY: Final = {6, 9, 10}


def has_folders(bucket: Bucket, prefix: str, patience: Mapping[str, Any]) -> bool:
    """Tell whether folders are real there; where that cannot be learned they are not used."""
    try:
        layout = bucket.client._get_resource(  # noqa: SLF001 no other door
            f"{bucket.path}/storageLayout", query_params={"prefix": prefix}, **patience
        )
    # A reader who may not ask, and emulators that do not know the question.
    except (api.NotFound, api.Forbidden, api.MethodNotAllowed, api.MethodNotImplemented):
        return False
    return bool(layout.get("hierarchicalNamespace", {}).get("enabled"))


class GcsFolders:
    """The folders below a prefix, which is empty or ends in a slash, as their own names do."""

    def __init__(self, bucket: Bucket, prefix: str, patience: Mapping[str, Any]) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._patience = patience

    def rename(self, folder: str, to: str) -> None:
        """Move a folder with all below it in one step, or raise what was in the way."""
        place = f"gs://{self._bucket.name}/{self._prefix}{to}"
        way = f"{self._path(folder)}/renameTo/folders/{self._quoted(to)}"
        with explained(self._bucket.name, place, "object"):
            try:
                operation = self._bucket.client._post_resource(  # noqa: SLF001 no other door
                    way, None, **self._patience
                )
            except api.Conflict as error:
                raise ObjectExistsError(f"{place} exists already.") from error
            _require_success(operation, place)
            if not operation.get("done"):
                self._await(to, place)

    def remove_empty(self, prefix: str) -> None:
        """Remove the folders whose names begin so, but for those that hold something."""
        place = f"gs://{self._bucket.name}/{self._prefix}{prefix}"
        with explained(self._bucket.name, place, "bucket"):
            found = self._bucket.client._list_resource(  # noqa: SLF001 no other door
                f"{self._bucket.path}/folders",
                lambda _, item: str(item["name"]),
                extra_params={"prefix": self._prefix + prefix},
                **self._patience,
            )
            for name in sorted(found, key=len, reverse=True):
                with suppress(api.NotFound, api.Conflict, api.PreconditionFailed, api.BadRequest):
                    self._bucket.client._delete_resource(  # noqa: SLF001 no other door
                        f"{self._bucket.path}/folders/{quote(name, safe='')}", **self._patience
                    )

    def _await(self, to: str, place: str) -> None:
        """Look until it is there; to ask for the operation itself is no right of publishers."""
        deadline = time.monotonic() + _RENAMED_WITHIN_SECONDS
        while not any(
            self._bucket.client.list_blobs(
                self._bucket, prefix=self._prefix + to, max_results=1, **self._patience
            )
        ):
            if time.monotonic() > deadline:
                raise ModelExportError(
                    f"{place}: Google has not finished renaming the folder after "
                    f"{_RENAMED_WITHIN_SECONDS / 60:.0f} minutes. Run the same command again; it "
                    "goes on where it stopped."
                )
            time.sleep(_PAUSE_SECONDS)

    def _path(self, folder: str) -> str:
        return f"{self._bucket.path}/folders/{self._quoted(folder)}"

    def _quoted(self, folder: str) -> str:
        return quote(self._prefix + folder, safe="")


def _require_success(operation: Mapping[str, Any], place: str) -> None:
    error = operation.get("error")
    if not error:
        return
    if error.get("code") == _NOT_FOUND:
        raise ObjectMissingError(f"There is no {place}.")
    if error.get("code") in _IN_THE_WAY:
        raise ObjectExistsError(f"{place} exists already.")
    raise ModelExportError(f"{place}: the folder was not renamed: {error.get('message')}.")
