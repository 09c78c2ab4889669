"""The place for the state in S3, made by Amazon's own client in front of moto."""

from typing import Any

import boto3
import pytest
from click.testing import CliRunner

from infra.project.aws_state import command
from tests.aws.moto_server import CREDENTIALS, REGION, empty

ARGUMENTS = ["team-state", "--region", REGION]


@pytest.fixture
def account(aws_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    empty(aws_url)
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": aws_url}.items():
        monkeypatch.setenv(name, value)
    return boto3.session.Session(region_name=REGION)


def test_a_bucket_and_a_key_are_made_once_and_told(account: Any) -> None:
    secrets = f"awskms://alias/servestack-state-team-state?region={REGION}"
    first = CliRunner().invoke(command, ARGUMENTS)
    assert first.exit_code == 0, first.output
    assert first.stdout.splitlines() == [
        f"./scripts/pulumi login 's3://team-state?region={REGION}&awssdk=v2'",
        f"./scripts/pulumi stack init aws-dev --secrets-provider '{secrets}'",
    ]
    assert CliRunner().invoke(command, ARGUMENTS).stdout == first.stdout
    keys = account.client("kms").list_keys()["Keys"]
    assert len(keys) == 1
    assert account.client("kms").get_key_rotation_status(KeyId=keys[0]["KeyId"])[
        "KeyRotationEnabled"
    ]


def test_the_bucket_is_closed_and_keeps_what_was_written_over(account: Any) -> None:
    CliRunner().invoke(command, ARGUMENTS)
    client = account.client("s3")
    closed = client.get_public_access_block(Bucket="team-state")["PublicAccessBlockConfiguration"]
    assert set(closed.values()) == {True}
    assert client.get_bucket_versioning(Bucket="team-state")["Status"] == "Enabled"
    assert "aws:SecureTransport" in client.get_bucket_policy(Bucket="team-state")["Policy"]


def test_whoever_is_not_logged_in_is_told(account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    del account
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    done = CliRunner().invoke(command, ARGUMENTS)
    assert done.exit_code == 1
    assert "aws sso login" in done.stderr


def test_a_bucket_of_another_region_is_left_alone_and_told(account: Any) -> None:
    CliRunner().invoke(command, ARGUMENTS)
    elsewhere = CliRunner().invoke(command, ["team-state", "--region", "us-east-1"])
    assert elsewhere.exit_code == 1
    assert f"is yours already, and in {REGION}. Write --region {REGION}" in elsewhere.stderr
    assert account.client("kms", region_name="us-east-1").list_keys()["Keys"] == []


@pytest.mark.parametrize("name", ["Team_State", "team.state", "s3://team-state", "ts"])
def test_a_name_that_cannot_be_is_told_before_anything_is_made(account: Any, name: str) -> None:
    done = CliRunner().invoke(command, [name, "--region", REGION])
    assert done.exit_code == 1
    assert f"{name} is no name for the bucket" in done.stderr
    assert account.client("s3").list_buckets()["Buckets"] == []
