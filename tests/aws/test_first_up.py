"""A stack file that names a version before there is a bucket that could have it."""

import pytest

from infra.config.parse import parse_stack
from infra.errors import ServestackError
from infra.platforms.published import require_published
from infra.storage.published import PublishedModels
from tests.aws.moto_server import CREDENTIALS, REGION, empty


def test_a_version_without_a_bucket_is_told_what_comes_first(
    aws_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty(aws_url)
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": aws_url}.items():
        monkeypatch.setenv(name, value)
    raw = {
        "platform": "aws",
        "aws": {"account": "123456789012", "region": REGION},
        "models": {"heart": {"target": "sagemaker", "version": 1}},
    }
    config = parse_stack(raw, source="Pulumi.aws-dev.yaml")
    with pytest.raises(ServestackError) as told:
        require_published(config, "Pulumi.aws-dev.yaml", PublishedModels("s3://models-to-come"))
    assert str(told.value) == (
        "Pulumi.aws-dev.yaml: servestack:models.heart.version: the stack's bucket "
        "s3://models-to-come is not there: the stack's first `up` makes it. Leave the version out "
        "until then; publish it into the bucket, and release it."
    )
