"""What a user asks for, read and applied to what is configured."""

import pytest

from infra.releases.model_release import Canary, ModelRelease, describe_changes
from infra.releases.request import RequestError, parse_request, requested_releases

NOW = {"heart": ModelRelease(version=1), "digits": ModelRelease()}


def test_pairs_are_read() -> None:
    assert parse_request(["heart=2", "digits=1"]).versions == {"heart": 2, "digits": 1}
    assert parse_request(["heart=latest"]).versions == {"heart": "latest"}


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(RequestError) as caught:
        parse_request(
            ["heart", "digits=0", "=3", "x=1", "x=2", "y=latest"],
            canary_share=10,
            labels=["stable", "fast=-1"],
        )
    lines = str(caught.value).splitlines()
    wrong = ["'heart'", "'digits=0'", "'=3'", "'x=2'", "'y=latest'", "--label 'stable'"]
    assert [line.partition(":")[0] for line in lines] == [*wrong, "--label 'fast=-1'"]
    assert all("write" in line for line in lines if "twice" not in line)


def test_labels_need_to_know_whose_they_are() -> None:
    with pytest.raises(RequestError, match="one by one"):
        parse_request(["heart=2", "digits=1"], labels=["stable=2"])


def test_a_release_replaces_the_version_and_ends_a_trial() -> None:
    now = {"heart": ModelRelease(version=1, canary=Canary(version=2, share=10))}
    after, problems = requested_releases(parse_request(["heart=2"]), now, stack="dev")
    assert not problems
    assert after == {"heart": ModelRelease(version=2)}
    assert describe_changes(now, after) == ["heart: 1, canary 2 at 10 % → 2"]


def test_a_canary_stands_beside_the_stable_version() -> None:
    request = parse_request(["heart=2"], canary_share=10, labels=["trial=2"])
    trial = ModelRelease(version=1, canary=Canary(version=2, share=10), labels={"trial": 2})
    assert requested_releases(request, NOW, stack="dev") == ({"heart": trial}, [])


def test_what_the_stack_cannot_have_is_refused_with_what_to_do() -> None:
    request = parse_request(["heart=1", "digits=1", "liver=1"], canary_share=5)
    after, (heart, digits, liver) = requested_releases(request, NOW, stack="dev")
    assert after == {}
    assert "version 1 is the stable one" in heart
    assert "servestack release -s dev digits=1" in digits
    assert liver == "liver: the stack declares no such model; it declares: heart, digits"
