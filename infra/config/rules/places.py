"""What each platform must be told of where the stack is. Pure."""

from collections.abc import Iterator

from infra.config.model import StackConfig
from infra.config.problems import Finding
from infra.config.values import Platform


def place_findings(stack: StackConfig) -> Iterator[Finding]:
    """Give what is missing of the place."""
    needed = {
        Platform.LOCAL: (),
        Platform.GCP: (
            ("gcp", "project", stack.gcp.project, "example-ml-dev"),
            ("gcp", "region", stack.gcp.region, "europe-west4"),
        ),
        Platform.AWS: (
            ("aws", "account", stack.aws.account, '"123456789012"'),
            ("aws", "region", stack.aws.region, "eu-central-1"),
        ),
        Platform.KUBERNETES: (
            ("kubernetes", "context", stack.kubernetes.context, "kind-kind"),
            ("bucket", "path", stack.bucket.path or stack.bucket.url, "/mnt/models"),
        ),
    }
    for section, key, value, example in needed[stack.platform]:
        if value is None:
            yield Finding(
                at=(section, key),
                rule=f"is missing; a stack of platform {stack.platform} needs it",
                remedy=f"Write for example: {key}: {example}",
            )
