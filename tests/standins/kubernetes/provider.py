"""A stand-in for `pulumi-resource-kubernetes`: test code, small, on a real API server.

Every object is sent by server-side apply with strict field validation, in a preview as a dry run;
what the real provider waits for is waited for (`waiting`), and what it replaces is replaced
(`comparing`). What it has beyond plain objects (Helm, Kustomize, YAML files, patches, rendering to
a directory) is refused.
"""

import secrets
import threading
from collections.abc import Mapping
from typing import Any, Final

from tests.standins.kubernetes.client import (
    ApiError,
    Client,
    Object,
    UnknownKindError,
    UnreachableError,
)
from tests.standins.kubernetes.comparing import as_written, differences, replacing
from tests.standins.kubernetes.waiting import NotReady, wait_until_gone, wait_until_ready
from tests.standins.provider import (
    Checked,
    Difference,
    Found,
    NotReadyError,
    Properties,
    Request,
    ResourceError,
    StandIn,
)
from tests.standins.values import UNKNOWN, has_unknown

AUTONAMED: Final = "pulumi.com/autonamed"
SKIP_AWAIT: Final = "pulumi.com/skipAwait"
TIMEOUT: Final = "pulumi.com/timeoutSeconds"
PATCH_FORCE: Final = "pulumi.com/patchForce"
_KNOWN_ANNOTATIONS: Final = (AUTONAMED, SKIP_AWAIT, TIMEOUT, PATCH_FORCE)
_KNOWN_CONFIG: Final = frozenset(
    {
        "clusterIdentifier",
        "context",
        "enableConfigMapMutable",
        "enablePatchForce",
        "enableSecretMutable",
        "enableServerSideApply",
        "kubeconfig",
        "namespace",
        "suppressDeprecationWarnings",
        "version",
    }
)
# What the API server writes into an object's head.
_WRITTEN_BY_SERVER: Final = (
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
_FIELD_MANAGER: Final = "__fieldManager"


class Kubernetes(StandIn):
    package = "kubernetes"

    def __init__(self) -> None:
        super().__init__()
        self.config: Properties = {}
        self._client: Client | None = None
        self._connecting = threading.Lock()
        # Of these the old one goes first; in a preview it is still there, and bears the name.
        self._replacing: set[str] = set()

    def configure(self, config: Properties) -> None:
        if unknown := sorted(name for name in config if name not in _KNOWN_CONFIG):
            raise ResourceError(f"the stand-in for kubernetes has no configuration {unknown}")
        if _flag(config.get("enableServerSideApply", True)) is not True:
            raise ResourceError("the stand-in for kubernetes has only server-side apply")
        self.config = config

    @property
    def client(self) -> Client:
        """Return the cluster that the provider's configuration names; read when it is needed."""
        with self._connecting:
            if self._client is None:
                try:
                    self._client = Client(self.config.get("kubeconfig"), self.config.get("context"))
                except (OSError, ValueError, KeyError, TypeError) as error:
                    raise ResourceError(f"unable to load the kubeconfig: {error}") from error
                self._client.namespace = self.config.get("namespace") or self._client.namespace
            return self._client

    def check(self, request: Request) -> Checked:
        inputs = dict(request.inputs)
        if "apiVersion" not in inputs or "kind" not in inputs or request.type.endswith("Patch"):
            raise ResourceError(f"the stand-in for kubernetes has no {request.type}")
        metadata = inputs.get("metadata") or {}
        if metadata is UNKNOWN:
            return Checked(inputs=inputs)
        metadata = dict(metadata)
        annotations = metadata.get("annotations") or {}
        for name in annotations if isinstance(annotations, Mapping) else ():
            if name.startswith("pulumi.com/") and name not in _KNOWN_ANNOTATIONS:
                raise ResourceError(f"the stand-in for kubernetes does not know {name}")
        if not metadata.get("name") and not metadata.get("generateName"):
            metadata |= _automatic_name(request)
        if not metadata.get("namespace") and self._is_namespaced(inputs):
            metadata["namespace"] = self.client.namespace or "default"
        return Checked(inputs={**inputs, "metadata": metadata})

    def _is_namespaced(self, body: Object) -> bool:
        try:
            return self.client.kind(body["apiVersion"], body["kind"]).namespaced
        except (UnreachableError, UnknownKindError):
            # Said where the object is made; in a preview nothing is said of an unreachable cluster.
            return False

    def diff(self, request: Request) -> Difference:
        old, new = request.old_inputs, request.inputs
        changed = list(differences(old, new))
        mutable = [
            kind
            for kind in ("ConfigMap", "Secret")
            if _flag(self.config.get(f"enable{kind}Mutable"))
        ]
        forcing = replacing(new["apiVersion"], new["kind"], changed, mutable=tuple(mutable))
        # Two of one name cannot be: then the old one goes first, and whatever depends on it.
        same_place = not any(
            place in (("metadata", "name"), ("metadata", "namespace")) for place in forcing
        )
        autonamed = AUTONAMED in (new.get("metadata", {}).get("annotations") or {})
        delete_first = same_place and not autonamed
        if forcing and delete_first:
            self._replacing.add(request.urn)
        return Difference(changed=changed, replacing=forcing, delete_first=delete_first)

    def create(self, request: Request) -> tuple[str, Properties]:
        manager = f"pulumi-kubernetes-{secrets.token_hex(4)}"
        body = _body(request.inputs)
        if request.preview and not self._can_be_tried(body):
            return "", {**body, _FIELD_MANAGER: manager}
        if request.urn in self._replacing and request.preview:
            body = _under_another_name(body)
        with _told(body, "creation"):
            if self.client.get(body) is not None:
                raise ResourceError(
                    f"resource {_id(body)} was not successfully created by the Kubernetes API "
                    f'server: {body["kind"]} "{_id(body)}" already exists'
                )
            live = self._apply(body, manager, request)
        # A trial under another name is told under its own.
        live["metadata"]["name"] = request.inputs["metadata"]["name"]
        return self._finish(request, live, manager)

    def update(self, request: Request) -> Properties:
        manager = request.old_outputs[_FIELD_MANAGER]
        body = _body(request.inputs)
        if request.preview and not self._can_be_tried(body):
            return {**request.old_outputs, **body}
        with _told(body, "update"):
            live = self._apply(body, manager, request)
        return self._finish(request, live, manager)[1]

    def _can_be_tried(self, body: Object) -> bool:
        """Say whether a dry run tells anything: all is known, and the cluster is there."""
        if has_unknown(body):
            return False
        try:
            self.client.call("GET", "/version")
        except UnreachableError:
            return False
        return True

    def _apply(self, body: Object, manager: str, request: Request) -> Object:
        force = _flag(self.config.get("enablePatchForce")) or _annotation(body, PATCH_FORCE)
        options = {
            "fieldManager": manager,
            "fieldValidation": "Strict",
            "force": "true" if force else "false",
        }
        if request.preview:
            options["dryRun"] = "All"
        try:
            return self.client.call(
                "PATCH",
                self.client.path_of(body),
                body,
                media_type="application/apply-patch+yaml",
                **options,
            )
        except ApiError as error:
            if request.preview and error.is_missing_namespace:
                # It may be made by the same update.
                return body
            raise

    def _finish(self, request: Request, live: Object, manager: str) -> tuple[str, Properties]:
        if not request.preview and not _annotation(live, SKIP_AWAIT):
            seconds = request.timeout_seconds or float(_annotation(live, TIMEOUT) or 0)
            try:
                wait_until_ready(self.client, live, seconds=seconds, cancelled=self.cancelled)
            except NotReady as failure:
                verb = "updated" if request.old_outputs else "created"
                headline = (
                    f"resource {_id(live)} was successfully {verb}, but the Kubernetes API server "
                    f"reported that it failed to fully initialize or become live: {failure}"
                )
                current = self.client.get(live) or live
                raise NotReadyError(
                    [headline, *failure.reasons], _id(live), _outputs(current, manager)
                ) from failure
            live = self.client.get(live) or live
        return _id(live), _outputs(live, manager)

    def read(self, request: Request) -> Found | None:
        namespace, _, name = request.id.rpartition("/")
        version, _, kind = request.type.removeprefix("kubernetes:").rpartition(":")
        written = request.old_inputs
        body = {
            "apiVersion": written.get("apiVersion") or version.removeprefix("core/"),
            "kind": written.get("kind") or kind,
            "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        }
        with _told(body, "reading"):
            live = self.client.get(body)
        if live is None:
            return None
        manager = (
            request.old_outputs.get(_FIELD_MANAGER) or f"pulumi-kubernetes-{secrets.token_hex(4)}"
        )
        inputs = as_written(live, written) if written else _without_server(live)
        return Found(id=_id(live), inputs=inputs, outputs=_outputs(live, manager))

    def delete(self, request: Request) -> None:
        body = {**request.old_outputs}
        with _told(body, "deletion"):
            try:
                path = self.client.path_of(body)
                self.client.call("DELETE", path, {"propagationPolicy": "Foreground"})
            except (ApiError, UnknownKindError) as error:
                if isinstance(error, UnknownKindError) or error.code == 404:
                    return
                raise
            if _annotation(body, SKIP_AWAIT):
                return
            seconds = request.timeout_seconds or float(_annotation(body, TIMEOUT) or 0)
            try:
                wait_until_gone(self.client, body, seconds=seconds, cancelled=self.cancelled)
            except NotReady as failure:
                raise ResourceError(f"{_id(body)} {failure}: {failure.reasons}") from failure


class _told:  # noqa: N801 -- reads as a word of the sentence
    """Tell what the API server refused as the real provider tells it."""

    def __init__(self, body: Object, what: str) -> None:
        self.body = body
        self.what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        where = f"{self.what} of {self.body['kind']} {_id(self.body)}"
        if isinstance(error, UnreachableError):
            raise ResourceError(
                f"{where}: configured Kubernetes cluster is unreachable: {error}"
            ) from error
        if isinstance(error, UnknownKindError):
            raise ResourceError(
                f"{where} failed because the Kubernetes API server reported that the apiVersion "
                f"for this resource does not exist ({error}). Verify that any required CRDs have "
                "been created"
            ) from error
        if isinstance(error, ApiError):
            conflict = (
                "Server-Side Apply field conflict detected. " if "conflict" in str(error) else ""
            )
            raise ResourceError(
                f"{where}: the Kubernetes API server reported: {conflict}{error}"
            ) from error


def _automatic_name(request: Request) -> Properties:
    """Return a name that no other resource has, or the one that this one has already."""
    metadata = request.inputs.get("metadata") or {}
    before = request.old_inputs.get("metadata") or {}
    annotations = {**(metadata.get("annotations") or {}), AUTONAMED: "true"}
    if AUTONAMED in (before.get("annotations") or {}):
        return {"name": before["name"], "annotations": annotations}
    return {"name": f"{request.name}-{secrets.token_hex(4)}", "annotations": annotations}


def _under_another_name(body: Object) -> Object:
    name = f"{body['metadata']['name'][:40]}-{secrets.token_hex(4)}"
    return {**body, "metadata": {**body["metadata"], "name": name}}


def _body(inputs: Properties) -> Object:
    return {name: value for name, value in inputs.items() if not name.startswith("__")}


def _outputs(live: Object, manager: str) -> Properties:
    metadata = {k: v for k, v in live["metadata"].items() if k != "managedFields"}
    return {**live, "metadata": metadata, _FIELD_MANAGER: manager}


def _without_server(live: Object) -> Properties:
    metadata = {k: v for k, v in live["metadata"].items() if k not in _WRITTEN_BY_SERVER}
    return {k: v for k, v in live.items() if k != "status"} | {"metadata": metadata}


def _id(body: Object) -> str:
    metadata = body["metadata"]
    return "/".join(filter(None, (metadata.get("namespace"), metadata.get("name"))))


def _annotation(body: Object, name: str) -> Any:
    value = (body["metadata"].get("annotations") or {}).get(name)
    return _flag(value)


def _flag(value: Any) -> Any:
    """Read what is written as text where it means yes or no."""
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
