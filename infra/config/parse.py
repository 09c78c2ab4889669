"""From plain values to a `StackConfig`, or to every mistake in them at once. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from infra.config.fields import ANY_NAME, accepts, all_fields, children, named_sections, path_of
from infra.config.kubernetes_values import Scrape
from infra.config.model import LATEST, StackConfig
from infra.config.problems import ConfigError, Finding, near, shown
from infra.config.refusals import REFUSALS, Place
from infra.config.rules import broken_rules
from infra.config.values import NOT_ACCEPTED, Platform, Strategy, Target

SECRET_MARK: Final = "secure"  # noqa: S105 - the key that Pulumi puts over an encrypted value

# Listing a directory is free; listing a bucket is billed by the request.
_LOCAL_POLL_SECONDS: Final = 1
_BUCKET_POLL_SECONDS: Final = 120

# What may stand below a key whose keys are the user's own names.
_NAMED_EXAMPLES: Final = {
    "models": "heart: {version: 2}",
    "models.*.labels": "stable: 2",
    "cluster.gpu_pools": "l4: {accelerator: nvidia-l4}",
    "labels": "team: vision",
    "kubernetes.gpu_pools": "l4: {accelerator: nvidia-l4, node_labels: {pool: l4}}",
    "kubernetes.gpu_pools.*.node_labels": "pool: l4",
    "kubernetes.service_account_annotations": "iam.gke.io/gcp-service-account: NAME@PROJECT...",
    "models.*.kubernetes.node_labels": "pool: l4",
    "models.*.kubernetes.service_annotations": "example.com/team: vision",
    "models.*.kubernetes.ingress.annotations": "example.com/team: vision",
}

_Raw = Mapping[str, Any]
_At = tuple[str, ...]
_Kind = TypeVar("_Kind", bound=StrEnum)


def parse_stack(raw: Mapping[str, object], *, source: str) -> StackConfig:
    """Check a stack's configuration, keys without the namespace; `source` names it in errors.

    A mapping at the top may also be JSON in a string, which is how the engine hands it over.
    """
    screened: list[Finding] = []
    clean = _screen({key: _unfold(value) for key, value in raw.items()}, (), screened)
    refused = list(_refused(clean))
    stack, malformed = _validate(_with_defaults(clean))
    # What is refused as a whole need not be well-formed, and what is named already is not missing.
    known = [finding.at for finding in (*screened, *refused)]
    malformed = [
        finding for finding in malformed if not any(finding.is_within(place) for place in known)
    ]
    unsound = [_part(finding.at) for finding in (*screened, *malformed)]
    broken = [
        finding
        for finding in (broken_rules(stack) if stack else ())
        if not any(finding.is_within(part) for part in (*unsound, *known))
    ]
    findings = [*screened, *refused, *malformed, *broken]
    if findings or stack is None:
        raise ConfigError(
            finding.in_file(source) for finding in sorted(findings, key=lambda found: found.at)
        )
    return stack


def _unfold(value: object) -> object:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _screen(value: Any, at: _At, findings: list[Finding]) -> Any:
    """Take out what no field can hold: nothing, secrets, keys that are not text."""
    if not isinstance(value, Mapping):
        return value
    clean = {}
    for key, inner in value.items():
        place = (*at, str(key))
        if not isinstance(key, str):
            findings.append(
                Finding(
                    at=place, rule="a key is text", remedy=f'Write it in quotes: "{shown(key)}":'
                )
            )
        elif inner is None:
            is_named = path_of(at) in named_sections()
            empty = f", or write: {shown(key)}: {{}}" if is_named else ""
            findings.append(
                Finding(
                    at=place,
                    rule="there is no value",
                    remedy=f"Write one after the colon{empty}, or remove the line",
                )
            )
        elif isinstance(inner, Mapping) and set(inner) == {SECRET_MARK}:
            findings.append(
                Finding(
                    at=place,
                    rule="it is encrypted, and no setting of servestack is a secret",
                    remedy="Set it again without --secret",
                )
            )
        else:
            clean[key] = _screen(inner, place, findings)
    return clean


def _validate(clean: _Raw) -> tuple[StackConfig | None, list[Finding]]:
    """Check each value; where some are wrong, give what is left without the parts they are in."""
    try:
        return StackConfig.model_validate(clean), []
    except ValidationError as error:
        findings = [_malformed(detail) for detail in error.errors(include_url=False)]
    try:
        return StackConfig.model_validate(_without(clean, findings)), findings
    except ValidationError:
        return None, findings


def _with_defaults(clean: _Raw) -> _Raw:
    """Fill in what a model does not say and what depends on the platform."""
    platform, models = _member(Platform, clean.get("platform")), clean.get("models")
    if platform is None or not isinstance(models, Mapping):
        return clean
    scrape = _scrape_default(clean, platform)
    filled = {
        name: _with_scrape({**_model_defaults(model, platform), **model}, scrape)
        if isinstance(model, Mapping)
        else model
        for name, model in models.items()
    }
    return {**clean, "models": filled}


def _scrape_default(clean: _Raw, platform: Platform) -> Scrape | None:
    """Tell by whom a cluster's metrics have to be read, where somebody looks at them.

    Google's managed Prometheus reads no annotations, and neither does the Prometheus operator.
    """
    observe = clean.get("observe")
    if not isinstance(observe, Mapping):
        return None
    if platform is Platform.GCP and observe.keys() & {"dashboard", "alerts"}:
        return Scrape.POD_MONITORING
    in_a_cluster = platform in {Platform.KUBERNETES, Platform.AWS}
    return Scrape.SERVICE_MONITOR if in_a_cluster and "alerts" in observe else None


def _with_scrape(model: _Raw, scrape: Scrape | None) -> _Raw:
    own = model.get("kubernetes", {})
    if scrape is None or model["target"] != Target.KUBERNETES or not isinstance(own, Mapping):
        return model
    return {**model, "kubernetes": {"scrape": scrape, **own}}


def _model_defaults(model: _Raw, platform: Platform) -> _Raw:
    target, follows = _target(model, platform), model.get("version") == LATEST
    defaults: dict[str, Any] = {"target": target}
    if follows:
        is_local = target is Target.LOCAL
        defaults["poll_seconds"] = _LOCAL_POLL_SECONDS if is_local else _BUCKET_POLL_SECONDS
    if target is Target.KUBERNETES:
        defaults["strategy"] = Strategy.POLL if follows else Strategy.POD
    return defaults


def _part(at: _At) -> _At:
    """Give the part that cannot be judged as a whole when something in it is wrong."""
    return at[:2] if at[0] in named_sections() else at[:1]


def _without(clean: _Raw, findings: Iterable[Finding]) -> _Raw:
    parts = {_part(finding.at) for finding in findings}
    left = {key: value for key, value in clean.items() if (key,) not in parts}
    for key in named_sections() & left.keys():
        if isinstance(entries := left[key], Mapping):
            left[key] = {name: entry for name, entry in entries.items() if (key, name) not in parts}
    return left


def _malformed(detail: ErrorDetails) -> Finding:
    at = tuple(str(part) for part in detail["loc"])
    if at[-1] == "[key]":
        rule, example = detail["ctx"]["rule"], detail["ctx"]["example"]
        return Finding(
            at=at[:-1], rule=f"the name is not allowed; {rule}", remedy=f"For example: {example}"
        )
    match detail["type"]:
        case "extra_forbidden":
            return _unknown(at)
        case "missing":
            rule = accepts(all_fields()[path_of(at)])
            wanted = f"; {rule.rule}" if rule else ""
            return Finding(
                at=at,
                rule=f"is missing{wanted}",
                remedy=f"Write for example: {at[-1]}: {rule.example if rule else '...'}",
            )
        case kind if kind == NOT_ACCEPTED:
            context = detail["ctx"]
            meant = near(detail["input"], context["choices"])
            start = "Did you mean" if meant else "Write for example"
            return Finding(
                at=at,
                rule=f"{shown(detail['input'])} is not allowed; {context['rule']}",
                remedy=f"{start}: {at[-1]}: {meant or context['example']}",
            )
        case _:
            return Finding(
                at=at,
                rule=f"{shown(detail['input'])} is not allowed; this is a mapping",
                remedy=_keys_below(path_of(at)),
            )


def _unknown(at: _At) -> Finding:
    rule = "there is no such key"
    if len(at) == 1 and at[0].split(".")[0] in children(""):
        return Finding(
            at=at,
            rule=rule,
            remedy=f"Nest it, or set it with: pulumi config set --path {shown(at[0])} VALUE",
        )
    parent = path_of(at[:-1])
    meant = near(at[-1], children(parent))
    return Finding(
        at=at, rule=rule, remedy=f"Did you mean: {meant}" if meant else _keys_below(parent)
    )


def _keys_below(path: str) -> str:
    example = _NAMED_EXAMPLES.get(path)
    if example is not None:
        return f"Write below it, for example: {example}"
    return f"Its keys are: {', '.join(children(path))}"


def _refused(clean: _Raw) -> Iterator[Finding]:
    platform = _member(Platform, clean.get("platform"))
    if platform is None:
        return
    local = clean.get("local")
    is_docker = isinstance(local, Mapping) and local.get("server") == "docker"
    for refusal in REFUSALS:
        for at, value in _matches(clean, refusal.field.split(".")):
            place = Place(
                platform=platform,
                target=_target(clean["models"][at[1]], platform) if at[0] == "models" else None,
                server="docker" if is_docker else "process",
            )
            if (refusal.value is None or refusal.value == value) and refusal.holds_at(place):
                start = f"{shown(value)} is not possible" if refusal.value else "it has no effect"
                yield Finding(at=at, rule=f"{start} here: {refusal.reason}", remedy=refusal.remedy)


def _target(model: _Raw, platform: Platform) -> Target:
    default = Target.LOCAL if platform is Platform.LOCAL else Target.KUBERNETES
    return _member(Target, model.get("target")) or default


def _matches(value: Any, path: list[str], at: _At = ()) -> Iterator[tuple[_At, Any]]:
    if not path:
        yield at, value
    elif isinstance(value, Mapping):
        first, *rest = path
        for key in value if first == ANY_NAME else (first,) if first in value else ():
            yield from _matches(value[key], rest, (*at, key))


def _member(kind: type[_Kind], value: Any) -> _Kind | None:
    try:
        return kind(value)
    except ValueError:
        return None
