"""Configuration files: what they say, and how a mistake in one is told."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from local_model_server.configuration import (
    model_configs_of,
    parse_version_traffic,
    read_batching_parameters,
    read_model_configs,
    read_monitoring_config,
)
from local_model_server.domain import (
    BatchingParameters,
    Code,
    LatestVersions,
    ModelConfig,
    MonitoringConfig,
    ServingError,
    SpecificVersions,
    UsageError,
)


def _file(directory: Path, text: str) -> Path:
    path = directory / "given.config"
    path.write_text(text)
    return path


def _mistakes(error: UsageError, path: Path) -> list[str]:
    return [line.removeprefix(str(path)) for line in str(error).splitlines()]


def test_a_model_config_file_is_read_whole(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        """
        model_config_list {
          config {
            name: "heart" base_path: "/models/heart" model_platform: "tensorflow"
            model_version_policy { specific { versions: 42 versions: 43 } }
            version_labels { key: "stable" value: 42 }
            version_labels { key: "canary" value: 43 }
          }
          config {
            name: "digits" base_path: "file:///models/digits" model_platform: "tensorflow"
            model_version_policy { latest { num_versions: 2 } }
          }
          config { name: "old" base_path: "/models/old" model_type: TENSORFLOW }
        }
        """,
    )
    assert read_model_configs(path) == (
        ModelConfig(
            name="heart",
            base_path="/models/heart",
            policy=SpecificVersions(versions=(42, 43)),
            labels={"stable": 42, "canary": 43},
        ),
        ModelConfig(name="digits", base_path="/models/digits", policy=LatestVersions(count=2)),
        ModelConfig(name="old", base_path="/models/old", policy=LatestVersions(count=1)),
    )


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            'model_config_list {\n  config { name: "a"\n    base_pth: "/a" }\n}',
            (
                ':3:5: Message type "tensorflow.serving.ModelConfig" has no field named '
                "\"base_pth\"; did you mean 'base_path'?"
            ),
        ),
        ("model_config_list {\n  config { name: 3 }\n}", ":2:18: "),
        ("model_config_list { config {", ':1:28: Expected "}"'),
    ],
)
def test_a_typo_is_told_with_line_and_column(tmp_path: Path, text: str, mistake: str) -> None:
    path = _file(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        read_model_configs(path)
    (told,) = _mistakes(caught.value, path)
    assert told.startswith(mistake)


def test_all_that_is_wrong_with_the_models_is_told_at_once(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        """
        model_config_list {
          config { name: "a" base_path: "/a" model_platform: "pytorch" }
          config { name: "a" base_path: "gs://b/a" model_platform: "tensorflow" }
          config { base_path: "b" logging_config {} version_labels { key: "x" value: 0 } }
        }
        """,
    )
    with pytest.raises(UsageError) as caught:
        read_model_configs(path)
    told = _mistakes(caught.value, path)
    assert [mistake.split(":")[1].strip() for mistake in told] == [
        "model 'a'",
        "model 'a'",
        "model_config_list.config[2]",
        "model_config_list.config[2]",
        "model_config_list.config[2]",
        "model_config_list.config[2]",
        "model_config_list.config[2]",
        "model 'a'",
    ]
    assert 'write "tensorflow"' in told[0]
    assert "gs:// is not read here" in told[1]
    assert "it stands 2 times" in told[-1]


def test_a_reload_request_is_refused_in_the_protocols_way() -> None:
    request = ModelServerConfig()
    request.model_config_list.config.add(name="a", base_path="relative")
    with pytest.raises(ServingError) as caught:
        model_configs_of(request)
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert "write an absolute path" in caught.value.message


def test_an_empty_reload_serves_nothing() -> None:
    assert model_configs_of(ModelServerConfig()) == ()


def test_batching_parameters_are_wrapped_values(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        "max_batch_size { value: 32 }\nbatch_timeout_micros { value: 1000 }\n"
        "max_enqueued_batches { value: 7 }\nnum_batch_threads { value: 2 }\n"
        'thread_pool_name { value: "mine" }\n'
        "allowed_batch_sizes: 8\nallowed_batch_sizes: 32\n",
    )
    assert read_batching_parameters(path, cpus=4) == BatchingParameters(
        max_batch_size=32,
        batch_timeout_micros=1000,
        max_enqueued_batches=7,
        num_batch_threads=2,
        allowed_batch_sizes=(8, 32),
    )


def test_batching_parameters_left_out_are_tf_servings(tmp_path: Path) -> None:
    assert read_batching_parameters(_file(tmp_path, ""), cpus=4) == BatchingParameters(
        max_batch_size=1000, batch_timeout_micros=0, max_enqueued_batches=10, num_batch_threads=4
    )


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("max_batch_size: 32", ":1:17: 'max_batch_size: 32': Expected \"{\""),
        ("max_batch_size { value: 0 }", ": max_batch_size: 0 is too small; the least is 1"),
        (
            "max_batch_size { value: 8 } allowed_batch_sizes: 4",
            ": allowed_batch_sizes: the last is 4, but max_batch_size is 8; make them equal",
        ),
        (
            "max_batch_size { value: 8 } allowed_batch_sizes: 9 allowed_batch_sizes: 8",
            ": allowed_batch_sizes: [9, 8] must be positive and ascending",
        ),
        (
            "pad_variable_length_inputs: true",
            ": pad_variable_length_inputs: this server cannot do that; leave it out",
        ),
    ],
)
def test_wrong_batching_parameters_are_refused(tmp_path: Path, text: str, mistake: str) -> None:
    path = _file(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        read_batching_parameters(path, cpus=1)
    assert _mistakes(caught.value, path) == [mistake]


def test_metrics_are_on_only_when_enabled(tmp_path: Path) -> None:
    off = _file(tmp_path, 'prometheus_config { path: "/metrics" }')
    assert read_monitoring_config(off) is None
    on = _file(tmp_path, "prometheus_config { enable: true }")
    assert read_monitoring_config(on) == MonitoringConfig(path="/monitoring/prometheus/metrics")
    elsewhere = _file(tmp_path, 'prometheus_config { enable: true path: "/metrics" }')
    assert read_monitoring_config(elsewhere) == MonitoringConfig(path="/metrics")


def test_a_metrics_path_begins_with_a_slash(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must begin with '/'"):
        read_monitoring_config(
            _file(tmp_path, 'prometheus_config { enable: true path: "metrics" }')
        )


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "binary"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not a text file"):
        read_model_configs(path)


_SHARES = st.lists(st.integers(1, 2**63 - 1), min_size=1, max_size=5, unique=True).flatmap(
    lambda versions: st.lists(
        st.integers(0, 100), min_size=len(versions) - 1, max_size=len(versions) - 1
    ).map(lambda cuts: dict(zip(versions, _parts(cuts), strict=True)))
)


def _parts(cuts: list[int]) -> list[int]:
    edges = [0, *sorted(cuts), 100]
    return [high - low for low, high in pairwise(edges)]


@given(st.dictionaries(st.text(min_size=1, max_size=10), _SHARES, max_size=3))
def test_traffic_that_adds_up_is_read_as_written(traffic: dict[str, dict[int, int]]) -> None:
    document = json.dumps(traffic)
    assert parse_version_traffic(document, "t.json") == {
        model: {version: share for version, share in shares.items() if share}
        for model, shares in traffic.items()
    }


@pytest.mark.parametrize(
    ("document", "mistakes"),
    [
        (
            '{"heart": {"1": 90, "2": 20}}',
            ["t.json: heart: the shares add up to 110; make them 100"],
        ),
        (
            '{"heart": {"one": 90, "2": 10.5}, "digits": 1}',
            [
                "t.json: heart.2: 10.5 is no whole per cent from 0 to 100",
                "t.json: heart.one: no version; write a whole number of at least 1",
                't.json: digits: write per cent by version, as {"1": 90, "2": 10}',
            ],
        ),
        ('{"heart": {"1": 50, "1": 50}}', None),
        ('{\n  "heart": {"1": }\n}', ["t.json:2:18: Expecting value"]),
        ("[]", ['t.json: write an object, as {"heart": {"1": 90, "2": 10}}']),
    ],
)
def test_wrong_traffic_is_told_with_its_key(document: str, mistakes: list[str] | None) -> None:
    with pytest.raises(UsageError) as caught:
        parse_version_traffic(document, "t.json")
    if mistakes is None:
        assert "'1' stands twice; keep one" in str(caught.value)
    else:
        assert str(caught.value).splitlines() == mistakes
