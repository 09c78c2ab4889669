"""Requests counted by the version that they came to, whatever became of them."""

import asyncio
from contextlib import suppress

import pytest

from local_model_server.domain import Code, ServingError
from local_model_server.metrics import PrometheusMetrics
from local_model_server.version_requests import VersionRequest
from tests.server.edge.fake_core import FakeServable


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, Code.OK),
        (ServingError(Code.RESOURCE_EXHAUSTED, "full"), Code.RESOURCE_EXHAUSTED),
        (asyncio.CancelledError(), Code.CANCELLED),
        (ValueError("unforeseen"), Code.INTERNAL),
    ],
    ids=str,
)
def test_a_request_is_counted_by_how_it_ended(error: BaseException | None, code: Code) -> None:
    metrics = PrometheusMetrics()
    servable = FakeServable(name="heart", version=7, inputs={})
    with (
        suppress(ServingError, asyncio.CancelledError, ValueError),
        VersionRequest(metrics, servable),
    ):
        if error is not None:
            raise error
    page = metrics.page().decode()
    series = f'model_name="heart",version="7",status="{code.name}"'
    assert f":servestack:serving:version_request_count{{{series}}} 1\n" in page
    assert ':version_request_latency_count{model_name="heart",version="7"} 1\n' in page
