"""How a store is named, and what is said where the name leads nowhere."""

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from model_export.errors import ModelExportError, RefusedError
from model_export.store import open_store
from tests.stores.clouds import Cloud


@pytest.mark.parametrize("form", ["{}", "file://{}", "file://localhost{}"])
def test_a_directory_is_named_by_path_or_by_file_url(tmp_path: Path, form: str) -> None:
    directory = tmp_path / "a bücket"
    directory.mkdir()
    store = open_store(form.format(directory))
    assert store.url == directory.as_uri()
    assert open_store(store.url).url == store.url


def test_a_kind_of_store_that_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(RefusedError, match="'https://' is not a kind of store"):
        open_store("https://example.com/x")


def test_a_file_url_on_another_machine_is_refused() -> None:
    with pytest.raises(RefusedError, match="file:///PATH"):
        open_store("file://elsewhere/models")


def test_a_store_that_does_not_exist_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="mkdir -p"):
        open_store(str(tmp_path / "typo"))
    assert not (tmp_path / "typo").exists()


def test_a_bucket_is_named_with_or_without_a_folder(cloud: Cloud) -> None:
    for folder in ("", "/", "/a", "/a/b/"):
        assert open_store(f"{cloud.kind}://bucket{folder}").url == (
            f"{cloud.kind}://bucket{folder}".rstrip("/")
        )


@pytest.mark.parametrize("url", ["{}://", "{}:///models", "{}://bucket/a//b", "{}://bucket/a\n"])
def test_a_url_that_names_no_bucket_is_refused(cloud: Cloud, url: str) -> None:
    with pytest.raises(RefusedError, match=f"write {cloud.kind}://BUCKET"):
        open_store(url.format(cloud.kind))


def test_a_bucket_that_does_not_exist_is_named(cloud: Cloud) -> None:
    with pytest.raises(RefusedError, match=f"There is no bucket {cloud.kind}://no-such-bucket"):
        open_store(f"{cloud.kind}://no-such-bucket").models()


@pytest.mark.parametrize(("scheme", "client"), [("gs", "google.cloud.storage"), ("s3", "botocore")])
def test_a_client_that_is_not_installed_is_named_with_its_extra(scheme: str, client: str) -> None:
    program = f"""
import sys
sys.modules["{client}"] = None
from model_export.cli import main
main(["list", "--store", "{scheme}://bucket"])
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert "pip install 'servestack[" in run.stderr
    assert run.stderr.count("\n") == 1


def test_a_store_without_tls_is_told_with_the_setting_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("S3_ENDPOINT", f"127.0.0.1:{server.server_port}")
    try:
        with pytest.raises(ModelExportError, match=r"no secure connection .*S3_USE_HTTPS=0"):
            open_store("s3://models").versions("heart")
    finally:
        server.shutdown()
        server.server_close()
