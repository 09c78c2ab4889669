"""Say, as outputs of a step, whom a job logs in as: by the stack, what it may do, and a variable.

SERVESTACK_LOGINS has an object for each stack, and no secret in it; `environment` is the GitHub
environment that it deploys in, if that has not its name. On Google Cloud, where accounts may be
left out if the roles are granted to the federation itself:

    {"prod": {"google_provider": "projects/…", "preview": "ACCOUNT", "deploy": "ACCOUNT"}}

On AWS:

    {"aws-dev": {"aws_region": "eu-central-1", "preview": "arn:…", "deploy": "arn:…"}}
"""

import json
import os
import re
import sys
from pathlib import Path

EXTRAS = {"gcp": "gcp", "aws": "aws", "kubernetes": "kubernetes", "local": ""}


def main() -> int:
    """Print `name=value` lines."""
    stack, access = os.environ["STACK"], os.environ["ACCESS"]
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", stack):
        sys.stderr.write(f"{stack!r} is no stack's name.\n")
        return 1
    file = Path(f"Pulumi.{stack}.yaml")
    found = re.search(r"^\s*servestack:platform:\s*(\w+)\s*$", file.read_text(), re.MULTILINE)
    platform = found[1] if found else ""
    if platform not in EXTRAS:
        sys.stderr.write(f"{file} names no platform that this workflow knows.\n")
        return 1
    login = json.loads(os.environ["LOGINS"] or "{}").get(stack, {})
    if platform in {"gcp", "aws"} and not login:
        sys.stderr.write(
            f"The repository's variable SERVESTACK_LOGINS has no entry for {stack}; "
            "docs/pull-requests.md says what belongs there.\n"
        )
        return 1
    outputs = {
        "extra": EXTRAS[platform],
        "google_provider": login.get("google_provider", ""),
        "google_account": login.get(access, "") if platform == "gcp" else "",
        "aws_role": login.get(access, "") if platform == "aws" else "",
        "aws_region": login.get("aws_region", ""),
    }
    for name, value in outputs.items():
        sys.stdout.write(f"{name}={str(value).splitlines()[0] if value else ''}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
