"""Models that Vertex AI serves, on a stack of Google Cloud: what is planned becomes components."""

from collections.abc import Iterable, Mapping
from urllib.parse import quote

import pulumi

from infra.platforms.gcp_identity import Server
from infra.platforms.gcp_place import GcpPlace
from infra.platforms.stack import ServedModel
from infra.platforms.vertex_plan import VertexPlan, notes
from infra.serving.vertex.component import VertexModel, VertexModelArgs
from infra.serving.vertex.images import VertexImages


def serve_on_vertex(
    place: GcpPlace, models: Iterable[str], servers: Mapping[str, Server]
) -> Mapping[str, ServedModel]:
    """Declare the models. A paused stack deploys none."""
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
        name: _declare(place, name, args, [*before, *_ready(servers[name])]).telling(
            service_account=plan.account(name)
        )
        for name, args in planned.items()
    }


def _ready(server: Server) -> list[pulumi.Resource]:
    return [server.identity, *server.grants]


def _declare(
    place: GcpPlace, name: str, args: VertexModelArgs, before: list[pulumi.Resource]
) -> ServedModel:
    for note in notes(args):
        pulumi.log.info(f"{name}: {note}")
    served = VertexModel(name, args, place.options(*before))
    endpoint, at = args.endpoint, args.endpoint.place
    # Where a client has to be told the host: it is neither the region's nor to be guessed.
    told = f"?host={at.api_host}" if at.api_host else ""
    there = f"vertex://{at.project}/{at.region}"
    address: pulumi.Input[str] = f"{there}/{endpoint.endpoint_id}{told}"
    host: pulumi.Input[str] = at.host
    if endpoint.kind == "dedicated":
        host = served.dns
        address = served.dns.apply(lambda dns: f"{there}/{endpoint.endpoint_id}?host={dns}")
    url = pulumi.Output.concat(
        "https://", host, "/v1/", at.endpoint(endpoint.endpoint_id), ":rawPredict"
    )
    query = quote(f'resource.labels.endpoint_id="{endpoint.endpoint_id}"')
    private = {"service_attachment": served.service_attachment}
    output: Mapping[str, object] = {
        "endpoint": address,
        "raw_predict": url,
        # What the service's metrics are counted by.
        "deployed_models": {str(spec.key.version): spec.deployed_id for spec in args.deployments},
        "log": f"https://console.cloud.google.com/logs/query;query={query}?project={at.project}",
        "registry_model": f"{there}/{args.versions[0].model_id}{told}",
        **(private if endpoint.kind == "private-service-connect" else {}),
    }
    return ServedModel(component=served, output=output)
