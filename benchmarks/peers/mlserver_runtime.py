"""The model as an MLServer custom runtime; MLServer has none of its own for TensorFlow."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from savedmodel import load_signature


class Classifier(MLModel):
    """One copy of the model in each inference worker."""

    async def load(self) -> bool:
        """Load once for each worker."""
        self._call = load_signature()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Classify a batch of images."""
        images = NumpyCodec.decode_input(payload.inputs[0])
        return InferenceResponse(
            model_name=self.name,
            outputs=[NumpyCodec.encode_output("probabilities", self._call(images))],
        )
