"""A small valid SavedModel, exported by a TensorFlow that SageMaker has an image of."""

from pathlib import Path

from model_export import wire


def make_saved_model(directory: Path) -> Path:
    document = wire.message("SavedModel")(saved_model_schema_version=1)
    graph = document.meta_graphs.add()
    graph.meta_info.tags.append("serve")
    graph.meta_info.tensorflow_version = "2.18.1"
    signature = graph.signatures["serving_default"]
    signature.method_name = "tensorflow/serving/predict"
    signature.inputs["x"].dtype = signature.outputs["y"].dtype = 1
    (directory / "variables").mkdir(parents=True)
    (directory / "saved_model.pb").write_bytes(document.SerializeToString())
    (directory / "variables/variables.data-00000-of-00001").write_bytes(b"weights")
    return directory
