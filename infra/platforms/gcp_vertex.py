"""Models that Vertex AI serves, on a stack of Google Cloud: what is planned becomes components."""

from collections.abc import Iterable, Mapping

import pulumi

from infra.platforms.gcp_identity import Server
from infra.platforms.gcp_place import GcpPlace
from infra.platforms.vertex_plan import VertexPlan, notes
from infra.serving.vertex.component import VertexModel, VertexModelArgs
from infra.serving.vertex.images import VertexImages


def serve_on_vertex(
    place: GcpPlace, models: Iterable[str], servers: Mapping[str, Server]
) -> Mapping[str, Mapping[str, object]]:
    """Declare the models; give what each adds to its output. A paused stack deploys none."""
    plan = VertexPlan(
        stack=place.stack,
        project=place.project,
        region=place.region,
        bucket_url=place.bucket.address,
        manifests=place.manifests,
        accounts={name: server.planned_email for name, server in servers.items()},
    )
    planned = plan.decide(models)
    before: list[pulumi.Resource] = []
    if plan.needs_images(planned.values()):
        before.append(VertexImages("images", plan.images, place.options()))
    return {
        name: _declare(place, name, args, [*before, *_ready(servers[name])])
        for name, args in planned.items()
    }


def _ready(server: Server) -> list[pulumi.Resource]:
    return [server.identity, *server.grants]


def _declare(
    place: GcpPlace, name: str, args: VertexModelArgs, before: list[pulumi.Resource]
) -> Mapping[str, object]:
    for note in notes(args):
        pulumi.log.info(f"{name}: {note}")
    served = VertexModel(name, args, place.options(*before))
    endpoint, region = args.endpoint, args.endpoint.place.region
    where = f"vertex://{endpoint.place.project}/{region}/{endpoint.endpoint_id}"
    host: pulumi.Input[str] = endpoint.place.host
    address: pulumi.Input[str] = where
    if endpoint.kind == "dedicated":
        host = served.dns
        address = served.dns.apply(lambda dns: f"{where}?host={dns}")
    url = pulumi.Output.concat(
        "https://", host, "/v1/", endpoint.place.endpoint(endpoint.endpoint_id), ":rawPredict"
    )
    query = f'resource.labels.endpoint_id="{endpoint.endpoint_id}"'
    logs = f"https://console.cloud.google.com/logs/query;query={query}?project={place.project}"
    more = {"service_attachment": served.service_attachment}
    return {
        "endpoint": address,
        "raw_predict": url,
        # What the service's metrics are counted by.
        "deployed_models": {str(spec.key.version): spec.deployed_id for spec in args.deployments},
        "log": logs,
        "registry_model": args.versions[0].place.model(args.versions[0].model_id),
        **(more if endpoint.kind == "private-service-connect" else {}),
    }
