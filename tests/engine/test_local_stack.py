"""The stack `local` on the real engine: the committed program and stack file, real servers."""

import http.client
import json
import os
import shutil
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from ruamel.yaml import YAML

from model_export.publish import publish
from model_export.store import open_store
from tests.engine.harness import CHECKOUT, Project
from tools.engine.acquire import Engine
from tools.engine.environment import engine_environment

pytestmark = pytest.mark.slow


class LocalStack(Project):
    """The checkout's own project files in a directory of their own, with a home of their own."""

    @property
    def home(self) -> Path:
        return Path(self.environment["SERVESTACK_HOME"])

    @property
    def bucket(self) -> Path:
        return self.home / "buckets" / "local"

    def configure(self, **models: dict[str, Any]) -> None:
        """Write these models into the stack file."""
        file = self.directory / "Pulumi.local.yaml"
        yaml = YAML()
        document = yaml.load(file)
        document["config"]["servestack:models"] = models
        yaml.dump(document, file)

    def model(self, name: str = "heart") -> dict[str, Any]:
        model: dict[str, Any] = self.outputs()["models"][name]
        return model

    def server(self, name: str = "heart") -> psutil.Process:
        record = json.loads((self.home / "run" / "local" / name / "server.json").read_text())
        return psutil.Process(record["identity"]["pid"])


def make_local_stack(directory: Path, engine: Engine) -> LocalStack:
    directory.mkdir(parents=True)
    for name in ("Pulumi.yaml", "Pulumi.local.yaml", "__main__.py"):
        shutil.copy(CHECKOUT / name, directory / name)
    (directory / ".venv").symlink_to(CHECKOUT / ".venv")
    home = directory / ".servestack"
    (home / "state").mkdir(parents=True)
    environment = engine_environment(
        checkout=CHECKOUT,
        stack_is_local=True,
        engine=engine,
        environ={**os.environ, "SERVESTACK_HOME": str(home), "PULUMI_STACK": "local"},
    )
    stack = LocalStack(directory=directory, environment=environment, engine=engine)
    stack.pulumi("stack", "select", "--create", "--stack", "local")
    return stack


@pytest.fixture(scope="module")
def stack(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """One stack for the whole module, since each server start costs seconds."""
    stack = make_local_stack(tmp_path_factory.mktemp("local") / "project", engine)
    stack.configure(heart={})
    stack.up()
    publish_versions(stack, tmp_path_factory.mktemp("models"), 1, 2, 3)
    stack.configure(heart={"version": 1})
    stack.up()
    yield stack
    stack.destroy()


def publish_versions(stack: LocalStack, directory: Path, *versions: int) -> None:
    """Publish models that answer with their own version."""
    import tensorflow as tf  # noqa: PLC0415 - seconds, and only for who needs a model

    for version in versions:
        module = tf.Module()
        signature = tf.function(
            lambda x, version=version: {"version": tf.zeros_like(x) + version},
            input_signature=[tf.TensorSpec([None], tf.float32, name="x")],
        )
        module.answer = signature
        saved = directory / str(version)
        tf.saved_model.save(module, str(saved), signatures={"serving_default": signature})
        publish(saved, model="heart", store=open_store(str(stack.bucket)), version=version)


def answered_version(rest: str, path: str = "") -> int:
    connection = http.client.HTTPConnection(rest.removeprefix("http://"), timeout=10)
    connection.request("POST", f"/v1/models/heart{path}:predict", '{"instances": [0.0]}')
    response = connection.getresponse()
    body = json.loads(response.read())
    connection.close()
    assert response.status == http.client.OK, body
    return int(body["predictions"][0])


@contextmanager
def constant_load(rest: str, clients: int = 4) -> Iterator[Counter[int | str]]:
    """Ask without pause and count the answers by version; a failure counts by its own words."""
    answers: Counter[int | str] = Counter()
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                answers[answered_version(rest)] += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what we count
                answers[repr(error)] += 1

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        done.set()
        for thread in threads:
            thread.join()


def back_to_version_1(stack: LocalStack) -> str:
    stack.configure(heart={"version": 1})
    stack.up()
    rest: str = stack.model()["rest"]
    assert answered_version(rest) == 1
    return rest


def test_a_released_version_answers_and_a_second_preview_is_empty(stack: LocalStack) -> None:
    model = stack.model()
    assert answered_version(model["rest"]) == 1
    assert (model["target"], model["version"], model["canary"]) == ("local", 1, None)
    assert Path(model["log"]).stat().st_size > 0
    assert stack.outputs()["bucket"] == stack.bucket.as_uri()
    stack.expect_no_changes()
    stack.pulumi("preview", "--expect-no-changes", "--refresh")


def test_a_change_of_version_drops_no_request_and_keeps_the_address(stack: LocalStack) -> None:
    rest = back_to_version_1(stack)
    process = stack.server()
    with constant_load(rest) as answers:
        stack.configure(heart={"version": 2})
        stack.up()
        settled = Counter(answers)
        wait_for_more(answers, settled.total() + 50)
    assert set(answers) == {1, 2}, answers
    # Once `up` is done only the released version answers.
    assert answers[1] - settled[1] <= 4  # those that were under way
    assert stack.server() == process
    stack.expect_no_changes()


def wait_for_more(answers: Counter[int | str], total: int) -> None:
    deadline = time.monotonic() + 60
    while answers.total() < total:
        assert time.monotonic() < deadline, answers
        time.sleep(0.01)


def test_a_canary_takes_its_share_and_leaves_without_a_gap(stack: LocalStack) -> None:
    rest = back_to_version_1(stack)
    stack.configure(heart={"version": 1, "canary": {"version": 3, "share": 40}})
    stack.up()
    assert stack.model()["canary"] == {"version": 3, "share": 40}
    deadline = time.monotonic() + 30
    while 3 not in {answered_version(rest) for _ in range(40)}:
        assert time.monotonic() < deadline
    answers = Counter(answered_version(rest) for _ in range(400))
    assert set(answers) == {1, 3}
    assert 100 < answers[3] < 220  # 160 expected; six standard deviations either side
    with constant_load(rest) as under_load:
        stack.configure(heart={"version": 3})
        stack.up()
    assert set(under_load) <= {1, 3}
    assert answered_version(rest) == 3


def test_labels_move_with_the_release(stack: LocalStack) -> None:
    rest = back_to_version_1(stack)
    for version in (1, 2):
        stack.configure(heart={"version": version, "labels": {"stable": version}})
        stack.up()
        assert answered_version(rest, "/labels/stable") == version
    stack.expect_no_changes()


def test_a_version_that_does_not_load_leaves_the_old_one_serving(
    stack: LocalStack, tmp_path: Path
) -> None:
    rest = back_to_version_1(stack)
    broken = tmp_path / "broken"
    shutil.copytree(stack.bucket / "heart" / "1", broken)
    (broken / "manifest.json").unlink()
    shutil.rmtree(broken / "variables")
    version = publish(broken, model="heart", store=open_store(str(stack.bucket))).manifest.version
    with constant_load(rest) as answers:
        stack.configure(heart={"version": version})
        failed = stack.up(expect=None)
    assert failed.returncode != 0
    told = failed.stdout + failed.stderr
    assert f"version {version} does not load" in told
    assert "What served before still serves" in told
    assert "Traceback" not in told
    assert set(answers) == {1}
    stack.configure(heart={"version": 1})
    stack.up()
    assert answered_version(rest) == 1


def test_a_version_that_is_not_published_is_refused_at_preview(stack: LocalStack) -> None:
    stack.configure(heart={"version": 77, "canary": {"version": 78, "share": 10}})
    refused = stack.pulumi("preview", expect=None)
    told = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert "Pulumi.local.yaml: servestack:models.heart.version: version 77" in told
    assert "servestack:models.heart.canary.version: version 78" in told
    assert "model-export publish" in told
    assert "Traceback" not in told


def test_all_mistakes_of_a_stack_file_come_at_once(stack: LocalStack) -> None:
    stack.configure(heart={"version": 0, "canray": 1}, Digits={})
    refused = stack.pulumi("preview", expect=None)
    told = refused.stdout + refused.stderr
    assert refused.returncode != 0
    for key in ("models.heart.version", "models.heart.canray", "models.Digits"):
        assert f"Pulumi.local.yaml: servestack:{key}" in told
    assert "Traceback" not in told


def test_a_server_that_died_is_noticed_and_started_again_at_its_address(stack: LocalStack) -> None:
    rest = back_to_version_1(stack)
    process = stack.server()
    process.kill()
    psutil.wait_procs([process], timeout=10)
    drift = stack.pulumi("preview", "--refresh", "--expect-no-changes", expect=None)
    assert drift.returncode != 0
    stack.up("--refresh")
    assert stack.model()["rest"] == rest
    assert answered_version(rest) == 1


def test_a_port_in_use_is_told_by_its_key(stack: LocalStack) -> None:
    rest = back_to_version_1(stack)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        stack.configure(heart={"version": 1, "ports": {"rest": port}})
        refused = stack.up(expect=None)
    told = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert f"Port {port} is in use" in told
    assert "servestack:models.heart.ports.rest" in told
    assert "Traceback" not in told
    assert answered_version(rest) == 1


def test_a_killed_up_is_run_again_without_a_second_server(stack: LocalStack) -> None:
    back_to_version_1(stack)
    stack.configure(heart={})
    stack.up()
    stack.configure(heart={"version": 1})
    with psutil.Popen(
        [stack.engine.pulumi, "--non-interactive", "up", "--yes", "--skip-preview"],
        cwd=stack.directory,
        env=dict(stack.environment),
    ) as killed:
        record = stack.home / "run" / "local" / "heart" / "server.json"
        deadline = time.monotonic() + 60
        while not record.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        orphan = stack.server()
        for child in killed.children(recursive=True):
            child.kill()
        killed.kill()
    stack.pulumi("cancel", "--yes")
    stack.up("--refresh")
    assert answered_version(stack.model()["rest"]) == 1
    assert stack.server() != orphan
    assert not orphan.is_running()


def test_destroy_ends_the_server_frees_the_port_and_keeps_what_is_published(
    stack: LocalStack,
) -> None:
    rest = back_to_version_1(stack)
    process = stack.server()
    host, port = rest.removeprefix("http://").split(":")
    stack.destroy()
    assert not process.is_running()
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind((host, int(port)))
    assert {1, 2, 3} <= set(open_store(str(stack.bucket)).versions("heart"))
    assert stack.resources() == []


def test_a_copied_checkout_leaves_the_server_and_the_versions_of_the_first_alone(
    stack: LocalStack, tmp_path: Path
) -> None:
    file = stack.directory / "Pulumi.local.yaml"
    plain = file.read_text()
    file.write_text(
        plain.replace("config:\n", "config:\n  servestack:bucket: {force_destroy: true}\n")
    )
    rest = back_to_version_1(stack)
    try:
        directory = shutil.copytree(stack.directory, tmp_path / "copy", symlinks=True)
        home = directory / ".servestack"
        moved = {
            "SERVESTACK_HOME": str(home),
            "PULUMI_BACKEND_URL": (home / "state").as_uri(),
            "PULUMI_HOME": str(home / "pulumi-home"),
        }
        copy = LocalStack(
            directory=directory,
            environment={**stack.environment, **moved},
            engine=stack.engine,
        )
        copy.pulumi("destroy", "--yes", "--skip-preview")
        assert answered_version(rest) == 1
        shutil.rmtree(directory)
        shutil.copytree(stack.directory, directory, symlinks=True)
        copy.up("--refresh")
        own = copy.model()["rest"]
        assert own != rest
        assert answered_version(own) == answered_version(rest) == 1
        copy.destroy()
        assert answered_version(rest) == 1
        assert open_store(str(stack.bucket)).versions("heart")[:3] == (1, 2, 3)
    finally:
        file.write_text(plain)
        stack.up()


def test_two_stacks_side_by_side_have_servers_of_their_own(
    stack: LocalStack, engine: Engine, tmp_path: Path
) -> None:
    first = back_to_version_1(stack)
    other = make_local_stack(tmp_path / "project", engine)
    try:
        shutil.copytree(stack.bucket, other.bucket)
        other.configure(heart={"version": 2})
        other.up()
        assert answered_version(other.model()["rest"]) == 2
        assert answered_version(first) == 1
    finally:
        other.destroy()
    assert answered_version(first) == 1
