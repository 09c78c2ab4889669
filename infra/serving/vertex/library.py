"""Google's client for Vertex AI, loaded in one place. It takes seconds: import this late."""

import warnings
from typing import Any

with warnings.catch_warnings():
    # It announces the end of each Python version to whoever runs a program.
    warnings.simplefilter("ignore", FutureWarning)
    from google.api_core import exceptions as api_errors
    from google.api_core import retry as api_retry
    from google.auth import exceptions as auth_errors
    from google.cloud import aiplatform_v1 as v1

__all__ = ["api_errors", "api_retry", "auth_errors", "package", "v1"]


def package(*, beta: bool) -> Any:
    """Give the API's messages: the beta's only where nothing else can do it, scale to zero."""
    if not beta:
        return v1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from google.cloud import aiplatform_v1beta1  # noqa: PLC0415 slow, and seldom needed

    return aiplatform_v1beta1
