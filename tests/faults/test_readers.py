"""Clients that read slowly, not at all, or vanish; and the others, whom that must not concern."""

import asyncio
import random
from collections.abc import Sequence

import pytest

from tests.faults.reader import Reader
from tests.faults.scene import Scene
from tests.waiting import rest_in_loop

pytestmark = pytest.mark.postgres

NARROW = 4_096  # bytes that a client's kernel takes for it, so that not to read is soon felt


async def large_events(scene: Scene, count: int = 60) -> None:
    """Some 100 KB each, so that what is not read fills every buffer on the way: 6 MB."""
    await scene.write(count, executions=scene.executions[:1], size=100_000)


async def the_others_are_unharmed(scene: Scene, others: Sequence[Reader]) -> None:
    """They have everything, on the connection that they had, while the bad ones still behave badly."""
    heads = await scene.stage.heads([scene.first.key])
    await asyncio.gather(*(reader.reach(heads) for reader in others))
    assert [reader.connects for reader in others] == [1] * len(others)


async def test_tcp_resets_during_a_burst_cost_no_event(scene: Scene) -> None:
    chance = random.Random(1)
    readers = await scene.many(10, [scene.first])
    bursting = asyncio.create_task(scene.workers[0].do("burst", execution=scene.executions[0], count=1_500))
    while not bursting.done():
        chance.choice(readers).reset()
        await rest_in_loop(0.02)
    await bursting
    await scene.all_is_well()
    assert sum(reader.connects for reader in readers) > len(readers)


async def test_a_client_that_stops_reading_harms_nobody_and_has_everything_when_it_reads_on(scene: Scene) -> None:
    others = await scene.many(3, [scene.first])
    bad = await scene.reader([scene.first], receive_buffer=NARROW)
    bad.hold()
    await large_events(scene)
    await the_others_are_unharmed(scene, others)
    bad.read_on()
    await scene.all_is_well()


async def test_four_clients_that_stop_reading_in_turn_harm_nobody(scene: Scene) -> None:
    others = await scene.many(3, [scene.first])
    bad = await scene.many(4, [scene.first], receive_buffer=NARROW)
    for reader in bad:
        reader.hold()
        await large_events(scene, 20)
        await the_others_are_unharmed(scene, others)
    for reader in bad[:2]:
        reader.reset()  # these two leave instead, as those do whose patience is shorter than the server's
    for reader in bad:
        reader.read_on()
    await scene.all_is_well()


async def test_clients_that_trickle_or_are_slow_harm_nobody_and_get_everything(scene: Scene) -> None:
    others = await scene.many(3, [scene.first])
    trickles, slow = await scene.many(2, [scene.first], receive_buffer=NARROW)
    trickles.pause, slow.pause = 0.5, 0.02
    await large_events(scene)
    await the_others_are_unharmed(scene, others)
    trickles.pause = 0.0
    await scene.all_is_well()


async def test_a_server_keeps_no_more_than_its_limits_for_clients_that_do_not_read(scene: Scene) -> None:
    """What they have not read is in the log, not in the process."""
    bad = await scene.many(4, [scene.first], receive_buffer=NARROW)
    for reader in bad:
        reader.hold()
    await scene.write(150, executions=scene.executions[:1], size=50_000)  # 7.5 MB for each
    inside = [await scene.stage.inside(server) for server in scene.stage.servers]
    assert sum(each["buffered"] for each in inside) <= 4 * 21  # one page of the log: PAGE_BYTES of 50 KB each
    for reader in bad:
        reader.read_on()
    await scene.all_is_well()


@pytest.mark.timeout(120)
async def test_two_hundred_clients_that_come_back_at_once_miss_nothing(scene: Scene) -> None:
    """Each missed another number of events, 50 to 5,000 of them."""
    await scene.workers[0].do("burst", execution=scene.executions[0], count=5_200)
    chance = random.Random(2)
    heads = await scene.stage.heads([scene.first.key])
    ((epoch,),) = scene.stage.query("SELECT epoch FROM realtime_stream WHERE key = %s", scene.first.key)
    readers = [scene.reader_to_be([scene.first]) for _ in range(200)]
    for reader in readers:
        history = reader.histories[scene.first.key]
        history.epoch = epoch
        history.cursor = heads[scene.first.key] - int(50 * 100 ** chance.random() ** 3)
    for reader in readers:
        reader.start()
    writing = asyncio.create_task(scene.write(50))
    await asyncio.gather(*(reader.reach(heads) for reader in readers))
    await writing
    await scene.all_is_well()
    assert {history.snapshots for reader in readers for history in reader.histories.values()} == {0}
