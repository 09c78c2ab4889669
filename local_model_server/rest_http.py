"""One listening address: accepts connections, and ends them without losing a request."""

import asyncio
import logging
import time
from email.utils import formatdate
from typing import Final

from local_model_server.rest_connection import Connection
from local_model_server.rest_messages import ErrorPage, Handler, HttpLimits

_log: Final = logging.getLogger(__name__)


class HttpServer:
    """One listening address and its connections."""

    def __init__(self, handler: Handler, error_page: ErrorPage, limits: HttpLimits) -> None:
        self.handler = handler
        self.error_page = error_page
        self.limits = limits
        self.port = 0
        self.draining = False
        self.connections: set[Connection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._emptied = asyncio.Event()
        self._date = b""
        self._date_second = 0

    async def listen(self, address: str, port: int) -> None:
        """Open the port; OSError when it is taken."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: Connection(self), address, port, backlog=1024
        )
        # With port 0 the system chose one.
        self.port = int(self._listener.sockets[0].getsockname()[1])

    async def close(self, grace_seconds: float) -> None:
        """Accept nothing more, let running requests end, then close what is left."""
        self.draining = True
        if self._listener is not None:
            self._listener.close()
        for connection in list(self.connections):
            connection.drain()
        try:
            async with asyncio.timeout(grace_seconds):
                while self.connections:
                    self._emptied.clear()
                    await self._emptied.wait()
        except TimeoutError:
            _log.warning("closing %d connections that did not end in time", len(self.connections))
            for connection in list(self.connections):
                connection.abort()

    def remember(self, connection: Connection) -> None:
        """Take in a connection that has begun."""
        self.connections.add(connection)

    def forget(self, connection: Connection) -> None:
        """Drop a connection that has ended."""
        self.connections.discard(connection)
        self._emptied.set()

    def keep(self, task: asyncio.Task[None]) -> None:
        """Hold a running task, which asyncio itself does not."""
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def date(self) -> bytes:
        """Give the Date header's value, made once a second."""
        second = int(time.time())
        if second != self._date_second:
            self._date_second = second
            self._date = formatdate(second, usegmt=True).encode()
        return self._date
