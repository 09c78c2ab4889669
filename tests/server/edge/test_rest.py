"""REST over a real socket, with a core that only adds."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from local_model_server.domain import MonitoringConfig, ServerSettings
from local_model_server.metrics import PrometheusMetrics
from local_model_server.rest import open_rest
from local_model_server.rest_http import HttpServer
from local_model_server.rest_messages import HttpLimits
from tests.server.edge.fake_core import FakeCore

PREDICT = "/v1/models/sum:predict"
_SETTINGS = ServerSettings(
    models=(), grpc_max_threads=1, monitoring=MonitoringConfig(), enable_cors_support=False
)
_LIMITS = HttpLimits(
    max_header_bytes=4096,
    max_body_bytes=100_000,
    transfer_seconds=30,
    idle_seconds=30,
    request_seconds=10,
)
# For those who are to be found too slow.
_HASTY = replace(_LIMITS, transfer_seconds=0.3)
_WAIT_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """A client that sends exactly the bytes it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self, *, to_head: bool = False) -> Answer:
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), _WAIT_SECONDS)
        first, *lines = head.decode().splitlines()
        headers = {
            name.lower(): value
            for name, _, value in (line.partition(": ") for line in lines if line)
        }
        length = 0 if to_head else int(headers.get("content-length", 0))
        return Answer(
            status=int(first.split()[1]),
            headers=headers,
            body=await self.reader.readexactly(length),
        )

    async def is_closed(self) -> bool:
        return await asyncio.wait_for(self.reader.read(), _WAIT_SECONDS) == b""


@dataclass(frozen=True, kw_only=True)
class Door:
    """The server under test, and ways to knock."""

    server: HttpServer
    core: FakeCore

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        try:
            yield Client(reader, writer)
        finally:
            writer.close()

    async def ask(self, method: str, path: str, body: bytes = b"", headers: str = "") -> Answer:
        async with self.client() as client:
            client.send(request(method, path, body, headers))
            return await client.answer(to_head=method == "HEAD")

    async def predict(self, instances: object) -> Answer:
        return await self.ask("POST", PREDICT, json.dumps({"instances": instances}).encode())


def request(method: str, path: str, body: bytes = b"", headers: str = "") -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{length}{headers}\r\n".encode() + body


def rest(
    test: Callable[[Door], Awaitable[None]],
    server_settings: ServerSettings = _SETTINGS,
    limits: HttpLimits = _LIMITS,
) -> None:
    """Run a test against a server of its own."""

    async def run() -> None:
        # What a callback raises reaches the loop's handler alone.
        faults: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
        core = FakeCore()
        server = await open_rest(server_settings, core, core, PrometheusMetrics(), limits)
        assert isinstance(server, HttpServer)
        try:
            await test(Door(server=server, core=core))
        finally:
            core.release.set()
            await server.close(grace_seconds=1)
            await asyncio.gather(*server.tasks)
        assert core.leases == 0
        assert faults == []

    # As in production.
    uvloop.run(run())


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(_WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


def test_predict_answers_in_both_forms() -> None:
    async def test(door: Door) -> None:
        assert (await door.predict([[1, 2], [3, 4]])).json == {"predictions": [6.0, 14.0]}
        column = await door.ask("POST", PREDICT, b'{"inputs": {"x": [[1, 2]]}}')
        assert column.json == {"outputs": [6.0]}
        assert column.headers["content-type"] == "application/json"

    rest(test)


@pytest.mark.parametrize(
    ("path", "factor"),
    [
        ("/v1/models/sum:predict", 2),
        ("/v1/models/sum/versions/1:predict", 1),
        ("/v1/models/sum/labels/stable:predict", 1),
        ("/V1/MODELS/sum:PREDICT", 2),
        ("/v1/models/%73um:predict?x=1", 2),
    ],
)
def test_versions_and_labels_are_in_the_path(path: str, factor: int) -> None:
    async def test(door: Door) -> None:
        answer = await door.ask("POST", path, b'{"instances": [[1]]}')
        assert answer.json == {"predictions": [factor]}

    rest(test)


def test_status_is_told_as_tf_serving_tells_it() -> None:
    async def test(door: Door) -> None:
        answer = await door.ask("GET", "/v1/models/sum")
        assert answer.status == 200
        assert answer.json == {
            "model_version_status": [
                {
                    "version": "2",
                    "state": "AVAILABLE",
                    "status": {"error_code": "OK", "error_message": ""},
                },
                {
                    "version": "1",
                    "state": "END",
                    "status": {"error_code": "INTERNAL", "error_message": 'broken "file"'},
                },
            ]
        }

    rest(test)


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/v1/models/other", 404, "Servable not found for request: other"),
        ("POST", "/v1/models/other:predict", 404, "Servable not found for request: other"),
        ("POST", "/v1/models/sum/versions/3:predict", 404, "Servable not found"),
        ("GET", PREDICT, 400, "Malformed request: GET /v1/models/sum:predict"),
        ("PUT", "/v1/models/sum", 400, "Malformed request: PUT /v1/models/sum"),
        ("POST", "/v1/models/sum", 400, "Malformed request: POST /v1/models/sum"),
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("GET", f"/v1/models/sum/versions/{2**63}", 400, "Failed to convert version"),
        ("GET", "/", 404, "models are under /v1/models/"),
        ("TRACE", "/v1/models/sum", 405, "Method TRACE is not allowed"),
        ("OPTIONS", PREDICT, 400, "Malformed request: OPTIONS"),
    ],
)
def test_what_is_not_there_is_told(method: str, path: str, status: int, words: str) -> None:
    async def test(door: Door) -> None:
        answer = await door.ask(method, path, b'{"instances": [[1]]}' if method == "POST" else b"")
        assert answer.status == status
        assert words in answer.json["error"]

    rest(test)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "The document is empty"),
        (b'{"instances": [', 400, "JSON Parse error"),
        (b'{"instances": ["a"]}', 400, "Input x: JSON Value"),
        (b'{"instances": [1], "signature_name": "no"}', 400, 'Serving signature name: "no"'),
        (b'{"instances": [[-2]]}', 500, "RuntimeError: the model broke"),
        (b'{"instances": [[-3]]}', 429, "the queue is full"),
    ],
)
def test_a_failure_has_its_code_and_leaves_the_connection_open(
    body: bytes, status: int, words: str
) -> None:
    async def test(door: Door) -> None:
        async with door.client() as client:
            client.send(request("POST", PREDICT, body))
            answer = await client.answer()
            assert (answer.status, list(answer.json)) == (status, ["error"])
            assert words in answer.json["error"]
            client.send(request("POST", PREDICT, b'{"instances": [[1]]}'))
            assert (await client.answer()).status == 200

    rest(test)


def test_head_gets_the_headers_alone() -> None:
    async def test(door: Door) -> None:
        async with door.client() as client:
            client.send(request("HEAD", "/v1/models/sum"))
            head = await client.answer(to_head=True)
            client.send(request("GET", "/v1/models/sum"))
            full = await client.answer()
            assert head.status == full.status == 200
            assert head.headers["content-length"] == str(len(full.body))

    rest(test)


def test_pipelined_requests_are_answered_in_order_and_byte_by_byte_ones_too() -> None:
    async def test(door: Door) -> None:
        bodies = [json.dumps({"instances": [[n]]}).encode() for n in range(40)]
        data = b"".join(request("POST", PREDICT, body) for body in bodies)
        async with door.client() as client:
            client.send(data)
            answers = [(await client.answer()).json for _ in bodies]
            assert answers == [{"predictions": [2.0 * n]} for n in range(40)]
        async with door.client() as client:
            for byte in request("POST", PREDICT, bodies[3]):
                client.send(bytes([byte]))
                await asyncio.sleep(0)
            assert (await client.answer()).json == {"predictions": [6.0]}

    rest(test)


_PIECES = st.sampled_from(
    [
        request("POST", PREDICT, b'{"instances": [[1]]}'),
        request("POST", PREDICT, b"{", "Upgrade: h2c\r\nConnection: Upgrade\r\n"),
        request("GET", "/v1/models/sum", headers="Transfer-Encoding: chunked\r\n"),
        request("CONNECT", "x:1"),
        b"5\r\nab",
        b"0\r\n\r\n",
        b"\r\n",
    ]
)


@given(st.lists(_PIECES | st.binary(max_size=20), min_size=1, max_size=8), st.integers(1, 50))
@settings(max_examples=50, deadline=None)
def test_whatever_comes_is_answered_in_http_and_harms_nobody(
    pieces: list[bytes], size: int
) -> None:
    data = b"".join(pieces)

    async def test(door: Door) -> None:
        async with door.client() as client:
            for start in range(0, len(data), size):
                client.send(data[start : start + size])
                await asyncio.sleep(0)
            client.writer.write_eof()
            told = await asyncio.wait_for(client.reader.read(), _WAIT_SECONDS)
        assert told == b"" or told.startswith(b"HTTP/1.1 ")
        assert (await door.predict([[1]])).json == {"predictions": [2.0]}

    rest(test)


def test_a_proxy_request_is_refused() -> None:
    async def test(door: Door) -> None:
        assert (await door.ask("CONNECT", "example.com:443")).status == 405

    rest(test)


def test_a_chunked_body_is_put_together() -> None:
    async def test(door: Door) -> None:
        async with door.client() as client:
            client.send(
                request("POST", PREDICT, headers="Transfer-Encoding: chunked\r\n")
                + b'e\r\n{"instances": \r\n6\r\n[[1]]}\r\n0\r\n\r\n'
            )
            assert (await client.answer()).json == {"predictions": [2.0]}

    rest(test)


def test_a_gzipped_body_is_unpacked() -> None:
    async def test(door: Door) -> None:
        body = gzip.compress(b'{"instances": ') + gzip.compress(b"[[1]]}")
        answer = await door.ask("POST", PREDICT, body, "Content-Encoding: gzip\r\n")
        assert answer.json == {"predictions": [2.0]}

    rest(test)


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (gzip.compress(b" " * 100_001), "gzip", 413),
        (gzip.compress(b"{}")[:-4], "gzip", 400),
        (b"{}", "gzip", 400),
        (b"{}", "br", 400),
    ],
    # Packed bytes hold the time: as names they would differ between the processes of one run.
    ids=["too large", "cut off", "not packed", "unknown"],
)
def test_a_body_that_does_not_unpack_is_refused(body: bytes, encoding: str, status: int) -> None:
    async def test(door: Door) -> None:
        answer = await door.ask("POST", PREDICT, body, f"Content-Encoding: {encoding}\r\n")
        assert answer.status == status
        assert answer.headers["connection"] == "close"

    rest(test)


def test_a_client_that_waits_for_continue_is_told_to_go_on() -> None:
    async def test(door: Door) -> None:
        body = b'{"instances": [[1]]}'
        data = request("POST", PREDICT, body, "Expect: 100-continue\r\n")
        async with door.client() as client:
            client.send(data[: -len(body)])
            assert (await client.answer()).status == 100
            client.send(body)
            assert (await client.answer()).json == {"predictions": [2.0]}

    rest(test)


def test_an_offered_upgrade_is_answered_in_http_1() -> None:
    async def test(door: Door) -> None:
        headers = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"
        async with door.client() as client:
            for _ in range(2):
                client.send(request("POST", PREDICT, b'{"instances": [[1]]}', headers))
                assert (await client.answer()).json == {"predictions": [2.0]}
                client.send(request("GET", "/v1/models/sum", headers=headers))
                assert (await client.answer()).status == 200

    rest(test)


def test_a_huge_body_is_refused_before_it_is_read() -> None:
    async def test(door: Door) -> None:
        async with door.client() as client:
            client.send(
                b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\n\r\n" + b" " * 50_000
            )
            answer = await client.answer()
            assert answer.status == 413
            assert "exceeds 100000 bytes" in answer.json["error"]
            assert await client.is_closed()

    rest(test)


def test_a_huge_chunked_body_is_refused_while_it_comes() -> None:
    async def test(door: Door) -> None:
        async with door.client() as client:
            client.send(request("POST", PREDICT, headers="Transfer-Encoding: chunked\r\n"))
            for _ in range(11):
                client.send(b"2710\r\n" + b" " * 10_000 + b"\r\n")
            assert (await client.answer()).status == 413

    rest(test)


def test_huge_headers_are_refused() -> None:
    async def test(door: Door) -> None:
        async with door.client() as client:
            client.send(b"GET / HTTP/1.1\r\nX: ")
            for _ in range(10):
                client.send(b"a" * 1000)
                await asyncio.sleep(0)
            assert (await client.answer()).status == 431

    rest(test)


@pytest.mark.parametrize(
    "data", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
)
def test_what_is_not_http_is_refused(data: bytes) -> None:
    async def test(door: Door) -> None:
        async with door.client() as client:
            client.send(data)
            answer = await client.answer()
            assert answer.status == 400
            assert "Malformed HTTP request" in answer.json["error"]
            assert await client.is_closed()

    rest(test)


@pytest.mark.parametrize("data", [b"POST / HTT", request("POST", PREDICT, b"{}")[:-1]])
def test_a_slow_client_is_told_so(data: bytes) -> None:
    async def test(door: Door) -> None:
        async with door.client() as client:
            client.send(data)
            answer = await client.answer()
            assert answer.status == 408
            assert await client.is_closed()

    rest(test, limits=_HASTY)


def test_an_idle_connection_is_closed_silently() -> None:
    async def test(door: Door) -> None:
        async with door.client() as client:
            assert await client.is_closed()

    rest(test, limits=replace(_LIMITS, idle_seconds=0.2))


def test_a_client_that_takes_no_answers_is_cut_off() -> None:
    async def test(door: Door) -> None:
        body = json.dumps({"instances": [[1]] * 10_000}).encode()
        async with door.client() as client:
            # More answers than the two ends can buffer, and nobody reads them.
            for _ in range(400):
                client.send(request("POST", PREDICT, body))
            await _until(lambda: not door.server.connections)

    rest(test, limits=_HASTY)


def test_clients_that_leave_half_way_do_no_harm() -> None:
    async def test(door: Door) -> None:
        waiting = request("POST", PREDICT, b'{"instances": [[-1]]}')
        for data in (b"", b"POST /v1", waiting[:-3], waiting):
            async with door.client() as client:
                client.send(data)
                if data == waiting:
                    await door.core.started.wait()
                client.writer.transport.abort()
        door.core.release.set()
        assert (await door.predict([[1]])).json == {"predictions": [2.0]}
        await _until(lambda: not door.server.connections and not door.core.leases)

    rest(test)


def test_a_client_that_has_said_all_is_still_answered() -> None:
    async def test(door: Door) -> None:
        async with door.client() as client:
            client.send(request("POST", PREDICT, b'{"instances": [[1]]}'))
            client.writer.write_eof()
            assert (await client.answer()).json == {"predictions": [2.0]}
            assert await client.is_closed()

    rest(test)


def test_a_request_that_takes_too_long_is_given_up() -> None:
    async def test(door: Door) -> None:
        answer = await door.predict([[-1]])
        assert answer.status == 504
        assert "no answer within 1 s" in answer.json["error"]
        assert door.core.leases == 1
        assert (await door.predict([[1]])).status == 200
        door.core.release.set()

    rest(test, limits=replace(_LIMITS, request_seconds=1.0))


def test_a_drain_answers_what_was_asked_and_then_closes() -> None:
    async def test(door: Door) -> None:
        async with door.client() as busy, door.client() as idle:
            busy.send(request("POST", PREDICT, b'{"instances": [[-1]]}'))
            await door.core.started.wait()
            closing = asyncio.create_task(door.server.close(grace_seconds=10))
            assert await idle.is_closed()
            with pytest.raises(ConnectionRefusedError):
                await door.predict([[1]])
            assert not closing.done()
            door.core.release.set()
            answer = await busy.answer()
            assert (answer.status, answer.json) == (200, {"predictions": [-2.0]})
            assert answer.headers["connection"] == "close"
            await asyncio.wait_for(closing, _WAIT_SECONDS)

    rest(test)


def test_a_drain_ends_when_its_time_is_over() -> None:
    async def test(door: Door) -> None:
        async with door.client() as client:
            client.send(request("POST", PREDICT, b'{"instances": [[-1]]}'))
            await door.core.started.wait()
            await asyncio.wait_for(door.server.close(grace_seconds=0.1), _WAIT_SECONDS)
            with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                await client.answer()

    rest(test)


def test_http_1_0_closes_after_its_answer() -> None:
    async def test(door: Door) -> None:
        async with door.client() as client:
            client.send(b"GET /v1/models/sum HTTP/1.0\r\n\r\n")
            assert (await client.answer()).headers["connection"] == "close"
            assert await client.is_closed()

    rest(test)


def test_metrics_are_at_their_path_and_count_calls() -> None:
    async def test(door: Door) -> None:
        await door.predict([[1]])
        await door.predict(["a"])
        page = await door.ask("GET", "/monitoring/prometheus/metrics")
        assert page.headers["content-type"].startswith("text/plain")
        lines = page.body.decode().splitlines()
        assert ':tensorflow:serving:request_count{model_name="sum",status="OK"} 1' in lines
        assert (
            ':tensorflow:serving:request_count{model_name="sum",status="INVALID_ARGUMENT"} 1'
            in lines
        )
        own = ":servestack:serving:version_request"
        series = 'model_name="sum",version="2"'
        assert f'{own}_count{{{series},status="OK"}} 1' in lines
        assert f'{own}_count{{{series},status="INVALID_ARGUMENT"}} 1' in lines
        assert f"{own}_latency_count{{{series}}} 2" in lines

    async def without(door: Door) -> None:
        assert (await door.ask("GET", "/monitoring/prometheus/metrics")).status == 404

    rest(test)
    rest(without, replace(_SETTINGS, monitoring=None))


def test_browsers_are_let_in_when_asked_for() -> None:
    async def test(door: Door) -> None:
        preflight = await door.ask("OPTIONS", PREDICT)
        assert preflight.status == 200
        for answer in (preflight, await door.predict([[1]]), await door.predict("bad")):
            assert answer.headers["access-control-allow-origin"] == "*"

    async def without(door: Door) -> None:
        assert "access-control-allow-origin" not in (await door.predict([[1]])).headers

    rest(test, replace(_SETTINGS, enable_cors_support=True))
    rest(without)


def test_a_taken_port_is_told_to_whoever_opens_it() -> None:
    async def test(door: Door) -> None:
        taken = replace(_SETTINGS, rest_port=door.server.port)
        with pytest.raises(OSError, match="address already in use"):
            await open_rest(taken, door.core, door.core, PrometheusMetrics())

    rest(test)
