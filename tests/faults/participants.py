"""The participants of the soak: users with executions, workers that write, and readers."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any, Self

from tests.faults import reader
from tests.faults.cluster import Cluster
from tests.faults.reader import Reader, Stream
from tests.faults.workers import Worker, WorkerDied

USERS, EXECUTIONS, WRITERS = 3, 3, 3
PAUSE = 0.1  # seconds between two changes of a writer
BATCH = 10  # changes of one request to a writer


class User:
    """A user with a graph and some executions; `streams` are all streams that the user may watch."""

    def __init__(self, who: dict[str, str], made: dict[str, Any]) -> None:
        self.who = who
        self.executions: dict[str, str] = made["executions"]
        self.streams: list[Stream] = [
            *(reader.execution(key, id) for id, key in self.executions.items()),
            reader.graph(made["graph_key"], made["graph"]),
            reader.notifications(who["notifications"]),
        ]


class Participants:
    """`fault_worker` is the worker that carries out the faults; it is not one of the writers."""

    def __init__(self, cluster: Cluster, users: Sequence[User], fault_worker: Worker, readers: int, seed: int) -> None:
        self.cluster, self.users, self.fault_worker = cluster, users, fault_worker
        self.random = random.Random(seed + 1)
        self.readers: list[Reader] = []
        self.temporary_readers: list[Reader] = []  # readers of one fault
        self._reader_count = readers
        self._workers = [cluster.worker() for _ in range(WRITERS)]
        self._numbers = [0] * WRITERS
        self._may_write = asyncio.Event()
        self._paused = [asyncio.Event() for _ in range(WRITERS)]
        self._writing = [asyncio.create_task(self._write(number)) for number in range(WRITERS)]
        self._stopped_counts = [0, 0, 0]  # received events, snapshots and connects of stopped readers

    @classmethod
    async def of(cls, cluster: Cluster, readers: int, seed: int) -> Self:
        fault_worker = cluster.worker()
        users = []
        for number in range(USERS):
            who = await fault_worker.do("make_user", name=f"user-{number}")
            users.append(User(who, await fault_worker.do("make_executions", user=who["id"], count=EXECUTIONS)))
        return cls(cluster, users, fault_worker, readers, seed)

    @property
    def keys(self) -> list[str]:
        return [stream.key for user in self.users for stream in user.streams]

    @property
    def executions(self) -> list[tuple[str, str]]:
        """The id and the key of each execution."""
        return [each for user in self.users for each in user.executions.items()]

    # Readers

    async def start_readers(self) -> None:
        for number in range(self._reader_count):
            self.readers.append(self.reader(self.users[number % USERS], f"reader {number}"))
            self.readers[-1].start()

    async def stop_readers(self) -> None:
        await self._stop(self.readers)
        self.readers = []

    def add_temporary_readers(self, user: User, streams: Sequence[Stream], count: int = 1) -> list[Reader]:
        """Readers for one fault. They are not started."""
        temporary_readers = [self.reader(user, f"guest {number}", streams) for number in range(count)]
        self.temporary_readers.extend(temporary_readers)
        return temporary_readers

    async def remove_temporary_readers(self, temporary_readers: Sequence[Reader]) -> None:
        await self._stop(temporary_readers)
        gone = set(temporary_readers)
        self.temporary_readers = [each for each in self.temporary_readers if each not in gone]

    async def _stop(self, readers: Sequence[Reader]) -> None:
        """Stops the readers and keeps their counts."""
        await asyncio.gather(*(each.stop() for each in readers))
        for position, count in enumerate(self._counts(readers)):
            self._stopped_counts[position] += count

    def reader(self, user: User, name: str, streams: Sequence[Stream] | None = None, **how: Any) -> Reader:
        """A new reader of the user; not started."""
        through_nginx = [self.cluster.nginx.websocket_url] if self.cluster.nginx else []
        return Reader(
            name,
            user.who,
            streams or user.streams,
            urls=[*through_nginx, *self.cluster.urls],  # a client connects through nginx or directly
            seen=self.cluster.seen,
            violations=self.cluster.violations,
            seed=self.random.randrange(10**9),
            first_delay=0.5,
            longest_delay=5.0,
            **how,
        )

    def end_slow_reading(self) -> None:
        """Makes every reader read at full speed again."""
        for each in self.readers:
            each.pause, each.is_slow = 0.0, False
            each.resume_reading()

    @property
    def lag(self) -> float:
        """The highest lag, in seconds, of the readers at full speed, since `take_lag`."""
        return max((each.lag for each in self.readers if not each.is_slow), default=0.0)

    def take_lag(self) -> float:
        worst = self.lag
        for each in self.readers:
            each.lag = 0.0
        return worst

    @property
    def received(self) -> int:
        return self._stopped_counts[0] + self._counts([*self.readers, *self.temporary_readers])[0]

    @property
    def snapshots(self) -> int:
        return self._stopped_counts[1] + self._counts([*self.readers, *self.temporary_readers])[1]

    @property
    def reconnects(self) -> int:
        return self._stopped_counts[2] + self._counts([*self.readers, *self.temporary_readers])[2]

    def _counts(self, readers: Sequence[Reader]) -> tuple[int, int, int]:
        return (
            sum(each.received for each in readers),
            sum(history.snapshots for each in readers for history in each.histories.values()),
            sum(max(each.connects - 1, 0) for each in readers),
        )

    # Writers

    def start_writing(self) -> None:
        self._may_write.set()

    async def pause_writing(self) -> None:
        """Returns when every writer has finished its batch."""
        self._may_write.clear()
        await asyncio.gather(*(paused.wait() for paused in self._paused))

    def kill_random_writer(self) -> None:
        """Kills one of the writers; a new one replaces it."""
        self.random.choice(self._workers).kill()

    async def ask_all_writers(self, action: str, **arguments: Any) -> None:
        """Runs the action in each writer, between two of its batches."""
        await asyncio.gather(*(worker.do(action, **arguments) for worker in self._workers))

    async def _write(self, number: int) -> None:
        while True:
            if not self._may_write.is_set():
                self._paused[number].set()
                await self._may_write.wait()
                self._paused[number].clear()
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
                self._workers[number] = self.cluster.worker()
