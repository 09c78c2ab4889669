"""A stand-in for pulumi-gcp: makes what a stack asks for as Google's API would, in a directory.

It holds the API's rules that a stack can get wrong: services that are off, things that others need
or hold, names that are taken, members that do not exist yet, clusters that are protected, buckets
that are not empty. It is as strict about inputs as the SDK's types, and about words as their text.
"""

import json
import os
import urllib.request
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from tests.standins.gcp_cloud import CLOUD_VARIABLE, Cloud, Thing
from tests.standins.gcp_kinds import CERTIFICATE, KINDS, Kind, project_number, unknown_outputs
from tests.standins.provider import (
    Checked,
    Difference,
    Found,
    Properties,
    Request,
    ResourceError,
    StandIn,
    changed_properties,
    serve,
)
from tests.standins.sdk_types import TYPES_VARIABLE, SdkTypes
from tests.standins.values import UNKNOWN, has_unknown

_BUCKET: Final = "gcp:storage/bucket:Bucket"
_CLUSTER: Final = "gcp:container/cluster:Cluster"
_POOL: Final = "gcp:iam/workloadIdentityPool:WorkloadIdentityPool"


class Gcp(StandIn):
    """The plug-in."""

    package = "gcp"

    def __init__(self) -> None:
        super().__init__()
        self.cloud = Cloud(Path(os.environ[CLOUD_VARIABLE]))
        store = os.environ.get(TYPES_VARIABLE)
        self.types = SdkTypes("pulumi_gcp", Path(store) if store else None)
        self.project = ""

    def configure(self, config: Properties) -> None:
        self.project = config["project"]
        said = (self.cloud.directory / "credentials").exists()
        if not said:
            raise ResourceError("google: could not find default credentials")

    def check(self, request: Request) -> Checked:
        if request.type not in KINDS:
            raise ResourceError(f"the stand-in for gcp knows no {request.type}")
        problems = self.types.problems(request.type, request.inputs)
        for path, words in KINDS[request.type].words.items():
            found = _at(request.inputs, path)
            if found is not None and found is not UNKNOWN and found not in words:
                problems[path] = f"{found!r} is not one of {', '.join(words)}"
        return Checked(inputs=request.inputs, failures=problems)

    def diff(self, request: Request) -> Difference:
        changed = changed_properties(request.old_inputs, request.inputs)
        kind = KINDS[request.type]
        replacing = changed if kind.immutable else tuple(set(changed) & kind.replacing)
        return Difference(changed=changed, replacing=tuple(sorted(replacing)))

    def create(self, request: Request) -> tuple[str, Properties]:
        kind, inputs = KINDS[request.type], request.inputs
        if request.preview or has_unknown(inputs):
            return "", {**inputs, **unknown_outputs(kind, inputs)}
        id_ = kind.id(inputs)
        self._refuse("create", request)
        self._require(kind, request, id_)
        outputs = {**inputs, **kind.outputs(id_, inputs), **self.cloud.answers(request.type)}
        self.cloud.wait(request.type, before=True)
        self._put(request, id_, outputs)
        self.cloud.wait(request.type, before=False)
        if request.type == _BUCKET:
            _content("POST", "/storage/v1/b", name=id_)
        return id_, outputs

    def read(self, request: Request) -> Found | None:
        self._refuse("read", request)
        found = self.cloud.find(request.id)
        if found is None:
            return None
        return Found(id=found.id, inputs=dict(found.inputs), outputs=dict(found.outputs))

    def update(self, request: Request) -> Properties:
        kind = KINDS[request.type]
        if request.preview or has_unknown(request.inputs):
            return {**request.inputs, **unknown_outputs(kind, request.inputs)}
        self._refuse("update", request)
        if self.cloud.find(request.id) is None:
            raise ResourceError(f"googleapi: Error 404: {request.id} was not found, notFound")
        outputs = {**request.inputs, **kind.outputs(request.id, request.inputs)}
        self._put(request, request.id, outputs)
        return outputs

    def delete(self, request: Request) -> None:
        self._refuse("delete", request)
        found = self.cloud.find(request.id)
        if found is None:
            return
        if found.inputs.get("deletionProtection"):
            raise ResourceError(
                "Cannot destroy cluster because deletion_protection is set to true."
            )
        held = [one.id for one in self.cloud.things() if self._holds(one, found.id)]
        if held:
            raise ResourceError(
                f"googleapi: Error 400: The resource '{found.id}' is already being used by "
                f"'{held[0]}', resourceInUseByAnotherResource"
            )
        if request.type == _BUCKET:
            _empty(found)
        if found.inputs.get("disableOnDestroy") is not False:
            self.cloud.remove(found.id)

    def invoke(self, function: str, arguments: Properties) -> Properties:
        if function == "gcp:storage/getProjectServiceAccount:getProjectServiceAccount":
            number = project_number(arguments["project"])
            email = f"service-{number}@gs-project-accounts.iam.gserviceaccount.com"
            return {"emailAddress": email, "member": f"serviceAccount:{email}", "id": email}
        if function == "gcp:container/getCluster:getCluster":
            return self._existing_cluster(arguments)
        return super().invoke(function, arguments)

    def _existing_cluster(self, arguments: Properties) -> Properties:
        place = f"projects/{arguments['project']}/locations/{arguments['location']}"
        found = self.cloud.find(f"{place}/clusters/{arguments['name']}")
        if found is None:
            raise ResourceError(
                f"googleapi: Error 404: Not found: {place}/clusters/{arguments['name']}"
            )
        return {
            **arguments,
            "id": found.id,
            "endpoint": "203.0.113.20",
            "masterAuths": [{"clusterCaCertificate": CERTIFICATE}],
            "privateClusterConfigs": [{"privateEndpoint": "10.0.0.2"}],
            "controlPlaneEndpointsConfigs": [
                {"dnsEndpointConfigs": [{"endpoint": "gke-1.europe-west4.gke.goog"}]}
            ],
        }

    def _put(self, request: Request, id_: str, outputs: Properties) -> None:
        thing = {"type": request.type, "name": request.name}
        self.cloud.put(Thing(id=id_, inputs=request.inputs, outputs=outputs, **thing))

    def _refuse(self, call: str, request: Request) -> None:
        message = self.cloud.fault(call, request.type, request.name)
        if message is not None:
            raise ResourceError(message)

    def _require(self, kind: Kind, request: Request, id_: str) -> None:
        project = request.inputs.get("project", self.project)
        if kind.service != "serviceusage":
            service = f"{kind.service}.googleapis.com"
            if self.cloud.find(f"{project}/{service}") is None:
                raise ResourceError(
                    f"googleapi: Error 403: {service} has not been used in project {project} "
                    "before or it is disabled., accessNotConfigured"
                )
            if self.cloud.find(id_) is not None and not kind.immutable:
                raise ResourceError(f"googleapi: Error 409: {id_} already exists, alreadyExists")
        for needed in kind.needs(request.inputs):
            if self.cloud.find(needed) is None:
                raise ResourceError(f"googleapi: Error 404: {needed} was not found, notFound")
        self._require_member(str(request.inputs.get("member", "")), project)

    def _require_member(self, member: str, project: str) -> None:
        """Refuse who is not there: a policy takes only identities that exist."""
        if ".svc.id.goog" in member:
            if not any(one.type == _CLUSTER for one in self.cloud.things()):
                raise ResourceError(
                    f"googleapi: Error 400: Identity Pool does not exist ({project}.svc.id.goog). "
                    "Please check that you specified a valid resource name, badRequest"
                )
        elif member.startswith(("principal://", "principalSet://")):
            pools = [one.outputs["name"] for one in self.cloud.things() if one.type == _POOL]
            if not any(f"iam.googleapis.com/{pool}/" in member for pool in pools):
                raise ResourceError(
                    "googleapi: Error 400: Identity Pool does not exist, badRequest"
                )
        elif member.startswith("serviceAccount:") and member.endswith(
            f"@{project}.iam.gserviceaccount.com"
        ):
            email = member.removeprefix("serviceAccount:")
            if self.cloud.find(f"projects/{project}/serviceAccounts/{email}") is None:
                raise ResourceError(
                    f"googleapi: Error 400: Service account {email} does not exist., badRequest"
                )

    def _holds(self, one: Thing, id_: str) -> bool:
        kind = KINDS.get(one.type)
        return kind is not None and kind.holds and id_ in kind.needs(one.inputs)


def _at(inputs: Any, path: str) -> Any:
    for part in path.replace("[0]", ".0").split("."):
        if inputs is UNKNOWN or inputs is None:
            return inputs
        if isinstance(inputs, list):
            inputs = inputs[int(part)] if inputs else None
        else:
            inputs = inputs.get(part)
    return inputs


def _empty(bucket: Thing) -> None:
    name = bucket.inputs["name"]
    found = _content("GET", f"/storage/v1/b/{name}/o")
    objects = [one["name"] for one in found.get("items", [])]
    if objects and not bucket.inputs.get("forceDestroy"):
        raise ResourceError(
            f"Error trying to delete bucket {name} containing objects without `force_destroy` set "
            "to true"
        )
    for one in objects:
        _content("DELETE", f"/storage/v1/b/{name}/o/{quote(one, safe='')}")
    _content("DELETE", f"/storage/v1/b/{name}")


def _content(method: str, path: str, **document: Any) -> dict[str, Any]:
    """Let the server that has the buckets' content follow; without one there is none."""
    server = os.environ.get("STORAGE_EMULATOR_HOST")
    if server is None:
        return {}
    request = urllib.request.Request(  # noqa: S310 - the test's own server
        f"{server}{path}", method=method, headers={"Content-Type": "application/json"}
    )
    body = json.dumps(document).encode() if document else None
    with urllib.request.urlopen(request, data=body, timeout=10) as answer:  # noqa: S310 - likewise
        text = answer.read()
    return (json.loads(text) or {}) if text.strip() else {}


if __name__ == "__main__":
    serve(Gcp())
