"""The cluster for tests of any room: one control plane for a whole test process, and its nodes.

Registered by tests/conftest.py. What is started is gone at the end, also where the process is
killed (tools/cluster/processes.py).
"""

import contextlib
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.images import export_image, rclone_image, serving_image
from tests.cluster.real_provider import find_real_provider
from tests.engine.harness import Project
from tests.standins.kubernetes.client import ApiError, Client
from tests.standins.launchers import with_stand_ins
from tools.cluster.control_plane import Cluster, control_plane
from tools.cluster.debian import obstacle
from tools.cluster.definitions import ensure_definitions, install
from tools.cluster.fake_nodes import run_fake_nodes
from tools.cluster.node import RealNode, real_node
from tools.cluster.programs import find_cluster_programs
from tools.engine.errors import EngineError

# The tags under which the local server stands in: two, so that one can be rolled to the other.
SERVING_TAGS = ("2.19.1", "2.19.0")
EXPORT_IMAGE = "docker.io/local/model-export:1"
NOT_BUILT = (
    "no Kubernetes here: ./scripts/test builds one, where there is Go (docs/cluster-tests.md)"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--real-provider",
        action="store_true",
        help="run the cluster's tests with the installed pulumi-resource-kubernetes, "
        "not with the stand-in for it",
    )


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Give a cluster whose nodes run nothing: one with CPUs, one GPU node of GKE, one of EKS."""
    programs = find_cluster_programs(with_node=False, environ=os.environ)
    if programs is None:
        pytest.skip(NOT_BUILT)
    directory = tmp_path_factory.mktemp("cluster") / "state"
    with control_plane(programs, directory) as running:
        run_fake_nodes(running)
        yield running


@pytest.fixture(scope="session")
def definitions() -> dict[str, Path]:
    """Give the definitions of custom resources: of `gateway-api`, `keda`, `prometheus-operator`."""
    try:
        return ensure_definitions(environ=os.environ, progress=print)
    except EngineError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def extended_cluster(cluster: Cluster, definitions: dict[str, Path]) -> Cluster:
    """Give the cluster with every custom resource that a stack may use; it keeps them."""
    for directory in definitions.values():
        install(cluster, directory)
    return cluster


@pytest.fixture(scope="session")
def api(cluster: Cluster) -> Client:
    """Give a client of the cluster's API server, as its administrator."""
    return Client(str(cluster.kubeconfig))


@pytest.fixture
def namespace(api: Client) -> Iterator[str]:
    """Give a name that no other test has for its namespace; whoever makes it, it is removed."""
    with _namespace(api) as name:
        yield name


@contextlib.contextmanager
def _namespace(api: Client) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:10]}"
    yield name
    try:
        api.call("DELETE", f"/api/v1/namespaces/{name}")
    except ApiError as error:
        if not error.is_missing:
            raise


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealNode]:
    """Give a cluster of one real node, with the images that manifests name.

    Skipped, with the reason, where there is no root or no container runtime.
    """
    if reason := obstacle():
        pytest.skip(f"no real Kubernetes node on this machine: {reason}")
    programs = find_cluster_programs(with_node=True, environ=os.environ)
    if programs is None:
        pytest.skip(NOT_BUILT)
    # Here, because it brings Pulumi's SDKs with it, which most tests do without.
    from infra.serving.tf_serving.sources import FETCH_IMAGE  # noqa: PLC0415

    images = [
        *(serving_image(tag) for tag in SERVING_TAGS),
        export_image(EXPORT_IMAGE),
        rclone_image(f"docker.io/{FETCH_IMAGE}"),
    ]
    with real_node(programs, images, tmp_path_factory.mktemp("node") / "state") as running:
        yield running


@pytest.fixture(scope="session")
def node_api(node: RealNode) -> Client:
    """Give a client of the real node's API server, as its administrator."""
    return Client(str(node.cluster.kubeconfig))


@pytest.fixture
def node_namespace(node_api: Client) -> Iterator[str]:
    """Give a name for a namespace on the real node; whoever makes it, it is removed."""
    with _namespace(node_api) as name:
        yield name


@pytest.fixture(scope="session")
def kubernetes_environ(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Give the environment in which the engine finds the Kubernetes provider.

    That is the stand-in for it, or with --real-provider the real one.
    """
    directory = tmp_path_factory.mktemp("plugins")
    if not request.config.getoption("--real-provider"):
        return with_stand_ins(["kubernetes"], directory=directory, environ=os.environ)
    provider = find_real_provider(os.environ)
    if provider is None:
        pytest.exit(
            "--real-provider: there is no pulumi-resource-kubernetes on PATH and none is "
            "installed. Install it: pulumi plugin install resource kubernetes",
            returncode=pytest.ExitCode.USAGE_ERROR,
        )
    return {**os.environ, "PATH": f"{provider.parent}:{os.environ['PATH']}"}


@pytest.fixture
def cluster_project(
    cluster: Cluster, make_project: Callable[..., Project], kubernetes_environ: dict[str, str]
) -> Callable[..., Project]:
    """Make projects whose programs find the cluster as kubectl would, by KUBECONFIG."""
    return _project_maker(cluster, make_project, kubernetes_environ)


@pytest.fixture
def node_project(
    node: RealNode, make_project: Callable[..., Project], kubernetes_environ: dict[str, str]
) -> Callable[..., Project]:
    """Make projects whose programs find the real node's cluster so."""
    return _project_maker(node.cluster, make_project, kubernetes_environ)


def _project_maker(
    cluster: Cluster, make_project: Callable[..., Project], kubernetes_environ: dict[str, str]
) -> Callable[..., Project]:
    def make(**options: Any) -> Project:
        given = options.pop("environ", {})
        environ = {**kubernetes_environ, "KUBECONFIG": str(cluster.kubeconfig), **given}
        return make_project(environ=environ, **options)

    return make


def kubectl(cluster: Cluster, *arguments: str) -> list[str]:
    """Return a command line of kubectl, as the cluster's administrator."""
    return [
        *(str(cluster.programs["kubectl"]), f"--kubeconfig={cluster.kubeconfig}"),
        # Else it keeps what it learns at home.
        *(f"--cache-dir={cluster.directory / 'kubectl'}", *arguments),
    ]
