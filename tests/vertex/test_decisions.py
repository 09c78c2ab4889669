"""What is decided before anything is made: containers, aliases, ids, machines, plans."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.config import ConfigError, parse_stack
from infra.errors import ServestackError
from infra.gcp_names import endpoint_id, image_repository, registry_model_id
from infra.platforms.stack import RunningStack
from infra.platforms.vertex_plan import VertexPlan, notes
from infra.serving.labels import LabelledVersions, label_steps
from infra.serving.vertex.aliases import DEFAULT, alias_steps, wanted_aliases
from infra.serving.vertex.component import VertexModelArgs
from infra.serving.vertex.container import prebuilt_image
from infra.serving.vertex.machines import accelerator_name, default_machine, usable_bytes
from infra.serving.vertex.provider import spec_to_props
from infra.serving.vertex.resources import DeploymentProvider, TrafficProvider
from infra.serving.vertex.specs import ContainerSpec, Machine, Scaling
from model_export.manifest import FileEntry, Manifest
from tests.config.examples import merged
from tests.vertex.specs import container, deployment_spec, traffic_spec

BASE: Mapping[str, Any] = {
    "platform": "gcp",
    "gcp": {"project": "example-ml", "region": "europe-west4"},
    "models": {"heart": {"target": "vertex", "version": 2}},
}


def manifest(version: int, tensorflow: str = "2.20.0", size_bytes: int = 1_000) -> Manifest:
    return Manifest(
        model="heart",
        version=version,
        files=(FileEntry(path="saved_model.pb", size_bytes=size_bytes, sha256="a" * 64),),
        signatures={},
        tensorflow_version=tensorflow,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        created_by="test",
        git_commit="0123456789abcdef",
    )


def planned(model: Mapping[str, Any], *manifests: Manifest, **stack: Any) -> VertexModelArgs:
    raw = merged(BASE, {"models": {"heart": model}, **stack})
    config = parse_stack(raw, source="Pulumi.dev.yaml")
    plan = VertexPlan(
        stack=RunningStack(name="dev", config=config, checkout=Path(), home=Path()),
        project="example-ml",
        region="europe-west4",
        bucket_url="gs://example-models",
        manifests={("heart", entry.version): entry for entry in manifests or (manifest(2),)},
        accounts={"heart": "serving@example-ml.iam.gserviceaccount.com"},
    )
    return plan.decide(["heart"])["heart"]


def problems(model: Mapping[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_stack(merged(BASE, {"models": {"heart": model}}), source="Pulumi.dev.yaml")
    return [str(problem) for problem in caught.value.problems]


# Containers.


@pytest.mark.parametrize(
    ("tensorflow", "image"),
    [
        ("2.15.1", "europe-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"),
        ("2.1", "europe-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-1:latest"),
        ("2.9.0-rc1", "europe-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-9:latest"),
        ("2.16.0", None),
        ("2.20.0", None),
        ("1.15.5", None),
        ("unknown", None),
        ("", None),
    ],
)
def test_a_prebuilt_container_is_taken_where_google_has_one(
    tensorflow: str, image: str | None
) -> None:
    assert prebuilt_image(tensorflow, region="europe-west4", gpu=False) == image


def test_prebuilt_containers_come_from_the_nearest_registry() -> None:
    found = {
        region: prebuilt_image("2.15", region=region, gpu=True)
        for region in ("us-east1", "asia-east1", "australia-southeast1", "me-west1")
    }
    assert {region: str(image).partition("-docker")[0] for region, image in found.items()} == {
        "us-east1": "us",
        "asia-east1": "asia",
        "australia-southeast1": "asia",
        "me-west1": "us",
    }
    assert "tf2-gpu.2-15" in str(found["us-east1"])


def started_like_vertex(spec: ContainerSpec, server: str, directory: Path) -> str:
    """Start the container's command as Vertex AI does, with `server` in the server's place."""
    program = directory / "tensorflow_model_server"
    program.write_text(f"#!/bin/bash\n{server}\n")
    program.chmod(0o755)
    bash = shutil.which("bash")
    assert spec.command[0] == "/bin/bash"
    assert bash is not None
    for text in (*spec.command, *spec.args, *spec.env.values()):
        assert "$(" not in text.replace("$$(", "")
    done = subprocess.run(
        [bash, *spec.command[1:], *spec.args],
        env={"PATH": f"{directory}:/usr/bin:/bin", **spec.env},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_containers_command_writes_its_files_and_starts_the_server(tmp_path: Path) -> None:
    spec = container(3)
    shown = 'printf "%s\\n" "$@"; cat /tmp/servestack/models.config'
    printed = started_like_vertex(spec, shown, tmp_path)
    assert "--rest_api_port=8080" in printed
    assert "--port=8500" in printed
    assert 'base_path: "gs://example-models/heart"' in printed
    assert "specific { versions: 3 }" in printed
    assert (spec.port, spec.predict_route) == (8080, "/v1/models/heart:predict")
    assert spec.health_route == "/v1/models/heart/versions/3/metadata"
    # Looking into the bucket costs money, and the version never changes.
    assert "--file_system_poll_wait_seconds=31536000" in printed


def test_a_prebuilt_container_is_chosen_unless_a_setting_needs_a_server_of_ours() -> None:
    old = manifest(2, "2.15.1")
    plain = planned({}, old).versions[0]
    assert plain.container == ContainerSpec(
        image="europe-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"
    )
    assert plain.artifact_uri == "gs://example-models/heart/2"
    batched = planned({"batching": {}}, old).versions[0]
    assert batched.container.image.endswith("/tensorflow/serving:2.19.1")
    assert batched.artifact_uri == ""
    assert "--enable_batching=true" in batched.container.args
    forced = planned({"vertex": {"container": "tensorflow-serving"}}, old).versions[0]
    assert forced.container.port == 8080


def test_a_newer_tensorflow_is_served_by_tf_servings_image_through_the_stacks_repository() -> None:
    spec = planned({}, manifest(2, "2.20.0")).versions[0]
    repository = image_repository("dev")
    assert spec.container.image == (
        f"europe-west4-docker.pkg.dev/example-ml/{repository}/tensorflow/serving:2.19.1"
    )
    gpu = planned({"gpu": {"type": "nvidia-l4"}}).versions[0]
    assert gpu.container.image.endswith("serving:2.19.1-gpu")


def test_a_prebuilt_container_for_a_newer_tensorflow_is_refused() -> None:
    with pytest.raises(
        ServestackError,
        match=r"Pulumi\.dev\.yaml: servestack:models\.heart\.vertex\.container: version 2 was made "
        r"by TensorFlow 2\.20\.0.*tensorflow-serving",
    ):
        planned({"vertex": {"container": "prebuilt"}})


def test_a_large_model_gets_time_to_load_and_one_too_large_for_the_machine_is_refused() -> None:
    small = planned({}, manifest(2)).versions[0].container.startup_seconds
    large = planned(
        {"vertex": {"machine_type": "n1-highmem-8"}}, manifest(2, size_bytes=20 * 10**9)
    )
    assert large.versions[0].container.startup_seconds > 3 * small
    with pytest.raises(ServestackError, match=r"machine_type: version 2 has 18\.6 GiB"):
        planned({}, manifest(2, size_bytes=20 * 10**9))


def test_labels_do_not_change_the_container() -> None:
    assert planned({"labels": {"golden": 2}}).versions == planned({}).versions


# Ids.


def test_a_deployment_keeps_its_id_while_it_can_be_changed_in_place() -> None:
    spec = deployment_spec()
    in_place = (
        replace(spec, scaling=Scaling(min_replicas=3, max_replicas=9)),
        replace(spec, container_logging=False),
        replace(spec, drain_seconds=9),
    )
    assert {other.deployed_id for other in in_place} == {spec.deployed_id}
    beside = {
        replace(spec, machine=Machine(type="n1-standard-4")).deployed_id,
        replace(spec, machine=Machine(type="n1-standard-2", spot=True)).deployed_id,
        replace(spec, access_logging=True).deployed_id,
        replace(spec, service_account="other@example.com").deployed_id,
        deployment_spec(version=2).deployed_id,
        spec.deployed_id,
    }
    assert len(beside) == 6


@given(
    machine=st.text(), account=st.text(), version=st.integers(1, 10**18), idle=st.integers(0, 10**6)
)
def test_a_deployments_id_is_ten_digits(
    machine: str, account: str, version: int, idle: int
) -> None:
    spec = replace(
        deployment_spec(),
        machine=Machine(type=machine),
        service_account=account,
        key=replace(deployment_spec().key, version=version),
        idle_seconds=idle,
    )
    assert spec.deployed_id.isdigit()
    assert len(spec.deployed_id) == 10
    assert spec.deployed_id[0] != "0"


@given(
    stack=st.text(min_size=1),
    model=st.from_regex(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True),
)
def test_names_fit_vertex_ais_rules(stack: str, model: str) -> None:
    name = registry_model_id(stack=stack, model=model)
    assert len(name) <= 63
    assert name[0].isalpha()
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    number = endpoint_id(stack=stack, model=model, settings="")
    assert number.isdigit()
    assert len(number) == 9
    assert number[0] != "0"


def test_another_kind_of_endpoint_is_another_endpoint() -> None:
    kinds = {
        planned({"vertex": section}).endpoint.endpoint_id
        for section in (
            {},
            {"endpoint": "dedicated"},
            {"endpoint": "private-service-connect", "allowed_projects": ["example-apps"]},
            {"endpoint": "private-service-connect", "allowed_projects": ["other-apps"]},
        )
    }
    assert len(kinds) == 4
    assert planned({"vertex": {"endpoint_id": "12"}}).endpoint.endpoint_id == "12"


# Aliases.

VERSIONS = st.sampled_from(["1", "2", "3"])
ALIASES = st.dictionaries(
    st.sampled_from(["default", "stable", "canary", "golden", "v1"]), VERSIONS
)


@given(held=ALIASES, wanted=ALIASES, dropped=st.frozensets(st.sampled_from(["stable", "golden"])))
def test_alias_steps_end_where_they_should_and_never_leave_a_name_without_a_version(
    held: dict[str, str], wanted: dict[str, str], dropped: frozenset[str]
) -> None:
    now = {DEFAULT: "1", **held}
    for step in alias_steps(dict(now), wanted, dropped):
        for alias in step.remove:
            assert now.pop(alias) == step.version_id
        for alias in step.add:
            now[alias] = step.version_id
        assert DEFAULT in now
        assert wanted.keys() & held.keys() <= now.keys()
    assert wanted.items() <= now.items()
    others = (held.keys() | {DEFAULT}) - wanted.keys() - (dropped - {DEFAULT})
    assert others <= now.keys()
    assert not (dropped - wanted.keys() - {DEFAULT}) & now.keys()
    assert alias_steps(now, wanted, dropped) == ()


SERVED = st.frozensets(st.integers(1, 4), min_size=1)


@given(data=st.data(), before=SERVED, after=SERVED)
def test_aliases_move_in_the_order_that_all_names_of_versions_keep(
    data: st.DataObject, before: frozenset[int], after: frozenset[int]
) -> None:
    """New versions run first, then names move, then old versions go: as `label_steps` has it."""
    names = st.sampled_from(["stable", "canary", "golden"])

    def labelled(versions: frozenset[int]) -> LabelledVersions:
        labels = data.draw(st.dictionaries(names, st.sampled_from(sorted(versions))))
        return LabelledVersions(versions=versions, labels=labels)

    now, wanted = labelled(before), labelled(after)
    held = {alias: str(version) for alias, version in now.labels.items()}
    for step in label_steps(now, wanted):
        moves = alias_steps(
            held,
            {alias: str(version) for alias, version in step.labels.items()},
            frozenset(held) - step.labels.keys(),
        )
        for move in moves:
            # Whatever gets a name runs.
            assert not move.add or int(move.version_id) in step.versions
            held |= dict.fromkeys(move.add, move.version_id)
            for alias in move.remove:
                del held[alias]
    assert held == {alias: str(version) for alias, version in wanted.labels.items()}


def test_each_version_has_its_number_and_those_with_a_meaning_have_their_name() -> None:
    assert wanted_aliases(stable=2, canary=3, labels={"golden": 2}, versions=(1, 2, 3)) == {
        "v1": 1,
        "v2": 2,
        "v3": 3,
        "default": 2,
        "stable": 2,
        "canary": 3,
        "golden": 2,
    }


# What the configuration is refused for.


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"labels": {"v2": 2}}, "labels.v2: v and a number names the version of that number"),
        (
            {"canary": {"version": 3, "share": 10}, "labels": {"stable": 3}},
            "labels.stable: stable is the alias of another version here: 2",
        ),
        ({"labels": {"canary": 2}}, "labels.canary: canary is the alias of another version here"),
        ({"labels": {"a": 2}}, "labels.a: an alias of Vertex AI has at least two characters"),
        (
            {"vertex": {"machine_type": "g2-standard-4"}},
            (
                "vertex.machine_type: g2-standard-4 has accelerators, and none is asked for. "
                "Write: gpu: {type: nvidia-l4}"
            ),
        ),
        (
            {"vertex": {"machine_type": "n1-standard-4"}, "gpu": {"type": "nvidia-l4"}},
            (
                "vertex.machine_type: n1-standard-4 has not 1 of nvidia-l4. Remove the line, or "
                "write g2-standard-4"
            ),
        ),
        ({"gpu": {"type": "nvidia-l4", "count": 3}}, "gpu.count: no machine has 3 of nvidia-l4"),
        ({"gpu": {"type": "gtx-1080"}}, "gpu.type: gtx-1080 is no accelerator of Vertex AI"),
        (
            {"gpu": {"type": "nvidia-h100-80gb"}},
            "vertex.machine_type: a3-highgpu-1g is sold as spot only. Write: spot: true",
        ),
        (
            {"vertex": {"container": "prebuilt"}, "threads": {"intra_op": 2}},
            "threads: it has no effect: a prebuilt container takes no such setting",
        ),
        (
            {"vertex": {"endpoint": "private-service-connect"}},
            "vertex.allowed_projects: is missing; without it nobody reaches a private endpoint",
        ),
        (
            {"vertex": {"allowed_projects": ["example-apps"]}},
            "vertex.allowed_projects: it has no effect: only a private endpoint has such a list",
        ),
        (
            {"vertex": {"target_gpu_percent": 70}},
            "vertex.target_gpu_percent: it has no effect without gpu",
        ),
        (
            {"autoscaling": {"min_replicas": 3, "max_replicas": 2}},
            "autoscaling.min_replicas: 3 is more than max_replicas: 2",
        ),
        ({"vertex": {"endpoint_id": "007"}}, "vertex.endpoint_id: 007 is not allowed"),
        (
            {"vertex": {"image": "tensorflow/serving:2.19.1"}},
            (
                "vertex.image: tensorflow/serving:2.19.1 is not allowed; it is an image in "
                "Artifact Registry"
            ),
        ),
        ({"version": "latest"}, "version: latest is not possible here"),
        ({"strategy": "pod"}, "strategy: it has no effect here"),
    ],
)
def test_a_mistake_is_told_with_its_key_and_a_remedy(model: Mapping[str, Any], said: str) -> None:
    assert any(
        text.startswith(f"Pulumi.dev.yaml: servestack:models.heart.{said}")
        for text in problems(model)
    ), problems(model)


def test_an_accelerator_that_the_region_has_not_is_told_with_the_regions_that_have_it() -> None:
    raw = merged(BASE, {"gcp": {"region": "europe-west3"}})
    raw = merged(raw, {"models": {"heart": {"gpu": {"type": "nvidia-tesla-a100"}}}})
    with pytest.raises(ConfigError, match=r"gpu\.type: no zone of europe-west3 had.*us-central1"):
        parse_stack(raw, source="Pulumi.dev.yaml")


@pytest.mark.parametrize(("key", "value"), [("endpoint_id", "123"), ("model_id", "risk")])
def test_two_models_in_one_place_are_refused(key: str, value: str) -> None:
    raw = merged(BASE, {"models": {"heart": {"vertex": {key: value}}}})
    raw["models"]["digits"] = raw["models"]["heart"]
    with pytest.raises(
        ConfigError, match=rf"digits\.vertex\.{key}: {value} is that of model heart"
    ):
        parse_stack(raw, source="Pulumi.dev.yaml")


# What is planned.


def test_a_canary_runs_beside_the_stable_version_on_the_same_endpoint() -> None:
    args = planned({"canary": {"version": 3, "share": 10}}, manifest(2), manifest(3))
    assert [spec.key.version for spec in args.deployments] == [2, 3]
    assert args.split == {2: 90, 3: 10}
    assert (args.stable, args.canary) == (2, 3)
    assert len({spec.deployed_id for spec in args.deployments}) == 2


def test_a_paused_stack_keeps_its_versions_and_runs_none() -> None:
    args = planned({}, paused=True)
    assert [spec.version for spec in args.versions] == [2]
    assert (args.deployments, args.split) == ((), {})


def test_versions_are_kept_in_the_registry_without_running() -> None:
    args = planned({"vertex": {"keep_versions": [1]}}, manifest(1), manifest(2))
    assert [spec.version for spec in args.versions] == [1, 2]
    assert [spec.key.version for spec in args.deployments] == [2]


def test_accelerators_get_vertex_ais_names_and_the_smallest_machine_with_them() -> None:
    (spec,) = planned(
        {
            "gpu": {"type": "nvidia-tesla-t4", "count": 2},
            "autoscaling": {"min_replicas": 1, "max_replicas": 3, "target_cpu_percent": 50},
            "vertex": {"target_gpu_percent": 80},
        }
    ).deployments
    assert spec.machine == Machine(
        type="n1-standard-8", accelerator="NVIDIA_TESLA_T4", accelerator_count=2
    )
    assert spec.scaling == Scaling(min_replicas=1, max_replicas=3, cpu_percent=50, gpu_percent=80)


def test_what_only_google_knows_is_said_to_be_unchecked() -> None:
    args = planned({"gpu": {"type": "nvidia-l4"}, "vertex": {"scale_to_zero_seconds": 600}})
    said = " ".join(notes(args))
    assert "whether europe-west4 has NVIDIA_L4 for Vertex AI is not checked" in said
    assert "scaling to zero is a preview feature" in said
    odd = planned({"vertex": {"machine_type": "z9-mega-2"}})
    assert "z9-mega-2 is not known here" in " ".join(notes(odd))


def test_a_machines_memory_is_told_by_its_name() -> None:
    assert usable_bytes("n1-standard-2") == int(7.5 * 0.7 * 2**30)
    assert usable_bytes("e2-highmem-8") == int(64 * 0.7 * 2**30)
    assert usable_bytes("a2-highgpu-1g") is None
    assert default_machine("nvidia-l4", 2) == "g2-standard-24"
    assert accelerator_name("gtx-1080") is None


@pytest.mark.slow
def test_every_accelerator_is_one_of_googles_client() -> None:
    from infra.compute.gcp_accelerators import ACCELERATORS  # noqa: PLC0415
    from infra.serving.vertex.library import v1  # noqa: PLC0415 slow

    for kind in ACCELERATORS:
        name = accelerator_name(kind)
        assert name is not None, kind
        assert v1.AcceleratorType[name]


# How the engine sees a change.


def changed(provider: Any, old: Any, new: Any) -> tuple[bool, list[str]]:
    """Compare as the engine has it: numbers are floats, and other keys are there too."""
    olds = json.loads(json.dumps({**spec_to_props(old), "urn": "u"}), parse_int=float)
    result = provider.diff("id", olds, {**spec_to_props(new), "urn": "v"})
    return bool(result.changes), list(result.replaces or [])


def test_a_diff_sees_what_changed_and_what_needs_another_thing() -> None:
    spec, provider = deployment_spec(), DeploymentProvider()
    assert changed(provider, spec, spec) == (False, [])
    wider = replace(spec, scaling=Scaling(min_replicas=1, max_replicas=5))
    assert changed(provider, spec, wider) == (True, [])
    other = replace(spec, machine=Machine(type="n1-standard-4"))
    assert changed(provider, spec, other) == (True, ["machine"])
    assert changed(TrafficProvider(), traffic_spec(v1=100), traffic_spec(v2=100)) == (True, [])


def test_another_host_of_the_api_replaces_nothing_and_another_region_everything() -> None:
    spec, provider = deployment_spec(), DeploymentProvider()
    private = replace(spec, place=replace(spec.place, api_host="aiplatform.internal"))
    assert changed(provider, spec, private) == (True, [])
    assert changed(provider, private, spec) == (True, [])
    elsewhere = replace(private, place=replace(private.place, region="europe-west1"))
    assert changed(provider, spec, elsewhere) == (True, ["place"])


def test_no_credential_is_in_any_property() -> None:
    assert "key" not in json.dumps(spec_to_props(traffic_spec(v1=100)))
    assert set(spec_to_props(deployment_spec())) == {
        "place",
        "owner",
        "endpoint_id",
        "model_id",
        "key",
        "machine",
        "scaling",
        "service_account",
        "access_logging",
        "container_logging",
        "idle_seconds",
        "drain_seconds",
    }
