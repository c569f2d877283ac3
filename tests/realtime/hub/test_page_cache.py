"""Sockets share the pages of the log, and the reads of pages."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from realtime.db import in_thread
from realtime.hub import page_cache as module
from realtime.hub.page_cache import CachedPage, PageCache
from realtime.log.replay import Page
from realtime.publish import publish
from realtime.publishing.after_commit import numbered_head
from realtime.wire.event import Event
from tests.waiting import until_in_loop

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "u1|orders#7"


class Reads:
    """The reads of the log. Each is answered when the gate is open."""

    def __init__(self) -> None:
        self.after: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, stream_id: int, after: int) -> Page | None:
        page = read_after(stream_id, after)
        self.after.append(after)
        assert self.gate.wait(20)
        return page


read_after = module.read_after


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reads]:
    reads = Reads()
    monkeypatch.setattr(module, "read_after", reads)
    yield reads
    reads.gate.set()


def happen(count: int) -> None:
    for number in range(count):
        publish(KEY, "order_changed", f"entity {number}", {"n": number})


async def stream_with(count: int) -> tuple[int, str]:
    """The id and epoch of a stream with this many events."""
    await in_thread(happen, count)
    stream = await in_thread(numbered_head, KEY)
    return stream.id, stream.epoch


def seqs(page: CachedPage | None) -> list[int]:
    assert page
    return [event.seq for event in page.events]


async def begun(reads: Reads, count: int) -> None:
    await until_in_loop(lambda: len(reads.after) >= count)


def page(*numbers: int, epoch: str = "e") -> CachedPage:
    return CachedPage(epoch, 99, 0, 0, [Event(number, "changed", "{}", None) for number in numbers])


def test_a_page_holds_its_events_and_no_others() -> None:
    assert [seq for seq in range(8) if page(2, 3, 6).holds(seq)] == [2, 3, 6]
    assert not page().holds(1)


async def test_a_page_has_the_later_events_of_the_channel(reads: Reads) -> None:
    stream_id, epoch = await stream_with(3)
    page = await PageCache().read(stream_id, 1, epoch=epoch, channel=KEY)
    assert page
    assert seqs(page) == [2, 3]
    assert (page.epoch, page.head, page.floor, page.after) == (epoch, 3, 0, 1)
    assert f'"channel":"{KEY}"' in page.events[0].frame


async def test_a_deleted_stream_has_no_page(reads: Reads) -> None:
    assert await PageCache().read(10**9, 0, epoch="e", channel=None) is None


async def test_concurrent_readers_share_one_read_and_its_frames(reads: Reads) -> None:
    stream_id, epoch = await stream_with(3)
    pages = PageCache()
    got = await asyncio.gather(*(pages.read(stream_id, 0, epoch=epoch, channel=KEY) for _ in range(50)))
    assert reads.after == [0]
    assert all(each is got[0] for each in got)


async def test_a_later_reader_shares_the_page(reads: Reads) -> None:
    stream_id, epoch = await stream_with(3)
    pages = PageCache()
    first = await pages.read(stream_id, 0, epoch=epoch, channel=KEY)
    assert await pages.read(stream_id, 0, epoch=epoch, channel=KEY) is first
    assert await pages.read(stream_id, 2, epoch=epoch, channel=KEY) is first
    assert reads.after == [0]


async def test_a_reader_further_on_waits_for_the_read_that_covers_it(reads: Reads) -> None:
    stream_id, epoch = await stream_with(5)
    pages = PageCache()
    reads.gate.clear()
    first = asyncio.ensure_future(pages.read(stream_id, 0, epoch=epoch, channel=KEY))
    await begun(reads, 1)
    second = asyncio.ensure_future(pages.read(stream_id, 3, epoch=epoch, channel=KEY))
    await asyncio.sleep(0)
    reads.gate.set()
    assert await first is await second
    assert reads.after == [0]


async def test_a_reader_at_the_head_gets_a_page_that_is_not_older_than_its_call(reads: Reads) -> None:
    stream_id, epoch = await stream_with(2)
    pages = PageCache()
    reads.gate.clear()
    old = asyncio.ensure_future(pages.read(stream_id, 2, epoch=epoch, channel=KEY))
    await begun(reads, 1)
    await in_thread(happen, 1)
    new = asyncio.ensure_future(pages.read(stream_id, 2, epoch=epoch, channel=KEY))
    await asyncio.sleep(0)
    reads.gate.set()
    assert seqs(await old) == []
    assert seqs(await new) == [3]


async def test_readers_beyond_the_end_of_a_page_share_the_next_read(reads: Reads, settings: Settings) -> None:
    settings.REALTIME = {"PAGE_BYTES": 20}
    stream_id, epoch = await stream_with(6)
    pages = PageCache()
    reads.gate.clear()
    first = asyncio.ensure_future(pages.read(stream_id, 0, epoch=epoch, channel=KEY))
    await begun(reads, 1)
    others = [asyncio.ensure_future(pages.read(stream_id, 3, epoch=epoch, channel=KEY)) for _ in range(50)]
    await asyncio.sleep(0)
    reads.gate.set()
    assert seqs(await first) == [1, 2]
    assert {tuple(seqs(page)) for page in await asyncio.gather(*others)} == {(4, 5)}
    assert reads.after == [0, 3]


async def test_a_page_of_another_history_is_not_shared(reads: Reads) -> None:
    stream_id, epoch = await stream_with(3)
    pages = PageCache()
    await pages.read(stream_id, 0, epoch=epoch, channel=KEY)
    await pages.read(stream_id, 0, epoch="another", channel=KEY)
    assert reads.after == [0, 0]


async def test_after_a_sweep_pages_are_read_again(reads: Reads) -> None:
    stream_id, epoch = await stream_with(3)
    pages = PageCache()
    await pages.read(stream_id, 0, epoch=epoch, channel=KEY)
    pages.clear()
    await pages.read(stream_id, 0, epoch=epoch, channel=KEY)
    assert reads.after == [0, 0]


async def test_the_bytes_of_the_kept_pages_are_limited(reads: Reads, settings: Settings) -> None:
    settings.REALTIME = {"PAGE_CACHE_BYTES": 25, "PAGE_EVENTS": 2}
    stream_id, epoch = await stream_with(8)
    pages = PageCache()
    for after in (0, 2, 4, 6):
        await pages.read(stream_id, after, epoch=epoch, channel=KEY)
        assert sum(event.size for kept in pages._recent.values() for page in kept for event in page.events) <= 25


async def test_a_failed_read_fails_for_all_its_readers_and_for_no_later_one(
    reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream_id, epoch = await stream_with(1)
    pages = PageCache()

    def fail(*args: int) -> None:
        raise ConnectionError

    with monkeypatch.context() as context:
        context.setattr(module, "read_after", fail)
        got = await asyncio.gather(
            *(pages.read(stream_id, 0, epoch=epoch, channel=KEY) for _ in range(3)), return_exceptions=True
        )
    assert [type(each) for each in got] == [ConnectionError] * 3
    assert seqs(await pages.read(stream_id, 0, epoch=epoch, channel=KEY)) == [1]
    assert not pages._reads


async def test_a_cancelled_reader_takes_no_page_from_the_others(reads: Reads) -> None:
    stream_id, epoch = await stream_with(1)
    pages = PageCache()
    reads.gate.clear()
    leaving = asyncio.ensure_future(pages.read(stream_id, 0, epoch=epoch, channel=KEY))
    await begun(reads, 1)
    staying = asyncio.ensure_future(pages.read(stream_id, 0, epoch=epoch, channel=KEY))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait({leaving})
    reads.gate.set()
    assert seqs(await staying) == [1]
    assert not pages._reads


async def test_single_events_are_read_as_events_of_the_channel() -> None:
    stream_id, _ = await stream_with(4)
    events = await PageCache().read_each(stream_id, [2, 4], channel=KEY)
    assert [event.seq for event in events] == [2, 4]
    assert f'"channel":"{KEY}"' in events[0].frame
