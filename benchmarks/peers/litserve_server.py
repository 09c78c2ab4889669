"""The model under LitServe: `python litserve_server.py PORT`."""

import sys
from typing import Any

import litserve
import numpy as np
from savedmodel import BATCH_SECONDS, DTYPE, MAX_BATCH_SIZE, WORKERS, Array, load_signature


class Classifier(litserve.LitAPI):
    """One copy of the model in each inference worker."""

    def setup(self, device: str) -> None:
        """Load once for each worker."""
        del device
        self._call = load_signature()

    def decode_request(self, request: dict[str, Any]) -> Array:
        """Take one image; LitServe stacks them when it batches."""
        return np.asarray(request["image"], DTYPE)

    def predict(self, x: Array) -> Array:
        """Classify a batch, or the one image."""
        return self._call(x) if MAX_BATCH_SIZE else self._call(x[np.newaxis])[0]

    def encode_response(self, output: Array) -> dict[str, Any]:
        """Answer as JSON."""
        return {"probabilities": output.tolist()}


if __name__ == "__main__":
    batching: dict[str, Any] = {"max_batch_size": MAX_BATCH_SIZE, "batch_timeout": BATCH_SECONDS}
    litserve.LitServer(
        Classifier(**(batching if MAX_BATCH_SIZE else {})),
        accelerator="cpu",
        workers_per_device=WORKERS,
        fast_queue=True,
    ).run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=WORKERS,
        log_level="warning",
        generate_client_file=False,
    )
