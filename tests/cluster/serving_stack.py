"""A stack of platform `kubernetes` on the cluster of the tests: stack file, bucket, engine.

The program is the checkout's own. Its bucket is a directory; where no pod reads it, what is
published needs no more than a manifest and files of the right size.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from model_export.layout import manifest_path, version_path
from model_export.manifest import FileEntry, Manifest, dump_manifest
from model_export.publish import publish
from model_export.store import open_store
from tests.engine.harness import CHECKOUT, Project
from tests.standins.kubernetes.client import Client, Object

PROGRAM = (CHECKOUT / "__main__.py").read_text()
_GONE_SECONDS = 120.0


@dataclass(kw_only=True)
class ServingStack:
    """One stack, which is brought to what `models` says."""

    project: Project
    bucket: Path
    namespace: str
    api: Client
    context: str
    kubernetes: Mapping[str, Any]
    # What the configuration says of the bucket, where that is not its directory.
    bucket_config: Mapping[str, Any] | None = None

    def configure(self, **models: Mapping[str, Any]) -> None:
        """Write the stack file."""
        config = {
            "servestack:platform": "kubernetes",
            "servestack:bucket": self.bucket_config or {"path": str(self.bucket)},
            "servestack:kubernetes": {
                "context": self.context,
                "namespace": self.namespace,
                **self.kubernetes,
            },
            "servestack:models": models,
        }
        file = self.project.directory / "Pulumi.local.yaml"
        head = file.read_text().split("config:")[0]
        # JSON is YAML.
        file.write_text(f"{head}config: {json.dumps(config)}\n")

    def up(self, *arguments: str, expect: int | None = 0, **models: Mapping[str, Any]) -> str:
        """Bring it up to these models; give what the engine said."""
        self.configure(**models)
        done = self.project.up(*arguments, expect=expect)
        return done.stdout + done.stderr

    def refusal(self, **models: Mapping[str, Any]) -> str:
        """Give what a preview says that refuses these models before anything is declared."""
        self.configure(**models)
        done = self.project.pulumi("preview", expect=None)
        said = done.stdout + done.stderr
        assert done.returncode != 0, said
        assert "Traceback" not in said
        assert "kubernetes:core" not in said, said
        return said

    def publish(self, *versions: int, model: str = "heart", size_bytes: int = 1000) -> None:
        """Put versions into the bucket that no server could load."""
        for version in versions:
            directory = self.bucket / version_path(model, version)
            directory.mkdir(parents=True, exist_ok=True)
            content = bytes([version]) * min(size_bytes, 1000)
            with (directory / "saved_model.pb").open("wb") as file:
                file.write(content)
                file.truncate(size_bytes)  # sparse: only its size matters
            entry = FileEntry(
                path="saved_model.pb",
                size_bytes=size_bytes,
                sha256=sha256(content).hexdigest(),
            )
            manifest = Manifest(
                model=model,
                version=version,
                files=(entry,),
                signatures={},
                tensorflow_version="2.20.0",
                created_at=datetime(2026, 1, 1, tzinfo=UTC),
                created_by="test",
            )
            (self.bucket / manifest_path(model, version)).write_bytes(dump_manifest(manifest))

    def publish_answering(
        self, store: str, directory: Path, *versions: int, mib: int = 0, hungry_mib: int = 0
    ) -> None:
        """Publish models that answer with their own version.

        Each is so many MiB large, and takes so many more that nobody could tell while it loads.
        """
        import tensorflow as tf  # noqa: PLC0415 - seconds, and only for who needs a model

        class Hungry(tf.saved_model.experimental.TrackableResource):  # type: ignore[misc]  # TensorFlow has no types
            def _create_resource(self) -> Any:
                return tf.raw_ops.VarHandleOp(
                    dtype=tf.float32, shape=[None], shared_name="eaten", debug_name="eaten"
                )

            def _initialize(self) -> None:
                eaten = tf.fill([hungry_mib * 2**18], tf.random.uniform([]))
                tf.raw_ops.AssignVariableOp(resource=self.resource_handle, value=eaten)

        for version in versions:
            module = tf.Module()
            module.ballast = tf.Variable(tf.zeros([max(1, mib * 2**18)]), trainable=False)
            if hungry_mib:
                module.hungry = Hungry()
            signature = tf.function(
                lambda x, version=version: {"version": tf.zeros_like(x) + version},
                input_signature=[tf.TensorSpec([None], tf.float32, name="x")],
            )
            module.answer = signature
            saved = directory / str(version)
            tf.saved_model.save(module, str(saved), signatures={"serving_default": signature})
            publish(saved, model="heart", store=open_store(store), version=version)

    def objects(self, api_version: str, kind: str) -> list[Object]:
        """Give the namespace's objects of a kind."""
        return self.api.objects(api_version, kind, self.namespace)

    def names(self, api_version: str, kind: str) -> set[str]:
        """Give their names."""
        return {found["metadata"]["name"] for found in self.objects(api_version, kind)}

    def pods(self, **labels: str) -> list[Object]:
        """Give the pods that stay, of those labels."""
        return [
            pod
            for pod in self.objects("v1", "Pod")
            if labels.items() <= pod["metadata"]["labels"].items()
            and "deletionTimestamp" not in pod["metadata"]
        ]

    def until_only(self, *names: str) -> None:
        """Wait for the Deployments of these names to be all there are: one goes after its pods."""
        deadline = time.monotonic() + _GONE_SECONDS
        while (found := self.names("apps/v1", "Deployment")) != set(names):
            assert time.monotonic() < deadline, found
            time.sleep(0.2)

    def model(self, name: str = "heart") -> dict[str, Any]:
        """Give a model's entry in the outputs."""
        found: dict[str, Any] = self.project.outputs()["models"][name]
        return found


MakeStack = Callable[..., ServingStack]
