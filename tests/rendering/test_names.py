"""Names fit their service, stay for ever, and two things never share one."""

import re

from hypothesis import given
from hypothesis import strategies as st

from infra.config.values import MODEL_NAME_PATTERN
from infra.names import (
    MODEL_SUFFIXES,
    container_name,
    content_name,
    model_object_name,
    namespace_name,
)

stacks = st.from_regex(r"[A-Za-z0-9_.-]{1,100}", fullmatch=True)
models = st.from_regex(r"[a-z][a-z0-9-]{0,61}[a-z0-9]", fullmatch=True)
identities = st.tuples(st.text(max_size=10), stacks, models)


@given(identities)
def test_a_container_name_is_one_that_docker_takes(identity: tuple[str, str, str]) -> None:
    home, stack, model = identity
    name = container_name(home=home, stack=stack, model=model)
    assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}", name)


@given(identities, identities)
def test_two_servers_never_share_a_container_name(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    names = {
        container_name(home=home, stack=stack, model=model) for home, stack, model in (one, other)
    }
    assert len(names) == len({one, other})


def test_a_hyphen_more_or_less_is_another_server() -> None:
    assert container_name(home="/h", stack="a-b", model="c") != container_name(
        home="/h", stack="a", model="b-c"
    )


def test_long_names_that_differ_at_the_end_stay_apart() -> None:
    assert container_name(home="/h", stack="s" * 90 + "1", model="m") != container_name(
        home="/h", stack="s" * 90 + "2", model="m"
    )


def test_a_name_does_not_change_between_releases_of_servestack() -> None:
    name = container_name(home="/home/me/servestack/.servestack", stack="local", model="heart")
    assert name == "servestack-local-heart-eb432014"


# As Kubernetes has it for namespaces, Services and the values of labels.
DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@given(stack=st.text(min_size=1, max_size=100), other=st.text(min_size=1, max_size=100))
def test_a_namespace_is_allowed_and_each_stacks_own(stack: str, other: str) -> None:
    assert DNS_LABEL.fullmatch(namespace_name(stack))
    assert (namespace_name(stack) == namespace_name(other)) == (stack == other)


@given(model=st.from_regex(MODEL_NAME_PATTERN, fullmatch=True), content=st.text())
def test_objects_of_a_model_have_names_that_kubernetes_allows(model: str, content: str) -> None:
    names = [model_object_name(model, suffix) for suffix in ("", *MODEL_SUFFIXES)]
    names.append(content_name(model, content=content))
    assert all(DNS_LABEL.fullmatch(name) for name in names)
    assert len(set(names)) == len(names)


def test_a_stacks_namespace_has_its_name() -> None:
    assert namespace_name("prod") == "servestack-prod"
