"""The engine as its makers release it: one archive, checked against the release's checksums."""

import hashlib
import http.client
import shutil
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from tools.engine.errors import WayClosedError
from tools.engine.pins import VERSION, release_platform

RELEASES_URL = "https://get.pulumi.com/releases/sdk"
CONNECT_SECONDS = 3.0
STALL_SECONDS = 30.0
HEARTBEAT_SECONDS = 10.0
CHUNK_BYTES = 1 << 20
NOT_FOUND = 404


def download_engine(
    bin_dir: Path, scratch: Path, environ: Mapping[str, str], progress: Callable[[str], None]
) -> None:
    """Fetch the release of this machine's platform into `bin_dir`."""
    base = environ.get("SERVESTACK_ENGINE_URL", RELEASES_URL).rstrip("/")
    name = f"pulumi-v{VERSION}-{release_platform()}.tar.gz"
    try:
        expected = _expected_sha256(f"{base}/pulumi-{VERSION}-checksums.txt", name)
        progress(f"downloading {base}/{name}")
        actual = _fetch(f"{base}/{name}", scratch / name, progress)
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise WayClosedError(f"{base}: {reason}") from error
    if expected is None:
        progress("the release has no checksum for this archive: its SHA-256 is not checked")
    elif actual != expected:
        raise WayClosedError(f"{base}/{name} has SHA-256 {actual}, the release says {expected}")
    _unpack(scratch / name, bin_dir)
    if not (bin_dir / "pulumi").exists():
        raise WayClosedError(f"{base}/{name} holds no pulumi")


def _expected_sha256(url: str, name: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as response:  # noqa: S310 -- ours or the user's own mirror
            lines = response.read().decode().splitlines()
    except urllib.error.HTTPError as error:
        if error.code == NOT_FOUND:
            return None
        raise
    sums = {words[1].lstrip("*"): words[0] for line in lines if len(words := line.split()) > 1}
    return sums.get(name)


def _fetch(url: str, target: Path, progress: Callable[[str], None]) -> str:
    digest = hashlib.sha256()
    said = time.monotonic()
    with (
        urllib.request.urlopen(url, timeout=STALL_SECONDS) as response,  # noqa: S310 -- ours or the user's own mirror
        target.open("wb") as file,
    ):
        total_bytes = int(response.headers.get("Content-Length") or 0)
        while chunk := response.read(CHUNK_BYTES):
            file.write(chunk)
            digest.update(chunk)
            if time.monotonic() - said > HEARTBEAT_SECONDS:
                said = time.monotonic()
                progress(f"{file.tell() >> 20} of {total_bytes >> 20} MiB")
    return digest.hexdigest()


def _unpack(archive: Path, bin_dir: Path) -> None:
    """Take the programs out of the archive; by name only, so that no path leads elsewhere."""
    try:
        with tarfile.open(archive) as members:
            for member in members:
                content = members.extractfile(member) if member.isfile() else None
                if content is None:
                    continue
                target = bin_dir / Path(member.name).name
                with target.open("wb") as file:
                    shutil.copyfileobj(content, file)
                target.chmod(0o755)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise WayClosedError(f"{archive.name} is no readable archive: {error}") from error
