"""The faults of the soak. Each fault ends by repairing what it broke. Several run at the same time."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random

from websockets.exceptions import ConnectionClosed

from tests.faults.participants import Participants
from tests.faults.reader import Reader
from tests.faults.workers import WorkerDied
from tests.waiting import rest_in_loop

Fault = Callable[[Participants, Random], Awaitable[None]]
FAULTS: dict[str, Fault] = {}


def fault(name: str) -> Callable[[Fault], Fault]:
    def register(run: Fault) -> Fault:
        FAULTS[name] = run
        return run

    return register


# Redis


def _redis_killed_for(seconds: float) -> None:
    @fault(f"Redis killed for {seconds:g} s")
    async def run(participants: Participants, random: Random) -> None:
        await asyncio.to_thread(participants.cluster.redis.kill)
        await rest_in_loop(seconds)
        await participants.cluster.restart(participants.cluster.redis)


for seconds in (0.2, 5, 30):
    _redis_killed_for(seconds)


@fault("Redis FLUSHALL")
async def redis_forgets(participants: Participants, random: Random) -> None:
    for _ in range(5):
        await asyncio.to_thread(participants.cluster.redis.ask, "FLUSHALL")
        await rest_in_loop(1)


@fault("Redis frozen for 12 s")
async def redis_freezes(participants: Participants, random: Random) -> None:
    participants.cluster.redis.freeze()
    await rest_in_loop(12)
    participants.cluster.redis.thaw()


@fault("every layer message dropped")
async def messages_lost(participants: Participants, random: Random) -> None:
    await _lose_messages(participants, lost=1.0, held=0)


@fault("layer messages reordered, doubled, some dropped")
async def messages_shuffled(participants: Participants, random: Random) -> None:
    await _lose_messages(participants, lost=0.2, held=8)


async def _lose_messages(participants: Participants, *, lost: float, held: int) -> None:
    with suppress(WorkerDied):
        await participants.ask_all_writers("lose_messages", lost=lost, held=held)
    await rest_in_loop(15)
    with suppress(WorkerDied):
        await participants.ask_all_writers("lose_messages")


@fault("layer messages of another version")
async def strange_messages(participants: Participants, random: Random) -> None:
    for _ in range(20):
        _, key = random.choice(participants.executions)
        strange = random.choice(
            [
                {"type": "event.message", "channel": key, "payload": "{}"},
                {"type": "close"},
                {"type": "graph.execution.event", "key": key, "epoch": "?", "last": 7},
                {"type": "stream.events", "key": key, "events": [[1]]},
            ]
        )
        await participants.fault_worker.do("send_to_group", key=key, message=strange)
        await rest_in_loop(0.2)


# Servers


@fault("server kill -9")
async def server_dies(participants: Participants, random: Random) -> None:
    server = random.choice(participants.cluster.servers)
    await asyncio.to_thread(server.kill)
    await rest_in_loop(random.uniform(0, 5))
    await participants.cluster.restart(server)


@fault("server SIGTERM during a burst")
async def server_stops(participants: Participants, random: Random) -> None:
    server = random.choice(participants.cluster.servers)
    bursting = asyncio.create_task(_burst(participants, random, 1_000))
    await rest_in_loop(0.5)
    await asyncio.to_thread(server.terminate)
    await bursting
    await participants.cluster.restart(server)


@fault("clients move to the other server")
async def clients_move(participants: Participants, random: Random) -> None:
    for _ in range(10):
        await asyncio.gather(
            *(each.reconnect() for each in random.sample(participants.readers, len(participants.readers) // 4))
        )
        await rest_in_loop(1)


# Writers


@fault("writer killed")
async def writer_dies(participants: Participants, random: Random) -> None:
    for _ in range(4):
        participants.kill_random_writer()
        await rest_in_loop(2.5)


def _writer_dies(moment: str) -> None:
    @fault(f"writer killed {moment}")
    async def run(participants: Participants, random: Random) -> None:
        execution, _ = random.choice(participants.executions)
        writer = participants.cluster.worker()
        try:
            with suppress(WorkerDied):
                await writer.do("write_and_die", execution=execution, moment=moment)
        finally:
            writer.close()


for moment in ("before numbering", "before announcing"):
    _writer_dies(moment)


@fault("rollback after insert")
async def rolled_back(participants: Participants, random: Random) -> None:
    for _ in range(5):
        execution, _ = random.choice(participants.executions)
        await participants.fault_worker.do("write_and_roll_back", execution=execution, count=10)


@fault("burst of up to 5,000 events")
async def burst(participants: Participants, random: Random) -> None:
    await _burst(participants, random, random.choice((500, 1_000, 5_000)))


async def _burst(participants: Participants, random: Random, count: int) -> None:
    execution, _ = random.choice(participants.executions)
    await participants.fault_worker.do("burst", execution=execution, count=count)


@fault("notifications")
async def notifications(participants: Participants, random: Random) -> None:
    await participants.fault_worker.do("notify", user=random.choice(participants.users).who["id"], count=200)


# Readers


@fault("TCP resets")
async def resets(participants: Participants, random: Random) -> None:
    for _ in range(60):
        random.choice(participants.readers).reset()
        await rest_in_loop(0.1)


@fault("one client stops reading for 40 s")
async def one_stops(participants: Participants, random: Random) -> None:
    await _stops(random.choice(participants.readers), 40)


@fault("four clients stop reading in turn")
async def four_stop(participants: Participants, random: Random) -> None:
    for each in random.sample(participants.readers, 4):
        await _stops(each, 8)


async def _stops(reader: Reader, seconds: float) -> None:
    reader.stop_reading()
    await rest_in_loop(seconds)
    reader.resume_reading()


@fault("a client that trickles and two slow ones")
async def slow_ones(participants: Participants, random: Random) -> None:
    readers = random.sample(participants.readers, 3)
    for each, pause in zip(readers, (1.0, 0.05, 0.05), strict=True):
        each.pause, each.is_slow = pause, True
    await rest_in_loop(30)
    for each in readers:
        each.pause = 0.0


@fault("1,000 clients reconnect with 50 to 5,000 missed events")
async def storm(participants: Participants, random: Random) -> None:
    user = random.choice(participants.users)
    stream = random.choice(user.streams[:-2])
    rows = await asyncio.to_thread(
        participants.cluster.query, "SELECT epoch, head, floor FROM realtime_stream WHERE key = %s", stream.key
    )
    (epoch, head, floor) = rows[0]
    temporary_readers = participants.add_temporary_readers(user, [stream], 1_000)
    for temporary_reader in temporary_readers:
        missed = int(50 * 100 ** (random.random() ** 4))  # most readers missed few events
        history = temporary_reader.histories[stream.key]
        history.epoch, history.cursor = epoch, max(head - missed, floor)
        temporary_reader.start()
    try:
        await asyncio.gather(
            *(temporary_reader.reach({stream.key: head}, 120) for temporary_reader in temporary_readers)
        )
    finally:
        await participants.remove_temporary_readers(temporary_readers)


@fault("invalid subscribes")
async def invalid_subscribes(participants: Participants, random: Random) -> None:
    user = random.choice(participants.users)
    (temporary_reader,) = participants.add_temporary_readers(user, user.streams[:1])
    temporary_reader.start()
    (stream,) = temporary_reader.streams.values()
    try:
        for after in (-1, 1.5, "7", 2**70, True, [], {}):
            with suppress(AssertionError, ConnectionClosed):  # the reader is not connected
                await temporary_reader.ask(stream.method, {**stream.data, "after": after})
            await rest_in_loop(0.2)
        for _ in range(20):
            await temporary_reader.reconnect()
            await rest_in_loop(0.2)
    finally:
        await participants.remove_temporary_readers([temporary_reader])


# PostgreSQL and the log


@fault("PostgreSQL restarted")
async def postgres_restarts(participants: Participants, random: Random) -> None:
    await asyncio.to_thread(participants.cluster.postgres.kill)
    await rest_in_loop(random.uniform(0, 3))
    await participants.cluster.restart(participants.cluster.postgres)


@fault("PostgreSQL frozen for 10 s")
async def postgres_freezes(participants: Participants, random: Random) -> None:
    participants.cluster.postgres.freeze()
    await rest_in_loop(10)
    participants.cluster.postgres.thaw()


@fault("clocks off by a day, and a prune by them")
async def clocks(participants: Participants, random: Random) -> None:
    for days in (-1.0, 1.0):
        execution, key = random.choice(participants.executions)
        participants.cluster.committed.ignore(execution)
        await participants.fault_worker.do("shift_clock", key=key, days=days, last=50)
        await participants.fault_worker.do("prune", key=key, days_from_now=-0.5)


@fault("log pruned beyond the cursor of disconnected clients")
async def prune(participants: Participants, random: Random) -> None:
    execution, key = random.choice(participants.executions)
    participants.cluster.committed.ignore(execution)
    away = [each for each in participants.readers if key in each.histories][:3]
    for each in away:
        each.stop_reading()
    try:
        await participants.fault_worker.do("burst", execution=execution, count=300)
        await participants.fault_worker.do("prune", key=key)
    finally:
        for each in away:
            each.reset()
            each.resume_reading()


@fault("a backup restored, with a new epoch")
async def restore(participants: Participants, random: Random) -> None:
    execution, key = random.choice(participants.executions)
    participants.cluster.committed.ignore(execution)
    await participants.fault_worker.do(
        "restore_backup", key=key, events=math.ceil(random.uniform(1, 200)), with_new_epoch=True
    )
