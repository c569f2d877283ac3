"""Timers for tokens and sessions that end."""

import asyncio
import time

from realtime.revocation.expiry import Expiry


async def test_the_user_is_named_when_the_proof_ends() -> None:
    ended: asyncio.Queue[str] = asyncio.Queue()
    expiry = Expiry(ended.put_nowait)
    expiry.set("socket", "7", time.time() - 1)
    assert await ended.get() == "7"
    expiry.set("socket", "7", time.time() + 0.01)
    assert await ended.get() == "7"


async def test_a_later_end_and_none_replace_the_timer() -> None:
    ended: asyncio.Queue[str] = asyncio.Queue()
    expiry = Expiry(ended.put_nowait)
    expiry.set("one", "1", time.time())
    expiry.set("one", "1", None)
    expiry.set("two", "2", time.time())
    expiry.set("two", "2", time.time() + 1_000_000)
    expiry.set("three", "3", time.time())
    assert await ended.get() == "3"
    assert ended.empty()
