"""Making a version for TensorRT: the Job, and its programs where they can run."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from infra.compute.pools import gke_pool
from infra.serving.tf_serving import conversion_scripts
from infra.serving.tf_serving.conversion import Conversion, ConversionArgs
from infra.serving.tf_serving.sources import FetchFromS3, ModelSource, MountedClaim, ReadFromGcs
from tests.declaring import Declaration, declare
from tests.serving_kubernetes.examples import published
from tests.serving_kubernetes.manifests import whole

SOURCES: Mapping[str, ModelSource] = {
    "gs": ReadFromGcs(url="gs://example/prod"),
    "s3": FetchFromS3(url="s3://example", endpoint="http://minio:9000", secret="keys"),  # noqa: S106 - its name
    "directory": MountedClaim(claim="models"),
}
JOB = "kubernetes:batch/v1:Job"


def args(source: ModelSource = SOURCES["gs"], **changed: Any) -> ConversionArgs:
    given: dict[str, Any] = {
        "stack": "test",
        "namespace": "models",
        "of": published(2),
        "to": 5,
        "source": source,
        "pool": gke_pool(accelerator="nvidia-l4", gpus_per_node=1, max_nodes=1),
        "publisher_image": "registry.example.com/train:1",
    }
    return ConversionArgs(**given | changed)


def declared(wanted: ConversionArgs) -> Declaration:
    return declare(lambda: Conversion("heart", wanted))


def containers(made: Declaration) -> Mapping[str, Mapping[str, Any]]:
    spec = made.one(JOB).inputs["spec"]["template"]["spec"]
    return {one["name"]: one for one in (*spec["initContainers"], *spec["containers"])}


@pytest.mark.parametrize("source", SOURCES)
def test_every_object_of_a_conversion_is_valid(source: str) -> None:
    for one in declared(args(SOURCES[source])).resources:
        if one.type.startswith("kubernetes:"):
            kubernetes_validate.validate(whole(one.inputs), "1.36", strict=True)


def test_it_runs_on_the_nodes_that_have_the_gpu_and_only_the_converter_takes_one() -> None:
    made = declared(args())
    spec = made.one(JOB).inputs["spec"]["template"]["spec"]
    assert spec["nodeSelector"] == {"cloud.google.com/gke-accelerator": "nvidia-l4"}
    with_gpu = {
        name
        for name, one in containers(made).items()
        if "nvidia.com/gpu" in one["resources"]["limits"]
    }
    assert with_gpu == {"convert"}


def test_another_conversion_is_another_job() -> None:
    def name(wanted: ConversionArgs) -> str:
        return str(declared(wanted).one(JOB).inputs["metadata"]["name"])

    assert name(args()) == name(args())
    assert name(args()) != name(args(precision="fp32"))
    assert name(args()) != name(args(to=6))


def test_each_program_is_told_the_bucket_in_its_own_words() -> None:
    def environment(source: str) -> dict[str, Any]:
        made = containers(declared(args(SOURCES[source])))
        return {entry["name"]: entry.get("value") for entry in made["publish"]["env"]}

    assert environment("gs")["BUCKET"] == ":gcs:example/prod"
    assert environment("gs")["STORE"] == "gs://example/prod"
    assert environment("s3")["AWS_ENDPOINT_URL_S3"] == "http://minio:9000"
    assert environment("s3")["AWS_SECRET_ACCESS_KEY"] is None
    assert environment("directory")["BUCKET"] == environment("directory")["STORE"] == "/bucket"


def test_what_publishes_has_an_account_of_its_own() -> None:
    made = declared(args())
    account = made.one("kubernetes:core/v1:ServiceAccount").inputs["metadata"]["name"]
    assert account == "heart-publisher"
    spec = made.one(JOB).inputs["spec"]["template"]["spec"]
    assert spec["serviceAccountName"] == account


# TF-TRT as far as the program calls it: the model comes back as it went, with a grain of sand.
WITH_TENSORRT = """
import tensorflow as tf
class Converter:
    def __init__(self, input_saved_model_dir, input_saved_model_signature_key, precision_mode,
                 maximum_cached_engines):
        assert precision_mode in ("FP16", "FP32"), precision_mode
        self.loaded = tf.saved_model.load(input_saved_model_dir)
        self.key = input_saved_model_signature_key
        self.built = []
    def convert(self):
        self.function = self.loaded.signatures[self.key]
    def build(self, input_fn):
        self.built = [len(batch) for batch in input_fn()]
    def save(self, directory):
        module = tf.Module()
        specs = {k: s for k, s in self.function.structured_input_signature[1].items()}
        @tf.function(input_signature=[])
        def nothing():
            return 0
        traced = tf.function(
            lambda **values: {k: v + 0.25 for k, v in self.function(**values).items()}
        ).get_concrete_function(**specs)
        module.kept = self.loaded
        tf.saved_model.save(module, directory, signatures={self.key: traced})
class tensorrt: pass
tensorrt.Converter = Converter
tf.experimental.tensorrt = tensorrt
"""


def run_convert(work: Path, prelude: str = "") -> subprocess.CompletedProcess[str]:
    program = conversion_scripts.CONVERT.replace("/work/", f"{work}/")
    return subprocess.run(
        [sys.executable, "-c", prelude + program],
        env={**os.environ, "PRECISION": "fp16", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version as the first container leaves it."""
    import tensorflow as tf  # noqa: PLC0415 - seconds, and only for who needs a model

    work = tmp_path_factory.mktemp("work")
    module = tf.Module()
    function = tf.function(
        lambda x: {"y": tf.reduce_sum(x, axis=1)},
        input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")],
    )
    module.function = function
    tf.saved_model.save(module, str(work / "in"), signatures={"serving_default": function})
    (work / "in" / "assets.extra").mkdir()
    (work / "in" / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"warm")
    sample = {"signature_name": "serving_default", "instances": [[1.0, 2.0], [3.0, 4.0]]}
    (work / "manifest.json").write_text(json.dumps({"sample": sample}))
    return work


@pytest.mark.slow
def test_a_model_is_converted_compared_and_keeps_its_warm_up(work: Path) -> None:
    done = run_convert(work, WITH_TENSORRT)
    assert done.returncode == 0, done.stderr
    assert (work / "metrics").read_text() == "--metric difference=0.25"
    assert (work / "out" / "assets.extra" / "tf_serving_warmup_requests").read_bytes() == b"warm"
    assert "converted to FP16" in done.stdout
    shutil.rmtree(work / "out")


@pytest.mark.slow
def test_an_image_without_tensorrt_is_told(work: Path) -> None:
    done = run_convert(work)
    assert done.returncode == 1
    assert "in this image has no TensorRT; it left after 2.17" in done.stderr
    assert not (work / "out").exists()


def test_what_is_published_already_is_not_converted_again(tmp_path: Path) -> None:
    (tmp_path / "done").touch()
    assert run_convert(tmp_path).returncode == 0
