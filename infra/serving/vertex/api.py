"""Google's own client for Vertex AI, as far as this project needs it: requests out, records back.

Loading the client takes seconds, so it is loaded when the first call is made, which a preview never
does. Reading is tried again where an answer was lost; what changes something is not: whoever asked
looks again and decides anew. Credentials are the client's default chain and nothing else.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Literal

from infra.serving.vertex.faults import Doing, MissingError, told
from infra.serving.vertex.records import EndpointRecord, OperationRecord, VersionRecord
from infra.serving.vertex.specs import DeploymentSpec, EndpointSpec, Place, VersionSpec

_CALL_SECONDS: Final = 60.0
_RETRY_SECONDS: Final = 120.0

Service = Literal["ModelService", "EndpointService"]
_MODELS: Final = "ModelService"
_ENDPOINTS: Final = "EndpointService"


@cache
def _client(service: Service, host: str, *, beta: bool = False) -> Any:
    """Open a channel, once. Only the beta can scale to zero, and it is loaded for that only."""
    from infra.serving.vertex.library import package  # noqa: PLC0415 slow

    make = getattr(package(beta=beta), f"{service}Client")
    return make(client_options={"api_endpoint": host})


class VertexApi:
    """The service of one place; `doing` says what a call is for, in the message if it fails."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def _read(self, service: Service, method: str, doing: Doing, **request: Any) -> Any:
        with told(doing):
            from infra.serving.vertex.library import api_errors, api_retry  # noqa: PLC0415 slow

            lost = (api_errors.ServiceUnavailable, api_errors.DeadlineExceeded)
            retry = api_retry.Retry(
                api_retry.if_exception_type(*lost),
                initial=0.2,
                maximum=10.0,
                timeout=_RETRY_SECONDS,
            )
            call = getattr(_client(service, self.place.host), method)
            answer = call(request=request, timeout=_CALL_SECONDS, retry=retry)
            # The pages after the first are asked for while they are gone through.
            return list(answer) if method.startswith("list_model") else answer

    def _change(
        self, service: Service, method: str, doing: Doing, *, beta: bool = False, **request: Any
    ) -> Any:
        with told(doing):
            call = getattr(_client(service, self.place.host, beta=beta), method)
            return call(request=request, timeout=_CALL_SECONDS, retry=None)

    def _start(
        self, service: Service, method: str, doing: Doing, *, beta: bool = False, **request: Any
    ) -> str:
        """Start a long operation and return its name, by which anybody can follow it."""
        started = self._change(service, method, doing, beta=beta, **request)
        return str(started.operation.name)

    # What is registered.

    def versions(self, model_id: str, doing: Doing) -> tuple[VersionRecord, ...]:
        """List a model's versions, none where there is no such model."""
        name = self.place.model(model_id)
        try:
            listed = self._read(_MODELS, "list_model_versions", doing, name=name)
        except MissingError:
            return ()
        from infra.serving.vertex.messages import read_version  # noqa: PLC0415 slow

        return tuple(read_version(message) for message in listed)

    def upload(self, spec: VersionSpec, doing: Doing, *, is_first: bool) -> str:
        """Register a version, which makes the model if it is the first."""
        from infra.serving.vertex.messages import model_message  # noqa: PLC0415 slow

        name = self.place.model(spec.model_id)
        where: dict[str, Any] = {"model_id": spec.model_id} if is_first else {"parent_model": name}
        return self._start(
            _MODELS,
            "upload_model",
            doing,
            parent=self.place.parent,
            model=model_message(spec),
            **where,
        )

    def describe(
        self, version: VersionRecord, labels: Mapping[str, str], text: str, doing: Doing
    ) -> None:
        """Change a version's labels and description."""
        change = {"labels": dict(labels), "version_description": text}
        self._change(
            _MODELS,
            "update_model",
            doing,
            model={"name": version.name, **change},
            update_mask={"paths": list(change)},
        )

    def name_version(
        self, model_id: str, version_id: str, words: tuple[str, ...], doing: Doing
    ) -> None:
        """Give a version aliases; one with a hyphen before it goes."""
        self._change(
            _MODELS,
            "merge_version_aliases",
            doing,
            name=f"{self.place.model(model_id)}@{version_id}",
            version_aliases=list(words),
        )

    def delete_version(self, version: VersionRecord, doing: Doing) -> str:
        """Take a version out of the registry."""
        return self._start(_MODELS, "delete_model_version", doing, name=version.name)

    def delete_model(self, model_id: str, doing: Doing) -> str:
        """Take a model with its last version out of the registry."""
        return self._start(_MODELS, "delete_model", doing, name=self.place.model(model_id))

    # What can be asked.

    def endpoint(self, endpoint_id: str, doing: Doing) -> EndpointRecord | None:
        """Read an endpoint with what runs behind it."""
        name = self.place.endpoint(endpoint_id)
        try:
            message = self._read(_ENDPOINTS, "get_endpoint", doing, name=name)
        except MissingError:
            return None
        from infra.serving.vertex.messages import read_endpoint  # noqa: PLC0415 slow

        return read_endpoint(message)

    def create_endpoint(self, spec: EndpointSpec, doing: Doing) -> str:
        """Make an endpoint."""
        from infra.serving.vertex.messages import endpoint_message  # noqa: PLC0415 slow

        return self._start(
            _ENDPOINTS,
            "create_endpoint",
            doing,
            parent=self.place.parent,
            endpoint_id=spec.endpoint_id,
            endpoint=endpoint_message(spec),
        )

    def update_endpoint(self, endpoint: EndpointRecord, doing: Doing, **change: Any) -> None:
        """Change labels or traffic, unless the endpoint changed since it was read."""
        self._change(
            _ENDPOINTS,
            "update_endpoint",
            doing,
            endpoint={"name": endpoint.name, "etag": endpoint.etag, **change},
            update_mask={"paths": list(change)},
        )

    def delete_endpoint(self, endpoint: EndpointRecord, doing: Doing) -> str:
        """Remove an endpoint."""
        return self._start(_ENDPOINTS, "delete_endpoint", doing, name=endpoint.name)

    # What runs.

    def deploy(self, spec: DeploymentSpec, version: VersionRecord, doing: Doing) -> str:
        """Start a deployment beside what runs; it gets no traffic by that."""
        from infra.serving.vertex.messages import deployed_model  # noqa: PLC0415 slow

        return self._start(
            _ENDPOINTS,
            "deploy_model",
            doing,
            beta=bool(spec.idle_seconds),
            endpoint=self.place.endpoint(spec.endpoint_id),
            deployed_model=deployed_model(spec, version),
        )

    def mutate(self, spec: DeploymentSpec, doing: Doing) -> str:
        """Change in place what a running deployment can change."""
        from infra.serving.vertex.messages import mutation  # noqa: PLC0415 slow

        message, paths = mutation(spec)
        return self._start(
            _ENDPOINTS,
            "mutate_deployed_model",
            doing,
            beta=bool(spec.idle_seconds),
            endpoint=self.place.endpoint(spec.endpoint_id),
            deployed_model=message,
            update_mask={"paths": paths},
        )

    def undeploy(self, endpoint: EndpointRecord, deployed_id: str, doing: Doing) -> str:
        """Stop a deployment, which must have no traffic."""
        return self._start(
            _ENDPOINTS,
            "undeploy_model",
            doing,
            endpoint=endpoint.name,
            deployed_model_id=deployed_id,
        )

    # What is under way.

    def operation(self, name: str, doing: Doing) -> OperationRecord:
        """Read where an operation stands."""
        message = self._read(_MODELS, "get_operation", doing, name=name)
        from infra.serving.vertex.messages import read_operation  # noqa: PLC0415 slow

        return read_operation(message)

    def running(self, parent: str, doing: Doing) -> tuple[OperationRecord, ...]:
        """List what is under way at a model or an endpoint, by its name.

        All are read, since which filters the service knows here is not documented.
        """
        records: list[OperationRecord] = []
        page = ""
        try:
            while True:
                listed = self._read(_MODELS, "list_operations", doing, name=parent, page_token=page)
                from infra.serving.vertex.messages import read_operation  # noqa: PLC0415 slow

                records += (read_operation(message) for message in listed.operations)
                page = listed.next_page_token
                if not page:
                    return tuple(record for record in records if not record.done)
        except MissingError:
            return ()
