"""What a cloud refused is answered by what to do, where its words are known."""

import pytest

from infra.releases.engine_log import EngineLog
from infra.releases.remedies import remedy, where_state_lives

URN = "urn:pulumi:dev::servestack::servestack:compute:GkeCluster$gcp:{}::{}"
POOL = URN.format("container/nodePool:NodePool", "l4")
SYSTEM = URN.format("container/nodePool:NodePool", "system")
BUCKET = URN.format("storage/bucket:Bucket", "models")
SERVICE = URN.format("projects/service:Service", "iam")
AMAZON = "urn:pulumi:dev::servestack::pulumi:providers:aws::aws"
FEDERATION = URN.format("iam/workloadIdentityPool:WorkloadIdentityPool", "ci")


@pytest.mark.parametrize(
    ("urn", "message", "words"),
    [
        (POOL, "Error 403: Quota 'NVIDIA_L4_GPUS' exceeded. Limit: 0.0", "cluster.gpu_pools.l4"),
        (POOL, "Error 403: Insufficient quota, quotaExceeded", "Ask Google for more"),
        (SYSTEM, "Error 429: RESOURCE_EXHAUSTED", "servestack:cluster.system_pool"),
        (
            POOL,
            "ZONE_RESOURCE_POOL_EXHAUSTED",
            "Name other zones at servestack:cluster.gpu_pools.l4",
        ),
        (BUCKET, "googleapi: Error 409: not available, conflict", "servestack:bucket.name"),
        (FEDERATION, "googleapi: Error 409: exists, alreadyExists", "undelete"),
        (BUCKET, "googleapi: Error 403: disabled., accessNotConfigured", "Run it again"),
        (SERVICE, "googleapi: Error 403: Permission denied, forbidden", "servestack:gcp.project"),
        (SERVICE, "google: could not find default credentials", "application-default login"),
        (AMAZON, "No valid credential sources found", "aws sso login"),
        (AMAZON, "Unable to locate credentials", "aws sso login"),
        (AMAZON, "ExpiredToken: the provided token has expired", "aws sso login"),
        (AMAZON, "AWS account ID not allowed: 123456789012", "servestack:aws.account"),
    ],
)
def test_a_known_reason_is_answered(urn: str, message: str, words: str) -> None:
    assert words in str(remedy(urn, message))


@pytest.mark.parametrize(
    ("urn", "message"),
    [
        (BUCKET, "googleapi: Error 500: backendError"),
        ("urn:pulumi:dev::servestack::aws:s3/bucket:Bucket::models", "Error 409: alreadyExists"),
        ("urn:pulumi:dev::servestack::pulumi:pulumi:Stack::servestack-dev", "Error 403"),
    ],
)
def test_what_is_not_known_gets_no_advice(urn: str, message: str) -> None:
    assert remedy(urn, message) is None


def test_the_advice_stands_below_the_error() -> None:
    log = EngineLog()
    log.add_error("error: googleapi: Error 409: taken, alreadyExists", BUCKET)
    log.add_error("update failed")
    first, second = log.reason.splitlines()
    assert first == "googleapi: Error 409: taken, alreadyExists"
    assert "servestack:bucket.name" in second


def test_the_engines_own_words_before_an_error_are_left_out() -> None:
    log = EngineLog()
    log.add_error("error: Preview failed: Exception calling application: heart is not there")
    log.add_error("Preview failed: heart is not there")
    assert log.reason == "heart is not there"


def test_who_has_no_place_for_the_state_is_told_where_to_name_one() -> None:
    words = "PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions"
    told = where_state_lives(words)
    assert "PULUMI_BACKEND_URL" in told
    assert words not in told
    assert where_state_lives("the stack is locked") == "the stack is locked"
