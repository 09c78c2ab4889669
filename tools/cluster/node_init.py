"""Process 1 of a real node: mounts, the network, the node's processes; and it reaps what dies.

Runs in namespaces of its own (mount, network, process, IPC, host name, control group), so nothing
that it does is seen outside, and with it everything in the node ends. What it shall do it reads
from a plan that `node` wrote. A process of the plan that ends is started again if the plan says so,
as an init system would: on a slow machine the first answers of those before it may come too late
for it. Else its end is the node's, told with what it said last. It needs the standard library only.
"""

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

_CONTROLLERS: Final = (
    *("blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids"),
)
# The kubelet would set these, and they are the whole machine's; it finds them as it wants them.
_KERNEL_SETTINGS: Final = {
    "kernel/keys/root_maxbytes": 25000000,
    "kernel/keys/root_maxkeys": 1000000,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
}
_AWAIT_SECONDS: Final = 120.0
_AGAIN_SECONDS: Final = 1.0
# How klog and containerd begin a line that tells of an error.
_ERROR: Final = re.compile(r"[EF]\d{4} |time=\S+ level=(error|fatal) ")
_TOLD_LINES: Final = 5
_TOLD_CHARACTERS: Final = 500


class Member:
    """A process of the plan, which may have been started before."""

    def __init__(self, step: Mapping[str, Any]) -> None:
        """Start it."""
        self.step = step
        self.starts_left = int(step.get("again", 0))
        self.process = self._started()

    def _started(self) -> "subprocess.Popen[bytes]":
        with Path(self.step["log"]).open("ab") as log:
            return subprocess.Popen(  # noqa: S603 -- of the plan
                self.step["command"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def ended(self, status: int) -> None:
        """Start it again, or end the node and say why."""
        code = os.waitstatus_to_exitcode(status)
        if not self.starts_left:
            raise SystemExit(f"{self.step['start']} ended with {code}\n{self._said()}")
        self.starts_left -= 1
        time.sleep(_AGAIN_SECONDS)
        self.process = self._started()

    def _said(self) -> str:
        """Return the last errors of its log, or without any the last lines."""
        lines = Path(self.step["log"]).read_text(errors="replace").splitlines()
        told = [line for line in lines if _ERROR.match(line)] or lines
        return "\n".join(line[:_TOLD_CHARACTERS] for line in told[-_TOLD_LINES:])


def main() -> None:
    """Carry out the plan, then reap until a process that the node needs has ended."""
    plan = json.loads(Path(sys.argv[1]).read_text())
    _mount_all(Path(plan["directory"]), plan["kubelet"])
    _make_network(plan["address"], plan["gateway"])
    # Kept whole: a Popen that nobody holds is reaped behind our back when the next one is made.
    members: list[Member] = []
    for step in plan["steps"]:
        _carry_out(step, members)
    while True:
        pid, status = os.wait()
        for member in members:
            if member.process.pid == pid:
                member.ended(status)


def _carry_out(step: Mapping[str, Any], members: list[Member]) -> None:
    if "start" in step:
        members.append(Member(step))
    elif "run" in step:
        _run(*step["run"])
    elif "answers" in step:
        trust = ssl.create_default_context(cafile=step["ca"])
        # Like those of many a cluster, its certificates have no key identifiers.
        trust.verify_flags &= ~ssl.VERIFY_X509_STRICT
        _await(step["answers"], members, lambda: _answers(step["answers"], trust))
    else:
        _await(step["await"], members, lambda: _listens(step["await"]))


def _await(what: str, members: list[Member], ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _AWAIT_SECONDS
    while not ready():
        for member in members:
            pid, status = os.waitpid(member.process.pid, os.WNOHANG)
            if pid:
                member.ended(status)
        if time.monotonic() > deadline:
            raise SystemExit(f"nothing answers at {what}")
        time.sleep(0.05)


def _answers(url: str, trust: ssl.SSLContext) -> bool:
    try:
        with urllib.request.urlopen(url, context=trust, timeout=5):  # noqa: S310 -- of the plan
            return True
    except OSError:
        return False


def _listens(where: str | int) -> bool:
    family = socket.AF_INET if isinstance(where, int) else socket.AF_UNIX
    with socket.socket(family) as probe:
        return probe.connect_ex(("127.0.0.1", where) if isinstance(where, int) else where) == 0


def _mount_all(directory: Path, kubelet_place: str) -> None:
    _run("mount", "--make-rprivate", "/")
    _run("mount", "-t", "sysfs", "sysfs", "/sys")
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "cgroup", "/sys/fs/cgroup")
    for controller in _CONTROLLERS:
        _mount_cgroup(controller, controller)
    _mount_cgroup("systemd", "none,name=systemd")
    # What the node's programs write to places of their own choosing stays in the node.
    for place in ("/run", "/var/log"):
        _run("mount", "-t", "tmpfs", "-o", "mode=755", "node", place)
    for place in ("etc", "var/lib"):
        upper, work = (
            directory / "overlays" / place / "upper",
            directory / "overlays" / place / "work",
        )
        for each in (upper, work):
            each.mkdir(parents=True)
        options = f"lowerdir=/{place},upperdir={upper},workdir={work}"
        _run("mount", "-t", "overlay", "-o", options, "overlay", f"/{place}")
    for name, value in _KERNEL_SETTINGS.items():
        file = directory / "kernel-settings" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n")
        _run("mount", "--bind", str(file), f"/proc/sys/{name}")
    # Volumes of pods are mounted below, and must be seen in their containers.
    kubelet = directory / "kubelet"
    kubelet.mkdir()
    Path(kubelet_place).mkdir()
    _run("mount", "--bind", str(kubelet), kubelet_place)
    _run("mount", "--make-rshared", "/")


def _mount_cgroup(name: str, options: str) -> None:
    place = Path("/sys/fs/cgroup", name)
    place.mkdir()
    _run("mount", "-t", "cgroup", "-o", options, "cgroup", str(place))


def _make_network(address: str, gateway: str) -> None:
    # A node wants an address that is not the loopback's, and a way out; this one leads nowhere.
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", "node0", "type", "bridge")
    _run("ip", "address", "add", f"{address}/24", "dev", "node0")
    _run("ip", "link", "set", "node0", "up")
    _run("ip", "route", "add", "default", "via", gateway, "dev", "node0")
    for setting in ("ipv4/ip_forward", "bridge/bridge-nf-call-iptables"):
        if (file := Path("/proc/sys/net", setting)).exists():
            file.write_text("1\n")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 -- ours
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")


if __name__ == "__main__":
    main()
