"""Cycles that large requests and responses leave are freed after some megabytes."""

import weakref

import pytest

from realtime.server import garbage
from realtime.server.garbage import GarbageByBytes
from tests.realtime.server_process import ServerProcess
from tests.waiting import rest_in_loop, until_in_loop


class Cycle:
    def __init__(self) -> None:
        self.own = self


async def test_young_cycles_are_freed_after_so_many_bytes(without_collector: None) -> None:
    counter, cycle = GarbageByBytes(), weakref.ref(Cycle())
    counter.add(garbage.BYTES - 1)
    await rest_in_loop(0.01)
    assert cycle() is not None
    counter.add(1)
    await until_in_loop(lambda: cycle() is None)


@pytest.mark.once
def test_large_pages_do_not_pile_up(server: ServerProcess) -> None:
    in_memory = 0
    for _ in range(30):
        in_memory = max(in_memory, int(server.get("/cycle").split()[0]))
    assert in_memory < 20
