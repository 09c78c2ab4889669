"""Opens Google's own client of a service of Vertex AI.

Credentials are the client's default chain and nothing else. Knows nothing of what is asked of it.
"""

import warnings
from typing import Any

from model_export.errors import RefusedError
from model_export.prediction.endpoint import VertexEndpoint


def service_client(endpoint: VertexEndpoint, service: str) -> Any:
    """Open Google's client of one of Vertex AI's services, by the name of the service."""
    try:
        with warnings.catch_warnings():
            # It announces the end of each Python version to whoever runs a program.
            warnings.simplefilter("ignore", FutureWarning)
            from google.auth.exceptions import DefaultCredentialsError  # noqa: PLC0415 slow
            from google.cloud import aiplatform_v1  # noqa: PLC0415 slow
    except ImportError as error:
        raise RefusedError(
            f"Endpoint {endpoint.name}: google-cloud-aiplatform is not installed; "
            "pip install 'servestack[vertex]'."
        ) from error
    host = endpoint.host or f"{endpoint.region}-aiplatform.googleapis.com"
    try:
        return getattr(aiplatform_v1, f"{service}Client")(client_options={"api_endpoint": host})
    except DefaultCredentialsError as error:
        raise RefusedError(
            f"{endpoint.name}: no Google credentials were found. Run `gcloud auth "
            "application-default login`, or run where a service account is attached."
        ) from error
