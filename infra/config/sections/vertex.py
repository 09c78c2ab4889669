"""What a model may say of how Vertex AI serves it. Pure data, checked field by field.

Most models say none of it.
"""

from pydantic import Field

from infra.config.cloud_values import Email, KmsKey, MachineType
from infra.config.sections.section import Section
from infra.config.values import Percent, YesNo
from infra.config.vertex_values import (
    DrainWaitSeconds,
    EndpointNumber,
    IdleSeconds,
    Projects,
    RegistryImage,
    RegistryModel,
    Versions,
    VertexContainerChoice,
    VertexEndpoint,
    VertexEndpointChoice,
)


class VertexModelConfig(Section):
    """How Vertex AI serves a model."""

    machine_type: MachineType | None = Field(
        default=None,
        description="Machine of each replica. Absent: n1-standard-2, or the smallest with the "
        "accelerators that `gpu` asks for.",
    )
    spot: YesNo = Field(
        default=False, description="Machines that cost less and may be taken away at any time."
    )
    container: VertexContainerChoice | None = Field(
        default=None,
        description="What serves a version: Google's `prebuilt` container, or TF Serving's own "
        "image. Absent: prebuilt where there is one, up to TensorFlow 2.15, and no setting of the "
        "server is asked for.",
    )
    image: RegistryImage | None = Field(
        default=None,
        description="TF Serving's image in Artifact Registry. Absent: Docker Hub's, through a "
        "repository of the stack.",
    )
    endpoint: VertexEndpointChoice = Field(
        default=VertexEndpoint.PUBLIC,
        description="`public` shares the region's address, `dedicated` has its own and takes "
        "larger requests, `private-service-connect` is reached from your networks only.",
    )
    allowed_projects: Projects = Field(
        default=(), description="Projects whose networks may reach a private endpoint."
    )
    endpoint_id: EndpointNumber | None = Field(
        default=None, description="Number of the endpoint. Absent: made from stack and model."
    )
    model_id: RegistryModel | None = Field(
        default=None, description="Id in the model registry. Absent: made from stack and model."
    )
    adopt: YesNo = Field(
        default=False,
        description="Take up the registry model and the endpoint of these names although this "
        "stack did not make them. They are its own from then on, `pulumi destroy` included.",
    )
    keep_versions: Versions = Field(
        default=(),
        description="Versions that stay in the registry beside those that serve, for batch jobs "
        "and other endpoints.",
    )
    service_account: Email | None = Field(
        default=None,
        description="Who the server runs as. Absent: the stack's own identity for the model.",
    )
    access_logging: YesNo = Field(
        default=False, description="Log each request, without its content, to Cloud Logging."
    )
    container_logging: YesNo = Field(
        default=True, description="Log what the server prints to Cloud Logging."
    )
    target_gpu_percent: Percent | None = Field(
        default=None,
        description="Load of the accelerators at which replicas are added. Absent: 60.",
    )
    scale_to_zero_seconds: IdleSeconds | None = Field(
        default=None,
        description="Seconds without a request after which no replica is left; the next request "
        "fails and wakes it. A preview feature of Vertex AI. Absent: replicas stay.",
    )
    drain_seconds: DrainWaitSeconds = Field(
        default=60,
        description="How long a deployment goes on after its traffic was shifted away.",
    )
    kms_key: KmsKey | None = Field(
        default=None, description="Key of yours that encrypts model and endpoint."
    )
