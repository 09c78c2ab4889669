"""How an interrupt or a signal ends the engine: in good order, and at once when asked twice.

The engine is whatever children this process has; it knows nothing of stacks.
"""

import contextlib
import signal
import sys
from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import Final, TypeVar

import psutil

_T = TypeVar("_T")
_ENGINE_ENDS_SECONDS: Final = 60
_SECOND_REQUEST_SECONDS: Final = 5


def interruptible(call: Callable[[], _T], *, say: Callable[[str], None]) -> _T:
    """Run the engine beside this thread, so that an interrupt ends it in good order.

    The Automation API would close the pipes at once, and the engine die of writing to them.
    """
    result: Future[_T] = Future()

    def run() -> None:
        try:
            result.set_result(call())
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where it is waited for
            result.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return result.result()
    except KeyboardInterrupt:
        _end(result, say)
        raise


def end_on_sigterm() -> None:
    """Let SIGTERM end this command as Ctrl-C does: the engine first, in good order."""

    def terminate(*_: object) -> None:
        children = _ask_children(always=True)
        # Whoever sends it does not wait for long: then the engine gives up at once.
        if psutil.wait_procs(children, timeout=_ENGINE_ENDS_SECONDS)[1]:
            _ask_children(always=True)
            psutil.wait_procs(children, timeout=_ENGINE_ENDS_SECONDS)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, terminate)


def _end(running: Future[_T], say: Callable[[str], None]) -> None:
    """Have the engine end: with what is under way, or at once when that is asked for too."""
    try:
        if running.done():
            return
        say(
            "Interrupted: what is under way comes to its end. Interrupt once more to give up "
            "at once; the next run goes on from there"
        )
        _ask_children()
        wait([running])
    except KeyboardInterrupt:
        _ask_children()
        # One of two requests that come at once may be lost.
        if wait([running], timeout=_SECOND_REQUEST_SECONDS).not_done:
            _ask_children(always=True)
            wait([running], timeout=_ENGINE_ENDS_SECONDS)
    finally:
        if not running.done():
            for child in psutil.Process().children():
                child.kill()


def _ask_children(*, always: bool = False) -> list[psutil.Process]:
    """Ask the engine to end, unless the terminal has asked the whole group."""
    children = psutil.Process().children()
    if always or not sys.stdin.isatty():
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.send_signal(signal.SIGINT)
    return children
