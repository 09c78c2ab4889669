"""Docker Hub's images of TF Serving where Vertex AI takes images from: in Artifact Registry.

A repository that fetches an image when it is first asked for, and keeps it. Vertex AI's own agent
reads it, since it is in the same project.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import pulumi
import pulumi_gcp as gcp

COMPONENT_TYPE: Final = "servestack:serving:VertexImages"


@dataclass(frozen=True, kw_only=True)
class VertexImagesArgs:
    """Where the repository is, and what it is called."""

    project: str
    region: str
    repository: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def image(self, image: str) -> str:
        """Give the address in the repository of an image of Docker Hub."""
        return f"{self.region}-docker.pkg.dev/{self.project}/{self.repository}/{image}"


class VertexImages(pulumi.ComponentResource):
    """The repository."""

    def __init__(
        self, name: str, args: VertexImagesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(COMPONENT_TYPE, name, None, opts)
        source = gcp.artifactregistry.RepositoryRemoteRepositoryConfigDockerRepositoryArgs(
            public_repository="DOCKER_HUB"
        )
        repository = gcp.artifactregistry.Repository(
            name,
            gcp.artifactregistry.RepositoryArgs(
                project=args.project,
                location=args.region,
                repository_id=args.repository,
                format="DOCKER",
                mode="REMOTE_REPOSITORY",
                description="TF Serving's images, from Docker Hub",
                labels=dict(args.labels),
                remote_repository_config=gcp.artifactregistry.RepositoryRemoteRepositoryConfigArgs(
                    description="Docker Hub", docker_repository=source
                ),
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"repository": repository.name})
