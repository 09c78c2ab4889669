"""Our few message shapes are TensorFlow's and TF Serving's own."""

from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from model_export import wire


@pytest.fixture(scope="module")
def real() -> dict[str, Any]:
    """Give TensorFlow's own message for each of ours."""
    from google.protobuf import any_pb2, wrappers_pb2  # noqa: PLC0415 beside what follows
    from tensorflow.core.example import example_pb2, feature_pb2  # noqa: PLC0415 seconds
    from tensorflow.core.framework import (  # noqa: PLC0415 seconds, paid only by these tests
        function_pb2,
        graph_pb2,
        node_def_pb2,
        op_def_pb2,
        tensor_pb2,
        tensor_shape_pb2,
        versions_pb2,
    )
    from tensorflow.core.protobuf import (  # noqa: PLC0415
        meta_graph_pb2,
        saved_model_pb2,
        tensor_bundle_pb2,
    )
    from tensorflow_serving.apis import (  # noqa: PLC0415
        classification_pb2,
        get_model_metadata_pb2,
        input_pb2,
        model_pb2,
        predict_pb2,
        prediction_log_pb2,
        regression_pb2,
    )

    return {
        "SavedModel": saved_model_pb2.SavedModel,
        "MetaGraph": meta_graph_pb2.MetaGraphDef,
        "MetaInfo": meta_graph_pb2.MetaGraphDef.MetaInfoDef,
        "SignatureDef": meta_graph_pb2.SignatureDef,
        "TensorInfo": meta_graph_pb2.TensorInfo,
        "TensorShape": tensor_shape_pb2.TensorShapeProto,
        "Dim": tensor_shape_pb2.TensorShapeProto.Dim,
        "AssetFile": meta_graph_pb2.AssetFileDef,
        "Graph": graph_pb2.GraphDef,
        "Node": node_def_pb2.NodeDef,
        "Library": function_pb2.FunctionDefLibrary,
        "Function": function_pb2.FunctionDef,
        "OpDef": op_def_pb2.OpDef,
        "Versions": versions_pb2.VersionDef,
        "BundleHeader": tensor_bundle_pb2.BundleHeaderProto,
        "BundleEntry": tensor_bundle_pb2.BundleEntryProto,
        "Example": example_pb2.Example,
        "Features": feature_pb2.Features,
        "Feature": feature_pb2.Feature,
        "BytesList": feature_pb2.BytesList,
        "FloatList": feature_pb2.FloatList,
        "Int64List": feature_pb2.Int64List,
        "Int64Value": wrappers_pb2.Int64Value,
        "ModelSpec": model_pb2.ModelSpec,
        "Tensor": tensor_pb2.TensorProto,
        "PredictRequest": predict_pb2.PredictRequest,
        "PredictResponse": predict_pb2.PredictResponse,
        "MetadataRequest": get_model_metadata_pb2.GetModelMetadataRequest,
        "MetadataResponse": get_model_metadata_pb2.GetModelMetadataResponse,
        "Any": any_pb2.Any,
        "SignatureDefMap": get_model_metadata_pb2.SignatureDefMap,
        "PredictionLog": prediction_log_pb2.PredictionLog,
        "PredictLog": prediction_log_pb2.PredictLog,
        "ClassifyLog": prediction_log_pb2.ClassifyLog,
        "ClassifyRequest": classification_pb2.ClassificationRequest,
        "RegressLog": prediction_log_pb2.RegressLog,
        "RegressRequest": regression_pb2.RegressionRequest,
        "Input": input_pb2.Input,
        "ExampleList": input_pb2.ExampleList,
    }


def _shape(field: FieldDescriptor, names: dict[str, str]) -> tuple[Any, ...]:
    # An enumeration travels as an int32 does.
    kind = field.TYPE_INT32 if field.type == field.TYPE_ENUM else field.type
    inner: Descriptor | None = field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        return (
            "map",
            *(_shape(inner.fields_by_name[part], names)[1:] for part in ("key", "value")),
        )
    return (
        field.number,
        kind,
        field.label == field.LABEL_REPEATED,
        names.get(inner.full_name, inner.full_name) if inner else None,
    )


def test_every_field_has_the_number_and_the_type_that_tensorflow_gave_it(
    real: dict[str, Any],
) -> None:
    names = {message.DESCRIPTOR.full_name: name for name, message in real.items()}
    ours = {wire.message(name).DESCRIPTOR.full_name: name for name in real}
    for name, message in real.items():
        for number, field in wire.message(name).DESCRIPTOR.fields_by_number.items():
            theirs = message.DESCRIPTOR.fields_by_number[number]
            assert _shape(field, ours) == _shape(theirs, names), f"{name}.{field.name}"


def test_no_message_of_the_schema_is_left_out_of_the_comparison(real: dict[str, Any]) -> None:
    assert set(wire.message("SavedModel").DESCRIPTOR.file.message_types_by_name) == set(real)


def test_dtypes_have_tensorflows_numbers_and_names(real: dict[str, Any]) -> None:
    assert real
    import tensorflow as tf  # noqa: PLC0415 loaded by now

    assert {number: tf.dtypes.as_dtype(number).name for number in wire.DTYPES} == wire.DTYPES
