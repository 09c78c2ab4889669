"""AWS's own API as stand-ins call it: checked against botocore's models, then sent to a server.

botocore checks kinds, required members and ranges by itself; words and patterns its models know as
well and leave to the service, so they are checked here. What the server at AWS_ENDPOINT_URL (moto)
does not have is only checked.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import boto3
from botocore import exceptions as boto
from botocore.validate import ParamValidator

from tests.standins.provider import ResourceError

# What moto 5.2 does not have.
NOT_SERVED: Final = frozenset(
    {
        ("eks", "CreateAccessEntry"),
        ("eks", "AssociateAccessPolicy"),
        ("eks", "CreateAddon"),
        ("eks", "CreatePodIdentityAssociation"),
        ("sagemaker", "UpdateEndpoint"),
    }
)


class Api:
    """One account in one region."""

    def __init__(self, region: str) -> None:
        self._session = boto3.session.Session(region_name=region)

    @functools.cache  # noqa: B019 - as long as the process lives there is one
    def client(self, service: str) -> Any:
        """Give a service's client."""
        make: Any = self._session.client
        return make(service)

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Check a request and send it; what the service refuses is told in its own words."""
        client = self.client(service)
        model = client.meta.service_model.operation_model(operation)
        parameters = {name: value for name, value in parameters.items() if value is not None}
        report = ParamValidator().validate(parameters, model.input_shape)
        if report.has_errors():
            raise ResourceError(f"{service}:{operation}: {report.generate_report()}")
        problems = list(_problems(model.input_shape, parameters, ""))
        if problems:
            raise ResourceError(f"{service}:{operation}: {'; '.join(problems)}")
        if (service, operation) in NOT_SERVED:
            return {}
        method = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", operation).lower()
        try:
            answer: dict[str, Any] = getattr(client, method)(**parameters)
        except boto.ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            raise RefusedError(code, f"{service}:{operation}: {error}") from error
        except boto.NoCredentialsError as error:
            raise ResourceError("No valid credential sources found") from error
        return answer

    def finds(self, service: str, operation: str, **parameters: Any) -> dict[str, Any] | None:
        """Send a question; None where nothing is there."""
        try:
            return self.call(service, operation, **parameters)
        except RefusedError as error:
            if re.search(r"NotFound|NoSuch|ValidationException|Could not find", str(error)):
                return None
            raise


class RefusedError(ResourceError):
    """What the service refused; `code` is its own word."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _problems(shape: Any, value: Any, path: str) -> Iterator[str]:
    match shape.type_name:
        case "structure":
            for name, inner in value.items():
                yield from _problems(shape.members[name], inner, f"{path}.{name}")
        case "list":
            for index, inner in enumerate(value):
                yield from _problems(shape.member, inner, f"{path}[{index}]")
        case "map":
            for name, inner in value.items():
                yield from _problems(shape.key, name, f"{path}.{name}")
                yield from _problems(shape.value, inner, f"{path}.{name}")
        case "string":
            yield from _in_text(shape, str(value), path.lstrip("."))


def _in_text(shape: Any, value: str, path: str) -> Iterator[str]:
    words = shape.enum
    if words and value not in words:
        yield f"{path}: {value!r} is not one of {', '.join(words)}"
    most, pattern = shape.metadata.get("max"), shape.metadata.get("pattern")
    if most is not None and len(value) > most:
        yield f"{path}: {value!r} has {len(value)} characters, at most {most} are allowed"
    if pattern and (compiled := _compiled(pattern)) and not compiled.fullmatch(value):
        yield f"{path}: {value!r} does not match {pattern}"


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    # Some are in Java's words.
    try:
        return re.compile(pattern.replace(r"\p{L}", "a-zA-Z").replace(r"\p{Z}", " "))
    except re.error:
        return None


def pascal(value: Any) -> Any:
    """Write the properties of an SDK as most of AWS's requests have them."""
    if isinstance(value, Mapping):
        return {name[0].upper() + name[1:]: pascal(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [pascal(inner) for inner in value]
    return value
