"""Turns: one for each round of the event loop, in the order of arrival."""

import asyncio

from realtime.server.turns import Turns


async def test_two_sockets_take_turns_in_different_rounds_of_the_loop() -> None:
    turns, seen, done = Turns(), [], asyncio.Event()

    def socket(name: str, left: int) -> None:
        seen.append((name, rounds))
        if left:
            turns.wait(lambda: socket(name, left - 1))
        elif name == "b":
            done.set()

    turns.wait(lambda: socket("a", 2))
    turns.wait(lambda: socket("b", 2))
    rounds = 0
    while not done.is_set():
        await asyncio.sleep(0)
        rounds += 1
    assert [name for name, _ in seen] == ["a", "b", "a", "b", "a", "b"]
    assert len({each for _, each in seen}) == 6


async def test_a_turn_that_fails_does_not_stop_the_next_one() -> None:
    turns, done, failures = Turns(), asyncio.Event(), []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context["exception"]))

    def fail() -> None:
        raise RuntimeError("This socket is broken.")

    turns.wait(fail)
    turns.wait(done.set)
    await done.wait()
    assert [str(each) for each in failures] == ["This socket is broken."]


async def test_one_turn_is_taken_at_once_in_a_round_and_only_if_nobody_waits() -> None:
    turns, done = Turns(), asyncio.Event()
    assert [turns.take() for _ in range(3)] == [True, False, False]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert turns.take()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    turns.wait(done.set)
    assert not turns.take()
    await done.wait()
    assert turns.take()
