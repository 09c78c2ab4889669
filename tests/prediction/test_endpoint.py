"""Endpoints as people write them."""

import pytest

from model_export.client import connect
from model_export.errors import RefusedError
from model_export.prediction.endpoint import (
    Endpoint,
    GrpcEndpoint,
    RestEndpoint,
    SageMakerEndpoint,
    VertexEndpoint,
    parse_endpoint,
)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("http://h:8501", RestEndpoint(url="http://h:8501")),
        ("https://h/team/", RestEndpoint(url="https://h/team")),
        ("http://h:8501/v1/models", RestEndpoint(url="http://h:8501")),
        ("http://h/v1/models/heart", RestEndpoint(url="http://h", model="heart")),
        ("http://h/v1/models/a%20b:predict", RestEndpoint(url="http://h", model="a b")),
        ("http://h/t/v1/models/m/versions/3", RestEndpoint(url="http://h/t", model="m")),
        ("h:8500", GrpcEndpoint(address="h:8500")),
        ("grpc://h:8500/", GrpcEndpoint(address="h:8500")),
        ("grpcs://h:443", GrpcEndpoint(address="h:443", is_encrypted=True)),
        ("grpc://[::1]:8500", GrpcEndpoint(address="[::1]:8500")),
        ("vertex://p/r/12", VertexEndpoint(project="p", region="r", endpoint="12")),
        (
            "vertex://p/r/12?host=12.r-1.prediction.vertexai.goog",
            VertexEndpoint(
                project="p", region="r", endpoint="12", host="12.r-1.prediction.vertexai.goog"
            ),
        ),
        ("sagemaker://eu-west-1/heart", SageMakerEndpoint(region="eu-west-1", endpoint="heart")),
    ],
)
def test_an_endpoint_is_read(text: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h",
        "grpc://h",
        "grpc://h:8500/x",
        "http://",
        "http://h:x",
        "http://[h",
        "vertex://p/r",
        "vertex://p//12",
        "vertex://p/r/12/13",
        "vertex://p/r/12?region=x",
        "sagemaker://heart",
        "ftp://h:1",
    ],
)
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(RefusedError, match=r"^Endpoint "):
        parse_endpoint(text)


@pytest.mark.parametrize("scheme", ["http", "https", "grpc", "ftp"])
def test_a_password_in_an_endpoint_is_refused_and_not_repeated(scheme: str) -> None:
    with pytest.raises(RefusedError, match=r"…@h:1: a user and a password") as refused:
        parse_endpoint(f"{scheme}://ann:hunter2@h:1")
    assert "hunter2" not in str(refused.value)
    assert "ann" not in str(refused.value)


@pytest.mark.parametrize(
    ("endpoint", "options", "said"),
    [
        ("http://h", {}, "say which model"),
        ("h:1", {}, "say which model"),
        ("h:1", {"model": "m", "version": 1, "label": "l"}, "not both"),
        ("vertex://p/r/1", {"model": "m"}, "a model cannot be asked for there"),
        ("vertex://p/r/1", {"version": 1}, "a version cannot be asked for there"),
        ("sagemaker://r/n", {"label": "l"}, "a label cannot be asked for there"),
    ],
)
def test_what_a_service_has_no_words_for_is_refused(
    endpoint: str, options: dict[str, object], said: str
) -> None:
    with pytest.raises(RefusedError, match=said), connect(endpoint, **options):  # type: ignore[arg-type] # a table of them
        pass
