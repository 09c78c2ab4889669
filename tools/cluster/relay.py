"""A door between two networks of one machine: what comes to a socket goes on to an address.

A process keeps a socket that was opened in another network than its own. So a listening socket of
this machine leads into a node's network, and one of the node's to this machine's loopback, and
neither network has a link to the other. Runs as a program of its own.
"""

import asyncio
import contextlib
import socket
import sys

_CHUNK_BYTES = 1 << 16


async def _serve(listener: socket.socket, host: str, port: int) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(host, port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        for each in (writer, far_writer):
            each.close()

    server = await asyncio.start_server(handle, sock=listener)
    async with server:
        await server.serve_forever()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry one direction to its end, and tell the other side of it."""
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


def _main() -> None:
    number, host, port = sys.argv[1:]
    listener = socket.socket(fileno=int(number))
    asyncio.run(_serve(listener, host, int(port)))


if __name__ == "__main__":
    _main()
