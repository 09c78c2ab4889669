"""One cluster's API server, spoken to as kubectl would: the same kubeconfig, the same identity.

Owns the connection and what can go wrong with it, told in one line each. The official client finds
and refreshes credentials; it is slow to load, so nothing here is imported before it is needed.
"""

import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from infra.errors import ServestackError

_CONNECT_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 30.0
# What server-side apply knows this program's fields by.
FIELD_MANAGER: Final = "servestack"
_METADATA_ONLY: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

Object = Mapping[str, Any]


class ClusterError(ServestackError):
    """A cluster that cannot be spoken to, or that refused."""


class UnreachableError(ClusterError):
    """No answer from the API server."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the API server said."""

    status: int
    body: bytes

    def object(self) -> Object:
        """Read the document."""
        document: Object = json.loads(self.body)
        return document

    @property
    def reason(self) -> str:
        """Give the server's own words for a refusal."""
        try:
            return str(self.object().get("message") or self.status)
        except ValueError:
            return self.body.decode(errors="replace").strip() or str(self.status)


class ApiServer:
    """A connection by a kubeconfig's text, or by the kubeconfig that kubectl would use."""

    def __init__(self, *, kubeconfig: str | None, context: str | None) -> None:
        self._name = context or "the current context"
        self._kubectl = kubectl(context)
        try:
            from kubernetes import client, config  # noqa: PLC0415 - half a second
            from kubernetes.config.config_exception import ConfigException  # noqa: PLC0415
        except ImportError:
            raise ClusterError(
                "The client for Kubernetes is not installed. Install it: "
                "pip install 'servestack[kubernetes]'"
            ) from None
        settings = client.Configuration()
        settings.retries = False
        try:
            if kubeconfig is None:
                config.load_kube_config(context=context, client_configuration=settings)
            else:
                config.load_kube_config_from_dict(
                    _document(kubeconfig), context=context, client_configuration=settings
                )
        except ConfigException as error:
            raise ClusterError(_no_context(context, str(error))) from None
        self._client = client.ApiClient(settings)
        given = self._client.rest_client.pool_manager.connection_pool_kw
        given["ssl_context"] = _trust(has_authority=bool(settings.ssl_ca_cert))
        self.host = str(settings.host)

    def get(self, path: str, *, missing_is_fine: bool = False, **query: str) -> Object | None:
        """Read an object or a list; None where there is none and that is fine."""
        answer = self.request("GET", path, query=query)
        if answer.status == HTTPStatus.NOT_FOUND and missing_is_fine:
            return None
        return self._checked(answer, "read", path).object()

    def metadata(self, path: str) -> Object | None:
        """Read an object's metadata alone, which of a Secret is all that anybody should see."""
        answer = self.request("GET", path, headers={"Accept": _METADATA_ONLY})
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        return self._checked(answer, "read", path).object()

    def apply(self, path: str, wanted: Object) -> Object:
        """Make an object, or bring it to what is wanted, by server-side apply."""
        answer = self.request(
            "PATCH",
            path,
            query={"fieldManager": FIELD_MANAGER, "force": "true"},
            headers={"Content-Type": "application/apply-patch+yaml"},
            body=wanted,
        )
        return self._checked(answer, "write", path).object()

    def patch(self, path: str, change: Object) -> bool:
        """Change some fields of an object; tell whether it was there."""
        answer = self.request(
            "PATCH",
            path,
            query={"fieldManager": FIELD_MANAGER},
            headers={"Content-Type": "application/merge-patch+json"},
            body=change,
        )
        if answer.status == HTTPStatus.NOT_FOUND:
            return False
        self._checked(answer, "write", path)
        return True

    def delete(self, path: str) -> None:
        """Remove an object; one that is gone is fine."""
        answer = self.request("DELETE", path)
        if answer.status != HTTPStatus.NOT_FOUND:
            self._checked(answer, "delete", path)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Object | None = None,
    ) -> Answer:
        """Ask once; whatever the server says is the answer, and silence is an error."""
        from urllib3.exceptions import HTTPError, SSLError  # noqa: PLC0415 - come with the client

        given = {"Accept": "application/json", **(headers or {})}
        call = self._client.param_serialize(
            method,
            path,
            header_params=given,
            body=None if body is None else dict(body),
            auth_settings=["BearerToken"],
        )
        _, url, sent, *_ = call
        if query:
            url = f"{url}?{urlencode(query)}"
        try:
            response = self._client.rest_client.pool_manager.request(
                method,
                url,
                headers=sent,
                body=None if body is None else json.dumps(body).encode(),
                timeout=_timeout(),
                retries=False,
            )
        except SSLError as error:
            raise ClusterError(
                f"What answers at {self.host} is not the cluster of {self._name} by its "
                f"certificate: {_cause(error)}. Fetch the kubeconfig anew, or correct its server"
            ) from None
        except HTTPError as error:
            raise UnreachableError(
                f"The cluster of {self._name} at {self.host} does not answer: {_cause(error)}. "
                f"Start it, or look at the context: {self._kubectl} cluster-info"
            ) from None
        return Answer(status=int(response.status), body=bytes(response.data))

    def _checked(self, answer: Answer, verb: str, path: str) -> Answer:
        if answer.status < HTTPStatus.BAD_REQUEST:
            return answer
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise ClusterError(
                f"The cluster of {self._name} at {self.host} does not know you. Log in again; "
                f"{self._kubectl} auth whoami shows whether it does"
            )
        raise ClusterError(f"The cluster of {self._name} refuses to {verb} {path}: {answer.reason}")


def kubectl(context: str | None) -> str:
    """Start a command to paste: the cluster that kubectl means by itself may be another one."""
    return f"kubectl --context {context}" if context else "kubectl"


def _trust(*, has_authority: bool) -> ssl.SSLContext:
    """Check certificates as kubectl does; whom to trust and whether at all is the client's to say.

    From 3.13 on Python refuses an authority whose certificate has no key identifiers, as those of
    EKS have none: kubernetes-client/python#2394.
    """
    from urllib3.util import create_urllib3_context  # noqa: PLC0415 - comes with the client

    context = create_urllib3_context(verify_flags=ssl.VERIFY_DEFAULT)
    if not has_authority:
        context.load_default_certs()
    return context


def _timeout() -> Any:
    from urllib3 import Timeout  # noqa: PLC0415 - comes with the client

    return Timeout(connect=_CONNECT_SECONDS, read=_ANSWER_SECONDS)


def _document(kubeconfig: str) -> Any:
    from ruamel.yaml import YAML  # noqa: PLC0415 - only where a platform hands over the text

    return YAML(typ="safe", pure=True).load(kubeconfig)


def _no_context(context: str | None, said: str) -> str:
    named = f"no context {context}" if context else "no current context"
    return f"Your kubeconfig has {named} ({said}). See which there are: kubectl config get-contexts"


def _cause(error: Exception) -> str:
    words = re.sub(r" \(_ssl\.c:\d+\)", "", str(error)).rpartition(": ")[2]
    return words.strip("()'\" ") or type(error).__name__
