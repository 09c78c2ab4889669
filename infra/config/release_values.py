"""The values of what a release, a review and a bill are judged by: type, rule in words, example."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Final

from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator, BeforeValidator, Strict

from infra.config.values import DECIMAL, NUMERAL, Accepts, one_of, text


class Environment(StrEnum):
    """What a stack is for."""

    DEV = "dev"
    STAGING = "staging"
    PROD = "prod"


class OnPublish(StrEnum):
    """What `servestack watch` does with a new version in the bucket."""

    IGNORE = "ignore"
    CANARY = "canary"
    RELEASE = "release"


class PolicyRule(StrEnum):
    """The rules of the policy pack, by the ids under which it reports."""

    PUBLIC_BUCKET = "public-bucket"
    STORED_KEY = "stored-key"
    BROAD_ROLE = "broad-role"
    GPU_POOL_MAXIMUM = "gpu-pool-maximum"
    POD_LIMITS = "pod-limits"
    POD_PROBES = "pod-probes"
    POD_NON_ROOT = "pod-non-root"
    PINNED_IMAGE = "pinned-image"
    COST_LABELS = "cost-labels"
    PROD_PROTECTION = "prod-protection"
    PROD_BUDGET = "prod-budget"
    PROD_REPLICAS = "prod-replicas"
    PROD_PINNED_VERSION = "prod-pinned-version"


EnvironmentChoice = Annotated[
    Environment, one_of(Environment, "an environment", Environment.STAGING)
]
OnPublishChoice = Annotated[OnPublish, one_of(OnPublish, "it", OnPublish.CANARY)]
PolicyRuleChoice = Annotated[
    PolicyRule, one_of(PolicyRule, "a rule of the policy pack", PolicyRule.PUBLIC_BUCKET)
]

Steps = Annotated[
    tuple[Annotated[int, Strict(), Ge(1), Le(99), NUMERAL], ...],
    Accepts("it is a list of percentages from 1 to 99, ascending", "[10, 50]"),
]
Samples = Annotated[
    int, Strict(), Ge(1), Le(100_000_000), NUMERAL, Accepts("it is a whole number from 1", "100")
]
Percentile = Annotated[
    int, Strict(), Ge(50), Le(99), NUMERAL, Accepts("a percentile is 50 to 99", "95")
]
ErrorPoints = Annotated[
    float,
    Strict(),
    Ge(0),
    Le(100),
    DECIMAL,
    Accepts("it is 0 to 100 percentage points", "0.5"),
]
ErrorPercent = Annotated[
    float,
    Strict(),
    Gt(0),
    Le(100),
    DECIMAL,
    Accepts("it is a percentage above 0, up to 100", "0.5"),
]
# Two scrapes have to be in it, half a minute apart, whatever their offset.
WindowMinutes = Annotated[
    int, Strict(), Ge(2), Le(60), NUMERAL, Accepts("it is 2 to 60 minutes", "10")
]
Ratio = Annotated[
    float,
    Strict(),
    Gt(0),
    Le(1_000),
    DECIMAL,
    Accepts("a ratio is above 0 and at most 1000; 1 means as much as the stable one", "1.2"),
]
WebAddress = Annotated[
    str,
    text(r"https?://[A-Za-z0-9.\[\]:-]+(/[A-Za-z0-9._~/-]*)?"),
    Accepts(
        "it is http:// or https://, without a user's name in it",
        "http://prometheus.monitoring.svc:9090",
    ),
]
LabelName = Annotated[
    str,
    text("[a-zA-Z_][a-zA-Z0-9_]*"),
    Accepts("it is a label's name in Prometheus", "version"),
]


def _of_a_version(query: str) -> str:
    if "$version" not in query:
        raise ValueError(query)
    return query


Query = Annotated[
    str,
    text(r"\S[\s\S]*"),
    AfterValidator(_of_a_version),
    Accepts(
        "it is a query of Prometheus that gives one number, with $version where the version's "
        "number belongs ($model and $window are filled in too)",
        'avg_over_time(score{model="$model",version="$version"}[$window])',
    ),
]
Reason = Annotated[
    str,
    text(r"\S.{8,}"),
    Accepts("a reason is a sentence that a reviewer can follow", "Public data set, see the wiki"),
]
# What a day without quotes is to YAML is a time to the engine, which hands it on in Go's words.
_MIDNIGHT: Final = " 00:00:00 +0000 UTC"
Day = Annotated[
    str,
    text("[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    AfterValidator(lambda day: date.fromisoformat(day).isoformat()),
    BeforeValidator(lambda day: day.removesuffix(_MIDNIGHT) if isinstance(day, str) else day),
    Accepts("it is a day: year, month, day", "2027-01-31"),
]
ResourceNames = Annotated[
    tuple[Annotated[str, text(r"[^\s*]+")], ...],
    Accepts("it is a list of resources by the name that a preview shows", "[heart, models]"),
]
Price = Annotated[
    float,
    Strict(),
    Ge(0),
    Le(1_000_000),
    DECIMAL,
    Accepts("a price is an amount in US dollars, without the currency", "0.71"),
]
PriceName = Annotated[
    str,
    text("[a-z0-9]+(/[a-zA-Z0-9._-]+)+"),
    Accepts(
        "a price's name is one that `servestack cost --prices` shows",
        "gcp/europe-west4/g2-standard-8",
    ),
]
Gigabytes = Annotated[
    int,
    Strict(),
    Ge(0),
    Le(100_000_000),
    NUMERAL,
    Accepts("it is a whole number of gigabytes", "100"),
]
