"""A real node: containerd, kubelet, kube-proxy and the control plane, in namespaces of their own.

Owns their settings, and the ways in and out. Nothing of the machine is changed but one directory
and one control group for each controller, which are gone at the end. The node's network has no link
to any other: `RealNode.inside` runs a command in it, `reach` opens a port of this machine that
leads to an address of the node's, `expose` makes a server on this machine's loopback one that pods
can ask. There is no DNS, a NetworkPolicy is not enforced, and nothing measures for an autoscaler.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tools.cluster import node_init, relay, runtime
from tools.cluster.control_plane import READY_SECONDS, Cluster, Ports, cluster_at, commands
from tools.cluster.credentials import NODE_NAME, Credentials, make_credentials
from tools.cluster.fake_nodes import is_ready
from tools.cluster.images import PAUSE, Image, write_image
from tools.cluster.processes import ClusterError, Family, Member, family

NODE_ADDRESS: Final = "10.213.0.2"
_GATEWAY: Final = "10.213.0.1"
_NODE_ADDRESSES: Final = "10.213.0.0/24"
_POD_ADDRESSES: Final = "10.244.0.0/24"
_PORTS: Final = Ports(client=2379, peer=2380, api=6443)
# These end by themselves where what they need is slow to come, and count on being started again.
_STARTS_AGAIN: Final = 5
_SOCKET: Final = "/run/containerd.sock"
# Its sockets lie below, and the path of a socket may not be longer than 107 characters.
_KUBELET: Final = "/run/kubelet"
SYSTEM_PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"
_NAMESPACES: Final = ("--mount", "--net", "--pid", "--ipc", "--uts", "--cgroup")
_CONTROLLERS: Final = frozenset(
    {"blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids", "systemd"}
)


@dataclass(frozen=True, kw_only=True)
class RealNode:
    """A running node, and the cluster that it is the only node of."""

    cluster: Cluster
    member: Member
    init_pid: int

    def inside(self, *command: str) -> list[str]:
        """Return a command line that runs a command in the node's network."""
        return self._entering(["--net"], *command)

    def in_node(self, *command: str) -> list[str]:
        """Return one that runs it with the node's mounts and processes as well."""
        return self._entering(_NAMESPACES, *command)

    def _entering(self, namespaces: Sequence[str], *command: str) -> list[str]:
        return ["nsenter", f"--target={self.init_pid}", *namespaces, "--", *command]

    def load_image(self, image: Image) -> None:
        """Give the node one more image."""
        archive = self.cluster.directory / "images" / "later.tar"
        write_image(image, archive)
        self.call(*_import(archive))

    def call(self, *command: str) -> str:
        """Run a command in the node, and return what it printed."""
        done = subprocess.run(  # noqa: S603 -- the caller's
            self.in_node(*command), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ClusterError(f"{' '.join(command)} in the node: {done.stderr or done.stdout}")
        return done.stdout

    def reach(self, address: str, port: int) -> int:
        """Open a port of this machine's loopback that leads to an address in the node's network."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            door = [sys.executable, "-I", "-S", relay.__file__, str(listener.fileno())]
            self.cluster.family.start(
                f"door-to-{address}-{port}",
                self.inside(*door, address, str(port)),
                pass_fds=[listener.fileno()],
            )
            return int(listener.getsockname()[1])

    def expose(self, port: int) -> str:
        """Let pods ask a server on this machine's loopback; return its host and port for them."""
        program = (
            "import os, socket, sys; s = socket.socket(); s.bind((sys.argv[1], 0)); s.listen(); "
            "os.set_inheritable(s.fileno(), True); print(s.getsockname()[1], flush=True); "
            "os.execvp('nsenter', ['nsenter', '--net=' + sys.argv[2], '--', sys.executable, '-I', "
            "'-S', sys.argv[3], str(s.fileno()), '127.0.0.1', sys.argv[4]])"
        )
        ours = f"/proc/{os.getpid()}/ns/net"
        member = self.cluster.family.start(
            f"door-from-node-to-{port}",
            self.inside(
                *(sys.executable, "-I", "-S", "-c", program),
                *(NODE_ADDRESS, ours, relay.__file__, str(port)),
            ),
        )
        self.cluster.family.wait_until(
            f"the node reaches port {port}",
            lambda: member.log.read_text().strip().isdigit(),
            seconds=READY_SECONDS,
        )
        return f"{NODE_ADDRESS}:{member.log.read_text().strip()}"


@contextlib.contextmanager
def real_node(
    programs: Mapping[str, Path], images: Sequence[Image], directory: Path
) -> Iterator[RealNode]:
    """Run a control plane and its node; `directory` must not exist and is gone in the end."""
    with family(directory) as members:
        credentials = make_credentials(directory / "credentials")
        archives = _write_images([PAUSE, *images], directory / "images")
        plan = directory / "plan.json"
        steps = _steps(programs, credentials, directory, archives)
        plan.write_text(
            json.dumps(
                {
                    "directory": str(directory),
                    "address": NODE_ADDRESS,
                    "gateway": _GATEWAY,
                    "kubelet": _KUBELET,
                    "steps": steps,
                }
            )
        )
        member = _start(members, directory, plan)
        init_pid = _child(members, member)
        node = RealNode(
            # Its address is known once there is a door.
            cluster=cluster_at("", credentials, directory, programs, members),
            member=member,
            init_pid=init_pid,
        )
        url = f"https://127.0.0.1:{node.reach('127.0.0.1', _PORTS.api)}"
        cluster = cluster_at(url, credentials, directory, programs, members)
        members.wait_until(
            "the node's API server answers", lambda: cluster.is_ready, seconds=READY_SECONDS
        )
        _let_proxy_read(cluster)
        members.wait_until(
            "the node is ready", lambda: _node_is_ready(cluster), seconds=READY_SECONDS
        )
        yield RealNode(cluster=cluster, member=member, init_pid=init_pid)


def _start(members: Family, directory: Path, plan: Path) -> Member:
    """Start the node's first process, in namespaces and control groups of its own."""
    enter = []
    for cgroup in _cgroups(directory.parent.name):
        members.make_cgroup(cgroup)
        if "cpuset" in cgroup.parts:
            # A new cpuset has no processors until it is given some, and takes no process.
            for name in ("cpuset.cpus", "cpuset.mems"):
                (cgroup / name).write_text((cgroup.parent / name).read_text())
        enter.append(f'echo $$ > "{cgroup}/cgroup.procs"')
    unshare = ["unshare", *_NAMESPACES, "--fork", "--kill-child", "--mount-proc"]
    init = [sys.executable, "-I", "-S", node_init.__file__, str(plan)]
    script = " && ".join([*enter, 'exec "$@"'])
    return members.start(
        "node",
        ["sh", "-c", script, "sh", *unshare, *init],
        environ={"PATH": SYSTEM_PATH},
        # While it waits for its child it heeds no other; the child and all in the node end with it.
        end_by=signal.SIGKILL,
    )


def _cgroups(name: str) -> list[Path]:
    """Return a control group of its own below that of this process, for each controller."""
    found = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        controller = controllers.removeprefix("name=")
        if controller in _CONTROLLERS:
            unique = f"servestack-{os.getpid()}-{name}"
            found.append(Path("/sys/fs/cgroup", controller, path.strip("/"), unique))
    return found


def _child(members: Family, member: Member) -> int:
    """Return the process that `unshare` made: the node's first."""
    children = Path(f"/proc/{member.process.pid}/task/{member.process.pid}/children")
    members.wait_until("the node starts", lambda: bool(children.read_text().split()), seconds=20)
    return int(children.read_text().split()[0])


def _write_images(images: Sequence[Image], directory: Path) -> list[Path]:
    directory.mkdir()
    archives = [directory / f"{number}.tar" for number in range(len(images))]
    for image, archive in zip(images, archives, strict=True):
        write_image(image, archive)
    return archives


def _steps(
    programs: Mapping[str, Path],
    credentials: Credentials,
    directory: Path,
    archives: Sequence[Path],
) -> list[dict[str, Any]]:
    """Return what the node's first process does, in this order."""
    control_plane = commands(programs, credentials, directory, _PORTS)

    def start(name: str, command: list[str], again: int = 0) -> dict[str, Any]:
        log = str(directory / f"{name}.log")
        return {"start": name, "command": command, "log": log, "again": again}

    containerd = [
        "containerd",
        "--config",
        _file(directory, "containerd.toml", _containerd(directory)),
    ]
    _file(directory, "cni/10-pods.conflist", json.dumps(_pod_network(directory), indent=1))
    _file(directory, "resolv.conf", "")
    server = f"https://127.0.0.1:{_PORTS.api}"
    kubelet = _file(directory, "kubelet.yaml", json.dumps(_kubelet(directory, credentials)))
    kubelet_identity = _file(
        directory, "kubelet.kubeconfig", credentials.kubeconfig("kubelet", server)
    )
    proxy_identity = _file(
        directory, "proxy.kubeconfig", credentials.kubeconfig("kube-proxy", server)
    )
    proxy = _file(directory, "proxy.yaml", json.dumps(_proxy(proxy_identity)))
    return [
        start("containerd", containerd),
        start("etcd", control_plane["etcd"]),
        start("kube-apiserver", control_plane["kube-apiserver"]),
        {"await": _SOCKET},
        *({"run": _import(archive)} for archive in archives),
        {"answers": f"{server}/readyz", "ca": credentials.file("ca.crt")},
        *(
            start(name, control_plane[name], _STARTS_AGAIN)
            for name in ("kube-controller-manager", "kube-scheduler")
        ),
        start(
            "kubelet",
            [
                *(str(programs["kubelet"]), f"--config={kubelet}"),
                *(f"--kubeconfig={kubelet_identity}", f"--root-dir={_KUBELET}"),
                f"--cert-dir={_KUBELET}/pki",
                *(f"--hostname-override={NODE_NAME}", f"--node-ip={NODE_ADDRESS}"),
            ],
            _STARTS_AGAIN,
        ),
        start("kube-proxy", [str(programs["kube-proxy"]), f"--config={proxy}"], _STARTS_AGAIN),
    ]


def _file(directory: Path, name: str, content: str) -> str:
    file = directory / name
    file.parent.mkdir(exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(content)
    return str(file)


def _import(archive: Path) -> list[str]:
    return ["ctr", f"--address={_SOCKET}", "--namespace=k8s.io", "images", "import", str(archive)]


def _containerd(directory: Path) -> str:
    launcher = directory / "runc"
    runc = shutil.which("runc", path=SYSTEM_PATH)
    launcher.write_text(runtime.launcher(sys.executable, str(runc)))
    launcher.chmod(0o755)
    # Without CAP_SYS_RESOURCE no process may be spared from the kernel's memory killer.
    return f"""
version = 2
root = "{directory}/containerd/root"
state = "/run/containerd"
oom_score = 0
[grpc]
  address = "{_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE.name.removeprefix("docker.io/")}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "{launcher}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{directory}/cni"
[plugins."io.containerd.internal.v1.opt"]
  path = "{directory}/containerd/opt"
"""


def _pod_network(directory: Path) -> dict[str, Any]:
    addresses = {
        "type": "host-local",
        "dataDir": str(directory / "addresses"),
        "ranges": [[{"subnet": _POD_ADDRESSES}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": addresses,
    }
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge]}


def _kubelet(directory: Path, credentials: Credentials) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": credentials.file("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "address": NODE_ADDRESS,
        "readOnlyPort": 0,
        "containerRuntimeEndpoint": f"unix://{_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        # What pods ask for places them. Held to it, a server on a machine of two cores would
        # take most of a minute to load its libraries.
        "cpuCFSQuota": False,
        "oomScoreAdj": 0,
        "maxOpenFiles": 20000,
        "resolvConf": str(directory / "resolv.conf"),
        "staticPodPath": "",
        "volumePluginDir": f"{_KUBELET}/volume-plugins",
        "podLogsDir": str(directory / "pod-logs"),
        # A full disk is the machine's matter, not a test's.
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "0%",
            "imagefs.available": "0%",
        },
        "imageGCHighThresholdPercent": 100,
        "nodeStatusUpdateFrequency": "5s",
        "syncFrequency": "10s",
    }


def _proxy(kubeconfig: str) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": kubeconfig},
        "hostnameOverride": NODE_NAME,
        "bindAddress": NODE_ADDRESS,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "detectLocalMode": "BridgeInterface",
        "detectLocal": {"bridgeInterface": "cni0"},
        # These are the whole machine's kernel settings.
        "conntrack": {"maxPerCore": 0, "min": 0},
        "nodePortAddresses": [_NODE_ADDRESSES],
        "oomScoreAdj": 0,
    }


def _let_proxy_read(cluster: Cluster) -> None:
    body = {
        "metadata": {"name": "kube-proxy"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:node-proxier",
        },
        "subjects": [{"kind": "User", "name": "system:kube-proxy"}],
    }
    path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    cluster.call("POST", path, json.dumps(body))


def _node_is_ready(cluster: Cluster) -> bool:
    path = f"/api/v1/nodes/{NODE_NAME}"
    return cluster.answers(path) and is_ready(cluster.call("GET", path))
