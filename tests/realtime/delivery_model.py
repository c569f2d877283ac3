"""The database and the clients that test_delivery.py plays."""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NamedTuple

from django.db import OperationalError

from realtime.connection.writer import Writer
from realtime.consumers import LiveConsumer
from realtime.hub.hub import Hub
from realtime.log.replay import Page
from realtime.log.types import LogEvent, StreamPosition
from realtime.publishing.announcer import ENDED
from realtime.wire.methods import WSMethod
from realtime.wire.requests import BadRequest, Request, StreamTarget, SubscribeStream

KEY = "u1|orders#7"
LIMITS = {
    "PAGE_EVENTS": 3,
    "BUFFER_EVENTS": 3,
    "GAP_WAIT": 0,
    "SWEEP_INTERVAL": 0,  # of the sweep itself, which the test calls, and of repeated reads
    "SWEEP_GRACE": 0,
    "JOIN_TIMEOUT": 0,
    "SNAPSHOT_LIMIT": 1_000,
}
ENTITIES = "abcd"


# The database


@dataclass
class History:
    """One stream of the log, from its beginning to its end."""

    id: int
    number: int = 1  # grows with each history; the id need not, as a restored backup resets the sequence of ids
    head: int = 0
    floor: int = 0
    entities: dict[int, str] = field(default_factory=dict)  # by seq, of the kept events

    @property
    def epoch(self) -> str:
        return f"epoch {self.number}"

    @property
    def position(self) -> StreamPosition:
        return StreamPosition(self.id, self.epoch, self.head, self.floor)

    def event(self, seq: int) -> LogEvent:
        return LogEvent(seq, "changed", json.dumps({"epoch": self.number, "seq": seq, "entity": self.entities[seq]}))

    def newest(self, upto: int) -> dict[str, int]:
        return {entity: seq for seq, entity in sorted(self.entities.items()) if seq <= upto}


class Database:
    """Answers the reads of the log as store.py and replay.py do."""

    def __init__(self) -> None:
        self.stream = History(100)
        self.has_row = True
        self.exists = True  # what the stream tells of

    def commit(self, entities: Sequence[str]) -> dict[str, Any]:
        """Events with numbers, and their announcement."""
        self.exists = True
        self.create_row()
        first = self.stream.head + 1
        for entity in entities:
            self.stream.head += 1
            self.stream.entities[self.stream.head] = entity
        events = [list(self.stream.event(seq)) for seq in range(first, self.stream.head + 1)]
        about = {"key": KEY, "epoch": self.stream.epoch, "first": first, "last": self.stream.head}
        return {"type": "stream.events", **about, "events": events}

    def prune(self, upto: int) -> None:
        stream = self.stream
        stream.floor = max(stream.floor, min(upto, stream.head))
        newest = set(stream.newest(stream.head).values())
        stream.entities = {
            seq: entity for seq, entity in stream.entities.items() if seq > stream.floor or seq in newest
        }

    def begin_again(self) -> dict[str, Any]:
        self.stream, self.has_row, self.exists = History(self.stream.id + 1, self.stream.number + 1), True, True
        return {"type": ENDED, "key": KEY}

    def restore(self, *, exists: bool) -> None:
        """The row of the stream is not in the backup. `exists` says whether the backup has what the stream tells of."""
        self.has_row, self.exists = False, exists

    def create_row(self) -> None:
        if not self.has_row:
            self.stream, self.has_row = History(self.stream.id - 1, self.stream.number + 1), True

    def find_key(self, user: Any, data: Any) -> str | None:
        return KEY if self.exists else None

    def numbered_head(self, key: str) -> StreamPosition:
        self.create_row()
        return self.stream.position

    def read_head(self, key: str) -> tuple[StreamPosition | None, bool]:
        return (self.stream.position, False) if self.has_row else (None, True)

    def _has(self, id: int) -> bool:
        return self.has_row and id == self.stream.id

    def heads(self, ids: Sequence[int]) -> list[StreamPosition]:
        return [self.stream.position] if any(map(self._has, ids)) else []

    def newest_by_entity(self, id: int, *, after: int, head: int, limit: int) -> tuple[list[int], bool]:
        if not self._has(id):
            return [], False
        seqs = sorted(seq for seq in self.stream.newest(head).values() if seq > after)
        return seqs[-limit:], len(seqs) > limit

    def read_after(self, id: int, after: int) -> Page | None:
        if not self._has(id):
            return None
        seqs = [seq for seq in sorted(self.stream.entities) if after < seq <= after + LIMITS["PAGE_EVENTS"]]
        position = self.stream.position
        return Page(position.epoch, position.head, position.floor, [self.stream.event(seq) for seq in seqs])

    def read_each(self, id: int, seqs: Sequence[int]) -> list[LogEvent]:
        if not self._has(id):
            return []
        return [self.stream.event(seq) for seq in sorted(seqs) if seq in self.stream.entities][:2]


class Statement:
    """One statement: the database executes it at one time, and its result arrives at a later one."""

    def __init__(self, work: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self._work = lambda: work(*args, **kwargs)
        self.name = f"{work.__name__}{args}{kwargs}"
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.result: list[Any] = []

    def execute(self) -> None:
        if not self.result:
            self.result.append(self._work())

    def give(self, *, fails: bool = False) -> None:
        if self.answer.done():  # the caller is gone
            return
        if fails:
            self.answer.set_exception(OperationalError("as the test wants it"))
        else:
            self.execute()
            self.answer.set_result(self.result[0])


# The client


class PendingSubscribe(NamedTuple):
    """A subscribe without an answer. `complete_of` is the epoch of which the client has everything up to `after`."""

    options: dict[str, Any]
    complete_of: int | None


class Client:
    """A browser that knows the protocol. It checks each frame, and collects what it finds wrong."""

    @staticmethod
    def fail(error: Exception) -> None:
        raise error

    def __init__(self, hub: Hub, database: Database) -> None:
        self.database = database
        self.consumer = LiveConsumer()
        self.consumer.user, self.consumer.hub, self.consumer.subscriptions = SimpleNamespace(pk=1), hub, {}
        self.consumer.writer = self.writer = Writer(self._take, on_failure=self.fail)
        self.writing = self.writer.start()
        self.asking: asyncio.Task[None] | None = None
        self.pending: dict[str, PendingSubscribe] = {}
        self.reads = asyncio.Event()
        self.reads.set()
        self.is_subscribed = False
        self.numbered = False
        self.epoch: int | None = None
        self.last = 0  # the newest number received
        self.until = 0  # up to this number events may be missing; after it none
        self.state: dict[str, int] = {}  # the newest event received of each entity
        self.is_complete = False  # whether `state` is all of it
        self.faults: list[AssertionError] = []

    # What it asks

    def subscribe(self, options: dict[str, Any]) -> None:
        id = f"request {len(self.pending)}"
        is_complete = self.is_complete and options.get("after") == self.last >= self.until
        self.pending[id] = PendingSubscribe(options, self.epoch if is_complete else None)
        data = SubscribeStream.model_validate({"kind": "orders", "id": "7", **options})
        self._ask(self.consumer._subscribe(Request(WSMethod.SUBSCRIBE_STREAM, id, data)))

    def unsubscribe(self) -> None:
        data = StreamTarget(kind="orders", id="7")
        self._ask(self.consumer._unsubscribe(Request(WSMethod.UNSUBSCRIBE, "unsubscribe", data)))

    def _ask(self, work: Any) -> None:
        async def asked() -> None:
            with suppress(BadRequest, OperationalError):  # answered with an error; a former subscription goes on
                await work

        self.asking = asyncio.get_running_loop().create_task(asked())

    @property
    def is_asking(self) -> bool:
        return self.asking is not None and not self.asking.done()

    async def leave(self) -> None:
        for task in (self.writing, self.asking):
            if task:
                task.cancel()
                await asyncio.wait({task})
        for subscription in list(self.consumer.subscriptions.values()):
            await self.consumer.hub.unsubscribe(subscription)

    # What it gets

    async def _take(self, message: dict[str, Any]) -> None:
        try:
            self._on_frame(json.loads(message["text"]))
        except AssertionError as error:
            self.faults.append(error)
        await self.reads.wait()

    def _on_frame(self, frame: dict[str, Any]) -> None:
        if frame["method"] == "changed":
            self._on_event(frame)
        elif frame["method"] == "error":
            assert frame["error"] == "Stream not found"
            if self.consumer.subscriptions.get(KEY) is None:
                self.is_subscribed = False
        elif frame["method"] == "unsubscribe":
            self.is_subscribed = False
        else:
            self._on_answer(frame)

    def _on_answer(self, frame: dict[str, Any]) -> None:
        request = self.pending.get(frame.get("id", ""))
        if frame["data"] is None:
            assert request, "only a client without numbers is answered without data"
            if not self.is_subscribed:
                self.is_subscribed, self.numbered, self.epoch = True, False, None
                self.state, self.is_complete = {}, False
            return
        self.is_subscribed = self.numbered = True
        answer = frame["data"]
        epoch, head = int(answer["epoch"].split()[1]), answer["head"]
        if not answer["recovered"]:
            self.last, self.until, self.state, self.is_complete = 0, head, {}, True
        else:
            assert request, "an answer without a request is that of a snapshot"
            after, replay = request.options.get("after"), request.options.get("replay")
            self.is_complete = request.complete_of == epoch
            if replay == "none":
                self.last, self.until, self.is_complete = head, head, False
            elif replay == "latest":
                self.last, self.until = after or 0, head
            else:
                self.last = self.until = after or 0
            if not after and replay != "none":
                self.state, self.is_complete = {}, True
        self.epoch = epoch

    def _on_event(self, frame: dict[str, Any]) -> None:
        event = frame["data"]
        seq, epoch = event["seq"], event["epoch"]
        assert self.is_subscribed, "no frame before the answer to a subscribe or after that to an unsubscribe"
        assert ("seq" in frame) == self.numbered
        if self.numbered:
            assert frame["seq"] == seq
            assert epoch == self.epoch, "of the history that was announced"
            assert seq > self.last, "in order, and once"
            if seq > self.until:
                assert seq == max(self.last, self.until) + 1, "without a hole"
        else:
            if epoch != self.epoch:
                assert self.epoch is None or epoch > self.epoch
                if self.epoch is not None:
                    self.state, self.is_complete = {}, True
                self.epoch, self.last = epoch, seq - 1 if self.epoch is None else 0
            assert seq > self.last, "in order, and once"
        self.last = seq
        self.state[event["entity"]] = seq

    # What holds at the end

    def check(self) -> None:
        stream = self.database.stream
        if not self.is_subscribed:
            return
        assert self.database.has_row, "the stream has begun another history or ended"
        if self.numbered:
            assert self.epoch == stream.number
            assert max(self.last, self.until) == stream.head, "everything has arrived"
            if self.is_complete:
                assert self.state == stream.newest(stream.head), "old state + events = new state"
        elif self.epoch == stream.number:
            assert self.last == stream.head, "everything has arrived"
            if self.is_complete:
                assert self.state == stream.newest(stream.head)
