"""A cluster's certificates are checked as kubectl checks them, by the connection itself."""

import ssl
from pathlib import Path

import pytest

from infra.compute.api_server import ApiServer, ClusterError
from tools.cluster.control_plane import Cluster
from tools.cluster.credentials import make_credentials

pytestmark = pytest.mark.cluster


def test_an_authority_without_key_identifiers_is_trusted_where_the_kubeconfig_has_it(
    cluster: Cluster,
) -> None:
    server = ApiServer(kubeconfig=cluster.kubeconfig.read_text(), context=None)
    assert server.get("/version") is not None
    # What Python sets by itself from 3.13 on, and what refuses such an authority.
    context = server._client.rest_client.pool_manager.connection_pool_kw["ssl_context"]
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_another_authority_is_not_trusted(cluster: Cluster, tmp_path: Path) -> None:
    foreign = make_credentials(tmp_path / "foreign").kubeconfig("admin", cluster.url)
    server = ApiServer(kubeconfig=foreign, context=None)
    with pytest.raises(ClusterError, match=r"by its certificate: certificate [a-z ]+\. Fetch"):
        server.get("/version")
