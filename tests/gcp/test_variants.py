"""What the committed stack files do not have, on the real engine: each a whole stack of its own."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.engine.harness import CHECKOUT
from tests.gcp.harness import GcpStack, MakeGcpStack
from tests.standins.gcp_cloud import Fault, Thing

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(1800)]

PROJECT, REGION = "example-ml-dev", "europe-west4"
PLACE: dict[str, Any] = {"platform": "gcp", "gcp": {"project": PROJECT, "region": REGION}}
KEY = f"projects/{PROJECT}/locations/{REGION}/keyRings/models/cryptoKeys/bucket"
# Everything that is an alternative to what dev and prod do.
WIDE: dict[str, Any] = PLACE | {
    "gcp": {
        "project": PROJECT,
        "region": REGION,
        "network": "projects/host/global/networks/shared",
        "subnetwork": f"projects/host/regions/{REGION}/subnetworks/shared",
    },
    "bucket": {
        "kms_key": KEY,
        "hierarchical_namespace": True,
        "retention_days": 30,
        "access_log_days": 30,
    },
    "cluster": {"autopilot": True, "endpoint": "private", "version": "1.34"},
    "identity": {
        "per_model": False,
        "impersonation": True,
        "publishers": ["group:ml-team@example.com"],
        "publisher_key": True,
        "ci": {
            "github": {
                "repository": "example/models",
                "repository_id": "123456789",
                "environment": "production",
            }
        },
    },
    "models": {"heart": {}, "digits": {"gpu": {"type": "nvidia-l4"}}},
}
EXISTING: dict[str, Any] = PLACE | {
    "cluster": {
        "existing": "shared",
        "endpoint": "dns",
        "gpu_pools": {"l4": {"accelerator": "nvidia-l4", "provisioning": "flex_start"}},
    },
    "models": {"digits": {"gpu": {"type": "nvidia-l4"}}},
}
CLUSTER_ID = f"projects/{PROJECT}/locations/{REGION}/clusters/shared"


def test_a_stack_of_all_alternatives_comes_up_and_keeps_its_key_to_itself(
    make_stack: MakeGcpStack,
) -> None:
    stack = make_stack()
    add_shared_network(stack)
    stack.configure(WIDE)
    stack.up()
    stack.expect_no_changes()

    types = [thing.type.rpartition(":")[2] for thing in stack.cloud.things()]
    assert "NodePool" not in types
    # Nodes, all models together, publishers, and CI's two.
    assert types.count("Account") == 5
    outputs = stack.outputs()
    assert outputs["publisher_key"] == "[secret]"
    assert set(outputs["ci"]["service_accounts"]) == {"preview", "deploy"}
    key = stack.cloud.one("gcp:serviceaccount/key:Key").outputs["privateKey"]
    assert key not in stack.pulumi("stack", "export").stdout
    shown = stack.pulumi("stack", "output", "publisher_key", "--show-secrets").stdout
    assert shown.strip() == key
    bucket = stack.cloud.one("gcp:storage/bucket:Bucket", "models").inputs
    assert bucket["softDeletePolicy"] == {"retentionDurationSeconds": 30 * 86_400}
    assert bucket["versioning"] == {"enabled": False}


def add_shared_network(stack: GcpStack) -> None:
    gcp = WIDE["gcp"]
    for kind, id_ in (("network", gcp["network"]), ("subnetwork", gcp["subnetwork"])):
        type_ = f"gcp:compute/{kind}:{kind.capitalize()}"
        stack.cloud.put(Thing(id=id_, type=type_, name="shared", inputs={}, outputs={}))


def test_pools_are_added_to_a_cluster_that_exists_and_taken_away_again(
    make_stack: MakeGcpStack,
) -> None:
    stack = make_stack()
    cluster = Thing(
        id=CLUSTER_ID,
        type="gcp:container/cluster:Cluster",
        name="theirs",
        inputs={"deletionProtection": False},
        outputs={},
    )
    stack.cloud.put(cluster)
    stack.configure(EXISTING)
    stack.up()
    stack.expect_no_changes()
    provider = next(
        found for found in stack.resources() if found["type"] == "pulumi:providers:kubernetes"
    )
    kubeconfig = json.loads(provider["inputs"]["kubeconfig"])
    (server,) = kubeconfig["clusters"]
    assert server["cluster"] == {"server": f"https://gke-1.{REGION}.gke.goog"}
    (user,) = kubeconfig["users"]
    assert user["user"]["exec"]["command"] == "gke-gcloud-auth-plugin"
    assert "token" not in json.dumps(kubeconfig)
    pool = stack.cloud.one("gcp:container/nodePool:NodePool").inputs
    assert pool["cluster"] == "shared"
    assert pool["nodeConfig"]["flexStart"] is True
    assert pool["management"]["autoRepair"] is False

    stack.destroy()
    assert stack.cloud.find(CLUSTER_ID) == cluster


def test_what_is_wrong_at_google_is_told_with_its_remedy_and_leaves_nothing_half_done(
    make_stack: MakeGcpStack, tmp_path: Path
) -> None:
    stack = make_stack()
    stack.configure(PLACE | {"cluster": {"gpu_pools": {"l4": {"accelerator": "nvidia-l4"}}}})
    credentials = stack.cloud.directory / "credentials"
    credentials.rename(tmp_path / "credentials")
    told = refused(stack)
    assert "could not find default credentials" in told
    assert "gcloud auth application-default login" in told
    (tmp_path / "credentials").rename(credentials)

    # At the preview nothing is asked of Google yet; the first step of an update is.
    denied = "googleapi: Error 403: Permission denied to enable service, forbidden"
    stack.cloud.order(fault("gcp:projects/service:Service", denied))
    assert "servestack:gcp.project" in refused(stack)
    assert not list(stack.cloud.things())

    quota = "Error 403: Quota 'NVIDIA_L4_GPUS' exceeded. Limit: 0.0 in region europe-west4."
    stack.cloud.order(fault("gcp:container/nodePool:NodePool", quota, "l4"))
    told = refused(stack)
    assert quota in told
    assert "write less at servestack:cluster.gpu_pools.l4" in told
    stack.cloud.forgive()
    stack.servestack("up", "--yes")
    stack.expect_no_changes()


def test_an_interrupt_waits_for_what_is_under_way_and_a_second_one_does_not(
    make_stack: MakeGcpStack,
) -> None:
    stack = make_stack()
    stack.configure(PLACE)
    held = stack.cloud.hold("gcp:storage/bucket:Bucket", before=False)
    stack.up_ran = True
    with subprocess.Popen(
        [sys.executable, "-m", "infra.releases.cli", "up", "-s", stack.stack, "--yes"],
        cwd=stack.directory,
        env={**stack.environment, "PYTHONPATH": str(CHECKOUT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as up:
        while held.read_text() != "waiting":
            assert up.poll() is None, "the update ended before it came so far"
            time.sleep(0.05)
        up.send_signal(signal.SIGINT)
        assert up.stdout is not None
        assert any("Interrupted: what is under way comes to its end" in line for line in up.stdout)
        assert up.poll() is None
        up.send_signal(signal.SIGINT)
        told = up.stdout.read()
    held.unlink()
    assert up.returncode == 130
    assert told.endswith("servestack: interrupted\n")
    assert "Traceback" not in told

    # The bucket is there and known; what the stack tells of itself is not written yet.
    stack.servestack("up", "--yes")
    assert stack.servestack("bucket").stdout.startswith("gs://")
    assert "nothing to change" in stack.servestack("up", "--yes").stderr


def fault(type_: str, message: str, name: str = "") -> Fault:
    return Fault(call="create", type=type_, name=name, message=message)


def refused(stack: GcpStack) -> str:
    stack.up_ran = True
    done: subprocess.CompletedProcess[str] = stack.servestack("up", "--yes", expect=1)
    return done.stdout + done.stderr
