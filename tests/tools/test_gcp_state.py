"""The state's bucket and key on Google Cloud, made by a `gcloud` that remembers what it made."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.tools.executables import executable
from tools.state.gcs import GcsState, lifecycle, mistakes, steps, what_to_do_next

CHECKOUT = Path(__file__).parents[2]
# Keeps each call in $LOG; what was created is found afterwards; $FAIL is a word that fails.
GCLOUD = """#!/usr/bin/env python3
import os, sys
from pathlib import Path
log, made = Path(os.environ["LOG"]), Path(os.environ["LOG"] + ".made")
words = sys.argv[1:]
with log.open("a") as file:
    file.write(" ".join(words) + "\\n")
if os.environ.get("FAIL", "-") in words:
    sys.exit("ERROR: (gcloud) HTTPError 409: " + os.environ["FAIL"] + " is taken")
things = made.read_text().splitlines() if made.exists() else []
verb = next((word for word in words if word in {"describe", "create"}), None)
if verb is None:
    sys.exit(0)
place = words.index(verb)
thing = " ".join([words[place - 1], words[place + 1]])
if verb == "describe":
    sys.exit(0 if thing in things else "ERROR: not found")
made.write_text("\\n".join([*things, thing]))
"""
ARGUMENTS = ("dev", "--project", "example-ml", "--location", "europe-west4")


@pytest.fixture
def gcloud(tmp_path: Path) -> Path:
    executable(tmp_path / "bin" / "gcloud", GCLOUD)
    return tmp_path


def gcp_state(
    place: Path, *arguments: str, **environ: str
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    log = place / "log"
    log.unlink(missing_ok=True)
    done = subprocess.run(
        [CHECKOUT / ".venv" / "bin" / "python", "-m", "tools.state.gcs", *ARGUMENTS, *arguments],
        cwd=CHECKOUT,
        env={**os.environ, "PATH": f"{place / 'bin'}:{os.environ['PATH']}", "LOG": str(log)}
        | environ,
        capture_output=True,
        text=True,
        check=False,
    )
    return done, log.read_text().splitlines() if log.exists() else []


def test_what_is_there_already_is_left_alone_by_a_second_run(gcloud: Path) -> None:
    first, calls = gcp_state(gcloud)
    assert first.returncode == 0, first.stderr
    assert sum("create" in call for call in calls) == 3
    again, calls = gcp_state(gcloud)
    assert again.returncode == 0
    assert not [call for call in calls if "create" in call]
    assert again.stdout.count(": is there") == 3


def test_a_step_that_fails_is_told_and_the_next_run_goes_on_from_there(gcloud: Path) -> None:
    failed, _ = gcp_state(gcloud, FAIL="gs://example-ml-dev-state")
    assert failed.returncode == 1
    assert "Somebody else has a bucket of this name. Give another: --bucket NAME" in failed.stderr
    assert "Traceback" not in failed.stderr
    done, calls = gcp_state(gcloud, "--bucket", "another")
    assert done.returncode == 0
    assert any("create gs://another" in call for call in calls)


def test_all_mistakes_are_told_before_anything_is_made(gcloud: Path) -> None:
    wrong = ("--location", "EU", "--operator", "me@example.com", "--reader", "group:ml-team")
    done, calls = gcp_state(gcloud, *wrong, "--bucket", "Models")
    assert (done.returncode, calls) == (2, [])
    for told in (
        "--location EU: write a region",
        "--operator me@example.com: write who it is with its kind",
        "--reader group:ml-team: write",
        "--bucket Models: a bucket's name has",
    ):
        assert told in done.stderr


@pytest.mark.parametrize(
    "member",
    [
        "user:me@example.com",
        "group:ops@example.com",
        "serviceAccount:deploy@example-ml.iam.gserviceaccount.com",
        "principal://iam.googleapis.com/POOL/subject/repo:OWNER/NAME:environment:production",
        "principalSet://iam.googleapis.com/POOL/attribute.repository/OWNER/NAME",
    ],
)
def test_everybody_who_may_be_let_in_is_taken(member: str) -> None:
    state = GcsState(
        project="example-ml",
        location="us-central1",
        stack="dev",
        bucket="a-state",
        operators=(member,),
    )
    assert not list(mistakes(state))


def test_without_gcloud_one_line_says_so(gcloud: Path) -> None:
    (gcloud / "bin" / "gcloud").unlink()
    done, _ = gcp_state(gcloud, PATH=str(gcloud / "bin"))
    assert done.returncode == 1
    assert done.stderr == "gcloud is not on PATH. Install it, log in, and run this again.\n"


def test_a_dry_run_prints_commands_and_runs_none(gcloud: Path) -> None:
    done, calls = gcp_state(gcloud, "--dry-run")
    assert calls == []
    assert done.stdout.count("gcloud ") == 5


def test_an_operator_writes_and_a_reader_only_reads() -> None:
    state = GcsState(
        project="example-ml",
        location="europe-west4",
        stack="dev",
        bucket="state",
        operators=("group:ops@example.com",),
        readers=("group:team@example.com",),
    )
    granted = {
        (word.removeprefix("--member="), step.make[-1].removeprefix("--role="))
        for step in steps(state, Path("lifecycle.json"))
        for word in step.make
        if word.startswith("--member=")
    }
    assert granted == {
        ("group:ops@example.com", "roles/storage.objectUser"),
        ("group:ops@example.com", "roles/cloudkms.cryptoKeyEncrypterDecrypter"),
        ("group:team@example.com", "roles/storage.objectViewer"),
        ("group:team@example.com", "roles/cloudkms.cryptoKeyDecrypter"),
    }


def test_earlier_states_are_kept_for_a_quarter_and_live_ones_for_ever() -> None:
    (rule,) = json.loads(lifecycle())["rule"]
    assert rule["condition"] == {"daysSinceNoncurrentTime": 90, "isLive": False}


def test_the_stack_is_told_to_use_bucket_and_key() -> None:
    state = GcsState(project="example-ml", location="europe-west4", stack="dev", bucket="state")
    told = what_to_do_next(state)
    assert "PULUMI_BACKEND_URL=gs://state" in told
    key = "projects/example-ml/locations/europe-west4/keyRings/servestack/cryptoKeys/dev"
    assert f"--secrets-provider=gcpkms://{key}" in told
