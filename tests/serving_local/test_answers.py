import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from infra.serving.local.answers import NotServingError, Wanted, versions, wait_until_serving

Statuses = dict[str, tuple[str, str]]


@contextmanager
def server(answer: Callable[[str], Statuses | None]) -> Iterator[str]:
    """Speak the status protocol; None is a 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            statuses = answer(self.path)
            body = json.dumps(
                {"error": "not found"}
                if statuses is None
                else {
                    "model_version_status": [
                        {
                            "version": version,
                            "state": state,
                            "status": {"error_code": "OK", "error_message": error},
                        }
                        for version, (state, error) in statuses.items()
                    ]
                }
            ).encode()
            self.send_response(404 if statuses is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Say nothing."""

    http_server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http_server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{http_server.server_port}"
    finally:
        http_server.shutdown()
        http_server.server_close()


def wait(
    address: str,
    versions: set[int],
    labels: dict[str, int] | None = None,
    patience_seconds: float = 60,
) -> None:
    wait_until_serving(
        Wanted(model="heart", versions=frozenset(versions), labels=labels or {}),
        address=address,
        is_running=lambda: True,
        patience_seconds=patience_seconds,
    )


def test_an_available_version_is_waited_for_and_found() -> None:
    with server(lambda _path: {"1": ("AVAILABLE", "")}) as address:
        wait(address, {1})


def test_a_loading_version_is_not_taken_for_serving() -> None:
    with (
        server(lambda _path: {"1": ("LOADING", "")}) as address,
        pytest.raises(NotServingError, match=r"no answer within .* \(1 is LOADING\)"),
    ):
        wait(address, {1}, patience_seconds=0.5)


def test_the_old_version_must_be_gone_before_a_release_is_done() -> None:
    both: Statuses = {"1": ("AVAILABLE", ""), "2": ("AVAILABLE", "")}
    with server(lambda _path: both) as address, pytest.raises(NotServingError):
        wait(address, {2}, patience_seconds=0.5)


def test_any_version_will_do_when_none_is_named() -> None:
    with server(lambda _path: {"7": ("AVAILABLE", "")}) as address:
        wait(address, set())


def test_a_label_that_has_not_moved_is_not_taken_for_moved() -> None:
    def answer(path: str) -> Statuses:
        return {"1": ("AVAILABLE", "")} if "/labels/" in path else {"2": ("AVAILABLE", "")}

    with server(answer) as address, pytest.raises(NotServingError):
        wait(address, {2}, {"stable": 2}, patience_seconds=0.5)


def test_a_failed_load_is_told_in_the_servers_words_long_before_patience_ends() -> None:
    with (
        server(lambda _path: {"2": ("END", "no such file: saved_model.pb")}) as address,
        pytest.raises(NotServingError, match=r"version 2 does not load: no such file"),
    ):
        wait_until_serving(
            Wanted(model="heart", versions=frozenset({2}), labels={}),
            address=address,
            is_running=lambda: True,
            patience_seconds=60,
        )


def test_a_server_that_ended_is_not_waited_for() -> None:
    with pytest.raises(NotServingError, match="the server ended"):
        wait_until_serving(
            Wanted(model="heart", versions=frozenset({1}), labels={}),
            address="127.0.0.1:9",
            is_running=lambda: False,
            patience_seconds=60,
        )


def test_no_server_means_no_versions() -> None:
    assert versions("127.0.0.1:9", "heart") == {}
