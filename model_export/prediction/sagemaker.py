"""A real-time endpoint of SageMaker that runs its TensorFlow container, by Amazon's own client.

The container hands TF Serving's JSON through; a model and a version are chosen by its custom
attributes. Credentials are the client's default chain and nothing else.
"""

from http import HTTPStatus
from typing import Any, Final

from numpy.typing import NDArray

from model_export.errors import RefusedError
from model_export.manifest import Signature
from model_export.prediction.call import (
    CallError,
    Columns,
    Rows,
    Target,
    too_late,
    unreachable,
)
from model_export.prediction.endpoint import SageMakerEndpoint
from model_export.prediction.instances import instance_count
from model_export.prediction.json_codec import failed, read_outputs, request_body

_TURNED_AWAY: Final = {"ThrottlingException", "ModelNotReadyException", "TooManyRequestsException"}


class SageMakerTransport:
    """Connections to the region's runtime.

    Amazon's client takes its time-out once for all calls, so this one is for each wait of each
    attempt; no attempt begins after the call's own deadline.
    """

    def __init__(
        self, endpoint: SageMakerEndpoint, target: Target, connections: int, timeout_seconds: float
    ) -> None:
        try:
            from boto3.session import Session  # noqa: PLC0415 slow, and need not be installed
            from botocore.config import Config  # noqa: PLC0415
        except ImportError as error:
            raise RefusedError(
                f"Endpoint {endpoint.name}: boto3 is not installed; "
                "pip install 'servestack[sagemaker]'."
            ) from error
        self._where = endpoint.name
        self._target = target
        self._endpoint = endpoint.endpoint
        # Not the session that all of a process share: it is not safe to open clients of in threads.
        self._client = Session().client(
            "sagemaker-runtime",
            region_name=endpoint.region,
            config=Config(
                connect_timeout=timeout_seconds,
                read_timeout=timeout_seconds,
                max_pool_connections=connections,
                retries={"total_max_attempts": 1},
            ),
        )

    def signatures(self, _timeout_seconds: float) -> None:
        """Give none: SageMaker passes no metadata on."""

    def predict(
        self, inputs: Rows | Columns, signature: Signature | None, timeout_seconds: float
    ) -> dict[str, NDArray[Any]]:
        """Invoke the endpoint with the server's own document."""
        from botocore import exceptions as boto  # noqa: PLC0415 comes with the client

        attributes = _attributes(self._target)
        more: dict[str, Any] = {"CustomAttributes": attributes} if attributes else {}
        try:
            answer = self._client.invoke_endpoint(
                EndpointName=self._endpoint,
                ContentType="application/json",
                Accept="application/json",
                Body=request_body(self._target, inputs),
                **more,
            )
            data = answer["Body"].read()
        except boto.ClientError as error:
            raise _refused(self._where, error.response) from error
        except (boto.NoCredentialsError, boto.PartialCredentialsError) as error:
            raise RefusedError(
                f"{self._where}: {error}. Run `aws configure`, or run where a role is attached."
            ) from error
        except (boto.EndpointConnectionError, boto.ConnectTimeoutError) as error:
            raise unreachable(self._where, error, "not executed") from error
        except boto.ReadTimeoutError as error:
            raise too_late(self._where, timeout_seconds) from error
        except boto.HTTPClientError as error:
            raise unreachable(self._where, error, "unknown") from error
        except boto.BotoCoreError as error:
            raise CallError(f"{self._where}: {error}", "final") from error
        return read_outputs(self._where, data, signature, instance_count(inputs))

    def close(self) -> None:
        """End the connections."""
        self._client.close()


def _attributes(target: Target) -> str:
    chosen = {"tfs-model-name": target.model, "tfs-model-version": target.version}
    return ",".join(f"{key}={value}" for key, value in chosen.items() if value is not None)


def _refused(where: str, response: Any) -> CallError:
    """Say what the container answered, or else the service."""
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    fault = response["Error"]
    if "OriginalStatusCode" in response:
        message = str(response.get("OriginalMessage"))
        status = int(response["OriginalStatusCode"])
        return failed(where, status, message.encode(), otherwise=message)
    text = f"{where} answered {fault.get('Code', status)}: {fault.get('Message', '')}"
    if fault.get("Code") in _TURNED_AWAY or status == HTTPStatus.TOO_MANY_REQUESTS:
        return CallError(text, "not executed")
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return CallError(text, "unknown")
    return CallError(
        text, "instances" if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else "final"
    )
