"""An endpoint of Vertex AI and its traffic: found, made, split, removed.

The project's own, and not the cloud SDK's resource: that one cannot take up what a killed run has
begun, and its traffic would be written without a look at what runs. docs/adr/0016.
"""

from collections.abc import Mapping

from infra.labels import STACK_LABEL
from infra.serving.vertex.api import VertexApi
from infra.serving.vertex.faults import ChangedError, Doing, VertexError
from infra.serving.vertex.operations import converge, follow, lock_of, settle
from infra.serving.vertex.progress import Tell
from infra.serving.vertex.records import EndpointRecord, is_owned, owner_labels
from infra.serving.vertex.specs import DeploymentSpec, EndpointSpec, TrafficSpec


def ensure_endpoint(api: VertexApi, spec: EndpointSpec, tell: Tell) -> EndpointRecord:
    """Have the endpoint with its labels."""
    doing = Doing(what=f"making endpoint {spec.endpoint_id}", place=spec.place, owner=spec.owner)
    name = spec.place.endpoint(spec.endpoint_id)

    def step() -> EndpointRecord:
        settle(api, name, doing, tell)
        found = api.endpoint(spec.endpoint_id, doing)
        if found is None:
            follow(api, api.create_endpoint(spec, doing), doing, tell)
            found = api.endpoint(spec.endpoint_id, doing)
        if found is None:
            raise ChangedError(f"{doing}: it was made and is gone.")
        _require_ours(found, spec, doing)
        labels = {**spec.labels, **owner_labels(spec.owner)}
        if not labels.items() <= found.labels.items():
            api.update_endpoint(found, doing, labels={**found.labels, **labels})
        return found

    with lock_of(name):
        return converge(step, tell)


def find_endpoint(api: VertexApi, spec: EndpointSpec) -> EndpointRecord | None:
    """Look for the endpoint."""
    what = f"looking for endpoint {spec.endpoint_id}"
    return api.endpoint(spec.endpoint_id, Doing(what=what, place=spec.place, owner=spec.owner))


def remove_endpoint(api: VertexApi, spec: EndpointSpec, tell: Tell) -> None:
    """Remove the endpoint, behind which nothing may run."""
    doing = Doing(what=f"removing endpoint {spec.endpoint_id}", place=spec.place, owner=spec.owner)
    name = spec.place.endpoint(spec.endpoint_id)

    def step() -> None:
        settle(api, name, doing, tell)
        found = api.endpoint(spec.endpoint_id, doing)
        if found is None:
            return
        if found.deployed:
            others = ", ".join(sorted(found.deployed))
            raise VertexError(
                f"{doing}: deployments run behind it that this stack did not make: {others}. "
                "Undeploy them first."
            )
        follow(api, api.delete_endpoint(found, doing), doing, tell)

    with lock_of(name):
        converge(step, tell)


def ensure_traffic(api: VertexApi, spec: TrafficSpec, tell: Tell) -> None:
    """Have each deployment get its percentage, all of them in one step."""
    doing = Doing(what="splitting the traffic", place=spec.place, owner=spec.owner)
    name = spec.place.endpoint(spec.endpoint_id)

    def step() -> None:
        endpoint = require_endpoint(api, spec, doing)
        missing = sorted(spec.split.keys() - endpoint.deployed.keys())
        if missing:
            raise VertexError(
                f"{doing}: deployment {missing[0]} does not run any more. Run `pulumi refresh`, "
                "then `pulumi up`."
            )
        if endpoint.traffic != spec.split:
            settle(api, name, doing, tell)
            api.update_endpoint(endpoint, doing, traffic_split=dict(spec.split))

    with lock_of(name):
        converge(step, tell)


def read_traffic(api: VertexApi, spec: TrafficSpec) -> Mapping[str, int] | None:
    """Tell how the traffic is split now; None where the endpoint is gone."""
    doing = Doing(what="looking for the traffic", place=spec.place, owner=spec.owner)
    endpoint = api.endpoint(spec.endpoint_id, doing)
    return endpoint.traffic if endpoint else None


def stop_traffic(api: VertexApi, spec: TrafficSpec, tell: Tell) -> None:
    """Have the endpoint answer nobody, so that all that runs behind it can be stopped."""
    doing = Doing(what="stopping the traffic", place=spec.place, owner=spec.owner)
    name = spec.place.endpoint(spec.endpoint_id)

    def step() -> None:
        settle(api, name, doing, tell)
        endpoint = api.endpoint(spec.endpoint_id, doing)
        if endpoint is not None and endpoint.traffic:
            api.update_endpoint(endpoint, doing, traffic_split={})

    with lock_of(name):
        converge(step, tell)


def require_endpoint(
    api: VertexApi, spec: TrafficSpec | DeploymentSpec, doing: Doing
) -> EndpointRecord:
    """Read the endpoint, which must be there."""
    found = api.endpoint(spec.endpoint_id, doing)
    if found is None:
        raise VertexError(
            f"{doing}: endpoint {spec.endpoint_id} is gone. Run `pulumi refresh`, then `pulumi up`."
        )
    return found


def _require_ours(found: EndpointRecord, spec: EndpointSpec, doing: Doing) -> None:
    if not spec.adopt and not is_owned(found.labels, spec.owner):
        whose = found.labels.get(STACK_LABEL)
        raise VertexError(
            f"{doing}: {found.name} was made by {f'stack {whose}' if whose else 'somebody else'}. "
            f"Write another number as {spec.owner.key}.vertex.endpoint_id, or take it up with: "
            "adopt: true"
        )
    if found.kind != spec.kind:
        raise VertexError(
            f"{doing}: it is there already, as {found.kind} and not {spec.kind}, and an endpoint "
            f"stays what it is. Write another number as {spec.owner.key}.vertex.endpoint_id"
        )
