"""What a user reads who made a mistake, and what a program gets from one who made none."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.config import (
    ConfigError,
    Platform,
    Problem,
    StackConfig,
    Strategy,
    Target,
    parse_stack,
)
from infra.config.values import MODEL_NAME_PATTERN
from model_export.layout import is_model_name

FILE = "Pulumi.local.yaml"
KUBERNETES = {
    "platform": "kubernetes",
    "kubernetes": {"context": "kind-kind"},
    "bucket": {"path": "/mnt/models"},
}


def parse(raw: Mapping[str, Any]) -> StackConfig:
    return parse_stack({"platform": "local", **raw}, source=FILE)


def complaints(raw: Mapping[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(raw)
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    return str(caught.value).splitlines()


def heart(**model: Any) -> dict[str, Any]:
    return {"models": {"heart": model}}


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (
            heart(version=1, canary={"version": 2, "share": 120}),
            (
                "models.heart.canary.share: 120 is not allowed; a share is 1 to 99 percent "
                "of the traffic. Write for example: share: 10"
            ),
        ),
        (
            {"platform": "locl"},
            (
                "platform: locl is not allowed; a platform is local, gcp, aws or "
                "kubernetes. Did you mean: platform: local"
            ),
        ),
        (
            {"modles": {}},
            "modles: there is no such key. Did you mean: models",
        ),
        (
            heart(verison=2),
            "models.heart.verison: there is no such key. Did you mean: version",
        ),
        (
            {"local": {"zone": "b"}},
            "local.zone: there is no such key. Its keys are: server, image, bind_address",
        ),
        (
            heart(version="lastest"),
            (
                "models.heart.version: lastest is not allowed; a version is a whole number "
                "from 1, or latest. Did you mean: version: latest"
            ),
        ),
        (
            heart(version=1, canary={"share": 10}),
            (
                "models.heart.canary.version: is missing; a version is a whole number from "
                "1. Write for example: version: 2"
            ),
        ),
        (
            {"models": {"Heart": {}}},
            (
                "models.Heart: the name is not allowed; a model's name is 1 to 63 "
                "lower-case letters, digits and hyphens, starting with a letter and not ending "
                "with a hyphen. For example: heart"
            ),
        ),
        (
            {"models": {"heart": None}},
            (
                "models.heart: there is no value. Write one after the colon, or write: "
                "heart: {}, or remove the line"
            ),
        ),
        (
            heart(version={"secure": "v1:abc"}),
            (
                "models.heart.version: it is encrypted, and no setting of servestack is a "
                "secret. Set it again without --secret"
            ),
        ),
        (
            KUBERNETES | heart(kubernetes={"node_labels": {"size": "größe"}}),
            # Every cluster refuses other letters than English ones.
            (
                "models.heart.kubernetes.node_labels.size: größe is not allowed; a label's "
                "value is at most 63 letters, digits, dots, _ and hyphens. "
                "Write for example: size: vision"
            ),
        ),
        (
            heart(labels={2024: 1}),
            'models.heart.labels.2024: a key is text. Write it in quotes: "2024":',
        ),
        (
            {"models": ["heart"]},
            (
                'models: ["heart"] is not allowed; this is a mapping. '
                "Write below it, for example: heart: {version: 2}"
            ),
        ),
        (
            {"local": "gs://example"},
            (
                "local: gs://example is not allowed; this is a mapping. "
                "Its keys are: server, image, bind_address"
            ),
        ),
        (
            {"models.heart.version": 2},
            (
                "models.heart.version: there is no such key. Nest it, or set it with: "
                "pulumi config set --path models.heart.version VALUE"
            ),
        ),
        (
            {"local": {"bind_address": "999.0.0.1"}},
            (
                "local.bind_address: 999.0.0.1 is not allowed; it is an IP address of this "
                "machine. Write for example: bind_address: 127.0.0.1"
            ),
        ),
        (
            heart(ports={"rest": 80}),
            (
                "models.heart.ports.rest: 80 is not allowed; a port is 1024 to 65535 "
                "(below 1024 is the administrator's). Write for example: rest: 8501"
            ),
        ),
    ],
)
def test_a_mistake_is_one_line_with_file_key_rule_and_remedy(
    raw: Mapping[str, Any], line: str
) -> None:
    assert complaints(raw) == [f"{FILE}: servestack:{line}"]


def test_all_mistakes_are_told_at_once() -> None:
    lines = complaints(
        {
            "gcp": {},
            "bucket": {"name": "models"},
            "models": {
                "malformed": {"version": 0, "gpu": {"type": "nvidia-l4"}},
                "unsound": {"version": "latest", "labels": {"stable": 1}},
                "empty": {"warmup": None},
            },
        }
    )
    assert [line.split(": ")[1] for line in lines] == [
        "servestack:bucket.name",
        "servestack:gcp",
        "servestack:models.empty.warmup",
        "servestack:models.malformed.gpu",
        "servestack:models.malformed.version",
        "servestack:models.unsound.labels",
    ]


def test_a_refused_section_is_not_also_called_malformed() -> None:
    (line,) = complaints(heart(gpu={"count": "many"}))
    assert "it has no effect here" in line


def test_rules_about_the_place_are_told_beside_a_malformed_model() -> None:
    lines = complaints({"platform": "aws", **heart(version=-1)})
    assert [line.split(": ")[1] for line in lines] == [
        "servestack:aws.account",
        "servestack:aws.region",
        "servestack:models.heart.version",
    ]


def test_a_long_value_is_shortened() -> None:
    (line,) = complaints(heart(version="9" * 5_000))
    assert len(line) < 300


def test_the_value_of_a_secret_is_never_shown() -> None:
    (line,) = complaints({"bucket": {"path": {"secure": "hunter2"}}})
    assert "hunter2" not in line


@pytest.mark.parametrize(
    "text", ["", " 2", "2 ", "+2", "02", "2.0", "2e0", "0x2", "1_0", "two", "-2", "٣"]
)
def test_only_exact_numerals_are_numbers(text: str) -> None:
    complaints(heart(version=text))


@pytest.mark.parametrize("value", [2.0, True, [2], 0, 2**63])
def test_only_whole_numbers_are_versions(value: object) -> None:
    complaints(heart(version=value))


@pytest.mark.parametrize("text", ["yes", "True", "1", "on", "", " true"])
def test_only_exact_words_are_booleans(text: str) -> None:
    complaints(heart(warmup=text))


@pytest.mark.parametrize("value", [1, 0, 1.0])
def test_a_number_is_no_boolean(value: object) -> None:
    complaints(heart(warmup=value))


@pytest.mark.parametrize("memory", ["4GB", "4", 4, "0Gi", "4gi", "1.5Gi"])
def test_memory_has_a_known_unit(memory: object) -> None:
    complaints({**KUBERNETES, **heart(resources={"memory": memory})})


@pytest.mark.parametrize(
    ("cpu", "kept"), [(2, "2"), (0.5, "0.5"), ("500m", "500m"), ("1.5", "1.5")]
)
def test_cpu_is_cores_or_thousandths(cpu: object, kept: str) -> None:
    resources = parse({**KUBERNETES, **heart(resources={"cpu": cpu})}).models["heart"].resources
    assert resources is not None
    assert resources.cpu == kept


@pytest.mark.parametrize("cpu", [0, -1, "0", "m", True, "0.0", "2 cores"])
def test_cpu_is_not_nothing(cpu: object) -> None:
    complaints({**KUBERNETES, **heart(resources={"cpu": cpu})})


@pytest.mark.parametrize("path", ["", "~/models", "gs://models", "s3://models", "a:b", "a\nb"])
def test_a_bucket_path_is_a_directory_that_every_server_can_mount(path: str) -> None:
    complaints({"bucket": {"path": path}})


@pytest.mark.parametrize("path", [".", "./", "models/..", "/", "//", "/tmp/..", "..", "../../."])  # noqa: S108 - read only
def test_a_bucket_is_never_the_project_nor_what_holds_it(path: str) -> None:
    complaints({"bucket": {"path": path}})


@pytest.mark.parametrize("path", ["models", "./models", "../models", "/srv/models", ".s/b c"])
def test_a_bucket_may_be_anywhere_else(path: str) -> None:
    assert parse({"bucket": {"path": path}}).bucket.path == path


def test_text_and_json_as_pulumi_hands_them_over_mean_the_same_as_yaml() -> None:
    values = {
        "version": 2,
        "canary": {"version": 3, "share": 10},
        "warmup": False,
        "batching": {"max_batch_size": 8, "allowed_batch_sizes": [1, 8]},
    }
    texts = (
        '{"heart": {"version": "2", "canary": {"version": "3", "share": "10"}, "warmup": "false",'
        ' "batching": {"max_batch_size": "8", "allowed_batch_sizes": ["1", "8"]}}}'
    )
    assert parse({"models": texts}) == parse(heart(**values))


def test_text_that_looks_like_json_and_is_none_is_told_as_it_is() -> None:
    (line,) = complaints({"models": '{"heart": '})
    assert "is not allowed; this is a mapping" in line


def test_a_declared_model_is_not_served() -> None:
    model = parse(heart()).models["heart"]
    assert (model.version, model.pinned_versions, model.traffic) == (None, (), {})


def test_a_canary_splits_the_traffic() -> None:
    model = parse(heart(version=3, canary={"version": 2, "share": 10})).models["heart"]
    assert model.pinned_versions == (2, 3)
    assert model.traffic == {3: 90, 2: 10}


def test_without_a_canary_there_is_nothing_to_split() -> None:
    assert parse(heart(version=3)).models["heart"].traffic == {}


@pytest.mark.parametrize(
    ("raw", "model", "expected"),
    [
        ({"platform": "local"}, {"version": 1}, (Target.LOCAL, None, None)),
        ({"platform": "local"}, {"version": "latest"}, (Target.LOCAL, None, 1)),
        (KUBERNETES, {"version": 1}, (Target.KUBERNETES, Strategy.POD, None)),
        (KUBERNETES, {"version": "latest"}, (Target.KUBERNETES, Strategy.POLL, 120)),
        (
            KUBERNETES,
            {"version": "latest", "poll_seconds": 30},
            (Target.KUBERNETES, Strategy.POLL, 30),
        ),
        (
            KUBERNETES,
            {"version": 1, "strategy": "hot", "resources": {"memory": "4Gi"}},
            (Target.KUBERNETES, Strategy.HOT, None),
        ),
        (
            {"platform": "gcp", "gcp": {"project": "example-ml", "region": "europe-west4"}},
            {"version": 1, "target": "vertex"},
            (Target.VERTEX, None, None),
        ),
    ],
)
def test_what_depends_on_the_place_is_filled_in(
    raw: Mapping[str, Any],
    model: Mapping[str, Any],
    expected: tuple[Target, Strategy | None, int | None],
) -> None:
    found = parse({**raw, **heart(**model)}).models["heart"]
    assert (found.target, found.strategy, found.poll_seconds) == expected


def test_a_configuration_cannot_be_changed() -> None:
    stack = parse({})
    with pytest.raises(ValueError, match="frozen"):
        stack.platform = Platform.GCP


@given(st.text(max_size=66) | st.from_regex(MODEL_NAME_PATTERN, fullmatch=True))
def test_the_schema_knows_the_same_model_names_as_the_layout(name: str) -> None:
    assert (re.fullmatch(MODEL_NAME_PATTERN.strip("^$"), name) is not None) == is_model_name(name)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["heart", "version", "canary", "share", "labels", "gpu", "secure", "\x1b\n"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(["platform", "bucket", "local", "models", "gcp", "kubernetes", "other"]),
        JSON_VALUES | st.sampled_from(list(Platform)),
        max_size=5,
    )
)
def test_whatever_is_written_gives_a_stack_or_complete_problems(raw: dict[str, Any]) -> None:
    problems: tuple[Problem, ...] = ()
    text = ""
    try:
        parse_stack(raw, source=FILE)
    except ConfigError as error:
        problems, text = error.problems, str(error)
    assert len(text.splitlines()) == len(problems)
    for problem in problems:
        assert problem.key.startswith("servestack:")
        assert problem.rule
        assert problem.remedy
