"""Whether this machine can have a real node, and Debian's packages for it.

A node needs root and what containers are made with. On Debian and Ubuntu, as root,
`ensure_packages` installs what is missing, and says so; elsewhere that is left to the user.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tools.cluster.node import SYSTEM_PATH

# Each program, and the package that has it.
_PROGRAMS: Final[Mapping[str, str]] = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "nft": "nftables",
    "iptables": "iptables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    # Brings a model from S3 into a pod; in the image that is stood in for it is the only program.
    "rclone": "rclone",
}
_FILES: Final[Mapping[str, str]] = {"/usr/lib/cni/bridge": "containernetworking-plugins"}
_CGROUPS: Final = Path("/sys/fs/cgroup/memory/cgroup.procs")


def missing_packages() -> list[str]:
    """Return the packages that a node wants and this machine lacks."""
    lacking = {
        package
        for program, package in _PROGRAMS.items()
        if shutil.which(program, path=SYSTEM_PATH) is None
    }
    return sorted(lacking | {pkg for file, pkg in _FILES.items() if not Path(file).exists()})


def obstacle() -> str | None:
    """Say what keeps this machine from having a node; None if nothing does."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "it takes root on Linux"
    if not _CGROUPS.exists():
        return "it takes control groups of version 1, mounted at /sys/fs/cgroup"
    if packages := missing_packages():
        return f"these Debian packages are missing: {' '.join(packages)}"
    trial = ["unshare", "--mount", "--net", "--pid", "--fork", "true"]
    if subprocess.run(trial, capture_output=True, check=False).returncode:  # noqa: S603 -- fixed
        return "it takes the right to make namespaces"
    return None


def ensure_packages(progress: Callable[[str], None]) -> None:
    """Install what is missing, where that is possible without asking anyone."""
    packages = missing_packages()
    apt = shutil.which("apt-get")
    if not packages or apt is None or os.geteuid() != 0 or not _CGROUPS.exists():
        return
    progress(f"installing Debian packages for a real Kubernetes node: {' '.join(packages)}")
    install = [apt, "install", "--yes", "--no-install-recommends", *packages]
    # A new machine may have no list of packages, or one that is out of date.
    for command in (install, [apt, "update"], install):
        done = _quietly(command)
        if command is install and done.returncode == 0:
            return
    progress(f"apt-get could not install them: {done.stderr.strip()[-500:]}")


def _quietly(command: list[str]) -> "subprocess.CompletedProcess[str]":
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)  # noqa: S603 -- apt-get
