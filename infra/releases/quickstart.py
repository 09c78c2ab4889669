"""The way of a newcomer: a sample model trained, published and released, and what to try next.

Training and publishing run as commands of their own: infrastructure code loads no TensorFlow.
"""

import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from infra.releases.artefacts import require_artefacts
from infra.releases.errors import OperationFailedError
from infra.releases.model_release import ModelRelease
from infra.releases.request import RequestError
from infra.releases.rollout import StackFile, plan_rollout, roll_out
from infra.releases.workspace import StackEngine
from infra.storage.directory import bucket_path
from infra.storage.published import PublishedModels, directory_of

# Longer than this is no line that anyone pastes.
_LINE_CHARACTERS: Final = 1_000


def require_declared(file: StackFile, sample: str) -> None:
    """Refuse a sample that the stack does not declare, before anything is done."""
    if sample not in file.releases:
        raise RequestError(
            f"{file.path.name} declares no model {sample!r}. "
            f"Write below servestack:models:  {sample}: {{}}"
        )


def provide_named(engine: StackEngine, file: StackFile, sample: str) -> None:
    """Publish the version that the stack file names where this machine's bucket is still empty.

    Stack files travel with the repository and local buckets do not: a colleague's clone names a
    version that was never published on this machine.
    """
    version = file.releases[sample].version
    bucket = bucket_path(
        file.config.bucket.path, checkout=engine.checkout, home=engine.home, stack=engine.stack
    )
    if not engine.is_local or not isinstance(version, int):
        return
    bucket.mkdir(parents=True, exist_ok=True)
    if PublishedModels(bucket.as_uri()).newest(sample) is not None:
        return
    engine.say(f"{file.path.name} names {sample} {version}, which this machine does not have yet")
    _publish(engine, sample, bucket.as_uri(), version)


def release_sample(
    engine: StackEngine, file: StackFile, outputs: Mapping[str, Any], sample: str
) -> Mapping[str, Any]:
    """Release the sample unless a version of it is released; publish one if there is none."""
    if file.releases[sample].version is not None:
        return outputs
    bucket = PublishedModels(outputs["bucket"])
    version = bucket.newest(sample)
    if version is None:
        _publish(engine, sample, bucket.url, 1)
        version = bucket.newest(sample)
    after = {sample: ModelRelease(version=version)}
    plan = plan_rollout(file, after, require_artefacts(bucket, after))
    engine.say(f"Releasing {', '.join(plan.changes)}")
    return roll_out(engine, plan, message=f"Release {sample} {version}")


def _publish(engine: StackEngine, sample: str, bucket_url: str, version: int) -> None:
    with tempfile.TemporaryDirectory(prefix="servestack-") as scratch:
        directory = str(Path(scratch) / sample)
        number = str(version)
        _run(engine, "-m", "samples", sample, "--output", directory, "--seed", number)
        _run(
            engine,
            *("-m", "model_export", "publish", directory),
            *("--model", sample, "--store", bucket_url, "--version", number),
        )


def _run(engine: StackEngine, *words: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own interpreter and modules
        [sys.executable, *words],
        cwd=engine.checkout,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise OperationFailedError(
            "The sample was not published: see the lines above. What was done so far stays; "
            "when the reason is gone, run this again."
        )
    for line in done.stdout.splitlines():
        engine.say(f"  {line}")


def invitation(engine: StackEngine, outputs: Mapping[str, Any], sample: str) -> str:
    """Word what serves now, a request to paste, and what to try next."""
    output = outputs["models"][sample]
    bucket = PublishedModels(outputs["bucket"])
    version = output["version"]
    url = f"{output['rest']}/v1/models/{sample}"
    lines = [f"{sample} {version} serves at {url}", f"  gRPC {output['grpc']}, log {output['log']}"]
    release = {sample: ModelRelease(version=version)}
    manifest = require_artefacts(bucket, release).get((sample, version))
    if manifest is not None and manifest.sample is not None:
        request = _request(engine, sample, list(manifest.sample.instances[:2]))
        lines += ["", "Ask it:", f"  curl -s {url}:predict -d {request}"]
    store = shlex.quote(str(directory_of(bucket.url) or bucket.url))
    following = (bucket.newest(sample) or 0) + 1
    next_directory = f"/tmp/{sample}-{following}"  # noqa: S108 - a suggestion to paste, not a path of ours
    # The set-up may have brought a uv of its own, which is on nobody's PATH.
    run = "uv run " if shutil.which("uv") else ".venv/bin/"
    option = "" if engine.stack == "local" else f" -s {engine.stack}"
    lines += [
        "",
        "Try next:",
        f"  {run}python -m samples {sample} --seed {following} --output {next_directory}",
        f"  {run}model-export publish {next_directory} --model {sample} --store {store}",
        f"  {run}servestack release{option} {sample}={following}",
        f"  {run}servestack rollback{option}",
        f"  {run}servestack history{option}",
        f"  ./scripts/pulumi destroy -s {engine.stack} --yes",
    ]
    return "\n".join(lines)


def _request(engine: StackEngine, sample: str, instances: list[Any]) -> str:
    """Give curl's data: quoted for the shell, or in a file where it is too long for a line."""
    body = json.dumps({"instances": instances})
    if len(body) <= _LINE_CHARACTERS:
        return shlex.quote(body)
    path = engine.home / "requests" / f"{engine.stack.replace('/', '-')}-{sample}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(body, encoding="utf-8")
    return shlex.quote(f"@{path}")
