"""What a user asks to be released, turned into each model's release. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from infra.errors import ServestackError
from infra.releases.model_release import Canary, ModelRelease
from model_export.layout import MAX_VERSION, parse_version


class RequestError(ServestackError):
    """What was asked for makes no release; every mistake in it is told."""


@dataclass(frozen=True, kw_only=True)
class ReleaseRequest:
    """Versions by model, and what goes for all of them."""

    versions: Mapping[str, int | Literal["latest"]]
    canary_share: int | Literal["first"] | None = None
    labels: Mapping[str, int] = field(default_factory=dict)


def parse_request(
    pairs: Sequence[str],
    *,
    canary_share: int | Literal["first"] | None = None,
    labels: Sequence[str] = (),
) -> ReleaseRequest:
    """Read `heart=2` pairs and `stable=2` labels."""
    problems: list[str] = []
    versions: dict[str, int | Literal["latest"]] = {}
    for pair in pairs:
        model, equals, text = pair.partition("=")
        version: int | Literal["latest"] | None = parse_version(text)
        if text == "latest" and canary_share is None:
            version = "latest"
        if not model or not equals or version is None:
            allowed = "" if canary_share is not None else ", or latest"
            problems.append(
                f"{pair!r}: write MODEL=VERSION, as in heart=2; a version is a whole number from 1 "
                f"to {MAX_VERSION}{allowed}"
            )
        elif model in versions:
            problems.append(f"{pair!r}: {model} is given twice")
        else:
            versions[model] = version
    named: dict[str, int] = {}
    for pair in labels:
        label, equals, text = pair.partition("=")
        number = parse_version(text)
        if not label or not equals or number is None:
            problems.append(f"--label {pair!r}: write LABEL=VERSION, as in stable=2")
        else:
            named[label] = number
    if named and len(pairs) > 1:
        problems.append("--label: labels belong to one model, so release the models one by one")
    if problems:
        raise RequestError("\n".join(problems))
    return ReleaseRequest(versions=versions, canary_share=canary_share, labels=named)


def undeclared(asked: Iterable[str], known: Iterable[str]) -> str:
    """Say of models that the stack knows nothing of them, and of which it does."""
    there = ", ".join(known) or "none"
    return f"{', '.join(asked)}: the stack declares no such model; it declares: {there}"


def requested_releases(
    request: ReleaseRequest,
    now: Mapping[str, ModelRelease],
    first_shares: Mapping[str, int] | None = None,
    *,
    stack: str,
) -> tuple[dict[str, ModelRelease], list[str]]:
    """Give each named model's release, from the one that is configured now, and what is wrong."""
    problems: list[str] = []
    after = {}
    for model, version in request.versions.items():
        if model not in now:
            problems.append(undeclared([model], now))
        elif request.canary_share is None or not isinstance(version, int):
            after[model] = replace(now[model], version=version, canary=None)
        elif not isinstance(now[model].version, int):
            problems.append(
                f"{model}: a canary needs a stable version beside it, and {model} is "
                f"{now[model]}. Release one first: servestack release -s {stack} {model}={version}"
            )
        elif now[model].version == version:
            problems.append(
                f"{model}: version {version} is the stable one; a canary is another. "
                f"To end a trial without it: servestack release -s {stack} {model}={version}"
            )
        else:
            share = request.canary_share
            if share == "first":
                share = (first_shares or {})[model]
            canary = Canary(version=version, share=share)
            after[model] = replace(now[model], canary=canary)
    labelled = {
        model: replace(release, labels={**release.labels, **request.labels})
        for model, release in after.items()
    }
    return labelled, problems
