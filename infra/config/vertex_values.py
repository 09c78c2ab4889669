"""The values that only a model on Vertex AI may hold: type, rule, and an example."""

from enum import StrEnum
from typing import Annotated

from annotated_types import Ge, Le
from pydantic import Strict

from infra.config.values import NUMERAL, Accepts, GcpProject, Version, one_of, text


class VertexEndpoint(StrEnum):
    """From where an endpoint is reached."""

    PUBLIC = "public"
    DEDICATED = "dedicated"
    PRIVATE = "private-service-connect"


class VertexContainer(StrEnum):
    """What serves a version."""

    PREBUILT = "prebuilt"
    TF_SERVING = "tensorflow-serving"


VertexEndpointChoice = Annotated[
    VertexEndpoint, one_of(VertexEndpoint, "an endpoint", VertexEndpoint.DEDICATED)
]
VertexContainerChoice = Annotated[
    VertexContainer, one_of(VertexContainer, "a container", VertexContainer.TF_SERVING)
]
EndpointNumber = Annotated[
    str,
    text("[1-9][0-9]{0,18}"),
    Accepts("it is the number of an endpoint, in quotes", '"123456789"'),
]
RegistryModel = Annotated[
    str,
    text("([a-z_][a-z0-9_-]{0,62}|[1-9][0-9]{0,18})"),
    Accepts("it is the id of a registry model: at most 63 of a-z, 0-9, _ and hyphens", "heart"),
]
RegistryImage = Annotated[
    str,
    text(r"[a-z0-9-]+-docker\.pkg\.dev/[a-zA-Z0-9./:_-]+(:[a-zA-Z0-9._-]+|@sha256:[0-9a-f]{64})"),
    Accepts(
        "it is an image in Artifact Registry with a tag or a digest",
        "europe-west4-docker.pkg.dev/example-ml/images/tf-serving:2.19.1",
    ),
]
ApiHost = Annotated[
    str,
    text(r"[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?(:[1-9][0-9]{0,4})?"),
    Accepts("it is a host name, with a port where it is not 443", "aiplatform.example.internal"),
]
IdleSeconds = Annotated[
    int,
    Strict(),
    Ge(300),
    Le(28_800),
    NUMERAL,
    Accepts("it is 300 to 28800 seconds", "1800"),
]
DrainWaitSeconds = Annotated[
    int, Strict(), Ge(0), Le(3_600), NUMERAL, Accepts("it is 0 to 3600 seconds", "60")
]
Versions = Annotated[tuple[Version, ...], Accepts("it is a list of published versions", "[1, 2]")]
Projects = Annotated[
    tuple[GcpProject, ...], Accepts("it is a list of project ids", "[example-apps]")
]
