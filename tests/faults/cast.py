"""Who takes part in the soak: users with executions, workers that write, readers that stay."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any, Self

from tests.faults import reader
from tests.faults.reader import Reader, Stream
from tests.faults.stage import Stage
from tests.faults.workers import Worker, WorkerDied

USERS, EXECUTIONS, WRITERS = 3, 3, 3
PAUSE = 0.1  # seconds between two changes of a writer
BATCH = 10  # changes that a writer is asked for at a time


class User:
    """One with a graph, some executions, and readers that watch all of it."""

    def __init__(self, who: dict[str, str], made: dict[str, Any]) -> None:
        self.who = who
        self.executions: dict[str, str] = made["executions"]
        self.streams: list[Stream] = [
            *(reader.execution(key, id) for id, key in self.executions.items()),
            reader.graph(made["graph_key"], made["graph"]),
            reader.notifications(who["notifications"]),
        ]


class Cast:
    """`prompter` is the worker that does what the faults ask for; it takes no part in writing."""

    def __init__(self, stage: Stage, users: Sequence[User], prompter: Worker, readers: int, seed: int) -> None:
        self.stage, self.users, self.prompter = stage, users, prompter
        self.random = random.Random(seed + 1)
        self.readers: list[Reader] = []
        self.guests: list[Reader] = []  # who come for one fault
        self._how_many = readers
        self._workers = [stage.worker() for _ in range(WRITERS)]
        self._numbers = [0] * WRITERS
        self._may_write = asyncio.Event()
        self._resting = [asyncio.Event() for _ in range(WRITERS)]
        self._writing = [asyncio.create_task(self._write(number)) for number in range(WRITERS)]
        self._gone = [0, 0, 0]  # received, snapshots and connects of who has left

    @classmethod
    async def of(cls, stage: Stage, readers: int, seed: int) -> Self:
        prompter = stage.worker()
        users = []
        for number in range(USERS):
            who = await prompter.do("make_user", name=f"user-{number}")
            users.append(User(who, await prompter.do("make_executions", user=who["id"], count=EXECUTIONS)))
        return cls(stage, users, prompter, readers, seed)

    @property
    def keys(self) -> list[str]:
        return [stream.key for user in self.users for stream in user.streams]

    @property
    def executions(self) -> list[tuple[str, str]]:
        """Id and key of each."""
        return [each for user in self.users for each in user.executions.items()]

    # Readers

    async def enter(self) -> None:
        for number in range(self._how_many):
            self.readers.append(self.reader(self.users[number % USERS], f"reader {number}"))
            self.readers[-1].start()

    async def leave(self) -> None:
        await self._dismiss(self.readers)
        self.readers = []

    def invite(self, user: User, streams: Sequence[Stream], count: int = 1) -> list[Reader]:
        """Guests, of one fault alone; not started."""
        guests = [self.reader(user, f"guest {number}", streams) for number in range(count)]
        self.guests.extend(guests)
        return guests

    async def dismiss(self, guests: Sequence[Reader]) -> None:
        await self._dismiss(guests)
        gone = set(guests)
        self.guests = [each for each in self.guests if each not in gone]

    async def _dismiss(self, readers: Sequence[Reader]) -> None:
        """They leave, and what they got stays counted."""
        await asyncio.gather(*(each.stop() for each in readers))
        for position, count in enumerate(self._counts(readers)):
            self._gone[position] += count

    def reader(self, user: User, name: str, streams: Sequence[Stream] | None = None, **how: Any) -> Reader:
        """One more of the user's; not started."""
        through_nginx = [self.stage.nginx.websocket_url] if self.stage.nginx else []
        return Reader(
            name,
            user.who,
            streams or user.streams,
            doors=[*through_nginx, *self.stage.doors],  # so that a client also moves between the two ways
            seen=self.stage.seen,
            breaches=self.stage.breaches,
            seed=self.random.randrange(10**9),
            first_delay=0.5,
            longest_delay=5.0,
            **how,
        )

    def read_well(self) -> None:
        """All have come to the end, and none is slow any more."""
        for each in self.readers:
            each.pause, each.is_slow = 0.0, False
            each.read_on()

    @property
    def lag(self) -> float:
        """The worst one since it was last taken, in seconds, of those who read as quickly as they can."""
        return max((each.lag for each in self.readers if not each.is_slow), default=0.0)

    def take_lag(self) -> float:
        worst = self.lag
        for each in self.readers:
            each.lag = 0.0
        return worst

    @property
    def received(self) -> int:
        return self._gone[0] + self._counts([*self.readers, *self.guests])[0]

    @property
    def snapshots(self) -> int:
        return self._gone[1] + self._counts([*self.readers, *self.guests])[1]

    @property
    def reconnects(self) -> int:
        return self._gone[2] + self._counts([*self.readers, *self.guests])[2]

    def _counts(self, readers: Sequence[Reader]) -> tuple[int, int, int]:
        return (
            sum(each.received for each in readers),
            sum(history.snapshots for each in readers for history in each.histories.values()),
            sum(max(each.connects - 1, 0) for each in readers),
        )

    # Writers

    def write(self) -> None:
        self._may_write.set()

    async def rest(self) -> None:
        """Returns when every writer has finished what it was asked for."""
        self._may_write.clear()
        await asyncio.gather(*(resting.wait() for resting in self._resting))

    def kill_a_writer(self) -> None:
        """It is replaced at once."""
        self.random.choice(self._workers).kill()

    async def every_worker(self, deed: str, **arguments: Any) -> None:
        """Between two batches of each."""
        await asyncio.gather(*(worker.do(deed, **arguments) for worker in self._workers))

    async def _write(self, number: int) -> None:
        while True:
            if not self._may_write.is_set():
                self._resting[number].set()
                await self._may_write.wait()
                self._resting[number].clear()
            first = self._numbers[number]
            self._numbers[number] += BATCH
            user = self.random.choice(self.users)
            try:
                await self._workers[number].do(
                    "write",
                    writer=f"w{number}",
                    executions=list(user.executions),
                    first=first,
                    count=BATCH,
                    pause=PAUSE,
                    size=self.random.choice((0, 100, 2_000)),
                )
            except WorkerDied:
                self._workers[number].close()
                self._workers[number] = self.stage.worker()
