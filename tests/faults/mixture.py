"""The faults of the soak. Each begins, lasts, and ends with what it broke mended; several run at once."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random

from websockets.exceptions import ConnectionClosed

from tests.faults.cast import Cast
from tests.faults.reader import Reader
from tests.faults.workers import WorkerDied
from tests.waiting import rest_in_loop

Fault = Callable[[Cast, Random], Awaitable[None]]
FAULTS: dict[str, Fault] = {}


def fault(name: str) -> Callable[[Fault], Fault]:
    def register(play: Fault) -> Fault:
        FAULTS[name] = play
        return play

    return register


# Redis


def _redis_killed_for(seconds: float) -> None:
    @fault(f"Redis killed for {seconds:g} s")
    async def play(cast: Cast, random: Random) -> None:
        await asyncio.to_thread(cast.stage.redis.kill)
        await rest_in_loop(seconds)
        await cast.stage.restart(cast.stage.redis)


for seconds in (0.2, 5, 30):
    _redis_killed_for(seconds)


@fault("Redis FLUSHALL")
async def redis_forgets(cast: Cast, random: Random) -> None:
    for _ in range(5):
        await asyncio.to_thread(cast.stage.redis.ask, "FLUSHALL")
        await rest_in_loop(1)


@fault("Redis frozen for 12 s")
async def redis_freezes(cast: Cast, random: Random) -> None:
    cast.stage.redis.freeze()
    await rest_in_loop(12)
    cast.stage.redis.thaw()


@fault("every layer message dropped")
async def messages_lost(cast: Cast, random: Random) -> None:
    await _mislay(cast, lost=1.0, held=0)


@fault("layer messages reordered, doubled, some dropped")
async def messages_shuffled(cast: Cast, random: Random) -> None:
    await _mislay(cast, lost=0.2, held=8)


async def _mislay(cast: Cast, *, lost: float, held: int) -> None:
    with suppress(WorkerDied):
        await cast.every_worker("mislay", lost=lost, held=held)
    await rest_in_loop(15)
    with suppress(WorkerDied):
        await cast.every_worker("mislay")


@fault("layer messages of another version")
async def strange_messages(cast: Cast, random: Random) -> None:
    for _ in range(20):
        _, key = random.choice(cast.executions)
        strange = random.choice(
            [
                {"type": "event.message", "channel": key, "payload": "{}"},
                {"type": "close"},
                {"type": "graph.execution.event", "key": key, "epoch": "?", "last": 7},
                {"type": "stream.events", "key": key, "events": [[1]]},
            ]
        )
        await cast.prompter.do("send_to_group", key=key, message=strange)
        await rest_in_loop(0.2)


# Servers


@fault("server kill -9")
async def server_dies(cast: Cast, random: Random) -> None:
    server = random.choice(cast.stage.servers)
    await asyncio.to_thread(server.kill)
    await rest_in_loop(random.uniform(0, 5))
    await cast.stage.restart(server)


@fault("server SIGTERM during a burst")
async def server_stops(cast: Cast, random: Random) -> None:
    server = random.choice(cast.stage.servers)
    bursting = asyncio.create_task(_burst(cast, random, 1_000))
    await rest_in_loop(0.5)
    await asyncio.to_thread(server.terminate)
    await bursting
    await cast.stage.restart(server)


@fault("clients move to the other server")
async def clients_move(cast: Cast, random: Random) -> None:
    for _ in range(10):
        await asyncio.gather(*(each.come_back() for each in random.sample(cast.readers, len(cast.readers) // 4)))
        await rest_in_loop(1)


# Writers


@fault("writer killed")
async def writer_dies(cast: Cast, random: Random) -> None:
    for _ in range(4):
        cast.kill_a_writer()
        await rest_in_loop(2.5)


def _writer_dies(moment: str) -> None:
    @fault(f"writer killed {moment}")
    async def play(cast: Cast, random: Random) -> None:
        execution, _ = random.choice(cast.executions)
        writer = cast.stage.worker()
        try:
            with suppress(WorkerDied):
                await writer.do("write_and_die", execution=execution, moment=moment)
        finally:
            writer.close()


for moment in ("before numbering", "before announcing"):
    _writer_dies(moment)


@fault("rollback after insert")
async def rolled_back(cast: Cast, random: Random) -> None:
    for _ in range(5):
        execution, _ = random.choice(cast.executions)
        await cast.prompter.do("write_and_roll_back", execution=execution, count=10)


@fault("burst of up to 5,000 events")
async def burst(cast: Cast, random: Random) -> None:
    await _burst(cast, random, random.choice((500, 1_000, 5_000)))


async def _burst(cast: Cast, random: Random, count: int) -> None:
    execution, _ = random.choice(cast.executions)
    await cast.prompter.do("burst", execution=execution, count=count)


@fault("notifications")
async def notifications(cast: Cast, random: Random) -> None:
    await cast.prompter.do("notify", user=random.choice(cast.users).who["id"], count=200)


# Readers


@fault("TCP resets")
async def resets(cast: Cast, random: Random) -> None:
    for _ in range(60):
        random.choice(cast.readers).reset()
        await rest_in_loop(0.1)


@fault("one client stops reading for 40 s")
async def one_stops(cast: Cast, random: Random) -> None:
    await _stops(random.choice(cast.readers), 40)


@fault("four clients stop reading in turn")
async def four_stop(cast: Cast, random: Random) -> None:
    for each in random.sample(cast.readers, 4):
        await _stops(each, 8)


async def _stops(reader: Reader, seconds: float) -> None:
    reader.hold()
    await rest_in_loop(seconds)
    reader.read_on()


@fault("a client that trickles and two slow ones")
async def slow_ones(cast: Cast, random: Random) -> None:
    readers = random.sample(cast.readers, 3)
    for each, pause in zip(readers, (1.0, 0.05, 0.05), strict=True):
        each.pause, each.is_slow = pause, True
    await rest_in_loop(30)
    for each in readers:
        each.pause = 0.0


@fault("1,000 clients reconnect with 50 to 5,000 missed events")
async def storm(cast: Cast, random: Random) -> None:
    user = random.choice(cast.users)
    stream = random.choice(user.streams[:-2])
    rows = await asyncio.to_thread(
        cast.stage.query, "SELECT epoch, head, floor FROM realtime_stream WHERE key = %s", stream.key
    )
    (epoch, head, floor) = rows[0]
    guests = cast.invite(user, [stream], 1_000)
    for guest in guests:
        missed = int(50 * 100 ** (random.random() ** 4))  # most have missed little
        history = guest.histories[stream.key]
        history.epoch, history.cursor = epoch, max(head - missed, floor)
        guest.start()
    try:
        await asyncio.gather(*(guest.reach({stream.key: head}, 120) for guest in guests))
    finally:
        await cast.dismiss(guests)


@fault("subscribes that make no sense")
async def nonsense(cast: Cast, random: Random) -> None:
    user = random.choice(cast.users)
    (guest,) = cast.invite(user, user.streams[:1])
    guest.start()
    (stream,) = guest.streams.values()
    try:
        for after in (-1, 1.5, "7", 2**70, True, [], {}):
            with suppress(AssertionError, ConnectionClosed):  # not connected at the moment, or no longer
                await guest.ask(stream.method, {**stream.data, "after": after})
            await rest_in_loop(0.2)
        for _ in range(20):
            await guest.come_back()
            await rest_in_loop(0.2)
    finally:
        await cast.dismiss([guest])


# PostgreSQL and the log


@fault("PostgreSQL restarted")
async def postgres_restarts(cast: Cast, random: Random) -> None:
    await asyncio.to_thread(cast.stage.postgres.kill)
    await rest_in_loop(random.uniform(0, 3))
    await cast.stage.restart(cast.stage.postgres)


@fault("PostgreSQL frozen for 10 s")
async def postgres_freezes(cast: Cast, random: Random) -> None:
    cast.stage.postgres.freeze()
    await rest_in_loop(10)
    cast.stage.postgres.thaw()


@fault("clocks off by a day, and a prune by them")
async def clocks(cast: Cast, random: Random) -> None:
    for days in (-1.0, 1.0):
        execution, key = random.choice(cast.executions)
        cast.stage.committed.forget(execution)
        await cast.prompter.do("shift_clock", key=key, days=days, last=50)
        await cast.prompter.do("prune", key=key, days_from_now=-0.5)


@fault("log pruned below who is away")
async def prune(cast: Cast, random: Random) -> None:
    execution, key = random.choice(cast.executions)
    cast.stage.committed.forget(execution)
    away = [each for each in cast.readers if key in each.histories][:3]
    for each in away:
        each.hold()
    try:
        await cast.prompter.do("burst", execution=execution, count=300)
        await cast.prompter.do("prune", key=key)
    finally:
        for each in away:
            each.reset()
            each.read_on()


@fault("a backup restored, with a new epoch")
async def restore(cast: Cast, random: Random) -> None:
    execution, key = random.choice(cast.executions)
    cast.stage.committed.forget(execution)
    await cast.prompter.do("take_back", key=key, events=math.ceil(random.uniform(1, 200)), with_new_epoch=True)
