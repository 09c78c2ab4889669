"""Every example's objects before checkov's eyes; what it may find is justified in checkov.yaml."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.serving_kubernetes.manifests import EXAMPLES, manifests

pytestmark = pytest.mark.slow

CHECKOV = "checkov==3.3.30"
CONFIG = Path(__file__).with_name("checkov.yaml")


def uv() -> str:
    cache = Path(os.environ.get("SERVESTACK_CACHE") or Path.home() / ".cache" / "servestack")
    found = shutil.which("uv") or next(map(str, sorted(cache.glob("uv-*/bin/uv"))), None)
    if found is None:
        pytest.skip("there is no uv here, which brings checkov; ./scripts/setup installs one")
    return found


def findings(directory: Path) -> dict[str, Any]:
    done = subprocess.run(
        # In an environment of its own: it pins what this project needs newer.
        [
            *(uv(), "tool", "run", "--from", CHECKOV, "checkov"),
            *("--config-file", str(CONFIG), "--directory", str(directory), "--output", "json"),
        ],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise AssertionError(done.stdout + done.stderr) from None
    return report


def test_checkov_finds_nothing_that_is_not_justified(tmp_path: Path) -> None:
    for name, args in EXAMPLES.items():
        for number, manifest in enumerate(manifests(args)):
            (tmp_path / f"{name}-{number}.json").write_text(json.dumps(manifest))
    careless = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "careless"},
        "spec": {"containers": [{"name": "all", "image": "busybox:latest"}]},
    }
    (tmp_path / "careless.json").write_text(json.dumps(careless))
    report = findings(tmp_path)
    failed = report["results"]["failed_checks"]
    ours = [
        (one["check_id"], one["resource"]) for one in failed if "careless" not in one["file_path"]
    ]
    assert ours == []
    # It did look.
    assert report["summary"]["passed"] > 1000
    assert len(failed) > 10
