"""The load generator: WebSocket clients that parse frame headers, count frames, and decode nothing.

It is a process of its own. Its cost a frame is measured beside the server's, and is part of the result.
"""

import asyncio
import json
import os
import sys
import time
from contextlib import suppress
from typing import Any

QUIET = 6.0  # seconds without a frame after which the rest counts as lost: three sweeps of Runwire
_MARK = b'"bench":['  # comes before the event's number in the data of every event
_MASK = b"\0\0\0\0"  # a mask of zeros is valid, and costs nothing


def frame(payload: bytes, opcode: int = 1) -> bytes:
    """Builds a masked frame, as a client sends it."""
    size = len(payload)
    head = bytes([0x80 | opcode, 0x80 | size]) if size < 126 else bytes([0x80 | opcode, 0xFE, size >> 8, size & 255])
    return head + _MASK + payload


class Client(asyncio.Protocol):
    """Connects, sends the texts of `script`, one after each frame that comes, and then counts frames."""

    def __init__(self, load: "Load", request: bytes, script: list[str], waits: bool) -> None:
        self.load, self.request, self.script = load, request, script
        self.waits = waits  # whether it waits for a frame of the server before the first text
        self.is_open = False
        self.data = b""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self.request)

    def connection_lost(self, error: Exception | None) -> None:
        self.load.lost_connections += not self.load.is_closing
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("closed before it was subscribed"))

    def data_received(self, data: bytes) -> None:
        data = self.data + data if self.data else data
        position = 0
        if not self.is_open:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self.data = data
                return
            if b" 101 " not in data[:20]:
                self.transport.abort()
                return
            position, self.is_open = end + 4, True
            if not self.waits:
                self.step()
        length = len(data)
        while length - position >= 2:
            size, begin = data[position + 1], position + 2
            if size == 126:
                size, begin = int.from_bytes(data[begin : begin + 2], "big"), begin + 2
            elif size == 127:
                size, begin = int.from_bytes(data[begin : begin + 8], "big"), begin + 8
            if begin + size > length:
                break
            opcode = data[position] & 15
            if opcode == 1 and size > 1:
                self.text(data, begin, begin + size)
            elif opcode == 1 and data[begin : begin + 1] == b"2":
                self.transport.write(frame(b"3"))  # engine.io's heartbeat
            elif opcode == 9:
                self.transport.write(frame(data[begin : begin + size], 10))
            position = begin + size
        self.data = data[position:]

    def text(self, data: bytes, begin: int, end: int) -> None:
        if not self.ready.done():
            if data.find(b'"success":false', begin, end) > 0:
                self.transport.abort()  # refused: an error is better than a socket that gets nothing
            else:
                self.step()
            return
        load = self.load
        load.frames += 1
        load.last = time.monotonic()
        if load.times is not None:
            at = data.find(_MARK, begin, end)
            if at > 0:
                at += len(_MARK)
                load.times.append((int(data[at : data.index(b"]", at)]), load.last))

    def step(self) -> None:
        if self.script:
            self.transport.write(frame(self.script.pop(0).encode()))
        elif not self.ready.done():
            self.ready.set_result(None)


class Load:
    """All clients of this process, and the commands of the benchmark."""

    def __init__(self) -> None:
        self.clients: list[Client] = []
        self.frames, self.last, self.lost_connections = 0, 0.0, 0
        self.times: list[tuple[int, float]] | None = None
        self.is_closing = False

    async def open(
        self, port: int, path: str, sockets: list[dict[str, Any]], waits: bool = False, at_once: int = 50
    ) -> dict[str, Any]:
        """Connects and subscribes all sockets, `at_once` at a time. Returns how many opened, when it began (monotonic
        clock), and the seconds that it took."""
        slots = asyncio.Semaphore(at_once)
        began = time.monotonic()

        async def connect(socket: dict[str, Any]) -> bool:
            request = (
                f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                f"Cookie: sessionid={socket['cookie']}\r\n\r\n"
            ).encode()
            client = Client(self, request, list(socket["script"]), waits)
            async with slots:
                try:
                    await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", port)
                    await asyncio.wait_for(client.ready, 60)
                except (OSError, TimeoutError):
                    return False
            self.clients.append(client)
            return True

        opened = sum(await asyncio.gather(*map(connect, sockets)))
        return {"seconds": time.monotonic() - began, "opened": opened, "began": began}

    async def reset(self, timed: bool = False) -> None:
        """Sets the counts to zero. `timed` also notes when each event arrives."""
        self.frames, self.last, self.times = 0, 0.0, [] if timed else None

    async def wait(self, frames: int) -> dict[str, Any]:
        """Returns when so many frames have come since `reset`, or when none has come for QUIET seconds."""
        since = time.monotonic()
        while self.frames < frames and time.monotonic() - max(self.last, since) < QUIET:
            await asyncio.sleep(0.02)
        return {
            "frames": self.frames,
            "last": self.last,
            "times": self.times or [],
            "lost_connections": self.lost_connections,
        }

    async def close(self) -> None:
        self.is_closing = True
        for client in self.clients:
            client.transport.abort()
        await asyncio.sleep(0.2)
        self.clients.clear()
        self.is_closing, self.lost_connections = False, 0


async def main() -> None:
    load, loop = Load(), asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=2**26)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), os.fdopen(0, "rb"))
    while line := await lines.readline():
        arguments = json.loads(line)
        try:
            answer = {"result": await getattr(load, arguments.pop("command"))(**arguments)}
        except Exception as error:
            answer = {"error": repr(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    # In production the clients are on another machine. With real-time priority, the programs on this core cannot delay
    # the moment at which a frame is counted.
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    asyncio.run(main())
