"""AWS on the wire: moto as a server of its own process, emptied for each stack."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

READY_SECONDS = 60.0
ACCOUNT = "123456789012"
REGION = "eu-central-1"
# So that whatever reaches for AWS finds the server, and nobody's real credentials.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


@contextmanager
def moto_server(directory: Path) -> Iterator[str]:
    """Run the server; give its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    log = directory / "moto.log"
    program = Path(sys.executable).with_name("moto_server")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(program), "-H", "127.0.0.1", "-p", str(port)],
            env={**os.environ, **CREDENTIALS},
            stdout=output,
            stderr=output,
        )
        try:
            _wait(process, url, log)
            yield url
        finally:
            process.terminate()
            process.wait()


def empty(url: str) -> None:
    """Forget all that was made."""
    request = urllib.request.Request(f"{url}/moto-api/reset", method="POST")  # noqa: S310 - ours
    urllib.request.urlopen(request, timeout=30).close()  # noqa: S310 - ours


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    began = time.monotonic()
    while time.monotonic() - began < READY_SECONDS:
        with suppress(OSError):
            urllib.request.urlopen(f"{url}/moto-api/data.json", timeout=5).close()  # noqa: S310
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(f"moto does not answer:\n{log.read_text()}")
