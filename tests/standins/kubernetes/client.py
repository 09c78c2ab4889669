"""An API server over plain HTTP: kubeconfig in, objects in and out; test code.

Owns addresses and credentials, which path a kind has, and what a refusal says. What is done with
the objects is the caller's.
"""

import base64
import json
import os
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from ruamel.yaml import YAML
from urllib3.util import create_urllib3_context

Object = dict[str, Any]
CALL_SECONDS: Final = 30.0
_NOT_FOUND: Final = 404


class ApiError(Exception):
    """What the API server refused, in its own words."""

    def __init__(self, path: str, code: int, message: str, details: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.path = path
        self.code = code
        self.details = details

    @property
    def is_missing(self) -> bool:
        """Say whether the object itself is not there."""
        return self.code == _NOT_FOUND and not self.is_missing_namespace

    @property
    def is_missing_namespace(self) -> bool:
        """Say whether it is the object's namespace that is not there."""
        itself = f"/namespaces/{self.details.get('name')}"
        asked_for_more = not self.path.endswith(itself)
        return (
            self.code == _NOT_FOUND and self.details.get("kind") == "namespaces" and asked_for_more
        )


class UnreachableError(Exception):
    """Nothing answers where the kubeconfig points."""


class UnknownKindError(Exception):
    """The API server has no such kind."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How the API server calls a kind."""

    version: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None, name: str | None = None) -> str:
        """Return where objects of this kind are, or one of them."""
        root = "/api" if "/" not in self.version else "/apis"
        within = f"/namespaces/{namespace or 'default'}" if self.namespaced else ""
        return f"{root}/{self.version}{within}/{self.plural}" + (f"/{name}" if name else "")


class Client:
    """One API server, as one user."""

    def __init__(self, kubeconfig: str | None = None, context: str | None = None) -> None:
        """Take a kubeconfig's path or content; without one, that of the environment."""
        given = kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
        content = given if "\n" in given or given.startswith("{") else Path(given).read_text()
        document = YAML(typ="safe", pure=True).load(content)
        chosen = _named(document["contexts"], context or document["current-context"])["context"]
        cluster = _named(document["clusters"], chosen["cluster"])["cluster"]
        user = _named(document["users"], chosen["user"])["user"]
        self.namespace: str | None = chosen.get("namespace")
        self.server: str = cluster["server"].rstrip("/")
        self._files = tempfile.TemporaryDirectory()
        self._options = {"verify": self._trust(cluster), **self._identity(user)}
        self._kinds: dict[tuple[str, str], Kind] = {}
        self._threads = threading.local()

    def _trust(self, cluster: Mapping[str, Any]) -> str | bool:
        if cluster.get("insecure-skip-tls-verify"):
            return False
        return self._file(cluster, "certificate-authority") or True

    def _identity(self, user: Mapping[str, Any]) -> dict[str, Any]:
        if token := user.get("token"):
            return {"headers": {"Authorization": f"Bearer {token}"}}
        certificate, key = (self._file(user, f"client-{each}") for each in ("certificate", "key"))
        if certificate and key:
            return {"cert": (certificate, key)}
        if program := user.get("exec"):
            return {"headers": {"Authorization": f"Bearer {_fetched_token(program)}"}}
        raise ValueError(f"the stand-in knows tokens and certificates, not {sorted(user)}")

    def _file(self, section: Mapping[str, Any], name: str) -> str | None:
        if (data := section.get(f"{name}-data")) is None:
            return section.get(name)
        file = Path(self._files.name, name)
        file.write_bytes(base64.b64decode(data))
        return str(file)

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        media_type: str = "application/json",
        **parameters: str,
    ) -> Object:
        """Ask; a refusal is an ApiError."""
        session = getattr(self._threads, "session", None)
        if session is None:
            session = self._threads.session = requests.Session()
            # No proxy and no .netrc of the environment.
            session.trust_env = False
            session.mount("https://", _Trust())
        options = self._options | {
            "headers": self._options.get("headers", {}) | {"Content-Type": media_type}
        }
        try:
            answer = session.request(
                method,
                f"{self.server}{path}",
                params=parameters,
                data=None if body is None else json.dumps(body),
                timeout=CALL_SECONDS,
                **options,
            )
        except requests.RequestException as error:
            raise UnreachableError(f"{self.server} does not answer: {error}") from error
        if not answer.ok:
            raise _refusal(path, answer)
        found: Object = answer.json() if answer.content[:1] == b"{" else {}
        return found

    def kind(self, api_version: str, kind: str) -> Kind:
        """Find how the API server calls a kind; asked again while it has none."""
        key = (api_version, kind)
        if key not in self._kinds:
            root = "/api" if "/" not in api_version else "/apis"
            try:
                found = self.call("GET", f"{root}/{api_version}")["resources"]
            except ApiError as error:
                if error.code != _NOT_FOUND:
                    raise
                found = []
            for each in found:
                if "/" not in each["name"]:
                    self._kinds[api_version, each["kind"]] = Kind(
                        version=api_version, plural=each["name"], namespaced=each["namespaced"]
                    )
        if key not in self._kinds:
            raise UnknownKindError(f"there is no {kind} in {api_version}")
        return self._kinds[key]

    def path_of(self, body: Mapping[str, Any], name: str | None = None) -> str:
        """Return the path of an object, or of its like if it has no name."""
        metadata = body.get("metadata") or {}
        return self.kind(body["apiVersion"], body["kind"]).path(
            metadata.get("namespace") or self.namespace, name or metadata.get("name")
        )

    def get(self, body: Mapping[str, Any]) -> Object | None:
        """Return an object as it is, None if it is not."""
        try:
            return self.call("GET", self.path_of(body))
        except ApiError as error:
            if error.is_missing:
                return None
            raise

    def objects(self, api_version: str, kind: str, namespace: str | None = None) -> list[Object]:
        """Return the objects of a kind in a namespace."""
        path = self.kind(api_version, kind).path(namespace or self.namespace)
        found: list[Object] = self.call("GET", path).get("items", [])
        return found


def _fetched_token(program: Mapping[str, Any]) -> str:
    """Run the program that a kubeconfig names for a credential."""
    spec = {"interactive": False}
    asked = {"kind": "ExecCredential", "apiVersion": program["apiVersion"], "spec": spec}
    variables = {entry["name"]: entry["value"] for entry in program.get("env") or ()}
    done = subprocess.run(
        [program["command"], *(program.get("args") or ())],
        env={**os.environ, **variables, "KUBERNETES_EXEC_INFO": json.dumps(asked)},
        capture_output=True,
        text=True,
        check=True,
    )
    return str(json.loads(done.stdout)["status"]["token"])


def _named(entries: list[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    for entry in entries:
        if entry["name"] == name:
            return entry
    raise ValueError(f"the kubeconfig has no {name!r}, only {[each['name'] for each in entries]}")


class _Trust(HTTPAdapter):
    """Checks certificates as Go does: unlike Python since 3.13, without key identifiers, too."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the connections' pool."""
        context = create_urllib3_context(verify_flags=ssl.VERIFY_DEFAULT)
        super().init_poolmanager(*args, **options, ssl_context=context)


def _refusal(path: str, answer: requests.Response) -> ApiError:
    try:
        status = answer.json()
    except ValueError:
        return ApiError(path, answer.status_code, answer.text, {})
    message = status.get("message", answer.text)
    return ApiError(path, answer.status_code, message, status.get("details") or {})
