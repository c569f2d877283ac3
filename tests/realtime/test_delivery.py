"""The promise, with everything that it rests on: every committed event reaches every client, in order, once, or the gap
is told openly.

Hub, streams, subscriptions, ordering, pages, sweep, requests and writers are the real ones. The database, the channel
layer and the clients are played, step by step, by Hypothesis: statements are carried out and answered late and in any
order, and fail; announcements are lost, doubled, reordered and thinned; clients read slowly, leave and come back with
what they have; the log is pruned, ended and begun again.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from unittest.mock import patch

from django.db import OperationalError
from django.test import override_settings
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from realtime.connection.writer import Writer
from realtime.consumers import LiveConsumer
from realtime.hub import hub as hub_module
from realtime.hub.hub import Hub
from realtime.hub.sweep import sweep
from realtime.log import store
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
    head: int = 0
    floor: int = 0
    entities: dict[int, str] = field(default_factory=dict)  # of the events that are kept

    @property
    def epoch(self) -> str:
        return f"epoch {self.id}"

    @property
    def stands(self) -> StreamPosition:
        return StreamPosition(self.id, self.epoch, self.head, self.floor)

    def event(self, seq: int) -> LogEvent:
        return LogEvent(seq, "changed", json.dumps({"epoch": self.id, "seq": seq, "entity": self.entities[seq]}))

    def newest(self, upto: int) -> dict[str, int]:
        return {entity: seq for seq, entity in sorted(self.entities.items()) if seq <= upto}


class Database:
    """Answers what realtime asks of the log, as store.py and replay.py promise."""

    def __init__(self) -> None:
        self.stream = History(1)

    def commit(self, entities: Sequence[str]) -> dict[str, Any]:
        """Events with numbers, and their announcement."""
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
        self.stream = History(self.stream.id + 1)
        return {"type": ENDED, "key": KEY}

    def numbered_head(self, key: str) -> StreamPosition:
        return self.stream.stands

    def heads(self, ids: Sequence[int]) -> list[StreamPosition]:
        return [self.stream.stands] if self.stream.id in ids else []

    def newest_by_entity(self, id: int, *, after: int, head: int, limit: int) -> tuple[list[int], bool]:
        if id != self.stream.id:
            return [], False
        seqs = sorted(seq for seq in self.stream.newest(head).values() if seq > after)
        return seqs[-limit:], len(seqs) > limit

    def read_after(self, id: int, after: int) -> Page | None:
        if id != self.stream.id:
            return None
        seqs = [seq for seq in sorted(self.stream.entities) if after < seq <= after + LIMITS["PAGE_EVENTS"]]
        stands = self.stream.stands
        return Page(stands.epoch, stands.head, stands.floor, [self.stream.event(seq) for seq in seqs])

    def read_each(self, id: int, seqs: Sequence[int]) -> list[LogEvent]:
        if id != self.stream.id:
            return []
        return [self.stream.event(seq) for seq in sorted(seqs) if seq in self.stream.entities][:2]


class Statement:
    """One question to the database: carried out at one time, answered at a later one."""

    def __init__(self, work: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self._work = lambda: work(*args, **kwargs)
        self.name = f"{work.__name__}{args}{kwargs}"
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.result: list[Any] = []

    def carry_out(self) -> None:
        if not self.result:
            self.result.append(self._work())

    def give(self, *, fails: bool = False) -> None:
        if self.answer.done():  # who asked has gone
            return
        if fails:
            self.answer.set_exception(OperationalError("as the test wants it"))
        else:
            self.carry_out()
            self.answer.set_result(self.result[0])


# The client


class Wish(NamedTuple):
    """A subscribe under way: what it asked for, and of which epoch the client had everything up to its `after`."""

    data: dict[str, Any]
    complete_of: int | None


class Client:
    """A browser that knows the protocol, and what it holds against the server."""

    @staticmethod
    def fail(error: Exception) -> None:
        raise error

    def __init__(self, hub: Hub, database: Database) -> None:
        self.database = database
        self.consumer = LiveConsumer()
        self.consumer.user, self.consumer.hub, self.consumer.subscriptions = None, hub, {}
        self.consumer.writer = self.writer = Writer(self._take, self.consumer._fill, on_failure=self.fail)
        self.writing = self.writer.start()
        self.asking: asyncio.Task[None] | None = None
        self.wishes: dict[str, Wish] = {}
        self.reads = asyncio.Event()
        self.reads.set()
        self.is_subscribed = False
        self.numbered = False
        self.epoch: int | None = None
        self.last = 0  # the newest number received
        self.until = 0  # up to here the numbers rise with holes; beyond, without
        self.state: dict[str, int] = {}  # the newest event of each entity, as far as it was told
        self.is_complete = False  # whether `state` is all of it
        self.found: list[AssertionError] = []

    # What it asks

    def subscribe(self, wish: dict[str, Any]) -> None:
        id = f"request {len(self.wishes)}"
        is_complete = self.is_complete and wish.get("after") == self.last >= self.until
        self.wishes[id] = Wish(wish, self.epoch if is_complete else None)
        data = SubscribeStream.model_validate({"kind": "orders", "id": "7", **wish})
        self._ask(self.consumer._subscribe(Request(WSMethod.SUBSCRIBE_STREAM, id, data)))

    def unsubscribe(self) -> None:
        data = StreamTarget(kind="orders", id="7")
        self._ask(self.consumer._unsubscribe(Request(WSMethod.UNSUBSCRIBE, "unsubscribe", data)))

    def _ask(self, work: Any) -> None:
        async def asked() -> None:
            with suppress(BadRequest, OperationalError):  # told by an error; a former subscription goes on
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
            self.found.append(error)
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
        wish = self.wishes.get(frame.get("id", ""))
        if frame["data"] is None:
            assert wish, "only who does not know numbers is answered without data"
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
            assert wish, "only a snapshot comes unasked"
            after, replay = wish.data.get("after"), wish.data.get("replay")
            self.is_complete = wish.complete_of == epoch
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

    # What must hold when everything has come to rest

    def check(self) -> None:
        stream = self.database.stream
        if not self.is_subscribed:
            return
        if self.numbered:
            assert self.epoch == stream.id
            assert max(self.last, self.until) == stream.head, "everything has arrived"
            if self.is_complete:
                assert self.state == stream.newest(stream.head), "old state + events = new state"
        elif self.epoch == stream.id:
            assert self.last == stream.head, "everything has arrived"
            if self.is_complete:
                assert self.state == stream.newest(stream.head)


class NoGroups:
    """The layer is played by the test."""

    def __init__(self, on_message: Any) -> None:
        self.channel = "none"

    async def join(self, group: str) -> None:
        await asyncio.sleep(0)

    leave = join

    def leave_soon(self, group: str) -> None:
        pass


class Delivery(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.database = Database()
        self.statements: list[Statement] = []
        self.announcements: list[dict[str, Any]] = []
        self.clients: list[Client] = []
        self.sweeping: asyncio.Task[None] | None = None
        self.loop = asyncio.new_event_loop()
        self.patches = list(self._patches())
        for each in self.patches:
            each.__enter__()
        logging.disable(logging.WARNING)
        self.hub = Hub()

    def _patches(self) -> Iterator[Any]:
        yield override_settings(REALTIME=LIMITS)
        yield patch.object(hub_module, "GroupMembership", NoGroups)
        for module in (
            "auth.stream_access",
            "consumers",
            "hub.hub",
            "hub.page_cache",
            "hub.sweep",
            "hub.watched_stream",
        ):
            yield patch(f"realtime.{module}.in_thread", self.in_thread)
        for module in ("hub.hub", "hub.watched_stream"):
            yield patch(f"realtime.{module}.numbered_head", self.database.numbered_head)
        for module in ("consumers", "hub.watched_stream"):
            yield patch(f"realtime.{module}.newest_by_entity", self.database.newest_by_entity)
        yield patch("realtime.hub.page_cache.read_after", self.database.read_after)
        yield patch("realtime.hub.page_cache.read_each", self.database.read_each)
        yield patch("realtime.auth.stream_access._find_key", lambda user, data: KEY)
        yield patch("realtime.hub.sweep._settle_unnumbered", lambda: None)
        yield patch.object(store, "read_heads", self.database.heads)

    async def in_thread(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        statement = Statement(work, args, kwargs)
        self.statements.append(statement)
        return await statement.answer

    def rest(self) -> None:
        """Everybody goes on until there is nothing to do without the database, the layer or a client."""

        async def turns() -> None:
            for _ in range(40):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())
        self.statements = [each for each in self.statements if not each.answer.done()]

    def do(self, work: Callable[[], Any]) -> Any:
        async def now() -> Any:
            return work()

        result = self.loop.run_until_complete(now())
        self.rest()
        for client in self.clients:
            if client.found:
                raise client.found[0]
            assert not client.writing.done()
        return result

    # What happens

    @initialize(head=st.integers(0, 7), floor=st.integers(0, 7))
    def begin(self, head: int, floor: int) -> None:
        self.database.commit([ENTITIES[number % 4] for number in range(head)])
        self.database.prune(floor)

    @rule(entities=st.text(ENTITIES, min_size=1, max_size=5))
    def commit(self, entities: str) -> None:
        self.announcements.append(self.database.commit(entities))

    @precondition(lambda self: self.announcements)
    @rule(data=st.data(), stays=st.booleans(), is_thin=st.booleans())
    def announce(self, data: Any, stays: bool, is_thin: bool) -> None:
        index = data.draw(st.integers(0, len(self.announcements) - 1))
        message = dict(self.announcements[index])
        if not stays:
            del self.announcements[index]
        if is_thin:
            message.pop("events", None)
        self.do(lambda: self.hub._on_message(message))

    @precondition(lambda self: self.announcements)
    @rule()
    def lose_announcements(self) -> None:
        self.announcements.clear()

    @precondition(lambda self: self.statements)
    @rule(data=st.data())
    def carry_out(self, data: Any) -> None:
        data.draw(st.sampled_from(self.statements)).carry_out()

    @precondition(lambda self: self.statements)
    @rule(data=st.data(), fails=st.sampled_from([False, False, False, True]))
    def answer(self, data: Any, fails: bool) -> None:
        statement = data.draw(st.sampled_from(self.statements))
        self.do(lambda: statement.give(fails=fails))

    @precondition(lambda self: self.statements)
    @rule()
    def answer_all(self) -> None:
        self._answer_all()

    def _answer_all(self) -> None:
        for _ in range(300):
            if not self.statements:
                return
            for statement in list(self.statements):
                self.do(statement.give)
        raise AssertionError(f"it asks the database again and again: {[each.name for each in self.statements]}")

    @precondition(lambda self: self.sweeping is None or self.sweeping.done())
    @rule()
    def sweep(self) -> None:
        async def swept() -> None:
            with suppress(OperationalError):
                await sweep(self.hub)

        self.sweeping = self.do(lambda: self.loop.create_task(swept()))

    @rule(upto=st.integers(0, 20))
    def prune(self, upto: int) -> None:
        self.database.prune(upto)

    @rule(told=st.booleans())
    def begin_again(self, told: bool) -> None:
        message = self.database.begin_again()
        if told:
            self.announcements.append(message)

    @precondition(lambda self: len(self.clients) < 3)
    @rule()
    def connect(self) -> None:
        self.clients.append(self.do(lambda: Client(self.hub, self.database)))

    @precondition(lambda self: any(not client.is_asking for client in self.clients))
    @rule(
        data=st.data(),
        after=st.sampled_from([None, None, 0, 3, "mine"]),
        replay=st.sampled_from([None, None, "all", "latest", "none"]),
        knows_epoch=st.booleans(),
    )
    def subscribe(self, data: Any, after: Any, replay: str | None, knows_epoch: bool) -> None:
        client = data.draw(st.sampled_from([client for client in self.clients if not client.is_asking]))
        wish: dict[str, Any] = {}
        if after == "mine" and client.numbered:
            after = max(client.last, client.until) if client.last >= client.until else None
            knows_epoch = True
        if isinstance(after, int):
            wish["after"] = after
        if replay:
            wish["replay"] = replay
        if knows_epoch and client.epoch is not None:
            wish["epoch"] = f"epoch {client.epoch}"
        self.do(lambda: client.subscribe(wish))

    @precondition(lambda self: any(client.is_subscribed and not client.is_asking for client in self.clients))
    @rule(data=st.data())
    def unsubscribe(self, data: Any) -> None:
        candidates = [client for client in self.clients if client.is_subscribed and not client.is_asking]
        client = data.draw(st.sampled_from(candidates))
        self.do(client.unsubscribe)

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), reads=st.booleans())
    def read(self, data: Any, reads: bool) -> None:
        client = data.draw(st.sampled_from(self.clients))
        self.do(client.reads.set if reads else client.reads.clear)

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def leave(self, data: Any) -> None:
        client = data.draw(st.sampled_from(self.clients))
        self.clients.remove(client)
        self.loop.run_until_complete(client.leave())
        self.rest()

    # Afterwards

    def teardown(self) -> None:
        try:
            if self.clients:
                self._come_to_rest()
        finally:
            for client in self.clients:
                self.loop.run_until_complete(client.leave())
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.rest()
            self.loop.close()
            logging.disable(logging.NOTSET)
            for each in reversed(self.patches):
                each.__exit__(None, None, None)

    def _come_to_rest(self) -> None:
        for client in self.clients:
            self.do(client.reads.set)
        for _ in range(4):
            self._answer_all()
            self.sweep() if self.sweeping is None or self.sweeping.done() else None
            self._answer_all()
        for client in self.clients:
            client.check()


Delivery.TestCase.settings = hypothesis_settings(max_examples=100, stateful_step_count=40)
TestDelivery = Delivery.TestCase
