"""The model bucket as a directory on this machine: its life as a resource.

What is in it is read by `directory.py`; publishing into it is `model-export`'s.
A bucket that still holds versions outlives `destroy` unless `force_destroy` says otherwise: what a
team published is not thrown away with the server that served it.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pulumi
from pulumi import dynamic

from infra.errors import ServestackError
from infra.places import is_of_this_checkout

COMPONENT_TYPE: Final = "servestack:storage:LocalModelBucket"


class DirectoryProvider(dynamic.ResourceProvider):
    """A directory as a resource; its id is its path."""

    serialize_as_secret_always = False

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        """Move by replacing; change the destroy rule in place."""
        moved = _olds["path"] != _news["path"]
        return dynamic.DiffResult(
            changes=moved or _olds["force_destroy"] != _news["force_destroy"],
            replaces=["path"] if moved else [],
        )

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Make the directory; one that is there already is adopted with what it holds."""
        path = Path(props["path"])
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ServestackError(
                f"The bucket {path} cannot be made: {error.strerror}. "
                "Write another directory as servestack:bucket.path."
            ) from error
        return dynamic.CreateResult(str(path), props)

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """Notice that somebody removed the directory."""
        return dynamic.ReadResult(id_ if Path(id_).is_dir() else "", props)

    def update(
        self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]
    ) -> dynamic.UpdateResult:
        """Only the destroy rule can change in place, and it lives in the state."""
        return dynamic.UpdateResult(_news)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove the directory, but keep published versions unless told to destroy them."""
        path = Path(_id)
        if not is_of_this_checkout(path):
            return
        if _props["force_destroy"]:
            shutil.rmtree(path, ignore_errors=True)
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


class _Directory(dynamic.Resource, module="servestack", name="Directory"):
    path: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class LocalModelBucketArgs:
    """Where the directory is, and whether `destroy` takes the published versions with it."""

    path: Path
    force_destroy: bool = False


class LocalModelBucket(pulumi.ComponentResource):
    """The model bucket of a stack on this machine."""

    url: pulumi.Output[str]
    path: pulumi.Output[str]

    def __init__(
        self, name: str, args: LocalModelBucketArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(COMPONENT_TYPE, name, None, opts)
        directory = _Directory(
            DirectoryProvider(),
            name,
            {"path": str(args.path), "force_destroy": args.force_destroy},
            pulumi.ResourceOptions(parent=self),
        )
        self.path = directory.path
        self.url = directory.path.apply(lambda path: Path(path).as_uri())
        self.register_outputs({"url": self.url})
