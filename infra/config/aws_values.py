"""The values that only a stack on AWS may hold: type, rule in words, and an example."""

from enum import StrEnum
from ipaddress import ip_network
from typing import Annotated

from annotated_types import Ge, Le, MultipleOf
from pydantic import AfterValidator, Strict

from infra.config.values import NUMERAL, Accepts, one_of, text


class Nat(StrEnum):
    """How nodes without public addresses reach what is outside."""

    SINGLE = "single"
    PER_ZONE = "per_zone"
    NONE = "none"


class PodIdentity(StrEnum):
    """How a pod comes to its role."""

    POD_IDENTITY = "pod_identity"
    IRSA = "irsa"


class Shifting(StrEnum):
    """How an updated endpoint of SageMaker takes over the traffic."""

    ALL_AT_ONCE = "all_at_once"
    CANARY = "canary"
    LINEAR = "linear"


NatChoice = Annotated[Nat, one_of(Nat, "a way out", Nat.SINGLE)]
PodIdentityChoice = Annotated[
    PodIdentity, one_of(PodIdentity, "a way to a role", PodIdentity.POD_IDENTITY)
]
ShiftingChoice = Annotated[Shifting, one_of(Shifting, "a way of shifting", Shifting.CANARY)]

AwsAccount = Annotated[
    str,
    text("[0-9]{12}"),
    Accepts("an account is 12 digits, in quotes (aws sts get-caller-identity)", '"123456789012"'),
]
VpcId = Annotated[str, text("vpc-[0-9a-f]{8,17}"), Accepts("it is the id of a VPC", "vpc-0a1b2c3d")]
SubnetIds = Annotated[
    tuple[Annotated[str, text("subnet-[0-9a-f]{8,17}")], ...],
    Accepts("it is a list of subnets' ids", "[subnet-0a1b2c3d, subnet-4e5f6a7b]"),
]
PolicyArn = Annotated[
    str,
    text(r"arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[A-Za-z0-9_+=,.@/-]+"),
    Accepts("it is the ARN of a policy", "arn:aws:iam::123456789012:policy/boundary"),
]
TopicArn = Annotated[
    str,
    text(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+"),
    Accepts("it is the ARN of a topic", "arn:aws:sns:eu-central-1:123456789012:on-call"),
]
PrincipalArns = Annotated[
    tuple[
        Annotated[str, text(r"arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[A-Za-z0-9_+=,.@/-]+")], ...
    ],
    Accepts("it is a list of roles' or users' ARNs", "[arn:aws:iam::123456789012:role/ml-admins]"),
]


def _vpc_range(block: str) -> str:
    network = ip_network(block)
    if network.version != 4 or not 16 <= network.prefixlen <= 20:  # noqa: PLR2004 - the rule's words
        raise ValueError(block)
    return str(network)


VpcRange = Annotated[
    str,
    Strict(),
    AfterValidator(_vpc_range),
    Accepts("it is a range of /16 to /20 addresses", "10.42.0.0/16"),
]
InstanceType = Annotated[
    str,
    text(r"ml\.[a-z0-9-]+\.[a-z0-9-]+"),
    Accepts("it is a machine of SageMaker", "ml.m5.xlarge"),
]
TensorFlowMinor = Annotated[
    str,
    text(r"2\.[0-9]{1,2}"),
    Accepts("it is a minor version of TensorFlow, in quotes", '"2.19"'),
]
EcrImage = Annotated[
    str,
    text(
        r"[0-9]{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/[a-z0-9._/-]+"
        r"(:[A-Za-z0-9_.-]+|@sha256:[0-9a-f]{64})"
    ),
    Accepts(
        "it is an image in ECR with a tag or a digest",
        "123456789012.dkr.ecr.eu-central-1.amazonaws.com/serving:1",
    ),
]
ServerlessMegabytes = Annotated[
    int,
    Strict(),
    Ge(1024),
    Le(6144),
    MultipleOf(1024),
    NUMERAL,
    Accepts("it is 1024 to 6144 megabytes, in steps of 1024", "2048"),
]
ServerlessConcurrency = Annotated[
    int, Strict(), Ge(1), Le(200), NUMERAL, Accepts("it is 1 to 200 requests at once", "20")
]
AsyncConcurrency = Annotated[
    int, Strict(), Ge(1), Le(1000), NUMERAL, Accepts("it is 1 to 1000 requests at once", "4")
]
StartupSeconds = Annotated[
    int, Strict(), Ge(60), Le(3600), NUMERAL, Accepts("it is 60 to 3600 seconds", "600")
]
WaitSeconds = Annotated[
    int, Strict(), Ge(0), Le(3600), NUMERAL, Accepts("it is 0 to 3600 seconds", "300")
]
CooldownSeconds = Annotated[
    int, Strict(), Ge(0), Le(86_400), NUMERAL, Accepts("it is 0 to 86400 seconds", "300")
]
ShiftPercent = Annotated[
    int,
    Strict(),
    Ge(1),
    Le(50),
    NUMERAL,
    Accepts("SageMaker takes 1 to 50 percent of the new fleet first", "10"),
]
Instances = Annotated[
    int, Strict(), Ge(0), Le(1000), NUMERAL, Accepts("it is 0 to 1000 instances", "1")
]
Schedule = Annotated[
    str,
    text(
        r"(cron\(\S+ \S+ \S+ \S+ \S+ \S+\)|rate\([1-9][0-9]* (minute|hour|day)s?\)|at\([0-9T:-]+\))"
    ),
    Accepts("it is a schedule of AWS in quotes", '"cron(0 6 ? * MON-FRI *)"'),
]
Timezone = Annotated[
    str,
    text(r"[A-Za-z]+(/[A-Za-z_+-]+[0-9]*)*"),
    Accepts("it is a time zone by its name", "Europe/Berlin"),
]
