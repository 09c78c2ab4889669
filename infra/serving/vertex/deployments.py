"""A version that runs behind an endpoint: deployed beside what runs, changed in place, stopped.

Deploying gives no traffic, and what has traffic is not stopped: so the order in which the engine
makes, shifts and deletes loses no request.
"""

import time
from dataclasses import replace

from infra.serving.vertex.api import VertexApi
from infra.serving.vertex.endpoints import require_endpoint
from infra.serving.vertex.faults import ChangedError, Doing, VertexError
from infra.serving.vertex.operations import converge, follow, lock_of, settle
from infra.serving.vertex.progress import Tell
from infra.serving.vertex.records import DeployedRecord, EndpointRecord, VersionRecord
from infra.serving.vertex.specs import DeploymentSpec


def ensure_deployment(api: VertexApi, spec: DeploymentSpec, tell: Tell) -> DeployedRecord:
    """Have the version run with this scaling."""
    doing = Doing(what=f"deploying version {spec.key.version}", place=spec.place, owner=spec.owner)
    name = spec.place.endpoint(spec.endpoint_id)

    def step() -> DeployedRecord:
        settle(api, name, doing, tell)
        version = _version(api, spec, doing)
        found = require_endpoint(api, spec, doing).deployed.get(spec.deployed_id)
        if found is None:
            follow(api, api.deploy(spec, version, doing), doing, tell)
            found = require_endpoint(api, spec, doing).deployed.get(spec.deployed_id)
        if found is None:
            raise ChangedError(f"{doing}: it was deployed and is gone.")
        _require_same(found, version, doing)
        if _observed(found, spec) != spec:
            follow(api, api.mutate(spec, doing), doing, tell)
        return found

    with lock_of(name):
        return converge(step, tell)


def read_deployment(api: VertexApi, spec: DeploymentSpec) -> DeploymentSpec | None:
    """Tell what runs now; None where it does not."""
    what = f"looking for the deployment of version {spec.key.version}"
    doing = Doing(what=what, place=spec.place, owner=spec.owner)
    endpoint = api.endpoint(spec.endpoint_id, doing)
    found = endpoint.deployed.get(spec.deployed_id) if endpoint else None
    return _observed(found, spec) if found else None


def remove_deployment(api: VertexApi, spec: DeploymentSpec, tell: Tell) -> None:
    """Stop it, when nobody is sent to it any more."""
    doing = Doing(
        what=f"undeploying version {spec.key.version}", place=spec.place, owner=spec.owner
    )
    name = spec.place.endpoint(spec.endpoint_id)

    def step() -> None:
        settle(api, name, doing, tell)
        endpoint = api.endpoint(spec.endpoint_id, doing)
        if endpoint is None or spec.deployed_id not in endpoint.deployed:
            return
        share = endpoint.traffic.get(spec.deployed_id, 0)
        if share:
            raise VertexError(
                f"{doing}: {share} % of the endpoint's requests still go to it, so it is not "
                "stopped. Run `pulumi refresh`, then `pulumi up`, which puts the traffic right."
            )
        _drain(endpoint, spec, doing, tell)
        follow(api, api.undeploy(endpoint, spec.deployed_id, doing), doing, tell)

    with lock_of(name):
        converge(step, tell)


def _drain(endpoint: EndpointRecord, spec: DeploymentSpec, doing: Doing, tell: Tell) -> None:
    """Let requests end that were sent here before the traffic was shifted.

    With no traffic at all there is nobody to wait for.
    """
    if not endpoint.traffic:
        return
    since = time.time() - endpoint.updated_at
    # Two clocks: neither a negative time nor more than was asked for.
    seconds = max(0.0, spec.drain_seconds - max(0.0, since))
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        tell(f"{doing.what}: its last requests end, {left:.0f} s")
        time.sleep(min(left, 1.0))


def _version(api: VertexApi, spec: DeploymentSpec, doing: Doing) -> VersionRecord:
    versions = api.versions(spec.model_id, doing)
    found = next((version for version in versions if version.key == spec.key), None)
    if found is None:
        raise VertexError(
            f"{doing}: it is not in the registry any more. Run `pulumi refresh`, then `pulumi up`."
        )
    return found


def _require_same(found: DeployedRecord, version: VersionRecord, doing: Doing) -> None:
    # The service names projects by their number where we wrote their id.
    same = found.model.rpartition("/")[2] == version.model.rpartition("/")[2]
    if not same or found.version_id != version.version_id:
        raise VertexError(
            f"{doing}: deployment {found.deployed_id} is there already and runs "
            f"{found.model}@{found.version_id}. Undeploy it first."
        )


def _observed(found: DeployedRecord, spec: DeploymentSpec) -> DeploymentSpec:

    scaling = found.scaling
    if spec.idle_seconds:
        # Scaled to zero the fewest are none, and we say how many there are when it wakes.
        scaling = replace(scaling, min_replicas=spec.scaling.min_replicas)
    return replace(spec, scaling=scaling, container_logging=found.container_logging)
