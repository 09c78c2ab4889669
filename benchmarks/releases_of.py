"""The commands of a release, each by turns with the engine alone doing the same.

Runs in the project's own environment: `python benchmarks/releases_of.py ROUNDS`, figures as JSON.
"""

import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psutil
from clock import clocked

from infra.config import Platform
from model_export.publish import publish
from model_export.store import open_store
from tests.engine.harness import CHECKOUT
from tests.releases.conftest import Desk, make_desk
from tests.releases.platforms import (
    SharedDesk,
    running_places,
    shared_desk,
)
from tests.small_models import make_saved_model
from tools.engine.acquire import ensure_engine
from tools.engine.environment import engine_environment

UPDATES: Final = 1_000
MODELS: Final = 50
CLIENTS: Final = 4
_HOUR_NANOSECONDS: Final = 3_600 * 10**9
_POLICIES: Final = str(CHECKOUT / "infra" / "policy")

Figures = dict[str, list[dict[str, float]]]


def seconds_of(
    command: Sequence[str], cwd: Path, environment: Mapping[str, str]
) -> dict[str, float]:
    """Run a command that must succeed; give seconds on the clock and on the processor."""
    with clocked() as seconds:
        done = subprocess.run(
            command, cwd=cwd, env=dict(environment), capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    return seconds


def by_turns(rounds: int, ways: Mapping[str, Callable[[], dict[str, float]]]) -> Figures:
    """Take turns, every other round in the opposite order; the first round is not counted."""
    seen: Figures = {name: [] for name in ways}
    for number in range(rounds + 1):
        print(f"  round {number} of {rounds}", file=sys.stderr, flush=True)
        for name in ways if number % 2 else reversed(ways):
            took = ways[name]()
            if number:
                seen[name].append(took)
    return seen


def require(condition: object, what: str) -> None:
    """End where something went wrong: a figure of that is none."""
    if not condition:
        raise SystemExit(f"not so: {what}")


def engine_of(environment: Mapping[str, str], checkout: Path) -> tuple[str, dict[str, str]]:
    """Give the engine, and the environment in which a local stack's state is found."""
    engine = ensure_engine(environ=environment, progress=lambda _: None)
    return str(engine.pulumi), engine_environment(
        checkout=checkout, stack_is_local=True, engine=engine, environ=environment
    )


@contextmanager
def local_desk(directory: Path) -> Iterator[Desk]:
    """Serve the sample from a stack on this machine, with a second version to go to."""
    directory.mkdir()
    desk = make_desk(directory)
    try:
        desk.servestack("up", "--sample", "heart")
        desk.publish_copy(directory / "models", 2)
        desk.servestack("release", "heart=2")
        yield desk
    finally:
        with suppress(FileNotFoundError, psutil.NoSuchProcess):
            desk.server().kill()


def lengthen_history(desk: Desk) -> None:
    """Write older updates, as the engine does, up to the number that is measured."""
    (directory,) = (desk.home / "state" / ".pulumi" / "history").glob("*/local")
    newest = max(directory.glob("*.history.json")).name.removesuffix(".history.json")
    parts = [path for path in directory.glob(f"{newest}.*") if path.is_file()]
    there = len(list(directory.glob("*.history.json")))
    oldest = int(min(directory.glob("*.history.json")).name.split("-")[1].split(".")[0])
    for number in range(UPDATES - there):
        at = oldest - (number + 1) * _HOUR_NANOSECONDS
        for part in parts:
            content = part.read_bytes()
            if part.name.endswith(".history.json"):
                record = json.loads(content)
                record["startTime"], record["endTime"] = at // 10**9, at // 10**9 + 3
                version = f'\\\\"version\\\\":{1 + number % 2}'
                content = re.sub(r'\\"version\\":\d+', version, json.dumps(record)).encode()
            (directory / part.name.replace(newest, f"local-{at}")).write_bytes(content)


def history(desk: Desk, rounds: int) -> Figures:
    """Read a long history: all of it, for the choice of a rollback, and by the engine alone."""
    lengthen_history(desk)
    require(len(desk.history()) == UPDATES, f"the history has {UPDATES} updates")
    pulumi, environment = engine_of(desk.environment, desk.directory)
    asked = [pulumi, "stack", "history", "--json", "--page-size", "0", "--stack", "local"]

    def ours(*words: str) -> Callable[[], dict[str, float]]:
        return lambda: seconds_of(desk.command(*words), desk.directory, desk.environment)

    return by_turns(
        rounds,
        {
            "history": ours("history"),
            "rollback --dry-run": ours("rollback", "--dry-run"),
            "engine: stack history": lambda: seconds_of(asked, desk.directory, environment),
        },
    )


@contextmanager
def load(desk: Desk) -> Iterator[dict[str, Any]]:
    """Ask the model over some kept connections without pause; count what became of it."""
    rest = desk.status()["heart"]["rest"].removeprefix("http://")
    sample = desk.manifest(1).sample
    body = json.dumps({"instances": list(sample.instances[:1]) if sample else []})
    over = threading.Event()
    seen: dict[str, Any] = {"requests": 0, "failures": [], "longest_seconds": 0.0}
    lock = threading.Lock()

    def ask() -> None:
        connection = http.client.HTTPConnection(rest, timeout=30)
        while not over.wait(0.01):
            began, problem = time.perf_counter(), None
            try:
                connection.request("POST", "/v1/models/heart:predict", body)
                response = connection.getresponse()
                text = response.read()
                if response.status != http.HTTPStatus.OK:
                    problem = f"{response.status}: {text[:200]!r}"
            except (OSError, http.client.HTTPException) as error:
                problem = repr(error)
                connection.close()
            with lock:
                seen["requests"] += 1
                seen["longest_seconds"] = max(seen["longest_seconds"], time.perf_counter() - began)
                if problem is not None:
                    seen["failures"].append(problem)

    threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()


def rollback(desk: Desk, rounds: int) -> dict[str, Any]:
    """Go back under load; by turns with the engine alone, whose stack file is edited for it."""
    pulumi, environment = engine_of(desk.environment, desk.directory)
    update = [pulumi, "up", "--yes", "--skip-preview", "--refresh", "--stack", "local"]

    def engine_alone() -> dict[str, float]:
        text = desk.stack_file.read_text()
        other = {"version: 1": "version: 2", "version: 2": "version: 1"}
        desk.stack_file.write_text(re.sub("version: [12]", lambda found: other[found[0]], text))
        return seconds_of(update, desk.directory, environment)

    def ours() -> dict[str, float]:
        before = desk.serving()
        took = seconds_of(desk.command("rollback"), desk.directory, desk.environment)
        require(desk.serving() == {1, 2} - before, "the other version serves alone")
        return took

    with load(desk) as seen:
        figures = by_turns(rounds, {"rollback": ours, "engine: up": engine_alone})
    return {"rounds": figures, "load": seen}


@contextmanager
def many_models(directory: Path) -> Iterator[SharedDesk]:
    """Serve many models on the stand-in of a cluster; each is to move on by one version."""
    directory.mkdir()
    made = 0

    def new_directory(name: str) -> Path:
        nonlocal made
        made += 1
        path = directory / f"{name}-{made}"
        path.mkdir()
        return path

    with running_places(new_directory) as places:
        desk = shared_desk(directory / "desk", "kind", places(Platform.KUBERNETES))
        names = [f"model{number:02}" for number in range(MODELS)]
        text = desk.file.read_text()
        models = "".join(f"    {name}: {{version: 1}}\n" for name in names)
        head, _, _ = text.partition("  servestack:models:")
        desk.file.write_text(f"{head}  servestack:models: {{}}\n")
        desk.run("up", "--yes")
        place = desk.run("bucket").stdout.strip()
        Path(place.removeprefix("file://")).mkdir(parents=True)
        store = open_store(place)
        saved = make_saved_model(directory / "saved", tensorflow="2.15.1")
        for name in names:
            for version in (1, 2):
                publish(saved, model=name, store=store, version=version)
        desk.file.write_text(f"{head}  servestack:models:\n{models}")
        desk.run("up", "--yes")
        for words in (["init", "-q"], ["add", desk.file.name]):
            subprocess.run(["git", *words], cwd=desk.directory, check=True)
        subprocess.run(
            [
                *("git", "-c", "user.name=A", "-c", "user.email=a@example.com"),
                *("commit", "-q", "-m", "One"),
            ],
            cwd=desk.directory,
            check=True,
        )
        desk.file.write_text(desk.file.read_text().replace("version: 1", "version: 2"))
        yield desk


def report(desk: SharedDesk, rounds: int) -> Figures:
    """Report, by turns with the very preview that is reported."""
    pulumi = str(ensure_engine(environ=os.environ, progress=lambda _: None).pulumi)
    preview = [pulumi, "preview", "--refresh", "--policy-pack", _POLICIES, "--stack", "kind"]
    written = desk.directory / "report.md"
    ours = [sys.executable, "-m", "infra.releases.cli", "report", "-s", "kind"]
    figures = by_turns(
        rounds,
        {
            "report": lambda: seconds_of(
                [*ours, "--output", str(written)], desk.directory, desk.environment
            ),
            "engine: preview": lambda: seconds_of(preview, desk.directory, desk.environment),
        },
    )
    told = written.read_text()
    require(all(f"- `model{number:02}`: 1 → **2**" in told for number in range(MODELS)), told)
    return figures


def main() -> None:
    """Print the figures."""
    rounds = int(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="releases-") as name:
        with local_desk(Path(name) / "local") as desk:
            print("rollback under load", file=sys.stderr)
            back = rollback(desk, rounds)
            print(f"a history of {UPDATES} updates", file=sys.stderr)
            read = history(desk, rounds)
        with many_models(Path(name) / "many") as many:
            print(f"report of {MODELS} models", file=sys.stderr)
            told = report(many, rounds)
    print(json.dumps({"history": read, "rollback": back, "report": told}))


if __name__ == "__main__":
    main()
