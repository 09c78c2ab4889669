"""What a server is told is what the settings say, in text that two readers understand."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from infra.errors import ServestackError
from infra.serving.rendering import METRICS_PATH, RenderedServing, render
from infra.serving.settings import BatchingSettings, ServingSettings
from local_model_server.domain import LatestVersions, ServerSettings, SpecificVersions
from local_model_server.flags import parse_flags

PLAIN = ServingSettings(
    model="heart", base_path="/models/heart", versions=(2,), rest_port=8501, grpc_port=8500
)
BATCHING = BatchingSettings(
    max_batch_size=32,
    batch_timeout_micros=0,
    max_enqueued_batches=100,
    num_batch_threads=4,
    allowed_batch_sizes=(1, 8, 32),
)

versions = st.integers(1, 2**63 - 1)
counts = st.integers(1, 1_000)


@st.composite
def batchings(draw: st.DrawFn) -> BatchingSettings:
    sizes = tuple(sorted(draw(st.sets(counts, min_size=1, max_size=4))))
    return BatchingSettings(
        max_batch_size=sizes[-1],
        batch_timeout_micros=draw(st.integers(0, 10**6)),
        max_enqueued_batches=draw(counts),
        num_batch_threads=draw(counts),
        allowed_batch_sizes=draw(st.sampled_from([(), sizes])),
    )


@st.composite
def settings(draw: st.DrawFn) -> ServingSettings:
    served = draw(st.lists(versions, unique=True, max_size=3))
    labels: dict[str, int] = {}
    traffic: dict[int, int] = {}
    if served:
        labels = draw(
            st.dictionaries(st.from_regex("[a-z]{1,8}", fullmatch=True), st.sampled_from(served))
        )
    if len(served) == 2:
        share = draw(st.integers(1, 99))
        traffic = draw(st.sampled_from([{}, dict(zip(served, (100 - share, share), strict=True))]))
    return ServingSettings(
        model=draw(st.from_regex("[a-z]{1,8}", fullmatch=True)),
        base_path="/" + draw(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)),
        versions=tuple(served),
        rest_port=draw(st.integers(1024, 30_000)),
        grpc_port=draw(st.integers(30_001, 65_535)),
        labels=labels,
        traffic=traffic,
        poll_seconds=draw(st.integers(0, 86_400)),
        batching=draw(st.none() | batchings()),
        warmup=draw(st.booleans()),
        monitoring=draw(st.booleans()),
        intra_op_threads=draw(st.none() | counts),
        inter_op_threads=draw(st.none() | counts),
        prefer_tflite_model=draw(st.booleans()),
    )


def models_config(rendered: RenderedServing) -> Any:
    (config,) = text_format.Parse(
        rendered.files["models.config"], ModelServerConfig()
    ).model_config_list.config
    return config


def read_by_our_server(wanted: ServingSettings) -> ServerSettings:
    with tempfile.TemporaryDirectory() as directory:
        rendered = render(wanted, config_dir=directory)
        for name, text in rendered.files.items():
            (Path(directory) / name).write_text(text, encoding="utf-8")
        return parse_flags(rendered.flags)


def test_the_plain_settings_give_this_text() -> None:
    rendered = render(PLAIN, config_dir="/etc/serving")
    assert rendered.flags == (
        "--port=8500",
        "--rest_api_port=8501",
        "--model_config_file=/etc/serving/models.config",
        "--allow_version_labels_for_unavailable_models=true",
        "--enable_model_warmup=true",
        "--file_system_poll_wait_seconds=1",
        "--monitoring_config_file=/etc/serving/monitoring.config",
    )
    assert rendered.files == {
        "models.config": (
            "model_config_list {\n"
            "  config {\n"
            '    name: "heart"\n'
            '    base_path: "/models/heart"\n'
            '    model_platform: "tensorflow"\n'
            "    model_version_policy { specific { versions: 2 } }\n"
            "  }\n"
            "}\n"
        ),
        "monitoring.config": (
            'prometheus_config { enable: true path: "/monitoring/prometheus/metrics" }\n'
        ),
    }


def test_all_settings_give_this_text() -> None:
    full = replace(
        PLAIN,
        base_path="gs://models/heart",
        versions=(3, 2),
        labels={"stable": 2, "canary": 3},
        traffic={3: 10, 2: 90},
        poll_seconds=5,
        batching=BATCHING,
        warmup=False,
        monitoring=False,
        intra_op_threads=2,
        inter_op_threads=1,
        prefer_tflite_model=True,
    )
    rendered = render(full, config_dir="/c")
    assert rendered.flags == (
        "--port=8500",
        "--rest_api_port=8501",
        "--model_config_file=/c/models.config",
        "--allow_version_labels_for_unavailable_models=true",
        "--enable_model_warmup=false",
        "--file_system_poll_wait_seconds=5",
        "--enable_batching=true",
        "--batching_parameters_file=/c/batching.config",
        "--tensorflow_intra_op_parallelism=2",
        "--tensorflow_inter_op_parallelism=1",
        "--prefer_tflite_model=true",
        "--version_traffic_file=/c/traffic.json",
    )
    assert rendered.files == {
        "models.config": (
            "model_config_list {\n"
            "  config {\n"
            '    name: "heart"\n'
            '    base_path: "gs://models/heart"\n'
            '    model_platform: "tensorflow"\n'
            "    model_version_policy { specific { versions: 2 versions: 3 } }\n"
            '    version_labels { key: "canary" value: 3 }\n'
            '    version_labels { key: "stable" value: 2 }\n'
            "  }\n"
            "}\n"
        ),
        "batching.config": (
            "max_batch_size { value: 32 }\n"
            "batch_timeout_micros { value: 0 }\n"
            "max_enqueued_batches { value: 100 }\n"
            "num_batch_threads { value: 4 }\n"
            "allowed_batch_sizes: 1\n"
            "allowed_batch_sizes: 8\n"
            "allowed_batch_sizes: 32\n"
        ),
        "traffic.json": '{\n  "heart": {\n    "2": 90,\n    "3": 10\n  }\n}\n',
    }


def test_no_versions_mean_the_latest() -> None:
    config = models_config(render(replace(PLAIN, versions=()), config_dir="/c"))
    assert config.model_version_policy.latest.num_versions == 1


@given(settings())
def test_the_models_file_reads_back_by_tf_servings_own_messages(wanted: ServingSettings) -> None:
    config = models_config(render(wanted, config_dir="/c"))
    assert (config.name, config.base_path) == (wanted.model, wanted.base_path)
    assert dict(config.version_labels) == dict(wanted.labels)
    assert config.model_platform == "tensorflow"
    policy = config.model_version_policy
    assert policy.WhichOneof("policy_choice") == ("specific" if wanted.versions else "latest")
    assert list(policy.specific.versions) == sorted(wanted.versions)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_path_survives_quoting(path: str) -> None:
    wanted = replace(PLAIN, base_path=f"/{path}")
    assert models_config(render(wanted, config_dir="/c")).base_path == f"/{path}"


@given(settings())
def test_our_own_server_understands_all_of_it(wanted: ServingSettings) -> None:
    found = read_by_our_server(wanted)
    (model,) = found.models
    policy = SpecificVersions(versions=tuple(sorted(wanted.versions)))
    assert model.name == wanted.model
    assert model.policy == (policy if wanted.versions else LatestVersions())
    assert model.labels == wanted.labels
    assert (found.rest_port, found.grpc_port) == (wanted.rest_port, wanted.grpc_port)
    assert found.file_system_poll_seconds == (wanted.poll_seconds or 1)
    assert found.enable_model_warmup == wanted.warmup
    assert found.prefer_tflite_model == wanted.prefer_tflite_model
    assert found.intra_op_threads == (wanted.intra_op_threads or 0)
    assert found.inter_op_threads == (wanted.inter_op_threads or 0)
    assert (found.monitoring.path if found.monitoring else None) == (
        METRICS_PATH if wanted.monitoring else None
    )
    assert (found.version_traffic_file is not None) == bool(wanted.traffic)
    assert (found.batching is None) == (wanted.batching is None)
    if found.batching is not None and wanted.batching is not None:
        for name in BatchingSettings.__dataclass_fields__:
            assert getattr(found.batching, name) == getattr(wanted.batching, name)


@given(settings())
def test_the_order_in_which_settings_were_written_changes_nothing(wanted: ServingSettings) -> None:
    turned = replace(
        wanted,
        versions=tuple(reversed(wanted.versions)),
        labels=dict(reversed([*wanted.labels.items()])),
        traffic=dict(reversed([*wanted.traffic.items()])),
    )
    assert render(turned, config_dir="/c") == render(wanted, config_dir="/c")


@pytest.mark.parametrize(
    "change",
    [
        {"versions": (3,)},
        {"versions": ()},
        {"labels": {"stable": 2}},
        {"base_path": "/elsewhere/heart"},
        {"traffic": {2: 50, 3: 50}, "versions": (2, 3)},
    ],
    ids=str,
)
def test_versions_labels_and_shares_change_without_a_restart(change: dict[str, Any]) -> None:
    before = replace(PLAIN, traffic={2: 100})
    after = replace(before, **change)
    assert render(after, config_dir="/c").files != render(before, config_dir="/c").files
    assert render(after, config_dir="/c").restart_key == render(before, config_dir="/c").restart_key


@pytest.mark.parametrize(
    "change",
    [
        {"rest_port": 1},
        {"grpc_port": 1},
        {"poll_seconds": 9},
        {"batching": BATCHING},
        {"warmup": False},
        {"monitoring": False},
        {"intra_op_threads": 1},
        {"inter_op_threads": 1},
        {"prefer_tflite_model": True},
        {"traffic": {2: 100}},
    ],
    ids=str,
)
def test_everything_else_needs_a_restart(change: dict[str, Any]) -> None:
    after = replace(PLAIN, **change)
    assert render(after, config_dir="/c").restart_key != render(PLAIN, config_dir="/c").restart_key


def test_another_batch_size_needs_a_restart() -> None:
    before = replace(PLAIN, batching=BATCHING)
    after = replace(PLAIN, batching=replace(BATCHING, num_batch_threads=8))
    assert render(after, config_dir="/c").restart_key != render(before, config_dir="/c").restart_key


def test_every_setting_has_an_effect() -> None:
    changes: dict[str, Any] = {
        "model": "other",
        "base_path": "/elsewhere",
        "versions": (3,),
        "rest_port": 1,
        "grpc_port": 1,
        "labels": {"stable": 2},
        "traffic": {2: 100},
        "poll_seconds": 9,
        "batching": BATCHING,
        "warmup": False,
        "monitoring": False,
        "intra_op_threads": 1,
        "inter_op_threads": 1,
        "rest_threads": 4,
        "grpc_threads": 4,
        "gpu_memory_fraction": 0.5,
        "prefer_tflite_model": True,
    }
    assert changes.keys() == ServingSettings.__dataclass_fields__.keys()
    for name, value in changes.items():
        changed = render(replace(PLAIN, **{name: value}), config_dir="/c")
        assert changed != render(PLAIN, config_dir="/c"), name


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("s3://models/heart", "no S3 since"),
        ("models/heart", "absolute directories and gs:// only"),
        ("", "an empty path"),
        ("https://models.example/heart", "absolute directories and gs:// only"),
    ],
)
def test_a_path_that_tf_serving_cannot_read_is_refused(path: str, reason: str) -> None:
    with pytest.raises(ServestackError, match=f"^heart: TF Serving cannot read .*{reason}"):
        render(replace(PLAIN, base_path=path), config_dir="/c")
