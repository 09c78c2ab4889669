"""The table in docs/aws.md: what each identity may do, and why, made of the policies themselves.

`python -m infra.identity.table` writes it.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from infra.identity.aws_bucket_policies import (
    BucketPlace,
    archive_reading,
    bucket_protection,
    log_delivery,
    publishing,
    reading,
    results_writing,
)
from infra.identity.aws_duties import node_autoscaling, releasing, sagemaker_running
from infra.identity.aws_policies import Statement

TABLE: Final = Path(__file__).parents[2] / "docs" / "aws.md"
_BEGIN: Final = "<!-- the table of permissions: python -m infra.identity.table -->"
_END: Final = "<!-- end of the table -->"
_ACCOUNT: Final = "ACCOUNT"
_REGION: Final = "REGION"
_BUCKET: Final = BucketPlace(arn="arn:aws:s3:::BUCKET", region=_REGION, kms_key="KEY")


def table() -> str:
    """Give the table, its marks included."""
    lines = ["| who | may | on | why |", "|---|---|---|---|"]
    for who, statements in identities():
        lines += [f"| {who} | {_row(statement)} |" for statement in statements]
    return "\n".join((_BEGIN, "", *lines, "", _END))


def main() -> int:
    """Write the table into the document."""
    text = TABLE.read_text()
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    TABLE.write_text(f"{before}{table()}{after}")
    return 0


def identities() -> Iterator[tuple[str, Sequence[Statement]]]:
    """Give what each identity may do, by who it is."""
    place = {"account": _ACCOUNT, "region": _REGION, "partition": "aws"}
    yield "pods of MODEL", reading(_BUCKET, "MODEL")
    yield (
        "endpoint of MODEL",
        [
            *archive_reading(_BUCKET, "MODEL"),
            *results_writing(_BUCKET, "MODEL"),
            *sagemaker_running(endpoint="MODEL-*", **place),
        ],
    )
    yield "publisher", publishing(_BUCKET, None)
    yield "CI: preview", reading(_BUCKET, None)
    yield (
        "CI: deploy",
        [*reading(_BUCKET, None), *releasing(bucket=_BUCKET, roles=["ROLES"], **place)],
    )
    yield "cluster autoscaler", node_autoscaling(cluster="CLUSTER", **place)
    yield "driver that mounts the bucket", reading(_BUCKET, None)
    yield "S3's log delivery", log_delivery("arn:aws:s3:::LOGS", source_arn="", account=_ACCOUNT)
    yield "nobody", bucket_protection(_BUCKET.arn, immutable=True)


def _row(statement: Statement) -> str:
    denied = "**denied:** " if statement.effect == "Deny" else ""
    actions = ", ".join(f"`{action}`" for action in statement.actions)
    places = statement.resources or [f"all but {path}" for path in statement.not_resources]
    on = "<br>".join(f"`{_short(path)}`" for path in places)
    return f"{denied}{actions} | {on} | {statement.why}"


def _short(resource: str) -> str:
    return resource.replace("arn:aws:s3:::", "").replace("arn:aws:", "")


if __name__ == "__main__":
    sys.exit(main())
