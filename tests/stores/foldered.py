"""A proxy that gives fake-gcs-server real folders, as a bucket with a hierarchical namespace has.

It holds the rules that publishing stands on: a folder is made with its first object and stays
without any; one is renamed with all below it in one step, in the background, and never onto
another; one that holds something is not deleted.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import requests

from tests.stores.faulty_proxy import Answer, Call, FaultyProxy, served


class Foldered(FaultyProxy):
    """The folders of all buckets behind it."""

    def __init__(self, backend: str) -> None:
        super().__init__(backend)
        # Held by each call, so that nobody sees a half of a renamed folder.
        self.lock = threading.RLock()
        self.renames_after_seconds = 0.0
        self.fails_with: dict[str, Any] | None = None
        self._folders: dict[str, set[str]] = {}

    def folders(self, bucket: str) -> set[str]:
        """List a bucket's folders: those that were there before, and those of its objects."""
        known = self._folders.setdefault(bucket, set())
        for name in self._objects(bucket):
            steps = name.split("/")[:-1]
            known |= {"/".join(steps[:count]) + "/" for count in range(1, len(steps) + 1)}
        return known

    def delete(self, bucket: str, folder: str) -> HTTPStatus:
        """Remove a folder that is empty."""
        folders = self.folders(bucket)
        if folder not in folders:
            return HTTPStatus.NOT_FOUND
        inside = [*folders - {folder}, *self._objects(bucket)]
        if any(name.startswith(folder) for name in inside):
            return HTTPStatus.CONFLICT
        folders.remove(folder)
        return HTTPStatus.NO_CONTENT

    def rename(self, bucket: str, old: str, new: str) -> tuple[HTTPStatus, dict[str, Any]]:
        """Begin a rename and answer with its operation."""
        folders = self.folders(bucket)
        parent = new.rstrip("/").rpartition("/")[0] + "/"
        if old not in folders or parent not in folders:
            return HTTPStatus.NOT_FOUND, {"error": {"code": 404, "message": "No such folder."}}
        if new in folders:
            return HTTPStatus.CONFLICT, {"error": {"code": 409, "message": "It exists already."}}
        operation: dict[str, Any] = {"name": f"projects/_/buckets/{bucket}/operations/1"}
        if self.fails_with:
            return HTTPStatus.OK, operation | {"done": True, "error": self.fails_with}
        if self.renames_after_seconds:
            timer = threading.Timer(self.renames_after_seconds, self._move, (bucket, old, new))
            timer.start()
            return HTTPStatus.OK, operation | {"done": False}
        self._move(bucket, old, new)
        return HTTPStatus.OK, operation | {"done": True, "response": {"name": new}}

    def _move(self, bucket: str, old: str, new: str) -> None:
        with self.lock:
            for name in self._objects(bucket):
                if name.startswith(old):
                    moved = self._object(bucket, new + name.removeprefix(old))
                    way = f"{self._object(bucket, name)}/rewriteTo{moved}"
                    self._ask("POST", way).raise_for_status()
                    self._ask("DELETE", self._object(bucket, name)).raise_for_status()
            folders = self._folders[bucket]
            self._folders[bucket] = {
                new + name.removeprefix(old) if name.startswith(old) else name for name in folders
            }

    def _objects(self, bucket: str) -> list[str]:
        listed = self._ask("GET", f"/b/{bucket}/o")
        return [item["name"] for item in listed.json().get("items", [])]

    def _object(self, bucket: str, name: str) -> str:
        return f"/b/{bucket}/o/{quote(name, safe='')}"

    def _ask(self, method: str, path: str) -> requests.Response:
        return requests.request(method, f"{self.backend}/storage/v1{path}", timeout=30)


class FolderCall(Call):
    """One request: of folders it is answered here, all others are passed on."""

    proxy: Foldered

    def forward(self) -> Answer:
        """Answer it, with nobody in between."""
        with self.proxy.lock:
            return self._of_folders() or super().forward()

    def _of_folders(self) -> Answer | None:
        address = urlsplit(self.path)
        steps = [unquote(step) for step in address.path.removeprefix("/storage/v1/b/").split("/")]
        match self.command, steps:
            case "GET", [_, "storageLayout"]:
                return _answer(HTTPStatus.OK, {"hierarchicalNamespace": {"enabled": True}})
            case "GET", [bucket, "folders"]:
                (prefix,) = parse_qs(address.query)["prefix"]
                names = sorted(self.proxy.folders(bucket))
                items = [{"name": name} for name in names if name.startswith(prefix)]
                return _answer(HTTPStatus.OK, {"items": items})
            case "DELETE", [bucket, "folders", folder]:
                return _answer(self.proxy.delete(bucket, folder), {})
            case "POST", [bucket, "folders", old, "renameTo", "folders", new]:
                return _answer(*self.proxy.rename(bucket, old, new))
        return None


def _answer(status: HTTPStatus, document: dict[str, Any]) -> Answer:
    return status, [("Content-Type", "application/json")], json.dumps(document).encode()


@contextmanager
def foldered(backend: str) -> Iterator[Foldered]:
    """Run the proxy."""
    with served(Foldered(backend), FolderCall) as proxy:
        yield proxy
