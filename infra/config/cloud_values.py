"""The values that only a stack in a cloud may hold: type, rule in words, and an example.

The same for every cloud where the clouds agree. What one of them writes differently is checked by
the rules, which know the platform.
"""

from enum import StrEnum
from ipaddress import ip_network
from typing import Annotated, Literal, get_args

from annotated_types import Ge, Le
from pydantic import AfterValidator, Strict

from infra.config.values import NUMERAL, Accepts, one_of, text


class Endpoint(StrEnum):
    """From where a cluster's control plane can be reached."""

    PUBLIC = "public"
    DNS = "dns"
    PRIVATE = "private"


class ReleaseChannel(StrEnum):
    """How soon GKE upgrades a cluster."""

    RAPID = "rapid"
    REGULAR = "regular"
    STABLE = "stable"
    EXTENDED = "extended"


class Provisioning(StrEnum):
    """How the nodes of a pool are come by."""

    STANDARD = "standard"
    FLEX_START = "flex_start"
    QUEUED = "queued"


class LocationPolicy(StrEnum):
    """In which zone the next node of a pool is made."""

    BALANCED = "balanced"
    ANY = "any"


class GpuDriver(StrEnum):
    """Which driver the cloud installs on a pool's nodes."""

    DEFAULT = "default"
    LATEST = "latest"
    NONE = "none"


class GpuSharing(StrEnum):
    """How several containers share one accelerator."""

    TIME_SLICING = "time_slicing"
    MPS = "mps"


EndpointChoice = Annotated[Endpoint, one_of(Endpoint, "an endpoint", Endpoint.PRIVATE)]
ChannelChoice = Annotated[
    ReleaseChannel, one_of(ReleaseChannel, "a release channel", ReleaseChannel.REGULAR)
]
ProvisioningChoice = Annotated[
    Provisioning, one_of(Provisioning, "a way of provisioning", Provisioning.FLEX_START)
]
LocationPolicyChoice = Annotated[
    LocationPolicy, one_of(LocationPolicy, "a location policy", LocationPolicy.ANY)
]
DriverChoice = Annotated[GpuDriver, one_of(GpuDriver, "a driver", GpuDriver.LATEST)]
SharingChoice = Annotated[GpuSharing, one_of(GpuSharing, "a way of sharing", GpuSharing.MPS)]

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Days = Annotated[
    tuple[Day, ...],
    Accepts(f"it is a list of days: {', '.join(get_args(Day))}", "[sat, sun]"),
]
TimeOfDay = Annotated[
    str,
    text("([01][0-9]|2[0-3]):[0-5][0-9]"),
    Accepts("it is a time of day in UTC, in quotes", '"02:00"'),
]
WindowHours = Annotated[int, Strict(), Ge(4), Le(24), NUMERAL, Accepts("it is 4 to 24 hours", "6")]
KeepDays = Annotated[
    int, Strict(), Ge(0), Le(3_650), NUMERAL, Accepts("it is 0 to 3650 days", "30")
]
SomeDays = Annotated[
    int, Strict(), Ge(1), Le(3_650), NUMERAL, Accepts("it is 1 to 3650 days", "30")
]
NodeCount = Annotated[
    int, Strict(), Ge(0), Le(1_000), NUMERAL, Accepts("it is 0 to 1000 nodes", "0")
]
SomeNodes = Annotated[
    int, Strict(), Ge(1), Le(1_000), NUMERAL, Accepts("it is 1 to 1000 nodes", "2")
]
DiskGigabytes = Annotated[
    int,
    Strict(),
    Ge(20),
    Le(65_536),
    NUMERAL,
    Accepts("it is 20 to 65536 gigabytes", "100"),
]
GpuClients = Annotated[
    int,
    Strict(),
    Ge(2),
    Le(48),
    NUMERAL,
    Accepts("it is 2 to 48 containers for each accelerator", "4"),
]
Thresholds = Annotated[
    tuple[Annotated[int, Strict(), Ge(1), Le(1_000), NUMERAL], ...],
    Accepts("it is a list of percentages from 1 to 1000", "[50, 90, 100]"),
]
Money = Annotated[
    int,
    Strict(),
    Ge(1),
    Le(100_000_000),
    NUMERAL,
    Accepts("it is a whole amount from 1, without the currency", "500"),
]
Currency = Annotated[str, text("[A-Z]{3}"), Accepts("a currency is three capital letters", "EUR")]
Email = Annotated[
    str,
    text(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>.]+"),
    Accepts("it is an e-mail address", "ml-team@example.com"),
]
Emails = Annotated[
    tuple[Email, ...], Accepts("it is a list of e-mail addresses", "[ml-team@example.com]")
]
BillingAccount = Annotated[
    str,
    text("[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}"),
    Accepts(
        "a billing account is three groups of six (gcloud billing accounts list)",
        "012345-6789AB-CDEF01",
    ),
]
TagValue = Annotated[
    str,
    text("([a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?)"),
    Accepts("a label's value is 1 to 63 lower-case letters, digits, _ and hyphens", "vision"),
]
KmsKey = Annotated[
    str,
    text(
        r"(projects/[a-z0-9:.-]+/locations/[a-z0-9-]+/keyRings/[A-Za-z0-9_-]+/cryptoKeys/[A-Za-z0-9_-]+"
        r"|arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/[A-Za-z0-9_/-]+)"
    ),
    Accepts(
        "it is a key's full name on Google Cloud, or its ARN on AWS",
        "projects/example-ml/locations/europe-west4/keyRings/models/cryptoKeys/bucket",
    ),
]
BucketLocation = Annotated[
    str,
    text(r"([A-Z]+[0-9]*|[a-z]+-[a-z]+[0-9]+(\+[a-z]+-[a-z]+[0-9]+)?)"),
    Accepts(
        "it is a region, two regions with + between, or a multi-region in capital letters",
        "europe-west1+europe-west4",
    ),
]
Zone = Annotated[
    str,
    text("[a-z]+(-[a-z]+)+-?[0-9]+-?[a-z]"),
    Accepts("it is a zone: a region with a letter after it", "europe-west4-a"),
]
Zones = Annotated[tuple[Zone, ...], Accepts("it is a list of zones", "[europe-west4-a]")]
MachineType = Annotated[
    str,
    text(r"[a-z0-9]+([.-][a-z0-9]+)*"),
    Accepts("it is a machine type as the cloud names it", "g2-standard-8"),
]
KubernetesVersion = Annotated[
    str,
    text(r"1\.[0-9]{2}"),
    # 1.30 without quotes is the number 1.3.
    Accepts("it is a minor version, in quotes", '"1.34"'),
]
ClusterName = Annotated[
    str,
    text("[a-zA-Z0-9]([a-zA-Z0-9_-]{0,98}[a-zA-Z0-9])?"),
    Accepts("it is the name of a cluster, without project and location", "shared-cluster"),
]
ReservationName = Annotated[
    str,
    text(r"[a-z0-9]([a-z0-9/-]*[a-z0-9])?"),
    Accepts("it is the name of a reservation", "gpus-of-ours"),
]
GpuPartition = Annotated[
    str,
    text(r"[1-7]g\.[0-9]{1,3}gb"),
    Accepts("it is a partition as NVIDIA names it", "1g.10gb"),
]


def _network(block: str) -> str:
    return str(ip_network(block))


Networks = Annotated[
    tuple[Annotated[str, Strict(), AfterValidator(_network)], ...],
    Accepts("it is a list of address ranges", "[203.0.113.0/24]"),
]
Principals = Annotated[
    tuple[Annotated[str, text(r"[a-zA-Z]+:\S+")], ...],
    Accepts(
        "it is a list of members as the cloud's roles name them", "[group:ml-team@example.com]"
    ),
]
GithubRepository = Annotated[
    str,
    text(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+"),
    Accepts("a repository is OWNER/NAME", "example/models"),
]
GithubEnvironment = Annotated[
    str,
    text(r"[A-Za-z0-9._-]+"),
    Accepts("an environment is letters, digits, dots, _ and hyphens", "production"),
]
GithubId = Annotated[
    str,
    text("[1-9][0-9]*"),
    Accepts("it is the number of the repository, in quotes", '"123456789"'),
]
NetworkName = Annotated[
    str,
    text("(projects/[a-z0-9:.-]+/[a-z0-9/-]+|[a-z]([a-z0-9-]{0,61}[a-z0-9])?)"),
    Accepts(
        "it is a name, or projects/… for one of another project",
        "shared-network",
    ),
]
