"""Checkouts with one stack of any platform, in front of stand-ins for its cloud.

A further platform needs a stack file, and an entry in `running_places`: what stands in for it, and
where its bucket is.
"""

import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from infra.config import Platform
from tests.aws.moto_server import CREDENTIALS, moto_server
from tests.engine.harness import CHECKOUT, STACK_FILE_HEAD
from tests.standins.aws import FAULTS_VARIABLE
from tests.standins.gcp_cloud import CLOUD_VARIABLE
from tests.standins.launchers import with_stand_ins
from tests.standins.sdk_types import TYPES_VARIABLE
from tests.stores.clouds import running_cloud
from tools.engine.acquire import ensure_engine
from tools.engine.environment import engine_environment


@dataclass(kw_only=True)
class Place:
    """What a platform's plug-ins are in a test, and how its bucket comes to be."""

    plugins: Mapping[str, str]
    environment: Mapping[str, str]
    # Where the stand-in does not: what stands for the bucket is another program.
    make_bucket: Callable[[str], object] = lambda _: None
    # What the stack file says otherwise than in the checkout.
    changes: Mapping[str, str] = field(default_factory=dict)
    is_archived: bool = False
    has_canary: bool = True


@contextmanager
def quick_cluster() -> Iterator[str]:
    """Answer for a cluster in which nothing is yet, and every roll-out is through at once."""
    through = {
        "metadata": {"generation": 1},
        "spec": {"replicas": 0, "selector": {"matchLabels": {}}},
        "status": {"observedGeneration": 1},
    }

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer: object = {"kind": "Status", "reason": "NotFound", "code": 404}
            if self.path.startswith("/version"):
                answer = {"major": "1", "minor": "34", "gitVersion": "v1.34.1"}
            elif "/deployments/" in self.path:
                answer = through
            self.send_response(404 if "code" in json.dumps(answer) else 200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextmanager
def running_places(
    new_directory: Callable[[str], Path],
) -> Iterator[Callable[[Platform], Place]]:
    """Start what stands in for a platform when it is asked for; end all of them at last."""
    with ExitStack() as running:

        def gcp() -> Place:
            with warnings.catch_warnings():
                # Google's client announces the end of each Python version.
                warnings.simplefilter("ignore", FutureWarning)
                # Imported here, since it loads that client.
                from tests.vertex.server.server import running_server  # noqa: PLC0415

            vertex = running.enter_context(running_server(new_directory("vertex")))
            cloud = running.enter_context(running_cloud("gs", new_directory("gs")))
            things = new_directory("gcp")
            (things / "credentials").touch()

            environment = {
                **cloud.environment(),
                CLOUD_VARIABLE: str(things),
                TYPES_VARIABLE: str(things / "types.json"),
                "NO_GCE_CHECK": "true",
                **vertex.credentials.environment,
            }
            return Place(
                plugins={"gcp": "gcp", "kubernetes": "kubernetes_echo"},
                environment=environment,
                changes={
                    "heart: {}": "heart: {target: vertex}",
                    "project: example-ml-dev": "project: example-ml",
                    "    region:": f"    vertex_host: {vertex.address}\n    region:",
                },
            )

        def aws() -> Place:
            url = running.enter_context(moto_server(new_directory("moto")))
            things = new_directory("aws")
            environment = {
                **CREDENTIALS,
                "AWS_ENDPOINT_URL": url,
                FAULTS_VARIABLE: str(things / "faults.json"),
                TYPES_VARIABLE: str(things / "types.json"),
                CLOUD_VARIABLE: str(things),
            }
            plugins = {"aws": "aws", "kubernetes": "kubernetes_echo"}
            return Place(
                plugins=plugins, environment=environment, is_archived=True, has_canary=False
            )

        def kubernetes() -> Place:
            def make_bucket(url: str) -> None:
                Path(url.removeprefix("file://")).mkdir(parents=True, exist_ok=True)

            things = new_directory("kubernetes")
            server = running.enter_context(quick_cluster())
            cluster = {"name": "kind", "cluster": {"server": server}}
            context = {"name": "kind-kind", "context": {"cluster": "kind", "user": "me"}}
            user = {"name": "me", "user": {"token": "none"}}
            config = {"clusters": [cluster], "contexts": [context], "users": [user]}
            (things / "config").write_text(json.dumps(config))
            (things / "cloud").mkdir()
            environment = {
                CLOUD_VARIABLE: str(things / "cloud"),
                TYPES_VARIABLE: str(things / "types.json"),
                "KUBECONFIG": str(things / "config"),
            }
            return Place(
                plugins={"kubernetes": "kubernetes_echo"},
                environment=environment,
                make_bucket=make_bucket,
                changes={"path: .servestack/buckets/kind": f"path: {things / 'bucket'}"},
            )

        makers = {Platform.GCP: gcp, Platform.AWS: aws, Platform.KUBERNETES: kubernetes}
        yield lambda platform: makers[platform]()


@dataclass(kw_only=True)
class SharedDesk:
    """A checkout with one stack file, and the user's own backend in a directory."""

    directory: Path
    stack: str
    environment: Mapping[str, str]

    @property
    def file(self) -> Path:
        return self.directory / f"Pulumi.{self.stack}.yaml"

    def run(
        self, command: str, *words: str, expect: int | None = 0
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "infra.releases.cli", command, "-s", self.stack, *words],
            cwd=self.directory,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
        )
        told = f"{done.stdout}\n{done.stderr}"
        assert expect in {None, done.returncode}, (
            f"{command} {words} exited {done.returncode}\n{told}"
        )
        assert "Traceback" not in told, told
        return done

    def publish(self, bucket: str, saved: Path, version: int, *options: str) -> None:
        words = ["publish", saved, "--model", "heart", "--store", bucket, "--version", version]
        done = subprocess.run(
            [sys.executable, "-m", "model_export", *map(str, words), *options],
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def shared_desk(directory: Path, stack: str, place: Place) -> SharedDesk:
    """Give a checkout that has this one stack of ours, in front of the place's stand-ins."""
    directory.mkdir()
    for name in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(CHECKOUT / name, directory / name)
    (directory / ".venv").symlink_to(CHECKOUT / ".venv")
    (directory / "infra").mkdir()
    (directory / "infra" / "policy").symlink_to(CHECKOUT / "infra" / "policy")
    file = directory / f"Pulumi.{stack}.yaml"
    text = (CHECKOUT / file.name).read_text()
    for written, wanted in place.changes.items():
        assert written in text
        text = text.replace(written, wanted)
    file.write_text(STACK_FILE_HEAD + text)
    home = directory / "home"
    (home / "state").mkdir(parents=True)
    environment = with_stand_ins(
        place.plugins,
        directory=directory / "plugins",
        environ=engine_environment(
            checkout=CHECKOUT,
            stack_is_local=True,
            engine=ensure_engine(environ=os.environ, progress=print),
            environ={**os.environ, "SERVESTACK_HOME": str(home)},
        ),
    )
    # No cluster of the machine's own is asked.
    nowhere = {"KUBECONFIG": str(directory / "no-cluster")}
    environment = {**environment, **nowhere, **place.environment}
    return SharedDesk(directory=directory, stack=stack, environment=environment)
