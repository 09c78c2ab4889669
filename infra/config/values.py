"""The values a stack file may hold, each named once: its type, its rule in words, and an example.

Pydantic checks the type; `Accepts` says in the user's words what was wanted. Rules about more than
one value at a time are in `rules`; the values that only clouds have are in `cloud_values`.
"""

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from pathlib import PurePosixPath
from typing import Annotated, Any, Final, Literal, get_args

from annotated_types import Ge, Gt, Le
from pydantic import (
    AfterValidator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    StringConstraints,
)
from pydantic import ValidationError as Refused
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from model_export.layout import MAX_VERSION, MODEL_NAME_RULE, is_model_name

NOT_ACCEPTED: Final = "not_accepted"


@dataclass(frozen=True)
class Accepts:
    """What a value must be, in words; a value to write instead; all values where there are few."""

    rule: str
    example: str
    choices: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Check as usual, and tell whatever is wrong by this one rule."""
        return core_schema.no_info_wrap_validator_function(self._check, handler(source))

    def _check(self, value: Any, inner: core_schema.ValidatorFunctionWrapHandler) -> Any:
        try:
            return inner(value)
        except Refused:
            raise PydanticCustomError(
                NOT_ACCEPTED,
                "{rule}",
                {"rule": self.rule, "example": self.example, "choices": self.choices},
            ) from None


@dataclass(frozen=True)
class Spelled:
    """Also take the value as text, since that is what `pulumi config set` writes.

    Only the plain spelling: no sign, no leading zero, no space, no "yes".
    """

    pattern: str
    words: Mapping[str, bool] | None = None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Read the text first, then check as usual."""
        return core_schema.no_info_before_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Tell editors of both spellings."""
        return {"anyOf": [handler(schema), {"type": "string", "pattern": f"^{self.pattern}$"}]}

    def _read(self, value: Any) -> Any:
        if not isinstance(value, str) or re.fullmatch(self.pattern, value) is None:
            return value
        if self.words is not None:
            return self.words[value]
        return float(value) if "." in value else int(value)


@dataclass(frozen=True)
class NumberAsText:
    """Also take a bare number where YAML makes one of `cpu: 2`."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Write the number as text first, then check as usual."""
        return core_schema.no_info_before_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Tell editors of both spellings."""
        return {"anyOf": [handler(schema), {"type": "number", "exclusiveMinimum": 0}]}

    def _read(self, value: Any) -> Any:
        return str(value) if isinstance(value, int | float) and type(value) is not bool else value


NUMERAL: Final = Spelled("(0|[1-9][0-9]{0,18})")
DECIMAL: Final = Spelled(r"(0|[1-9][0-9]*)(\.[0-9]+)?")
_WORDS: Final = Spelled("(true|false)", words={"true": True, "false": False})


class Platform(StrEnum):
    """Where a stack lives."""

    LOCAL = "local"
    GCP = "gcp"
    AWS = "aws"
    KUBERNETES = "kubernetes"


class Target(StrEnum):
    """What serves a model."""

    LOCAL = "local"
    KUBERNETES = "kubernetes"
    VERTEX = "vertex"
    SAGEMAKER = "sagemaker"


class Strategy(StrEnum):
    """How a new version comes to be served."""

    POD = "pod"
    HOT = "hot"
    POLL = "poll"


LocalServerKind = Literal["process", "docker"]


def one_of(choices: Iterable[str], what: str, example: str) -> Accepts:
    """Say that a value is one of few words."""
    words = tuple(str(choice) for choice in choices)
    return Accepts(f"{what} is {', '.join(words[:-1])} or {words[-1]}", str(example), words)


PlatformChoice = Annotated[Platform, one_of(Platform, "a platform", Platform.LOCAL)]
TargetChoice = Annotated[Target, one_of(Target, "a target", Target.KUBERNETES)]
StrategyChoice = Annotated[Strategy, one_of(Strategy, "a strategy", Strategy.HOT)]
ServerChoice = Annotated[
    LocalServerKind, one_of(get_args(LocalServerKind), "a local server", "process")
]

YesNo = Annotated[bool, Strict(), _WORDS, Accepts("it is true or false", "true")]

_VERSION_RULE: Final = "a version is a whole number from 1"
Version = Annotated[int, Strict(), Ge(1), Le(MAX_VERSION), NUMERAL, Accepts(_VERSION_RULE, "2")]
VersionOrLatest = Annotated[
    Annotated[int, Strict(), Ge(1), Le(MAX_VERSION), NUMERAL] | Literal["latest"],
    Accepts(f"{_VERSION_RULE}, or latest", "2", ("latest",)),
]
Share = Annotated[
    int,
    Strict(),
    Ge(1),
    Le(99),
    NUMERAL,
    Accepts("a share is 1 to 99 percent of the traffic", "10"),
]
Percent = Annotated[int, Strict(), Ge(1), Le(100), NUMERAL, Accepts("it is 1 to 100 percent", "60")]
Count = Annotated[
    int, Strict(), Ge(1), Le(100_000), NUMERAL, Accepts("it is a whole number from 1", "2")
]
Micros = Annotated[
    int,
    Strict(),
    Ge(0),
    Le(60_000_000),
    NUMERAL,
    Accepts("it is 0 to 60000000 microseconds", "1000"),
]
Seconds = Annotated[
    int, Strict(), Ge(1), Le(86_400), NUMERAL, Accepts("it is 1 to 86400 seconds", "120")
]
Port = Annotated[
    int,
    Strict(),
    Ge(1024),
    Le(65_535),
    NUMERAL,
    Accepts("a port is 1024 to 65535 (below 1024 is the administrator's)", "8501"),
]
Fraction = Annotated[
    float,
    Strict(),
    Gt(0),
    Le(1),
    DECIMAL,
    Accepts("a fraction is above 0 and at most 1", "0.5"),
]
BatchSizes = Annotated[
    tuple[Count, ...], Accepts("it is a list of whole numbers from 1", "[1, 8, 32]")
]

# Kept equal to model_export.layout.is_model_name by a test; a schema needs it as a pattern.
MODEL_NAME_PATTERN: Final = "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"


@dataclass(frozen=True)
class _Name:
    """A key that every target accepts as it is."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "pattern": MODEL_NAME_PATTERN}

    def _check(self, name: str) -> str:
        if not is_model_name(name):
            raise ValueError(name)
        return name


ModelName = Annotated[str, _Name(), Accepts(f"a model's name is {MODEL_NAME_RULE}", "heart")]
# The narrowest rule of all targets: Vertex's aliases, Kubernetes' labels, TF Serving's paths.
Label = Annotated[str, _Name(), Accepts(f"a label is {MODEL_NAME_RULE}", "stable")]
PoolName = Annotated[str, _Name(), Accepts(f"a pool's name is {MODEL_NAME_RULE}", "l4")]
TagName = Annotated[str, _Name(), Accepts(f"a label's name is {MODEL_NAME_RULE}", "team")]


def text(pattern: str) -> StringConstraints:
    """Ask for text that matches the pattern as a whole."""
    return StringConstraints(strict=True, pattern=f"^{pattern}$")


def _own_directory(path: str) -> str:
    """Refuse the project, what is above it, and the root: destroying a bucket would empty them."""
    if set(PurePosixPath(posixpath.normpath(path)).parts) <= {"/", "//", ".."}:
        raise ValueError(path)
    return path


DirectoryPath = Annotated[
    str,
    # No URL, no home directory that nobody would expand, nothing empty.
    text(r"(?:[^~:\x00-\x1f][^:\x00-\x1f]*)"),
    AfterValidator(_own_directory),
    Accepts(
        "it is a directory of its own, absolute or below the project's, without ~ and colon",
        ".servestack/bucket",
    ),
]
BucketName = Annotated[
    str,
    text("[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"),
    Accepts(
        "a bucket's name is 3 to 63 lower-case letters, digits and hyphens, without gs:// or s3://",
        "example-models",
    ),
]
Image = Annotated[
    str,
    text(r"[a-z0-9][a-zA-Z0-9./:_-]*(:[a-zA-Z0-9._-]+|@sha256:[0-9a-f]{64})"),
    Accepts("an image has a tag or a digest", "tensorflow/serving:2.19.1"),
]
Address = Annotated[
    str,
    text(r"([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-fA-F:]*:[0-9a-fA-F:]*)"),
    AfterValidator(lambda address: str(ip_address(address))),
    Accepts("it is an IP address of this machine", "127.0.0.1"),
]
GcpProject = Annotated[
    str,
    text("[a-z][a-z0-9-]{4,28}[a-z0-9]"),
    Accepts("a project's id is 6 to 30 lower-case letters, digits and hyphens", "example-ml-dev"),
]
GcpRegion = Annotated[
    str, text("[a-z]+-[a-z]+[0-9]+"), Accepts("it is a region, not a zone", "europe-west4")
]
AwsRegion = Annotated[
    str, text("[a-z]{2}(-[a-z]+)+-[0-9]+"), Accepts("it is a region, not a zone", "eu-central-1")
]
KubeContext = Annotated[
    str,
    text(r"\S(.*\S)?"),
    Accepts("it is a context of your kubeconfig (kubectl config get-contexts)", "kind-kind"),
]
KubeNamespace = Annotated[
    str,
    text("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"),
    Accepts("a namespace is 1 to 63 lower-case letters, digits and hyphens", "models"),
]
CpuQuantity = Annotated[
    str,
    text(r"([1-9][0-9]*m|[1-9][0-9]*(\.[0-9]{1,3})?|0\.[0-9]{0,2}[1-9])"),
    NumberAsText(),
    Accepts("it is a number of cores, or of thousandths with m", "500m"),
]
MemoryQuantity = Annotated[
    str,
    text("[1-9][0-9]*([KMGT]i|[kMGT])"),
    Accepts("it is a whole number with a unit: Ki, Mi, Gi, Ti, k, M, G or T", "2Gi"),
]
AcceleratorType = Annotated[
    str,
    text("[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?"),
    Accepts("it is an accelerator's or instance's name as the cloud writes it", "nvidia-l4"),
]
