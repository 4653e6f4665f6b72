"""A proxy in front of Bolt that breaks connections exactly where it hurts: around COMMIT."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

COMMIT = b"\x00\x02\xb0\x12\x00\x00"
"""A COMMIT message on the wire: one chunk of two bytes (structure without fields, signature 0x12) and its end."""

_READ_BYTES = 65_536


class Fate(Enum):
    """What happens to the next COMMIT."""

    DELIVERED = "the server commits and the client hears of it"
    ANSWER_LOST = "the server commits, and the connection breaks before its answer arrives"
    LOST = "the connection breaks before COMMIT arrives, and the server rolls back"
    LATE = "the connection breaks, and COMMIT arrives when the client has come back and is asking"


@dataclass
class _Link:
    """One client's connection and the connection to the server that belongs to it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server_reader: asyncio.StreamReader
    server_writer: asyncio.StreamWriter

    def cut(self) -> None:
        self.writer.transport.abort()
        self.server_writer.transport.abort()


class BoltProxy:
    """Forwards connections to a Bolt port on loopback.

    ``sent`` is what clients have sent so far; ``lost`` is set once a COMMIT has met its fate and the client lost its
    connection.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener: asyncio.Server | None = None
        self._links: list[_Link] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: _Link | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.lost = asyncio.Event()
        self.port = 0
        self.fate = Fate.DELIVERED
        self.sent = bytearray()

    @property
    def uri(self) -> str:
        return f"bolt://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Accept connections, on the same port as before."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Break every connection and refuse new ones."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.thaw()
        for link in self._links:
            link.cut()
        self._links.clear()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def freeze(self) -> None:
        """Keep every connection open and forward nothing."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Forward again."""
        self._flowing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(reader, writer, *await asyncio.open_connection("127.0.0.1", self._server_port))
        self._links.append(link)
        answers = asyncio.create_task(self._forward_answers(link))
        requests = asyncio.create_task(self._forward_requests(link, answers))
        for task in (answers, requests):
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward_answers(self, link: _Link) -> None:
        with suppress(ConnectionError):
            while data := await link.server_reader.read(_READ_BYTES):
                await self._flowing.wait()
                link.writer.write(data)
                await link.writer.drain()
        link.writer.transport.abort()

    async def _forward_requests(self, link: _Link, answers: "asyncio.Task[None]") -> None:
        with suppress(ConnectionError):
            while data := await link.reader.read(_READ_BYTES):
                await self._flowing.wait()
                self.sent += data
                if data.endswith(COMMIT) and self.fate is not Fate.DELIVERED:
                    await self._lose(link, data, answers)
                    return
                link.server_writer.write(data)
                await link.server_writer.drain()
                if self._held is not None and b"StreamOffset" in data:
                    held, self._held = self._held, None
                    held.server_writer.write(COMMIT)
                    await held.server_writer.drain()
        link.server_writer.transport.abort()

    async def _lose(self, link: _Link, data: bytes, answers: "asyncio.Task[None]") -> None:
        fate, self.fate = self.fate, Fate.DELIVERED
        answers.cancel()
        await asyncio.wait([answers])
        if fate is Fate.ANSWER_LOST:
            link.server_writer.write(data)
            assert await link.server_reader.read(_READ_BYTES), "the server answers COMMIT"
        if fate is Fate.LATE:
            self._held = link
            link.writer.transport.abort()
        else:
            link.cut()
        self.lost.set()
