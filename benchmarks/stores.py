"""Local object stores, what leads each copy tool to them, and a count of what is sent there."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from machine import BENCHMARKS, PROJECT, free_ports, note

sys.path.append(str(PROJECT))
from tools.servers import acquire, running

_BIN: Final = BENCHMARKS / ".venv" / "bin"
_CHUNK_BYTES: Final = 1 << 18
_START_SECONDS: Final = 20.0


@dataclass(frozen=True, kw_only=True)
class Store:
    """A running server; `peer` is the tool that ours is compared with there."""

    scheme: str
    server: str
    peer: str
    port: int
    directory: Path
    environment: dict[str, str] = field(repr=False)

    def on_port(self, port: int) -> dict[str, str]:
        """Give the variables that lead our client to a port, the server's own or a proxy's."""
        name = {"gs": "STORAGE_EMULATOR_HOST", "s3": "S3_ENDPOINT"}[self.scheme]
        transport = {"gs": "https", "s3": "http"}[self.scheme]
        return {**self.environment, name: f"{transport}://127.0.0.1:{port}"}

    def peer_command(self, source: Path, bucket: str) -> list[str | Path]:
        """Give the peer's command that copies a directory."""
        to = f"{self.scheme}://{bucket}/model/1/"
        if self.scheme == "gs":
            return [_BIN / "gsutil", "-m", "cp", "-r", source, to]
        endpoint = ["--endpoint-url", f"http://127.0.0.1:{self.port}"]
        return [_BIN / "aws", *endpoint, "s3", "cp", "--recursive", source, to]

    @contextmanager
    def bucket(self, name: str) -> Iterator[None]:
        """Make a bucket for one run: fake-gcs-server slows down with every object in one."""
        if self.scheme == "s3":
            (self.directory / "s3-data" / name).mkdir()
        else:
            self._ask("POST", "/storage/v1/b", json.dumps({"name": name}).encode())
        yield
        if self.scheme == "s3":
            shutil.rmtree(self.directory / "s3-data" / name)
        else:
            for key in self.keys(name):
                self._ask("DELETE", f"/storage/v1/b/{name}/o/{urllib.parse.quote(key, safe='')}")

    def keys(self, bucket: str) -> list[str]:
        """List what a bucket has."""
        if self.scheme == "s3":
            root = self.directory / "s3-data" / bucket
            return [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
        found: list[str] = []
        page: dict[str, Any] = {"nextPageToken": ""}
        while "nextPageToken" in page:
            query = urllib.parse.urlencode({"pageToken": page["nextPageToken"]})
            page = json.loads(self._ask("GET", f"/storage/v1/b/{bucket}/o?{query}"))
            found += [item["name"] for item in page.get("items", ())]
        return found

    def _ask(self, method: str, path: str, document: bytes | None = None) -> bytes:
        context = ssl.create_default_context(cafile=self.environment["REQUESTS_CA_BUNDLE"])
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}{path}",
            document,
            {"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=60, context=context) as response:  # noqa: S310 our own server
            return bytes(response.read())


@contextmanager
def s3_store(directory: Path) -> Iterator[Store]:
    """Run versitygw, with a bucket."""
    program = acquire.ensure_server("versitygw", environ=os.environ, progress=note)
    config = directory / "aws-config"
    # As many requests at once as ours has; its own default is 10, and 8 MB for a part.
    config.write_text(
        "[default]\nregion = us-east-1\ns3 =\n"
        "  max_concurrent_requests = 16\n  multipart_chunksize = 16MB\n"
    )
    with running.versitygw(program, directory) as server:
        yield Store(
            scheme="s3",
            server="versitygw",
            peer="aws s3 cp --recursive",
            port=int(server.url.rpartition(":")[2]),
            directory=directory,
            environment={
                "AWS_ACCESS_KEY_ID": running.ACCESS_KEY,
                "AWS_SECRET_ACCESS_KEY": running.SECRET_KEY,
                "AWS_REGION": "us-east-1",
                "AWS_CONFIG_FILE": str(config),
                "AWS_EC2_METADATA_DISABLED": "true",
            },
        )


@contextmanager
def gcs_store(directory: Path, *, on_disk: bool = False) -> Iterator[Store]:
    """Run fake-gcs-server behind TLS for everybody, since gsutil has no plain HTTP."""
    program = acquire.ensure_server("fake-gcs-server", environ=os.environ, progress=note)
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    subprocess.run(
        ["openssl", "req", "-x509", *kind, *subject, "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    [port] = free_ports(1)
    config = directory / "boto"
    config.write_text(
        f"[Credentials]\ngs_json_host = 127.0.0.1\ngs_json_port = {port}\n"
        f"[Boto]\nca_certificates_file = {certificate}\nnum_retries = 2\n"
        f"[GSUtil]\nprefer_api = json\nstate_dir = {directory / 'gsutil'}\n"
        "software_update_check_period = 0\n"
    )
    backend = ["-backend", "memory"]
    if on_disk:
        backend = ["-backend", "filesystem", "-filesystem-root", str(directory / "gcs-data")]
    place = ["-scheme", "https", "-host", "127.0.0.1", "-port", str(port), "-public-host", ""]
    tls = ["-cert-location", certificate, "-private-key-location", key]
    with (directory / "fake-gcs-server.log").open("wb") as log:
        process = subprocess.Popen(
            [program, *place, *tls, "-log-level", "error", *backend],
            stdout=log,
            stderr=log,
            env={},
        )
    try:
        _wait_for_port(process, port)
        yield Store(
            scheme="gs",
            server="fake-gcs-server",
            peer="gsutil -m cp -r",
            port=port,
            directory=directory,
            environment={"REQUESTS_CA_BUNDLE": str(certificate), "BOTO_CONFIG": str(config)},
        )
    finally:
        process.terminate()
        process.wait()


@dataclass(kw_only=True)
class Count:
    """Bytes on the wire, with headers and encryption."""

    port: int
    sent_bytes: int = 0


@contextmanager
def counting_proxy(port: int) -> Iterator[Count]:
    """Listen before a server and count what clients send to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        count = Count(port=listener.getsockname()[1])
        threading.Thread(target=_accept, args=(listener, port, count), daemon=True).start()
        yield count


def _accept(listener: socket.socket, port: int, count: Count) -> None:
    with suppress(OSError):  # The listener was closed: the end.
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", port))
            for pair in ((client, server, count), (server, client, None)):
                threading.Thread(target=_pass_on, args=pair, daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket, count: Count | None) -> None:
    with suppress(OSError):
        while data := source.recv(_CHUNK_BYTES):
            if count:
                count.sent_bytes += len(data)
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def _wait_for_port(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("fake-gcs-server does not start") from None
            time.sleep(0.05)
        else:
            return
