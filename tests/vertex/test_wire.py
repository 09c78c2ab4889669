"""Google's own client against a server that holds the API's rules."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import grpc
import pytest

from infra.serving.vertex import api as api_module
from infra.serving.vertex.api import VertexApi
from infra.serving.vertex.deployments import (
    ensure_deployment,
    read_deployment,
    remove_deployment,
)
from infra.serving.vertex.endpoints import (
    ensure_endpoint,
    ensure_traffic,
    find_endpoint,
    read_traffic,
    remove_endpoint,
    stop_traffic,
)
from infra.serving.vertex.faults import VertexError
from infra.serving.vertex.registry import (
    ensure_aliases,
    ensure_version,
    find_version,
    read_aliases,
    remove_aliases,
    remove_version,
)
from infra.serving.vertex.specs import Machine, Owner, Place, Scaling, VersionKey
from tests.vertex.server.api_error import ApiError, quota
from tests.vertex.specs import (
    ENDPOINT_ID,
    aliases_spec,
    container,
    deployment_spec,
    endpoint_spec,
    traffic_spec,
    version_spec,
)

if TYPE_CHECKING:
    from tests.vertex.server.server import VertexServer

pytestmark = pytest.mark.slow

NONE: frozenset[str] = frozenset()


def quietly(_text: str) -> None:
    """Have nobody to tell."""


@pytest.fixture
def api(place: Place) -> VertexApi:
    return VertexApi(place)


def deployed(api: VertexApi, place: Place, *versions: int) -> None:
    """Have these versions run, the first with all the traffic."""
    ensure_endpoint(api, endpoint_spec(place), quietly)
    for version in versions:
        ensure_version(api, version_spec(place, version), quietly)
        ensure_deployment(api, deployment_spec(place, version), quietly)
    ensure_traffic(api, traffic_spec(place, **{f"v{versions[0]}": 100}), quietly)


def test_a_version_is_registered_once_and_found_again(
    vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    spec = version_spec(place)
    made = ensure_version(api, spec, quietly)
    assert ensure_version(api, spec, quietly) == find_version(api, spec) == made
    assert vertex.calls == ["UploadModel"]
    assert made.labels["servestack-version"] == "1"
    assert made.labels["team"] == "vision"
    assert made.aliases == (f"v1-{spec.container.digest}-1000000000000000", "default")


def test_the_container_is_asked_for_as_it_was_decided(
    vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    spec = version_spec(place, container=replace(container(1), startup_seconds=905))
    ensure_version(api, spec, quietly)
    (model,) = vertex.world.models.values()
    asked = model.versions["1"].container_spec
    assert tuple(asked.command) == spec.container.command
    assert tuple(asked.args) == spec.container.args
    assert {entry.name: entry.value for entry in asked.env} == dict(spec.container.env)
    assert [entry.container_port for entry in asked.ports] == [8080]
    probe = asked.startup_probe
    assert probe.http_get.path == asked.health_route == spec.container.health_route
    assert probe.failure_threshold * probe.period_seconds == 910
    assert asked.deployment_timeout.total_seconds() == 1800 + 905


def test_a_second_version_joins_the_first(
    vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    first = ensure_version(api, version_spec(place, 1), quietly)
    second = ensure_version(api, version_spec(place, 2), quietly)
    assert first.model == second.model
    assert "default" not in second.aliases
    assert vertex.calls == ["UploadModel", "UploadModel"]


def test_another_container_for_the_same_content_is_another_version_of_the_registry(
    vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    ensure_version(api, version_spec(place), quietly)
    other = version_spec(place, container=container(1, intra_op_threads=4))
    assert ensure_version(api, other, quietly).version_id == "2"
    remove_version(api, version_spec(place), quietly)
    assert find_version(api, version_spec(place)) is None
    assert find_version(api, other) is not None
    assert vertex.calls[-2:] == ["MergeVersionAliases", "DeleteModelVersion"]


def test_the_same_number_with_other_content_is_refused(
    vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    ensure_version(api, version_spec(place), quietly)
    with pytest.raises(VertexError, match="a version never changes"):
        ensure_version(api, version_spec(place, digest="sha256:" + "9" * 64), quietly)
    assert vertex.calls == ["UploadModel"]


def test_another_stacks_model_is_refused_and_can_be_taken_up(api: VertexApi, place: Place) -> None:
    ensure_version(api, version_spec(place, owner=Owner(stack="prod", model="heart")), quietly)
    with pytest.raises(VertexError, match=r"made by stack prod.*models\.heart\.vertex\.model_id"):
        ensure_version(api, version_spec(place, 2), quietly)
    assert ensure_version(api, version_spec(place, 2, adopt=True), quietly).version_id == "2"


def test_labels_and_description_are_changed_in_place(
    vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    ensure_version(api, version_spec(place), quietly)
    spec = version_spec(place, labels={"team": "speech"}, description="newer words")
    ensure_version(api, spec, quietly)
    found = find_version(api, spec)
    assert found is not None
    assert (found.labels["team"], found.description) == ("speech", "newer words")
    assert vertex.calls == ["UploadModel", "UpdateModel"]


def test_aliases_move_and_only_ours_go(
    vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    for version in (1, 2):
        ensure_version(api, version_spec(place, version), quietly)
    wanted = aliases_spec(place, default=2, stable=2, canary=1, v1=1, v2=2)
    ensure_aliases(api, wanted, NONE, quietly)
    assert read_aliases(api, wanted) == dict(wanted.aliases)
    model = next(iter(vertex.world.models.values()))
    model.versions["1"].version_aliases.append("golden")
    ours = {number: message.version_aliases[0] for number, message in model.versions.items()}
    ensure_aliases(api, aliases_spec(place, default=1, v1=1), frozenset({"stable"}), quietly)
    assert set(model.versions["1"].version_aliases) == {
        ours["1"],
        "golden",
        "default",
        "v1",
        "canary",
    }
    assert set(model.versions["2"].version_aliases) == {ours["2"], "v2"}
    remove_aliases(api, wanted, quietly)
    assert set(model.versions["1"].version_aliases) == {ours["1"], "golden", "default"}


def test_an_alias_that_names_a_strangers_version_is_not_taken_from_it(
    vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    theirs = version_spec(place, 7, owner=Owner(stack="prod", model="heart"))
    ensure_version(api, theirs, quietly)
    vertex.world.models[next(iter(vertex.world.models))].versions["1"].version_aliases.append(
        "stable"
    )
    ensure_version(api, version_spec(place, 1, adopt=True), quietly)
    with pytest.raises(VertexError, match=r"stable names .*@1, which this stack did not register"):
        ensure_aliases(api, aliases_spec(place, stable=1), NONE, quietly)


def test_an_alias_that_somebody_moved_is_seen(
    vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    for version in (1, 2):
        ensure_version(api, version_spec(place, version), quietly)
    wanted = aliases_spec(place, default=1, stable=1)
    ensure_aliases(api, wanted, NONE, quietly)
    model = next(iter(vertex.world.models.values()))
    vertex.world.move_alias(model, "2", "stable")
    assert read_aliases(api, wanted) == {
        "default": version_spec(place, 1).key,
        "stable": version_spec(place, 2).key,
    }
    # Registered by hand, whatever labels the model has.
    model.versions["2"].version_aliases = ["stable"]
    seen = read_aliases(api, wanted)
    assert seen is not None
    assert seen["stable"] == VersionKey(version=0, container="2")


def test_an_endpoint_is_made_labelled_and_removed(
    vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    spec = endpoint_spec(place, kind="dedicated")
    made = ensure_endpoint(api, spec, quietly)
    assert made.dns.endswith(".prediction.vertexai.goog")
    ensure_endpoint(api, replace(spec, labels={"team": "speech"}), quietly)
    found = find_endpoint(api, spec)
    assert found is not None
    assert found.labels["team"] == "speech"
    remove_endpoint(api, spec, quietly)
    assert find_endpoint(api, spec) is None
    remove_endpoint(api, spec, quietly)
    assert vertex.calls == ["CreateEndpoint", "UpdateEndpoint", "DeleteEndpoint"]


def test_a_private_endpoint_tells_its_attachment(api: VertexApi, place: Place) -> None:
    spec = endpoint_spec(place, kind="private-service-connect", allowed_projects=("example-ml",))
    assert ensure_endpoint(api, spec, quietly).service_attachment.endswith(ENDPOINT_ID)


def test_another_stacks_endpoint_and_one_of_another_kind_are_refused(
    api: VertexApi, place: Place
) -> None:
    ensure_endpoint(api, endpoint_spec(place, owner=Owner(stack="prod", model="x")), quietly)
    with pytest.raises(VertexError, match=r"made by stack prod.*vertex\.endpoint_id"):
        ensure_endpoint(api, endpoint_spec(place), quietly)
    ensure_endpoint(api, endpoint_spec(place, adopt=True), quietly)
    with pytest.raises(VertexError, match="as public and not dedicated"):
        ensure_endpoint(api, endpoint_spec(place, kind="dedicated"), quietly)


def test_a_deployment_gets_no_traffic_until_it_is_split(
    vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    deployed(api, place, 1, 2)
    assert read_traffic(api, traffic_spec(place, v1=100)) == traffic_spec(place, v1=100).split
    ensure_traffic(api, traffic_spec(place, v1=90, v2=10), quietly)
    assert read_traffic(api, traffic_spec(place)) == traffic_spec(place, v1=90, v2=10).split
    endpoint = next(iter(vertex.world.endpoints.values()))
    assert [entry.model_version_id for entry in endpoint.deployed_models] == ["1", "2"]
    first = endpoint.deployed_models[0]
    assert first.service_account == "serving@example-ml.iam.gserviceaccount.com"
    assert first.dedicated_resources.machine_spec.machine_type == "n1-standard-2"


def test_scaling_and_logging_change_in_place(
    vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    deployed(api, place, 1)
    spec = deployment_spec(
        place,
        scaling=Scaling(min_replicas=2, max_replicas=5, cpu_percent=70),
        container_logging=False,
    )
    assert spec.deployed_id == deployment_spec(place).deployed_id
    ensure_deployment(api, spec, quietly)
    assert read_deployment(api, spec) == spec
    assert vertex.calls[-1] == "MutateDeployedModel"
    assert vertex.calls.count("DeployModel") == 1


def test_replicas_that_somebody_changed_are_seen_and_put_right(
    vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    deployed(api, place, 1)
    entry = next(iter(vertex.world.endpoints.values())).deployed_models[0]
    entry.dedicated_resources.max_replica_count = 9
    seen = read_deployment(api, deployment_spec(place))
    assert seen is not None
    assert seen.scaling.max_replicas == 9
    ensure_deployment(api, deployment_spec(place), quietly)
    assert read_deployment(api, deployment_spec(place)) == deployment_spec(place)


def test_accelerators_and_spot_machines_are_asked_for(
    vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    ensure_endpoint(api, endpoint_spec(place), quietly)
    ensure_version(api, version_spec(place), quietly)
    machine = Machine(type="g2-standard-8", accelerator="NVIDIA_L4", accelerator_count=1, spot=True)
    scaling = Scaling(min_replicas=1, max_replicas=1, cpu_percent=60, gpu_percent=80)
    spec = deployment_spec(place, machine=machine, scaling=scaling)
    assert ensure_deployment(api, spec, quietly).machine == machine
    assert read_deployment(api, spec) == spec
    entry = next(iter(vertex.world.endpoints.values())).deployed_models[0]
    assert {
        metric.metric_name.rpartition("online/")[2]: metric.target
        for metric in entry.dedicated_resources.autoscaling_metric_specs
    } == {"cpu/utilization": 60, "accelerator/duty_cycle": 80}


def test_scale_to_zero_goes_through_the_beta(
    vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    ensure_endpoint(api, endpoint_spec(place), quietly)
    ensure_version(api, version_spec(place), quietly)
    spec = deployment_spec(place, idle_seconds=600)
    ensure_deployment(api, spec, quietly)
    asked = vertex.world.beta[spec.deployed_id].dedicated_resources
    assert asked.min_replica_count == 0
    assert asked.initial_replica_count == 1
    assert asked.scale_to_zero_spec.idle_scaledown_period.seconds == 600
    assert read_deployment(api, spec) == spec
    wider = replace(spec, scaling=Scaling(min_replicas=1, max_replicas=4, cpu_percent=60))
    ensure_deployment(api, wider, quietly)
    assert read_deployment(api, wider) == wider


def test_what_has_traffic_is_not_stopped(
    vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    deployed(api, place, 1, 2)
    with pytest.raises(VertexError, match="100 % of the endpoint's requests still go to it"):
        remove_deployment(api, deployment_spec(place, 1), quietly)
    ensure_traffic(api, traffic_spec(place, v2=100), quietly)
    remove_deployment(api, deployment_spec(place, 1), quietly)
    assert read_deployment(api, deployment_spec(place, 1)) is None
    assert "UndeployModel" in vertex.calls


def test_everything_goes_and_twice_is_no_fault(
    vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    deployed(api, place, 1, 2)
    for _ in range(2):
        stop_traffic(api, traffic_spec(place, v1=100), quietly)
        for version in (1, 2):
            remove_deployment(api, deployment_spec(place, version), quietly)
        remove_endpoint(api, endpoint_spec(place), quietly)
        for version in (1, 2):
            remove_version(api, version_spec(place, version), quietly)
    assert not vertex.world.endpoints
    assert not vertex.world.models


def test_a_running_operation_is_followed_and_not_started_again(
    vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    vertex.world.operations.held.add("UploadModel")
    from infra.serving.vertex.faults import Doing  # noqa: PLC0415

    spec = version_spec(place)
    doing = Doing(what="registering", place=place, owner=spec.owner)
    api.upload(spec, doing, is_first=True)
    told: list[str] = []

    def release(text: str) -> None:
        told.append(text)
        vertex.world.operations.held.clear()

    ensure_version(api, spec, release)
    assert vertex.calls == ["UploadModel"]
    assert "which an earlier run began" in told[0]


def test_a_change_under_our_hands_is_looked_at_again(
    vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    deployed(api, place, 1, 2)
    vertex.fail("UpdateEndpoint", ApiError(grpc.StatusCode.ABORTED, "etag mismatch"))
    ensure_traffic(api, traffic_spec(place, v1=50, v2=50), quietly)
    assert read_traffic(api, traffic_spec(place)) == traffic_spec(place, v1=50, v2=50).split


def test_a_lost_answer_does_not_make_a_thing_twice(
    vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    lost = ApiError(grpc.StatusCode.UNAVAILABLE, "the line broke")
    vertex.fail("UploadModel", lost)
    vertex.fail("GetOperation", lost, times=2)
    ensure_version(api, version_spec(place), quietly)
    assert vertex.calls == ["UploadModel"]


def test_a_host_that_never_answers_is_waited_for_once(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_module, "_RETRY_SECONDS", 0.5)
    nowhere = replace(place, api_host="localhost:1")
    looks: list[str] = []
    with pytest.raises(VertexError, match="vertex_host is right, and run it again"):
        ensure_version(VertexApi(nowhere), version_spec(nowhere), looks.append)
    assert looks == []


def test_a_deployment_that_fails_is_told_once_and_leaves_what_serves(
    vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    deployed(api, place, 1)
    ensure_version(api, version_spec(place, 2), quietly)
    vertex.world.broken.add("2")
    with pytest.raises(
        VertexError, match="heart: deploying version 2: Model server exited unexpectedly"
    ):
        ensure_deployment(api, deployment_spec(place, 2), quietly)
    assert vertex.calls.count("DeployModel") == 2
    assert read_traffic(api, traffic_spec(place)) == traffic_spec(place, v1=100).split


def test_a_deployment_that_is_stopped_before_its_last_requests_end_loses_them(
    vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    """So that the test under load can fail."""
    deployed(api, place, 1, 2)
    vertex.router.propagation_seconds = 30.0
    # Every router has known the first split for long, and few know the second.
    (history,) = vertex.world.splits.values()
    history[0] = (history[0][0] - 100.0, history[0][1])
    ensure_traffic(api, traffic_spec(place, v2=100), quietly)
    remove_deployment(api, deployment_spec(place, 1), quietly)
    failures = []
    for _ in range(50):
        try:
            vertex.router.answer(place.endpoint(ENDPOINT_ID), {"instances": [0.0]})
        except ApiError as error:
            failures.append(error.message)
    assert any("has ended" in message for message in failures)


def test_a_deployment_is_stopped_only_after_its_time(api: VertexApi, place: Place) -> None:
    deployed(api, place, 1, 2)
    ensure_traffic(api, traffic_spec(place, v2=100), quietly)
    began = time.monotonic()
    told: list[str] = []
    remove_deployment(api, deployment_spec(place, 1, drain_seconds=1), told.append)
    assert time.monotonic() - began > 0.5
    assert "its last requests end" in told[0]
    # With no traffic at all there is nobody to wait for.
    stop_traffic(api, traffic_spec(place), quietly)
    remove_deployment(api, deployment_spec(place, 2, drain_seconds=3600), quietly)


# What Google refuses, in words that say what to do.


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (
            ApiError(
                grpc.StatusCode.PERMISSION_DENIED,
                "Vertex AI API has not been used in project example-ml before.",
                reason="SERVICE_DISABLED",
            ),
            (
                "heart: making endpoint 123456789: the Vertex AI API is not enabled in project "
                "example-ml. Run: gcloud services enable aiplatform.googleapis.com --project "
                "example-ml"
            ),
        ),
        (
            ApiError(
                grpc.StatusCode.PERMISSION_DENIED,
                "Permission denied.",
                reason="IAM_PERMISSION_DENIED",
                permission="aiplatform.endpoints.create",
            ),
            "It takes the permission aiplatform.endpoints.create, which roles/aiplatform.user",
        ),
        (
            quota("CustomModelServingL4GPUsPerProjectPerRegion is exceeded."),
            (
                "the quota of project example-ml in europe-west4 does not allow it: "
                "CustomModelServingL4GPUsPerProjectPerRegion is exceeded. Ask for more at https://"
            ),
        ),
        (
            ApiError(grpc.StatusCode.INVALID_ARGUMENT, "Accelerator is not in this region"),
            "Vertex AI refuses it: Accelerator is not in this region. (INVALID_ARGUMENT)",
        ),
    ],
)
def test_a_refusal_says_what_to_do(
    refusal: ApiError, said: str, vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    vertex.fail("CreateEndpoint", refusal)
    with pytest.raises(VertexError) as caught:
        ensure_endpoint(api, endpoint_spec(place), quietly)
    assert said in str(caught.value)
    assert not vertex.world.endpoints


def test_a_project_that_is_not_there_is_told(vertex: "VertexServer", place: Place) -> None:
    elsewhere = replace(place, project="no-such-project")
    with pytest.raises(VertexError, match=r"there is no project no-such-project.*gcp\.project"):
        ensure_endpoint(VertexApi(elsewhere), endpoint_spec(elsewhere), quietly)
    assert not vertex.calls


def test_too_many_requests_are_waited_out(
    vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    busy = ApiError(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "Too many requests.", reason="RATE_LIMIT_EXCEEDED"
    )
    vertex.fail("CreateEndpoint", busy, times=2)
    ensure_endpoint(api, endpoint_spec(place), quietly)
    assert vertex.calls == ["CreateEndpoint"]


def test_more_replicas_than_the_quota_has_leave_what_runs(
    vertex: "VertexServer", api: VertexApi, place: Place
) -> None:
    deployed(api, place, 1)
    vertex.world.replica_quota = 4
    spec = deployment_spec(place, scaling=Scaling(min_replicas=1, max_replicas=9, cpu_percent=60))
    with pytest.raises(VertexError, match="write fewer replicas or another machine below"):
        ensure_deployment(api, spec, quietly)
    assert read_deployment(api, deployment_spec(place)) == deployment_spec(place)
