"""A small ASGI application for tests of the server, without a database. Each path has one behaviour.

The sockets put their results on a board. `GET /board/NAME` waits for the result of that name and returns it as JSON.
"""

import asyncio
import gc
import itertools
import json
import logging
import os
import weakref
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from realtime.metrics import counts

Message = dict[str, Any]
Receive = Callable[[], Coroutine[Any, Any, Message]]
Send = Callable[[Message], Coroutine[Any, Any, None]]
Scope = dict[str, Any]

if "TEST_ROOT_LEVEL" in os.environ:  # as LOGGING of an application's settings does
    logging.getLogger().setLevel(os.environ["TEST_ROOT_LEVEL"])

MEGABYTE = "x" * 1_000_000
board: dict[str, asyncio.Future[Any]] = {}


class Page:
    """Part of a cycle, as those of Django are."""

    def __init__(self) -> None:
        self.own = self


pages: "weakref.WeakSet[Page]" = weakref.WeakSet()  # those that are in memory


def on_board(name: str) -> asyncio.Future[Any]:
    return board.setdefault(name, asyncio.get_running_loop().create_future())


def put(name: str, value: Any) -> None:
    """Puts a result on the board. The first one of a name stays."""
    if not on_board(name).done():
        on_board(name).set_result(value)


def peak_memory() -> int:
    """The peak memory of this process, in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def count_objects() -> dict[str, int]:
    """The objects of the server's packages and of asyncio in this process, by class. Collects no garbage before."""
    names = [f"{type(each).__module__}.{type(each).__name__}" for each in gc.get_objects()]
    packages = ("realtime", "daphne", "autobahn", "twisted", "asyncio")
    return Counter(name for name in names if name.partition(".")[0] in packages)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await http(scope, receive, send)
        return
    await receive()  # websocket.connect
    await SOCKETS[scope["path"].split("/")[1]](scope, receive, send)


async def http(scope: Scope, receive: Receive, send: Send) -> None:
    _, page, *rest = scope["path"].split("/")
    match page:
        case "board":
            body = json.dumps(await on_board(rest[0]))
        case "objects":
            body = json.dumps(count_objects())
        case "cycle":
            pages.add(Page())
            body = f"{len(pages)} {MEGABYTE}"
        case "memory":
            body = str(peak_memory())
        case "scope":
            body = json.dumps({key: repr(value) for key, value in scope.items()})
        case "length":
            length, more = 0, True
            while more:
                message = await receive()
                length, more = length + len(message["body"]), message["more_body"]
            body = str(length)
        case "counts":
            body = json.dumps(counts())
        case "stream":
            await stream(rest[0], send)
            return
        case "put":
            put(rest[0], True)
            body = "put"
        case "raise":
            raise RuntimeError("This page is broken.")
        case "never":
            await asyncio.Event().wait()
        case _:
            body = "hello"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body.encode()})


async def stream(name: str, send: Send) -> None:
    """Sends 200 MB. `GET /board/NAME` tells when that is over."""
    try:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(200):
            await send({"type": "http.response.body", "body": MEGABYTE.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        put(name, True)


async def accept_later(scope: Scope, receive: Receive, send: Send) -> None:
    """Accepts after `GET /put/NAME-go`, and then echoes."""
    await on_board(f"{scope['path'].split('/')[-1]}-go")
    await echo(scope, receive, send)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Echoes until the client leaves. Puts the close code on the board, under the last part of the path."""
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})
    put(scope["path"].split("/")[-1], message["code"])


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.close"})


async def close(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": int(scope["path"].split("/")[-1])})


async def fail(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("The consumer is broken.")


async def accept_and_fail(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.accept"})
    raise RuntimeError("The consumer is broken.")


async def subprotocol(scope: Scope, receive: Receive, send: Send) -> None:
    """Accepts with the subprotocol in the path."""
    await send({"type": "websocket.accept", "subprotocol": scope["path"].split("/")[-1]})


async def never(scope: Scope, receive: Receive, send: Send) -> None:
    """Accepts, and never ends."""
    await send({"type": "websocket.accept"})
    await asyncio.Event().wait()


async def large(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": MEGABYTE * 2})
    await send({"type": "websocket.send", "bytes": b"bytes"})


async def flood(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends 200 MB. Then puts the code of the disconnect on the board."""
    await send({"type": "websocket.accept"})
    for _ in range(200):
        await send({"type": "websocket.send", "text": MEGABYTE})
    put("flooded", (await receive())["code"])


async def stall(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends more than any buffer holds. Puts the code of the disconnect on the board, under the path's last part."""
    await send({"type": "websocket.accept"})
    sending = [asyncio.create_task(send({"type": "websocket.send", "text": MEGABYTE})) for _ in range(20)]
    code = (await receive())["code"]
    await asyncio.gather(*sending)  # no send raises or hangs
    put(scope["path"].split("/")[-1], code)


async def concurrent_sends(scope: Scope, receive: Receive, send: Send) -> None:
    """Forty tasks send one large message each."""
    await send({"type": "websocket.accept"})
    await asyncio.gather(*(send({"type": "websocket.send", "text": f"{number} {MEGABYTE}"}) for number in range(40)))
    await send({"type": "websocket.close", "code": 4000})


async def interrupt(scope: Scope, receive: Receive, send: Send) -> None:
    """Closes with 4001 while other tasks wait to send."""
    await send({"type": "websocket.accept"})
    sending = [asyncio.create_task(send({"type": "websocket.send", "text": MEGABYTE})) for _ in range(20)]
    _, waiting = await asyncio.wait(sending, timeout=0.2)
    put("waited", len(waiting))
    leaving = asyncio.create_task(receive())
    await send({"type": "websocket.close", "code": 4001})
    await asyncio.gather(*sending)
    put("interrupted", f"{'after' if leaving.done() else 'before'} the connection was gone")
    await leaving


async def send_after_disconnect(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends after the client has left."""
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass
    for _ in range(3):
        await send({"type": "websocket.send", "text": MEGABYTE})
    await send({"type": "websocket.close"})
    put("sent-after-disconnect", True)


async def later(scope: Scope, receive: Receive, send: Send) -> None:
    """Receives nothing before `GET /put/NAME-go`. Puts the numbers of the texts and the close code on the board."""
    name = scope["path"].split("/")[-1]
    await send({"type": "websocket.accept"})
    await on_board(f"{name}-go")
    numbers = []
    while (message := await receive())["type"] == "websocket.receive":
        numbers.append(int(message["text"].split()[0]))
    put(name, [numbers, message["code"]])


async def rounds(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers each message with the number of the round of the event loop in which it has come."""
    await send({"type": "websocket.accept"})
    now = on_board("round")
    if not now.done():
        now.set_result(counter := itertools.count())
        asyncio.get_running_loop().call_soon(count_rounds, counter)
    while (await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": repr(now.result())})


def count_rounds(counter: "itertools.count[int]") -> None:
    next(counter)
    asyncio.get_running_loop().call_soon(count_rounds, counter)


async def last_frame(scope: Scope, receive: Receive, send: Send) -> None:
    """Registers last frames. Puts the number of received messages and the close code on the board."""
    frames = scope["extensions"]["realtime.server"]["last_frames"]
    frames.update({code: f"last frame for {code}" for code in (1008, 1012, 4013)})
    await send({"type": "websocket.accept"})
    messages = 0
    while (message := await receive())["type"] == "websocket.receive":
        messages += 1
    put(scope["path"].split("/")[-1], [messages, message["code"]])


async def handshake(scope: Scope, receive: Receive, send: Send) -> None:
    """Does not answer the handshake."""
    put("handshake-begun", True)
    await receive()


SOCKETS: dict[str, Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]] = {
    "accept-and-fail": accept_and_fail,
    "accept-later": accept_later,
    "close": close,
    "concurrent-sends": concurrent_sends,
    "echo": echo,
    "fail": fail,
    "flood": flood,
    "handshake": handshake,
    "interrupt": interrupt,
    "large": large,
    "last-frame": last_frame,
    "later": later,
    "never": never,
    "refuse": refuse,
    "rounds": rounds,
    "send-after-disconnect": send_after_disconnect,
    "stall": stall,
    "subprotocol": subprotocol,
}
