"""The programs of a conversion Job, as they are mounted into its containers. Pure text.

They run where nothing of this project is installed: the first in rclone's image, the second in
NVIDIA's with TensorFlow in it, the third in one that has `model-export`.
"""

from typing import Final

FETCH: Final = """\
#!/bin/sh
# Brings the version that is to be converted; notices that the result is published already.
set -eu
if rclone cat --config /dev/null "$BUCKET/$MODEL/$TO/manifest.json" >/dev/null 2>&1; then
  echo "$MODEL $TO is published already"
  touch /work/done
  exit 0
fi
rm -rf /work/in /work/out
rclone copy --config /dev/null --retries 5 --transfers 8 --checksum "$BUCKET/$MODEL/$OF" /work/in
(cd /work/in && sha256sum -c "$DIGESTS" >/tmp/compared 2>&1) || {
  echo "the files of $MODEL $OF in the bucket are not those of its manifest:"
  grep -v ': OK$' /tmp/compared | tail -n 10
  exit 1
}
mv /work/in/manifest.json /work/manifest.json
echo "$MODEL $OF is here, and whole"
"""

CONVERT: Final = '''\
"""Converts /work/in to /work/out with TF-TRT, and compares the two on the manifest's sample."""

import json
import os
import shutil
import sys
from pathlib import Path

if Path("/work/done").exists():
    sys.exit(0)

import numpy as np
import tensorflow as tf

precision = os.environ["PRECISION"].upper()
sample = json.loads(Path("/work/manifest.json").read_text()).get("sample")
name = sample["signature_name"] if sample else "serving_default"


def batch(signature):
    """Put the sample's instances together as the signature takes them."""
    inputs = signature.structured_input_signature[1]
    rows = sample["instances"]
    if len(inputs) == 1 and not all(isinstance(row, dict) for row in rows):
        rows = [{next(iter(inputs)): row} for row in rows]
    return {
        key: tf.constant(np.array([row[key] for row in rows]), dtype=spec.dtype)
        for key, spec in inputs.items()
    }


try:
    converter = tf.experimental.tensorrt.Converter(
        input_saved_model_dir="/work/in",
        input_saved_model_signature_key=name,
        precision_mode=precision,
        maximum_cached_engines=16,
    )
except (AttributeError, RuntimeError) as error:
    sys.exit(
        f"TensorFlow {tf.__version__} in this image has no TensorRT; it left after 2.17. Name an "
        f"image that has it. ({error})"
    )
converter.convert()
metrics = {}
if sample:
    original = tf.saved_model.load("/work/in").signatures[name]
    values = batch(original)
    keys = list(original.structured_input_signature[1])
    # Engines are built here, on the kind of GPU that will serve, and not at the first request.
    converter.build(input_fn=lambda: iter([tuple(values[key] for key in keys)]))
converter.save("/work/out")
extra = Path("/work/in/assets.extra")
if extra.exists():
    shutil.copytree(extra, "/work/out/assets.extra", dirs_exist_ok=True)
if sample:
    converted = tf.saved_model.load("/work/out").signatures[name]
    before, after = original(**values), converted(**values)
    apart = [
        float(np.max(np.abs(before[key].numpy() - after[key].numpy())))
        for key in before
        if before[key].dtype.is_floating and before[key].shape.num_elements()
    ]
    if not all(np.isfinite(apart)):
        sys.exit("the converted model answers the sample with numbers that are none")
    metrics["difference"] = max(apart, default=0.0)
words = " ".join(f"--metric {key}={value}" for key, value in metrics.items())
Path("/work/metrics").write_text(words)
print(f"converted to {precision}: {metrics or 'there was no sample to compare'}")
'''

PUBLISH: Final = """\
#!/bin/sh
# Publishes the result as a version of its own.
set -eu
if [ -f /work/done ]; then
  exit 0
fi
# shellcheck disable=SC2046 # the metrics are words of their own
exec model-export publish /work/out --model "$MODEL" --store "$STORE" --version "$TO" \\
  --parent "$OF" --label "runtime=tensorrt" --label "precision=$PRECISION" $(cat /work/metrics)
"""
