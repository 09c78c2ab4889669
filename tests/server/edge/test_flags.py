"""The command line, as a person writes it and as tensorflow_model_server reads it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_model_server.domain import AllVersions, UsageError
from local_model_server.flags import parse_flags, read_values
from local_model_server.flags_document import flags_page, help_text
from local_model_server.flags_known import FLAGS, Treatment

_MODEL = ("--model_base_path=/models/heart",)
_PAGE = Path(__file__).parents[3] / "docs" / "local-server-flags.md"


def _mistakes(*argv: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        parse_flags(argv)
    return str(caught.value).splitlines()


def test_defaults_are_those_of_tf_serving() -> None:
    settings = parse_flags(_MODEL)
    assert settings.models[0].name == "default"
    assert (settings.grpc_port, settings.rest_port) == (8500, 0)
    assert settings.rest_timeout_ms == 30_000
    assert settings.file_system_poll_seconds == 1
    assert settings.model_config_file_poll_seconds == 0
    assert (settings.max_num_load_retries, settings.load_retry_interval_micros) == (5, 60_000_000)
    assert settings.enable_model_warmup
    assert not settings.allow_version_labels_for_unavailable_models
    assert not settings.enable_grpc_healthcheck_service
    assert (settings.batching, settings.monitoring) == (None, None)
    assert settings.saved_model_tags == ("serve",)


def test_only_this_machine_reaches_the_server_unless_told_otherwise() -> None:
    assert parse_flags(_MODEL).bind_address == "127.0.0.1"
    assert parse_flags([*_MODEL, "--bind_address=0.0.0.0"]).bind_address == "0.0.0.0"  # noqa: S104


@pytest.mark.parametrize("written", ["", "=true", "=True", "=1"])
def test_a_switch_is_on_in_each_of_its_spellings(written: str) -> None:
    assert parse_flags([*_MODEL, f"--prefer_tflite_model{written}"]).prefer_tflite_model


@pytest.mark.parametrize("written", ["=false", "=FALSE", "=0"])
def test_a_switch_is_off_in_each_of_its_spellings(written: str) -> None:
    assert not parse_flags([*_MODEL, f"--enable_model_warmup{written}"]).enable_model_warmup


def test_the_last_of_a_repeated_flag_counts() -> None:
    assert parse_flags([*_MODEL, "--port=1", "--port=2"]).grpc_port == 2


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    config = tmp_path / "models.config"
    config.write_text("model_config_list {\n  config { nme: 'x' }\n}\n")
    mistakes = _mistakes(
        "--prot=1",
        "--enable_batching=maybe",
        "--rest_api_timeout_in_ms=0",
        "--ssl_config_file=tls.config",
        f"--model_config_file={config}",
        "--batching_parameters_file=absent",
    )
    assert mistakes == [
        "--prot=1: no such flag; did you mean --port?",
        "--enable_batching: 'maybe' is neither true nor false",
        "--rest_api_timeout_in_ms: 0 is too small; the least is 1",
        f"--ssl_config_file: this server cannot do that: {FLAGS['ssl_config_file'].note}",
        "--batching_parameters_file: needs --enable_batching; add it",
        "absent: cannot be read: No such file or directory",
        (
            f'{config}:2:12: Message type "tensorflow.serving.ModelConfig" has no field named '
            "\"nme\"; did you mean 'name'?"
        ),
    ]


def test_a_value_after_a_blank_is_refused_with_the_right_spelling() -> None:
    assert _mistakes(*_MODEL, "--port", "9000") == [
        "--port: a value follows '='; write --port=9000"
    ]


def test_a_flag_of_an_older_release_leads_to_todays() -> None:
    assert "did you mean --prefer_tflite_model?" in _mistakes("--use_tflite_model", *_MODEL)[0]


def test_something_to_serve_must_be_named() -> None:
    assert _mistakes() == ["--model_base_path or --model_config_file: give one; nothing to serve"]


@pytest.mark.parametrize("path", ["gs://bucket/heart", "s3://bucket/heart"])
def test_a_bucket_is_refused_with_what_to_do(path: str) -> None:
    (mistake,) = _mistakes(f"--model_base_path={path}")
    assert path in mistake
    assert "bring the model here first" in mistake


def test_a_relative_base_path_is_refused() -> None:
    assert _mistakes("--model_base_path=models") == [
        "--model_base_path: 'models': write an absolute path"
    ]


def test_a_config_file_wins_over_the_single_model(tmp_path: Path) -> None:
    config = tmp_path / "models.config"
    config.write_text(
        'model_config_list { config { name: "a" base_path: "/a" model_platform: "tensorflow" '
        "model_version_policy { all {} } } }"
    )
    settings = parse_flags([*_MODEL, f"--model_config_file={config}"])
    assert [model.name for model in settings.models] == ["a"]
    assert settings.models[0].policy == AllVersions()
    assert settings.model_config_file == config


def test_ports_are_checked_against_each_other() -> None:
    assert _mistakes(*_MODEL, "--port=8500", "--rest_api_port=8500") == [
        "--rest_api_port: 8500 is --port already; give another"
    ]
    assert _mistakes(*_MODEL, "--rest_api_port=70000")[0].startswith("--rest_api_port: 70000")
    assert _mistakes(*_MODEL, "--port=0") == [
        "--port: 0 turns it off; give a port or --grpc_socket_path"
    ]


def test_session_parallelism_sets_both_and_yields_to_each() -> None:
    settings = parse_flags(
        [*_MODEL, "--tensorflow_session_parallelism=3", "--tensorflow_intra_op_parallelism=1"]
    )
    assert (settings.intra_op_threads, settings.inter_op_threads) == (1, 3)


def test_channel_arguments_are_numbers_where_they_look_like_it() -> None:
    argument = "--grpc_channel_arguments=grpc.max_connection_age_ms=2000,grpc.x=y"
    assert parse_flags([*_MODEL, argument]).grpc_channel_arguments == {
        "grpc.max_connection_age_ms": 2000,
        "grpc.x": "y",
    }
    assert "'lone' is not key=value" in _mistakes(*_MODEL, "--grpc_channel_arguments=lone")[0]


@pytest.mark.parametrize(
    "name", [flag.name for flag in FLAGS.values() if flag.treatment is Treatment.REFUSED]
)
def test_a_refused_flag_says_why_but_may_state_its_default(name: str) -> None:
    default = FLAGS[name].default
    text = str(default).lower() if isinstance(default, bool) else str(default)
    parse_flags([*_MODEL, f"--{name}={text}"])
    other = "true" if isinstance(default, bool) else "1"
    (mistake,) = _mistakes(*_MODEL, f"--{name}={other}")
    assert mistake == f"--{name}: this server cannot do that: {FLAGS[name].note}"


def test_every_flag_but_honoured_ones_says_why() -> None:
    assert [
        flag.name
        for flag in FLAGS.values()
        if (flag.treatment is Treatment.HONOURED) == bool(flag.note)
    ] == []


@given(st.lists(st.text(max_size=30), max_size=5))
def test_no_command_line_breaks_the_reader(argv: list[str]) -> None:
    values, mistakes = read_values(argv)
    assert len(values) + len(mistakes) <= len(argv)
    assert bool(values or mistakes) == bool(argv)


@given(st.integers(min_value=-(2**40), max_value=2**40))
def test_numbers_are_read_as_they_are_written(number: int) -> None:
    values, mistakes = read_values([f"--load_retry_interval_micros={number}"])
    assert values == {"load_retry_interval_micros": number}
    assert mistakes == []


def test_help_names_every_flag_and_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_flags(["--nonsense", "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert told == help_text() + "\n"
    assert [name for name in FLAGS if f"--{name}=" not in told] == []
    assert max(map(len, told.splitlines())) <= 100


def test_version_names_the_release_it_stands_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_flags(["--version"])
    assert ended.value.code == 0
    assert "TensorFlow ModelServer: 2." in capsys.readouterr().out


def test_the_page_of_the_documentation_is_current() -> None:
    assert _PAGE.read_text(encoding="utf-8") == flags_page(), (
        "run: python -m local_model_server.flags_document > docs/local-server-flags.md"
    )
