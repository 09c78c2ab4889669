"""The script that brings a version into a pod, run by a real shell with a stand-in for rclone.

The real rclone runs it against a real S3 server in tests/cluster.
"""

import os
import subprocess
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from infra.errors import ServestackError
from infra.serving.tf_serving import fetching
from infra.serving.tf_serving.sources import FetchFromS3
from model_export.manifest import FileEntry, Manifest
from tests.serving_kubernetes.examples import published

CONTENT = {
    "saved_model.pb": b"graph",
    "variables/variables.data-00000-of-00001": b"weights",
    "assets/naïve words.txt": b"words",
}
# Copies what is asked for and no more; counts its calls; fails after so many files if told to.
RCLONE = """\
#!/bin/sh
set -eu
echo called >>"$STORE/../calls"
while [ $# -gt 2 ]; do
  if [ "$1" = --files-from-raw ]; then files=$2; fi
  shift
done
copied=0
while read -r file; do
  if [ "$copied" = "${FAIL_AFTER:-never}" ]; then echo "connection lost" >&2; exit 5; fi
  mkdir -p "$(dirname "$2/$file")"
  cp "$STORE/$file" "$2/$file"
  copied=$((copied + 1))
done <"$files"
"""


@pytest.fixture
def version() -> Manifest:
    files = tuple(
        FileEntry(path=path, size_bytes=len(body), sha256=sha256(body).hexdigest())
        for path, body in CONTENT.items()
    )
    return Manifest(
        model="heart",
        version=2,
        files=files,
        signatures={},
        tensorflow_version="2.20.0",
        created_at=published(2).created_at,
        created_by="test",
    )


class Pod:
    """A pod's directories, and the script in them."""

    def __init__(self, directory: Path, version: Manifest) -> None:
        self.directory = directory
        for name in ("bin", "store", "config", "models", "tmp"):
            (directory / name).mkdir()
        for path, body in CONTENT.items():
            file = directory / "store" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(body)
        (directory / "store" / "manifest.json").write_text("{}")
        (directory / "bin" / "rclone").write_text(RCLONE)
        (directory / "bin" / "rclone").chmod(0o755)
        config = str(directory / "config")
        for name, text in fetching.files(version).items():
            (directory / "config" / name).write_text(text.replace("/tmp/", f"{directory}/tmp/"))  # noqa: S108 - the pod's
        source = FetchFromS3(url="s3://example/prod")
        self.environment = {
            **fetching.environment(source, version, config_dir=config),
            "MODELS_DIRECTORY": str(directory / "models"),
            "STORE": str(directory / "store"),
            "PATH": f"{directory / 'bin'}:{os.environ['PATH']}",
        }

    def run(self, **more: str) -> subprocess.CompletedProcess[str]:
        script = self.directory / "config" / fetching.SCRIPT_FILE
        return subprocess.run(
            ["sh", script],
            env=self.environment | more,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    @property
    def calls(self) -> int:
        return len((self.directory / "calls").read_text().splitlines())

    @property
    def found(self) -> dict[str, bytes]:
        target = self.directory / "models" / "heart" / "2"
        return {
            path.relative_to(target).as_posix(): path.read_bytes()
            for path in target.rglob("*")
            if path.is_file()
        }


@pytest.fixture
def pod(tmp_path: Path, version: Manifest) -> Pod:
    return Pod(tmp_path, version)


def test_just_the_files_of_the_manifest_come_into_the_pod(pod: Pod) -> None:
    done = pod.run()
    assert done.returncode == 0, done.stderr
    assert pod.found == CONTENT
    assert not (pod.directory / "models" / ".draft").exists()


def test_a_second_start_finds_the_version_whole_and_fetches_nothing(pod: Pod) -> None:
    pod.run()
    done = pod.run()
    assert "here already" in done.stdout
    assert pod.calls == 1


def test_a_start_that_was_cut_off_leaves_no_version_and_the_next_one_ends_it(pod: Pod) -> None:
    assert pod.run(FAIL_AFTER="1").returncode != 0
    assert pod.found == {}
    assert pod.run().returncode == 0
    assert pod.found == CONTENT


def test_a_version_that_was_altered_in_the_pod_is_fetched_again(pod: Pod) -> None:
    pod.run()
    (pod.directory / "models" / "heart" / "2" / "saved_model.pb").write_bytes(b"other")
    assert pod.run().returncode == 0
    assert pod.found == CONTENT


def test_a_file_that_is_not_the_manifests_is_told_by_name_and_serves_nobody(pod: Pod) -> None:
    (pod.directory / "store" / "saved_model.pb").write_bytes(b"tampered")
    done = pod.run()
    assert done.returncode == 1
    assert "the files of heart/2 in the bucket are not those of its manifest" in done.stdout
    assert "saved_model.pb" in done.stdout
    assert "variables" not in done.stdout
    assert pod.found == {}


def test_rclone_is_told_the_store_and_never_a_key(version: Manifest) -> None:
    source = FetchFromS3(url="s3://example", endpoint="http://minio:9000", secret="keys")  # noqa: S106 - its name
    environment = fetching.environment(source, version, config_dir="/c")
    assert environment["RCLONE_S3_ENDPOINT"] == "http://minio:9000"
    assert urlsplit(source.url).netloc == environment["BUCKET_PATH"]
    assert not any("KEY" in name for name in environment)


def test_a_name_with_a_line_break_cannot_be_compared(version: Manifest) -> None:
    entry = FileEntry(path="assets/a\nb", size_bytes=1, sha256="0" * 64)
    broken = Manifest(**{**vars(version), "files": (entry,)})
    with pytest.raises(ServestackError, match="line break"):
        fetching.files(broken)
