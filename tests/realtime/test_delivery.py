"""The delivery promise: every committed event reaches every client once and in order, or the client is told of the gap.

Hub, streams, subscriptions, reordering, pages, sweep, requests and writers are the real ones. Hypothesis plays the
database, the channel layer and the clients, step by step (delivery_model.py):

- Statements are executed and answered late and in any order, and fail.
- Announcements are lost, doubled, reordered, and stripped of their events.
- Clients read slowly, leave, and come back with what they have.
- The log is pruned, ended and begun again. A restored backup lacks the stream, or also what it tells of.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from unittest.mock import patch

from django.db import OperationalError
from django.test import override_settings
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from realtime.hub import hub as hub_module
from realtime.hub.hub import Hub
from realtime.hub.sweep import sweep
from realtime.log import store
from tests.realtime.delivery_model import ENTITIES, LIMITS, Client, Database, Statement


class NoGroups:
    """The test plays the layer."""

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
            "hub.page_cache",
            "hub.start",
            "hub.sweep",
            "hub.watched_stream",
        ):
            yield patch(f"realtime.{module}.in_thread", self.in_thread)
        yield patch("realtime.hub.watched_stream.numbered_head", self.database.numbered_head)
        yield patch("realtime.hub.start.newest_by_entity", self.database.newest_by_entity)
        yield patch("realtime.hub.page_cache.read_after", self.database.read_after)
        yield patch("realtime.hub.page_cache.read_each", self.database.read_each)
        yield patch("realtime.auth.stream_access._find_key", self.database.find_key)
        yield patch("realtime.hub.sweep.number_watched", lambda keys: False)
        yield patch.object(store, "read_head", self.database.read_head)
        yield patch.object(store, "read_heads", self.database.heads)

    async def in_thread(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        statement = Statement(work, args, kwargs)
        self.statements.append(statement)
        return await statement.answer

    def rest(self) -> None:
        """All tasks run until each waits for the database, the layer or a client."""

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
            if client.faults:
                raise client.faults[0]
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
    def execute(self, data: Any) -> None:
        data.draw(st.sampled_from(self.statements)).execute()

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
        raise AssertionError(f"the database is asked without an end: {[each.name for each in self.statements]}")

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

    @rule(is_announced=st.booleans())
    def begin_again(self, is_announced: bool) -> None:
        message = self.database.begin_again()
        if is_announced:
            self.announcements.append(message)

    @rule(exists=st.booleans())
    def restore(self, exists: bool) -> None:
        self.database.restore(exists=exists)

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
        options: dict[str, Any] = {}
        if after == "mine" and client.numbered:
            after = max(client.last, client.until) if client.last >= client.until else None
            knows_epoch = True
        if isinstance(after, int):
            options["after"] = after
        if replay:
            options["replay"] = replay
        if knows_epoch and client.epoch is not None:
            options["epoch"] = f"epoch {client.epoch}"
        self.do(lambda: client.subscribe(options))

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
