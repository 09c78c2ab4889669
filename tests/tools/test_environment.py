"""A local stack sees its own state and nothing of the user's; other stacks see the user's."""

from pathlib import Path

import pytest

from tools.engine.acquire import Engine
from tools.engine.environment import engine_environment, is_local_stack
from tools.engine.errors import EngineUsageError
from tools.engine.invocation import named_stack, refuse_unknown_stack

CHECKOUT = Path("/srv/my checkout")
ENGINE = Engine(
    bin_dir=Path("/usr/bin"), pulumi=Path("/usr/bin/pulumi"), version="3.250.0", origin="path"
)
USER = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/home/me",
    "PYTHONHOME": "/odd",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PULUMI_ACCESS_TOKEN": "secret",
    "PULUMI_BACKEND_URL": "s3://mine",
    "PULUMI_CONFIG_PASSPHRASE": "mine",
    "PULUMI_CONFIG_PASSPHRASE_FILE": "/mine",
    "PULUMI_HOME": "/home/me/.pulumi",
    "PULUMI_OPTION_REFRESH": "true",
    "PULUMI_STACK": "dev",
    "PULUMI_DEBUG_COMMANDS": "true",
    "AWS_PROFILE": "mine",
}


def environment(*, local: bool, **changes: str) -> dict[str, str]:
    return engine_environment(
        checkout=CHECKOUT, stack_is_local=local, engine=ENGINE, environ={**USER, **changes}
    )


def test_a_local_stack_keeps_everything_in_the_checkout() -> None:
    pulumi = {k: v for k, v in environment(local=True).items() if k.startswith("PULUMI_")}
    assert pulumi == {
        "PULUMI_BACKEND_URL": "file:///srv/my%20checkout/.servestack/state",
        "PULUMI_HOME": "/srv/my checkout/.servestack/pulumi-home",
        "PULUMI_CONFIG_PASSPHRASE": "",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_STACK": "dev",
        "PULUMI_DEBUG_COMMANDS": "true",
    }


def test_another_directory_can_be_chosen_for_local_stacks() -> None:
    result = environment(local=True, SERVESTACK_HOME="/tmp/here")  # noqa: S108 -- never made
    assert result["PULUMI_BACKEND_URL"] == "file:///tmp/here/state"
    assert result["PULUMI_HOME"] == "/tmp/here/pulumi-home"  # noqa: S108 -- likewise


def test_another_stack_keeps_the_users_backend_login_and_passphrase() -> None:
    result = environment(local=False)
    assert {name: result.get(name) for name in USER if name.startswith("PULUMI_")} == {
        name: value for name, value in USER.items() if name.startswith("PULUMI_")
    }
    assert "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION" not in result


@pytest.mark.parametrize("local", [True, False])
def test_programs_run_in_the_checkouts_virtual_environment(*, local: bool) -> None:
    result = environment(local=local)
    assert result["PATH"] == "/srv/my checkout/.venv/bin:/usr/bin:/usr/bin:/bin"
    assert result["VIRTUAL_ENV"] == "/srv/my checkout/.venv"
    assert not {"PYTHONHOME", "PYTHONDONTWRITEBYTECODE"} & result.keys()
    assert result["AWS_PROFILE"] == "mine"


@pytest.mark.parametrize(
    ("content", "verdict"),
    [
        ("config:\n  servestack:platform: local\n", True),
        ("config:\n  servestack:platform: gcp\n", False),
        ("config:\n  servestack:platform: {secure: x}\n", False),
        ("config:\n  - local\n", False),
        ("", False),
        ("local", False),
    ],
)
def test_the_stack_file_tells_which_stack_is_local(
    tmp_path: Path, content: str, *, verdict: bool
) -> None:
    (tmp_path / "Pulumi.mine.yaml").write_text(content)
    assert is_local_stack(tmp_path, "mine") is verdict
    assert is_local_stack(tmp_path, "organization/servestack/mine") is verdict


def test_a_stack_without_a_file_is_not_local(tmp_path: Path) -> None:
    assert is_local_stack(tmp_path, "nowhere") is False


@pytest.mark.parametrize("content", [b"config: [\n", b"config:\n\tx: 1\n", b"\xff\xfe\x00"])
def test_an_unreadable_stack_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "Pulumi.mine.yaml").write_bytes(content)
    with pytest.raises(EngineUsageError, match=r"^Pulumi\.mine\.yaml.*: not readable as YAML: "):
        is_local_stack(tmp_path, "mine")


@pytest.mark.parametrize(
    ("arguments", "stack"),
    [
        (["up", "-s", "dev"], "dev"),
        (["up", "-sdev", "--yes"], "dev"),
        (["--stack", "dev", "up"], "dev"),
        (["up", "--stack=dev"], "dev"),
        (["up", "--skip-preview", "--show-sames"], None),
        (["up", "-s"], None),
        (["stack", "init", "dev", "--secrets-provider=gcpkms://x"], "dev"),
        (["stack", "init", "--secrets-provider", "gcpkms://x", "team/dev"], "team/dev"),
        (["stack", "init", "-s", "dev"], "dev"),
        (["stack", "select", "--create", "dev"], "dev"),
        (["stack", "rm", "--yes", "dev"], "dev"),
        (["stack", "output", "models"], None),
        (["stack", "rename", "other"], None),
        (["stack"], None),
        (["import", "x", "--", "-s", "dev"], None),
        ([], None),
    ],
)
def test_the_stack_is_read_from_the_arguments(arguments: list[str], stack: str | None) -> None:
    assert named_stack(arguments) == stack


def test_a_mistyped_stack_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    for stack in ("local", "dev"):
        (tmp_path / f"Pulumi.{stack}.yaml").touch()
    refuse_unknown_stack(tmp_path, "dev", ["up"])
    refuse_unknown_stack(tmp_path, "new", ["stack", "init", "new"])
    with pytest.raises(EngineUsageError, match=r"no Pulumi\.lcoal\.yaml\. Stacks here: dev, local"):
        refuse_unknown_stack(tmp_path, "lcoal", ["up", "-s", "lcoal"])
