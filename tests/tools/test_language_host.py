"""Which plug-ins the language host tells the engine to have ready."""

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

from tools.engine.language_host import installed_packages


def install(
    venv: Path, package: str, content: dict[str, object], *, version: str = "1.2.3"
) -> None:
    """Lay out an installed SDK as pip does."""
    site = venv / "lib" / "python3.11" / "site-packages"
    (site / package).mkdir(parents=True)
    (site / package / "pulumi-plugin.json").write_text(json.dumps(content))
    information = site / f"{package}-{version}.dist-info"
    information.mkdir()
    name = package.replace("_", "-")
    (information / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")


BARE = """
import sys
from tools.engine import bare_sdk
bare_sdk.enter()
from pulumi.runtime.proto import language_pb2
print("pulumi.resource" in sys.modules)
bare_sdk.leave()
import pulumi
from pulumi.runtime import proto
print(issubclass(pulumi.CustomResource, pulumi.Resource), proto.language_pb2 is language_pb2)
"""


def test_what_speaks_the_protocol_alone_loads_no_sdk_and_can_do_so_later() -> None:
    told = subprocess.run(
        [sys.executable, "-c", BARE], capture_output=True, text=True, check=True
    ).stdout
    assert told.split() == ["False", "True", "True"]


def test_each_installed_sdk_asks_for_its_plugin_once(tmp_path: Path) -> None:
    install(tmp_path, "pulumi_gcp", {"resource": True, "name": "gcp", "version": "10.2.0"})
    install(tmp_path, "pulumi_acme", {"resource": True, "server": "https://acme.example"})
    install(tmp_path, "pulumi_policy", {"resource": False})
    (tmp_path / "lib64").symlink_to(tmp_path / "lib")
    found = [
        (package.kind, package.name, package.version, package.server)
        for package in installed_packages(tmp_path)
    ]
    assert found == [
        ("resource", "acme", "v1.2.3", "https://acme.example"),
        ("resource", "gcp", "v10.2.0", ""),
    ]


def test_a_parameterized_sdk_hands_its_parameters_on(tmp_path: Path) -> None:
    parameters = {"name": "mine", "version": "0.1.0", "value": "aGVsbG8="}
    install(
        tmp_path,
        "pulumi_mine",
        {
            "resource": True,
            "name": "terraform-provider",
            "version": "1.0.0",
            "parameterization": parameters,
        },
    )
    (package,) = installed_packages(tmp_path)
    assert (package.name, package.version) == ("terraform-provider", "v1.0.0")
    assert package.parameterization.name == "mine"
    assert package.parameterization.value == b"hello"


def test_without_an_environment_of_its_own_a_program_has_the_hosts_packages() -> None:
    distributions = importlib.metadata.distributions()
    installed = {distribution.name.replace("_", "-") for distribution in distributions}
    clouds = {name.removeprefix("pulumi-") for name in installed if name.startswith("pulumi-")}
    assert "policy" in clouds  # it is there too, and needs no plug-in
    assert {package.name for package in installed_packages(None)} == clouds - {"policy"}
