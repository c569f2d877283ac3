"""Round robin between users."""

from executions.runner.turns import Turns


def served(turns: Turns[str], waiting: list[str], count: int) -> str:
    """Who gets a slot, `count` times, if each slot is free again at once."""
    users = []
    for _ in range(count):
        user = turns.order(waiting)[0]
        turns.take(user)
        turns.release(user)
        users.append(user)
    return "".join(users)


def test_those_who_wait_take_turns() -> None:
    assert served(Turns(4), ["a", "b", "c"], 7) == "abcabca"


def test_who_comes_later_is_next_after_those_who_wait() -> None:
    turns: Turns[str] = Turns(4)
    served(turns, ["a", "b"], 3)
    assert turns.order(["a", "b", "c"]) == ["b", "a", "c"]


def test_who_holds_fewer_slots_is_first() -> None:
    turns: Turns[str] = Turns(4)
    turns.order(["a"])
    turns.take("a")
    assert turns.order(["a", "b"]) == ["b", "a"]
    turns.take("b")
    assert turns.order(["a", "b", "c"]) == ["c", "a", "b"]


def test_one_user_holds_no_more_slots_than_the_limit() -> None:
    turns: Turns[str] = Turns(2)
    turns.take("a")
    turns.take("a")
    assert turns.order(["a"]) == []
    turns.release("a")
    assert turns.order(["a"]) == ["a"]


def test_nothing_is_kept_of_users_who_do_not_wait_and_hold_nothing() -> None:
    turns: Turns[int] = Turns(2)
    for user in range(1_000):
        turns.take(turns.order([user])[0])
        turns.release(user)
    turns.order([])
    assert len(turns._line) + len(turns._held) == 0
