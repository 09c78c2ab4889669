"""TensorFlow's messages as we read and write them, without TensorFlow.

TensorFlow's own generated classes cannot be imported without its runtime, which takes seconds.
A message on the wire is field numbers and types only, so the few fields that we touch are declared
here and built by protobuf at run time, in a pool of their own: the real classes may be loaded in
the same process. Fields that are not declared are skipped on reading.

Owns shapes and dtypes, not their meaning: `savedmodel` and `client` know that.
"""

import re
from functools import cache
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# `name = number: type`; `*` repeats, `%` is a map from strings. Numbers as in TensorFlow's
# saved_model.proto, meta_graph.proto, graph.proto, function.proto, node_def.proto, op_def.proto,
# versions.proto, example.proto, feature.proto, tensor.proto, tensor_shape.proto,
# tensor_bundle.proto and in TF Serving's model.proto, predict.proto, get_model_metadata.proto,
# prediction_log.proto, input.proto; classification.proto and regression.proto are alike.
_SCHEMA: Final = """
SavedModel        saved_model_schema_version=1:int64 meta_graphs=2:*MetaGraph
MetaGraph         meta_info=1:MetaInfo graph=2:Graph signatures=5:%SignatureDef assets=6:*AssetFile
MetaInfo          tags=4:*string tensorflow_version=5:string
SignatureDef      inputs=1:%TensorInfo outputs=2:%TensorInfo method_name=3:string defaults=4:%Tensor
TensorInfo        dtype=2:int32 shape=3:TensorShape
TensorShape       dims=2:*Dim unknown_rank=3:bool
Dim               size=1:int64
AssetFile         filename=2:string
Graph             nodes=1:*Node library=2:Library versions=4:Versions
Node              op=2:string
Library           functions=1:*Function
Function          definition=1:OpDef nodes=3:*Node
OpDef             name=1:string
Versions          producer=1:int32 min_consumer=2:int32

BundleHeader      shard_count=1:int32
BundleEntry       dtype=1:int32 shape=2:TensorShape shard=3:int32 offset=4:int64 size=5:int64

Int64Value        value=1:int64
ModelSpec         name=1:string version=2:Int64Value signature_name=3:string version_label=4:string
Tensor            dtype=1:int32 shape=2:TensorShape content=4:bytes float=5:*float double=6:*double\
 int=7:*int32 string=8:*bytes int64=10:*int64 bool=11:*bool half=13:*int32 uint32=16:*uint32\
 uint64=17:*uint64
PredictRequest    model_spec=1:ModelSpec inputs=2:%Tensor
PredictResponse   outputs=1:%Tensor model_spec=2:ModelSpec
MetadataRequest   model_spec=1:ModelSpec fields=2:*string
MetadataResponse  model_spec=1:ModelSpec metadata=2:%Any
Any               type_url=1:string value=2:bytes
SignatureDefMap   signatures=1:%SignatureDef
Example           features=1:Features
Features          feature=1:%Feature
Feature           bytes=1:BytesList float=2:FloatList int64=3:Int64List
BytesList         value=1:*bytes
FloatList         value=1:*float
Int64List         value=1:*int64

PredictionLog     classify_log=2:ClassifyLog regress_log=3:RegressLog predict_log=6:PredictLog
PredictLog        request=1:PredictRequest
ClassifyLog       request=1:ClassifyRequest
ClassifyRequest   model_spec=1:ModelSpec input=2:Input
RegressLog        request=1:RegressRequest
RegressRequest    model_spec=1:ModelSpec input=2:Input
Input             example_list=1:ExampleList
ExampleList       examples=1:*Example
"""

# TensorFlow's DataType, by its number.
DTYPES: Final = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    7: "string",
    8: "complex64",
    9: "int64",
    10: "bool",
    11: "qint8",
    12: "quint8",
    13: "qint32",
    14: "bfloat16",
    15: "qint16",
    16: "quint16",
    17: "uint16",
    18: "complex128",
    19: "float16",
    20: "resource",
    21: "variant",
    22: "uint32",
    23: "uint64",
}

_PACKAGE: Final = "servestack.wire"
_FIELD: Final = re.compile(r"(\w+)=(\d+):([*%]?)(\w+)")
_Field: Final = descriptor_pb2.FieldDescriptorProto


def message(name: str) -> Any:
    """Give the class of a message of the schema; Any, since protobuf makes it at run time."""
    found = _pool().FindMessageTypeByName(f"{_PACKAGE}.{name}")
    return message_factory.GetMessageClass(found)


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(
        name="servestack_wire.proto", package=_PACKAGE, syntax="proto3"
    )
    for line in filter(None, _SCHEMA.splitlines()):
        name, fields = line.split(maxsplit=1)
        owner = file.message_type.add(name=name)
        for field_name, number, kind, type_name in _FIELD.findall(fields):
            if kind == "%":
                entry_name = field_name.title().replace("_", "") + "Entry"
                entry = owner.nested_type.add(name=entry_name)
                entry.options.map_entry = True
                _add(entry, "key", 1, "string")
                _add(entry, "value", 2, type_name)
                _add(owner, field_name, int(number), f"{name}.{entry_name}", repeated=True)
            else:
                _add(owner, field_name, int(number), type_name, repeated=kind == "*")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _add(
    owner: descriptor_pb2.DescriptorProto,
    name: str,
    number: int,
    type_name: str,
    *,
    repeated: bool = False,
) -> None:
    field = owner.field.add(name=name, number=number)
    field.label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
    if type_name[0].isupper():
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{type_name}"
    else:
        field.type = _Field.Type.Value(f"TYPE_{type_name.upper()}")
