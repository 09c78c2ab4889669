"""Real servers of both protocols, and buckets in them."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import boto3
import pytest
import requests

from tests.stores.foldered import foldered
from tools.engine.errors import EngineError
from tools.servers.acquire import ensure_server
from tools.servers.running import ACCESS_KEY, SECRET_KEY, fake_gcs_server, versitygw

# The last is Google's too, with a hierarchical namespace.
Kind = Literal["gs", "s3", "folders"]
KINDS: tuple[Kind, ...] = ("gs", "s3")
ALL_KINDS: tuple[Kind, ...] = (*KINDS, "folders")


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """A running server."""

    kind: Kind
    endpoint: str

    @property
    def scheme(self) -> str:
        """Give what its stores' URLs start with."""
        return "s3" if self.kind == "s3" else "gs"

    def environment(self, endpoint: str | None = None) -> dict[str, str]:
        """Give the variables that lead a client to the server, or to a proxy before it."""
        if self.scheme == "gs":
            return {"STORAGE_EMULATOR_HOST": endpoint or self.endpoint}
        return {
            "S3_ENDPOINT": endpoint or self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": "us-east-1",
        }

    def make_bucket(self) -> str:
        """Make a bucket that no other test has, and give its name."""
        name = f"bucket-{uuid.uuid4().hex[:12]}"
        if self.scheme == "gs":
            url = f"{self.endpoint}/storage/v1/b"
            requests.post(url, json={"name": name}, timeout=10).raise_for_status()
        else:
            session = boto3.Session(ACCESS_KEY, SECRET_KEY, region_name="us-east-1")
            session.client("s3", endpoint_url=self.endpoint).create_bucket(Bucket=name)
        return name


@contextmanager
def running_cloud(kind: Kind, directory: Path) -> Iterator[Cloud]:
    """Run a server; without one and without Go, skip and say so."""
    if kind == "folders":
        with running_cloud("gs", directory) as flat, foldered(flat.endpoint) as proxy:
            yield Cloud(kind=kind, endpoint=proxy.url)
            return
    name, run = {
        "gs": ("fake-gcs-server", fake_gcs_server),
        "s3": ("versitygw", versitygw),
    }[kind]
    try:
        program = ensure_server(name, environ=os.environ, progress=print)
    except EngineError as error:
        pytest.skip(str(error))
    with run(program, directory) as server:
        yield Cloud(kind=kind, endpoint=server.url)
