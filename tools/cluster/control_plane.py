"""The control plane: etcd, API server, controllers and scheduler, on the loopback alone.

Owns their flags, and how they are started on this machine. Nodes are `fake_nodes`' and `node`'s; a
client's part is left to clients: the cluster is a kubeconfig.
"""

import contextlib
import json
import os
import ssl
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tools.cluster.credentials import Credentials, make_credentials
from tools.cluster.processes import Family, family, free_ports

READY_SECONDS: Final = 120.0
CALL_SECONDS: Final = 30.0
SERVICE_ADDRESSES: Final = "10.96.0.0/16"


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster that answers: where it is, and what a client needs."""

    url: str
    kubeconfig: Path
    credentials: Credentials
    directory: Path
    programs: Mapping[str, Path]
    family: Family

    def call(
        self,
        method: str,
        path: str,
        body: str | None = None,
        *,
        media_type: str = "application/json",
    ) -> dict[str, Any]:
        """Ask the API server as its administrator; what it refuses is an HTTPError."""
        request = urllib.request.Request(  # noqa: S310 -- our own API server
            f"{self.url}{path}",
            method=method,
            data=None if body is None else body.encode(),
            headers={
                "Authorization": f"Bearer {self.credentials.tokens['admin']}",
                "Content-Type": media_type,
            },
        )
        trust = ssl.create_default_context(cafile=self.credentials.file("ca.crt"))
        # Like those of many a cluster, its certificates have no key identifiers.
        trust.verify_flags &= ~ssl.VERIFY_X509_STRICT
        handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        with urllib.request.build_opener(*handlers).open(request, timeout=CALL_SECONDS) as answer:
            content = answer.read()
        return json.loads(content) if content[:1] == b"{" else {}

    def answers(self, path: str) -> bool:
        """Say whether the API server has something at a path."""
        try:
            self.call("GET", path)
        except OSError:
            return False
        return True

    @property
    def is_ready(self) -> bool:
        """Say whether pods may come; before the default account is there they are refused."""
        return self.answers("/readyz") and self.answers(
            "/api/v1/namespaces/default/serviceaccounts/default"
        )


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where the control plane's processes listen."""

    client: int
    peer: int
    api: int


def commands(
    programs: Mapping[str, Path], credentials: Credentials, directory: Path, ports: Ports
) -> dict[str, list[str]]:
    """Return the control plane's processes, in the order of their start."""
    admin = directory / "inside.kubeconfig"
    admin.touch(mode=0o600)
    admin.write_text(credentials.kubeconfig("admin", f"https://127.0.0.1:{ports.api}"))
    etcd, peer = (f"http://127.0.0.1:{port}" for port in (ports.client, ports.peer))
    file = credentials.file
    follower = [f"--kubeconfig={admin}", "--leader-elect=false", "--secure-port=0"]
    return {
        "etcd": [
            *(str(programs["etcd"]), "--name=test", f"--data-dir={directory / 'etcd'}"),
            *(f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}"),
            *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"),
            *(f"--initial-cluster=test={peer}", "--log-level=warn"),
            # What is lost with the machine's power is a test.
            "--unsafe-no-fsync",
        ],
        "kube-apiserver": [
            *(str(programs["kube-apiserver"]), f"--etcd-servers={etcd}"),
            *("--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"),
            f"--secure-port={ports.api}",
            # There is no other API server to agree with, and no endpoint of its own inside.
            "--endpoint-reconciler-type=none",
            f"--service-cluster-ip-range={SERVICE_ADDRESSES}",
            f"--cert-dir={credentials.directory}",
            f"--tls-cert-file={file('apiserver.crt')}",
            f"--tls-private-key-file={file('apiserver.key')}",
            f"--client-ca-file={file('ca.crt')}",
            f"--token-auth-file={file('tokens.csv')}",
            *("--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction"),
            f"--kubelet-client-certificate={file('kubelet-client.crt')}",
            f"--kubelet-client-key={file('kubelet-client.key')}",
            # A node's name is no name that anyone resolves; logs and exec go to its address.
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={file('service-accounts.pub')}",
            f"--service-account-signing-key-file={file('service-accounts.key')}",
            *("--allow-privileged=true", "--profiling=false"),
        ],
        "kube-controller-manager": [
            *(str(programs["kube-controller-manager"]), *follower, "--allocate-node-cidrs=false"),
            f"--service-account-private-key-file={file('service-accounts.key')}",
            f"--root-ca-file={file('ca.crt')}",
            # Else it makes a directory in /usr.
            f"--flex-volume-plugin-dir={directory / 'volume-plugins'}",
            # On a busy machine a node's sign of life may be late, and its pods would be given up.
            *("--node-monitor-grace-period=1h", "--profiling=false"),
        ],
        "kube-scheduler": [str(programs["kube-scheduler"]), *follower, "--profiling=false"],
    }


@contextlib.contextmanager
def control_plane(programs: Mapping[str, Path], directory: Path) -> Iterator[Cluster]:
    """Run a control plane without nodes; `directory` must not exist and is gone in the end."""
    with family(directory) as members:
        credentials = make_credentials(directory / "credentials")
        client, peer, api = free_ports(3)
        processes = commands(
            programs, credentials, directory, Ports(client=client, peer=peer, api=api)
        )
        # In the environment of who starts it may be a proxy, and flags in Kubernetes' own names.
        environ = {"PATH": os.defpath}
        cluster = cluster_at(f"https://127.0.0.1:{api}", credentials, directory, programs, members)
        for name in ("etcd", "kube-apiserver"):
            members.start(name, processes[name], environ=environ)
        members.wait_until(
            "the API server answers", lambda: cluster.answers("/readyz"), seconds=READY_SECONDS
        )
        for name in ("kube-controller-manager", "kube-scheduler"):
            members.start(name, processes[name], environ=environ)
        members.wait_until(
            "the cluster takes pods", lambda: cluster.is_ready, seconds=READY_SECONDS
        )
        yield cluster


def cluster_at(
    url: str,
    credentials: Credentials,
    directory: Path,
    programs: Mapping[str, Path],
    members: Family,
) -> Cluster:
    """Return a cluster by the address that its clients use, its kubeconfig written."""
    kubeconfig = directory / "kubeconfig"
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(credentials.kubeconfig("admin", url))
    return Cluster(
        url=url,
        kubeconfig=kubeconfig,
        credentials=credentials,
        directory=directory,
        programs=programs,
        family=members,
    )
