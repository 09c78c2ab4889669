"""`./scripts/gcp-state`: a bucket for a stack's state, and a key for its secrets, on Google Cloud.

Made by `gcloud`, not by a stack: a stack cannot keep its state in what it has yet to make, and must
not take it with it when it goes.
"""

import argparse
import json
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.state.steps import Step, StepError, take

_KEY_RING: Final = "servestack"
_ROTATION: Final = "90d"
_OLD_STATES_DAYS: Final = 90
# A state is written, read, listed and, with its locks, deleted; and secrets go both ways.
_OPERATOR_ROLES: Final = ("roles/storage.objectUser", "roles/cloudkms.cryptoKeyEncrypterDecrypter")
# A preview reads the state and the secrets in it, and writes nothing.
_READER_ROLES: Final = ("roles/storage.objectViewer", "roles/cloudkms.cryptoKeyDecrypter")
# What gcloud would refuse at its own step only, with half of the steps done.
_PROJECT: Final = r"[a-z][a-z0-9-]{4,28}[a-z0-9]"
_STACK: Final = r"[A-Za-z0-9_-]{1,63}"
_BUCKET: Final = r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]"
# A key has no place in a multi-region that a bucket could have as well.
_REGION: Final = r"[a-z]+-[a-z]+[0-9]+"
_MEMBER: Final = r"(user|group|serviceAccount):[^@\s]+@[^@\s]+|principal(Set)?://\S+"


@dataclass(frozen=True, kw_only=True)
class GcsState:
    """Where a stack's state is, and who may use it."""

    project: str
    location: str
    stack: str
    bucket: str
    operators: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Give the key's full name."""
        place = f"projects/{self.project}/locations/{self.location}"
        return f"{place}/keyRings/{_KEY_RING}/cryptoKeys/{self.stack}"


def lifecycle() -> str:
    """Give the bucket's lifecycle: earlier states can be had back for a while."""
    rule = {
        "action": {"type": "Delete"},
        "condition": {"daysSinceNoncurrentTime": _OLD_STATES_DAYS, "isLive": False},
    }
    return json.dumps({"rule": [rule]})


def steps(state: GcsState, lifecycle_file: Path) -> Iterator[Step]:
    """Give what is to be brought about, in order."""
    bucket, project = f"gs://{state.bucket}", f"--project={state.project}"
    place = (f"--location={state.location}", project)
    yield Step(
        title="services",
        make=_gcloud("services enable storage.googleapis.com cloudkms.googleapis.com", project),
        hints={
            "PERMISSION_DENIED": "Name a project of yours (gcloud projects list), and log in: "
            "gcloud auth login",
        },
    )
    closed = ("--uniform-bucket-level-access", "--public-access-prevention")
    yield Step(
        title=f"bucket {bucket}",
        found=_gcloud("storage buckets describe", bucket, "--format=value(name)"),
        make=_gcloud("storage buckets create", bucket, *place, *closed),
        hints={"409": "Somebody else has a bucket of this name. Give another: --bucket NAME"},
    )
    kept = ("--versioning", f"--lifecycle-file={lifecycle_file}")
    yield Step(title="earlier states", make=_gcloud("storage buckets update", bucket, *kept))
    yield Step(
        title=f"key ring {_KEY_RING}",
        found=_gcloud("kms keyrings describe", _KEY_RING, *place),
        make=_gcloud("kms keyrings create", _KEY_RING, *place),
    )
    key = (state.stack, f"--keyring={_KEY_RING}", *place)
    turns = (f"--rotation-period={_ROTATION}", f"--next-rotation-time=+p{_ROTATION}")
    yield Step(
        title=f"key {state.stack}",
        found=_gcloud("kms keys describe", *key),
        make=_gcloud("kms keys create", *key, "--purpose=encryption", *turns),
    )
    for members, roles in ((state.operators, _OPERATOR_ROLES), (state.readers, _READER_ROLES)):
        for member in members:
            yield from _grants(bucket, key, member, roles)


def _grants(bucket: str, key: Sequence[str], member: str, roles: tuple[str, str]) -> Iterator[Step]:
    content, secrets = roles
    may = (f"--member={member}", "--condition=None")
    yield Step(
        title=f"{member}: {content}",
        make=_gcloud("storage buckets add-iam-policy-binding", bucket, *may, f"--role={content}"),
    )
    yield Step(
        title=f"{member}: {secrets}",
        make=_gcloud("kms keys add-iam-policy-binding", *key, *may, f"--role={secrets}"),
    )


def _gcloud(words: str, *rest: str) -> tuple[str, ...]:
    return ("gcloud", *words.split(), *rest)


def mistakes(state: GcsState) -> Iterator[str]:
    """Tell all that is not what it should be, each with what to write."""
    if not re.fullmatch(_STACK, state.stack):
        yield (
            f"{state.stack}: a key is named like the stack, by letters, digits, - and _. Name the "
            "stack anew"
        )
    if not re.fullmatch(_PROJECT, state.project):
        yield f"--project {state.project}: write a project's id, as gcloud projects list has it"
    if not re.fullmatch(_REGION, state.location):
        yield f"--location {state.location}: write a region, such as europe-west4"
    if not re.fullmatch(_BUCKET, state.bucket):
        yield (
            f"--bucket {state.bucket}: a bucket's name has 3 to 63 lower-case letters, digits and "
            "-. Give another: --bucket NAME"
        )
    for option, members in (("--operator", state.operators), ("--reader", state.readers)):
        for member in members:
            if not re.fullmatch(_MEMBER, member):
                yield (
                    f"{option} {member}: write who it is with its kind, such as "
                    "group:ops@example.com, user:me@example.com or principal://…"
                )


def what_to_do_next(state: GcsState) -> str:
    """Say how the stack comes to live there."""
    return (
        "Now, in the checkout:\n"
        f"  export PULUMI_BACKEND_URL=gs://{state.bucket}\n"
        f"  ./scripts/pulumi stack init {state.stack} --secrets-provider=gcpkms://{state.key}\n"
        f"  ./scripts/pulumi up -s {state.stack}\n"
        f"and commit Pulumi.{state.stack}.yaml: its new lines name the key, and are no secret."
    )


def main(arguments: Sequence[str]) -> int:
    """Run the command line; 0 done, 1 a step failed, 2 not understood."""
    state, dry_run = _asked(arguments)
    if dry_run:
        _say(f"echo {shlex.quote(lifecycle())} > lifecycle.json")
        take(steps(state, Path("lifecycle.json")), say=_say, dry_run=True)
        return 0
    with tempfile.TemporaryDirectory(prefix="servestack-") as scratch:
        file = Path(scratch) / "lifecycle.json"
        file.write_text(lifecycle())
        try:
            take(steps(state, file), say=_say)
        except StepError as error:
            sys.stderr.write(f"{error}\n")
            return 1
    _say(what_to_do_next(state))
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _asked(arguments: Sequence[str]) -> tuple[GcsState, bool]:
    parser = argparse.ArgumentParser(
        prog="./scripts/gcp-state",
        description="Make a bucket and a key for the state of one stack on Google Cloud. "
        "Run again, it changes nothing that is there.",
    )
    parser.add_argument("stack", help="the environment, as in Pulumi.STACK.yaml")
    parser.add_argument("--project", required=True, help="project that keeps the state")
    parser.add_argument("--location", required=True, help="region of bucket and key")
    parser.add_argument("--bucket", help="name of the bucket; default: PROJECT-STACK-state")
    parser.add_argument(
        "--operator",
        action="append",
        default=[],
        metavar="MEMBER",
        help="who may update the stack, such as group:ops@example.com; may be repeated",
    )
    parser.add_argument(
        "--reader",
        action="append",
        default=[],
        metavar="MEMBER",
        help="who may only preview it; may be repeated",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the commands, run none")
    asked = parser.parse_args(arguments)
    state = GcsState(
        project=asked.project,
        location=asked.location,
        stack=asked.stack,
        bucket=asked.bucket or f"{asked.project}-{asked.stack}-state",
        operators=tuple(asked.operator),
        readers=tuple(asked.reader),
    )
    if problems := list(mistakes(state)):
        parser.error("\n  ".join(["this cannot be:", *problems]))
    return state, asked.dry_run


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
