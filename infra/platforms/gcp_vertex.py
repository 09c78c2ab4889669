"""Models that Vertex AI serves, on a stack of Google Cloud."""

from collections.abc import Iterable, Mapping

from infra.errors import ServestackError
from infra.platforms.gcp_identity import Server
from infra.platforms.gcp_place import GcpPlace


def serve_on_vertex(
    place: GcpPlace, models: Iterable[str], servers: Mapping[str, Server]
) -> Mapping[str, Mapping[str, object]]:
    """Declare the models; give what each adds to its output. A paused stack deploys none."""
    file = place.stack.file_name
    problems = [
        f"{file}: servestack:models.{name}.target: this version of servestack does not serve on "
        f"vertex yet ({len(servers)} identities stand ready). Remove the line"
        for name in models
    ]
    if problems:
        raise ServestackError("\n".join(problems))
    return {}
