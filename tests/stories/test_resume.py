"""Part 2 of docs/protocol.md, through two doors: event numbers, and resuming from a position."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from executions.models import Graph, GraphExecution, Notification
from executions.services import mark_read, notify_user, report_execution, report_node, start_execution
from realtime import streams
from realtime.log.retention import prune
from realtime.models import Stream
from tests.database import in_db
from tests.realtime.clients import Client, Frame
from tests.stories.doors import Door
from tests.stories.test_base_protocol import no_frame_came_before, watch, watch_graph

pytestmark = pytest.mark.parametrize("door", ["asgi", "runwire"], indirect=True)

# The stream of `execution_with_history`, by entity. The newest event of each entity is its state.
HISTORY = {1: "graph", 2: "graph", 3: "a", 4: "b", 5: "a", 6: "a", 7: "b", 8: "graph"}
HEAD = 8
LATEST = [6, 7, 8]


NOTIFICATION = {
    "method": "notification",
    "data": {"type": "info", "event": "hey"},
    "success": None,
    "channel": None,
    "error": None,
}


@pytest.fixture
def execution_with_history(execution: GraphExecution) -> GraphExecution:
    report_execution(execution, status="RUNNING")
    for node, status in (("a", "QUEUED"), ("b", "QUEUED"), ("a", "RUNNING"), ("a", "COMPLETED"), ("b", "RUNNING")):
        report_node(execution, node_id=node, status=status)
    report_execution(execution, status="REVIEW")
    return execution


async def stream_of(execution: GraphExecution) -> Stream:
    return await in_db(Stream.objects.get)(key=streams.graph_exec(str(execution.user_id), str(execution.pk)))


async def subscribe(client: Client, execution: GraphExecution, **options: object) -> dict[str, Any]:
    """The data of the answer."""
    answer = await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), **options})
    assert answer["success"] is True, answer
    data: dict[str, Any] = answer["data"]
    return data


async def seqs(client: Client, count: int) -> list[int]:
    return [frame["seq"] for frame in await client.frames(count)]


async def continues(client: Client, execution: GraphExecution, head: int = HEAD) -> None:
    """Checks that the replay has ended, and that a new event has the next number."""
    await in_db(report_node)(execution, node_id="new", status="QUEUED")
    frame = await client.frame()
    assert (frame["seq"], frame["data"]["node_id"]) == (head + 1, "new")


def prune_all(stream: Stream) -> None:
    prune(stream.pk, timezone.now() + timedelta(seconds=1))


# After a cursor


async def test_after_0_replays_the_whole_history(
    door: Door, user: User, execution_with_history: GraphExecution
) -> None:
    client = await door.client(user)
    stream = await stream_of(execution_with_history)
    assert await subscribe(client, execution_with_history, after=0) == {
        "epoch": stream.epoch,
        "head": HEAD,
        "recovered": True,
    }
    assert await seqs(client, HEAD) == list(HISTORY)
    await continues(client, execution_with_history)


async def test_after_a_number_replays_the_later_events(
    door: Door, user: User, execution_with_history: GraphExecution
) -> None:
    client = await door.client(user)
    stream = await stream_of(execution_with_history)
    answer = await subscribe(client, execution_with_history, after=5, epoch=stream.epoch, replay="all")
    assert answer == {"epoch": stream.epoch, "head": HEAD, "recovered": True}
    assert await seqs(client, 3) == [6, 7, 8]
    await continues(client, execution_with_history)


async def test_after_the_head_delivers_only_new_events(
    door: Door, user: User, execution_with_history: GraphExecution
) -> None:
    client = await door.client(user)
    assert (await subscribe(client, execution_with_history, after=HEAD))["recovered"] is True
    await continues(client, execution_with_history)


async def test_a_stream_without_events_has_the_head_0(door: Door, user: User, graph: Graph) -> None:
    client = await door.client(user)
    for options in ({"after": 0}, {"replay": "latest"}, {"replay": "none"}):
        answer = await client.ask("subscribe_graph_executions", {"graph_id": str(graph.pk), **options})
        assert (answer["data"]["head"], answer["data"]["recovered"]) == (0, True)
    await in_db(start_execution)(graph, user=user)
    assert await seqs(client, 1) == [1]


async def test_a_reconnect_delivers_only_the_missed_events(
    door: Door, user: User, execution_with_history: GraphExecution
) -> None:
    client = await door.client(user)
    answer = await subscribe(client, execution_with_history, after=0)
    last = (await seqs(client, HEAD))[-1]
    await client.disconnect()
    for number in range(5):
        await in_db(report_node)(execution_with_history, node_id=f"missed {number}", status="QUEUED")
    again = await door.client(user)
    await subscribe(again, execution_with_history, after=last, epoch=answer["epoch"])
    assert [frame["data"]["node_id"] for frame in await again.frames(5)] == [f"missed {number}" for number in range(5)]
    await continues(again, execution_with_history, HEAD + 5)


async def test_large_events_arrive_live_and_in_a_replay(door: Door, user: User, execution: GraphExecution) -> None:
    """Above MAX_INLINE_BYTES events are announced without their data. Several of them fill more than one page."""
    client = await door.client(user)
    await watch(client, execution, after=1)
    texts = [letter * 400_000 for letter in "abcde"]
    for text in texts:
        await in_db(report_node)(execution, node_id=text[0], status="QUEUED", input_data={"text": text})
    assert [frame["data"]["input_data"]["text"] for frame in await client.frames(5)] == texts
    again = await door.client(user)
    await watch(again, execution, after=1)
    assert [frame["data"]["input_data"]["text"] for frame in await again.frames(5)] == texts
    snapshot = await door.client(user)
    await watch(snapshot, execution, replay="latest")
    assert [frame["data"]["input_data"]["text"] for frame in (await snapshot.frames(6))[1:]] == texts


# The newest of each, or nothing


async def test_latest_replays_the_newest_event_of_each_entity(
    door: Door, user: User, execution_with_history: GraphExecution
) -> None:
    client = await door.client(user)
    answer = await subscribe(client, execution_with_history, replay="latest")
    assert (answer["head"], answer["recovered"], "truncated" in answer) == (HEAD, True, False)
    assert await seqs(client, 3) == LATEST
    await continues(client, execution_with_history)


async def test_latest_after_a_number_replays_only_newer_events(
    door: Door, user: User, execution_with_history: GraphExecution
) -> None:
    client = await door.client(user)
    assert (await subscribe(client, execution_with_history, replay="latest", after=6))["recovered"] is True
    assert await seqs(client, 2) == [7, 8]
    assert (await subscribe(client, execution_with_history, replay="latest", after=HEAD))["recovered"] is True
    await continues(client, execution_with_history)


async def test_a_limit_keeps_the_newest_entities_and_reports_truncation(
    door: Door, user: User, execution_with_history: GraphExecution
) -> None:
    client = await door.client(user)
    answer = await subscribe(client, execution_with_history, replay="latest", limit=2)
    assert answer["truncated"] is True
    assert await seqs(client, 2) == [7, 8]
    answer = await subscribe(client, execution_with_history, after=HEAD + 1, limit=2)
    assert (answer["recovered"], answer["truncated"]) == (False, True)
    assert await seqs(client, 2) == [7, 8]
    answer = await subscribe(client, execution_with_history, replay="latest", limit=3)
    assert "truncated" not in answer
    assert await seqs(client, 3) == LATEST


async def test_none_gives_numbers_without_a_history(
    door: Door, user: User, execution_with_history: GraphExecution
) -> None:
    client = await door.client(user)
    for options in ({}, {"after": 3}, {"after": 99}, {"after": 0, "epoch": "another"}):
        answer = await subscribe(client, execution_with_history, replay="none", **options)
        assert (answer["head"], answer["recovered"]) == (HEAD, True)
    await continues(client, execution_with_history)


# Never partial


async def is_refused(client: Client, execution: GraphExecution, **options: object) -> None:
    stream = await stream_of(execution)
    answer = await subscribe(client, execution, **options)
    assert answer == {"epoch": stream.epoch, "head": HEAD, "recovered": False}
    assert await seqs(client, 3) == LATEST


async def test_the_options_mean_what_the_table_says(
    door: Door, execution_with_history: GraphExecution, user: User
) -> None:
    client, execution = await door.client(user), execution_with_history
    data = {"graph_exec_id": str(execution.pk)}
    for alone in ({"epoch": "another"}, {"limit": 7}, {"epoch": "another", "limit": 7}):
        assert (await client.ask("subscribe_graph_execution", {**data, **alone}))["data"] is None
    answer = await subscribe(client, execution, replay="none", after=HEAD + 100, epoch="another")
    assert (answer["head"], answer["recovered"]) == (HEAD, True)
    assert (await client.ask("subscribe_graph_execution", data))["data"] is None
    await in_db(report_node)(execution, node_id="c", status="QUEUED")
    assert (await client.frame())["seq"] == HEAD + 1
    answer = await subscribe(client, execution, replay="all")
    assert answer["recovered"] is True
    assert await seqs(client, HEAD + 1) == list(range(1, HEAD + 2))


@pytest.mark.parametrize("options", [{"after": HEAD + 1}, {"after": 2**62}, {"after": HEAD + 1, "replay": "latest"}])
async def test_a_position_beyond_the_head_gets_a_snapshot(
    options: dict[str, object], door: Door, user: User, execution_with_history: GraphExecution
) -> None:
    client = await door.client(user)
    await is_refused(client, execution_with_history, **options)
    await continues(client, execution_with_history)


@pytest.mark.parametrize("options", [{"after": 3}, {"after": 0}, {"after": HEAD}, {"replay": "latest"}])
async def test_another_epoch_gets_a_snapshot(
    options: dict[str, object], door: Door, user: User, execution_with_history: GraphExecution
) -> None:
    client = await door.client(user)
    await is_refused(client, execution_with_history, epoch="another", **options)
    await continues(client, execution_with_history)


async def test_a_position_below_the_floor_gets_a_snapshot(
    door: Door, user: User, execution_with_history: GraphExecution
) -> None:
    await in_db(prune_all)(await stream_of(execution_with_history))
    client = await door.client(user)
    for options in ({"after": 0}, {"after": HEAD - 1}, {"after": 3, "replay": "latest"}, {"replay": "all"}):
        await is_refused(client, execution_with_history, **options)
    assert (await subscribe(client, execution_with_history, replay="latest"))["recovered"] is True
    assert await seqs(client, 3) == LATEST
    assert (await subscribe(client, execution_with_history, after=HEAD))["recovered"] is True
    await continues(client, execution_with_history)


async def test_a_snapshot_has_the_same_state_as_the_history(
    door: Door, user: User, execution_with_history: GraphExecution
) -> None:
    """The old state and the events give the new state."""

    def state(frames: list[Frame]) -> dict[str, Any]:
        return {frame["data"].get("node_exec_id", "graph"): frame["data"] for frame in frames}

    client = await door.client(user)
    await watch(client, execution_with_history, after=0)
    history = await client.frames(HEAD)
    await watch(client, execution_with_history, replay="latest")
    snapshot = await client.frames(3)
    assert state(history) == state(snapshot)
    nodes = await in_db(list)(execution_with_history.node_executions.select_related("graph_execution"))
    rows = {str(node.pk): json.loads(node.to_event().model_dump_json()) for node in nodes}
    execution = await in_db(GraphExecution.objects.get)(pk=execution_with_history.pk)
    assert state(snapshot) == rows | {"graph": json.loads(execution.to_event().model_dump_json())}


# Again, and otherwise


async def test_a_second_subscribe_restarts_only_with_a_number(
    door: Door, user: User, execution_with_history: GraphExecution
) -> None:
    client = await door.client(user)
    await subscribe(client, execution_with_history, after=0)
    await seqs(client, HEAD)
    answer = await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution_with_history.pk)})
    assert (answer["data"], answer["success"]) == (None, True)
    await subscribe(client, execution_with_history, after=6)
    assert await seqs(client, 2) == [7, 8]
    await continues(client, execution_with_history)


async def test_a_second_subscribe_turns_numbers_on(
    door: Door, user: User, execution_with_history: GraphExecution
) -> None:
    client = await door.client(user)
    await watch(client, execution_with_history)
    await in_db(report_node)(execution_with_history, node_id="c", status="QUEUED")
    assert "seq" not in await client.frame()
    await subscribe(client, execution_with_history, after=HEAD)
    assert await seqs(client, 1) == [HEAD + 1]
    await continues(client, execution_with_history, HEAD + 1)


async def test_a_graph_stream_resumes(door: Door, user: User, graph: Graph, execution: GraphExecution) -> None:
    other = await in_db(start_execution)(graph, user=user)
    await in_db(report_execution)(execution, status="RUNNING")
    client = await door.client(user)
    await watch_graph(client, graph, after=0)
    frames = await client.frames(3)
    assert [(frame["seq"], frame["data"]["id"]) for frame in frames] == [
        (1, str(execution.pk)),
        (2, str(other.pk)),
        (3, str(execution.pk)),
    ]
    await watch_graph(client, graph, replay="latest")
    assert await seqs(client, 2) == [2, 3]


# Notifications


async def test_notifications_resume(door: Door, user: User) -> None:
    for number in (1, 2, 3):
        await in_db(notify_user)(user, type="info", event=str(number))
    client = await door.client(user)
    await no_frame_came_before(client, user)  # without a position there is no replay, which would notify again
    answer = await client.ask("subscribe_notifications", {"after": 1})
    assert (answer["channel"], answer["data"]["head"]) == (f"{user.pk}|notifications", 4)
    frames = await client.frames(3)
    assert [frame["seq"] for frame in frames] == [2, 3, 4]
    assert {(frame["method"], frame["channel"]) for frame in frames} == {("notification", None)}
    await in_db(notify_user)(user, type="info", event="live")
    assert (await client.frame())["seq"] == 5


async def test_notifications_can_be_numbered_without_a_history(door: Door, user: User) -> None:
    await in_db(notify_user)(user, type="info", event="old")
    client = await door.client(user)
    answer = await client.ask("subscribe_notifications")
    assert (answer["data"]["head"], answer["data"]["recovered"]) == (1, True)
    await in_db(notify_user)(user, type="info", event="live")
    assert (await client.frame())["seq"] == 2


async def test_read_and_deleted_notifications_are_sent_only_to_numbered_clients(door: Door, user: User) -> None:
    plain, numbered = await door.client(user), await door.client(user)
    await numbered.ask("subscribe_notifications", {"after": 0})
    notification = await in_db(notify_user)(user, type="info", event="hey")
    ids = [str(notification.pk)]
    await in_db(mark_read)(user)
    await in_db(Notification.objects.filter(pk=notification.pk).update)(read_at=None)
    await in_db(notification.delete)()
    await in_db(notify_user)(user, type="info", event="ho")
    assert [frame["data"]["event"] for frame in await plain.frames(2)] == ["hey", "ho"]
    frames = await numbered.frames(5)
    assert [(frame["method"], frame["data"], frame["seq"]) for frame in frames[1:4]] == [
        ("notification_read", {"ids": ids, "read": True}, 2),
        ("notification_read", {"ids": ids, "read": False, "notification": {"type": "info", "event": "hey"}}, 3),
        ("notification_deleted", {"ids": ids}, 4),
    ]


async def test_a_notification_has_its_id_beside_its_number(door: Door, user: User) -> None:
    """A client without numbers gets the frame of the base protocol."""
    plain, numbered = await door.client(user), await door.client(user)
    await numbered.ask("subscribe_notifications", {"after": 0})
    made = await in_db(notify_user)(user, type="info", event="hey")
    assert list((await plain.frame()).items()) == list(NOTIFICATION.items())
    numbered_frame = [*NOTIFICATION.items(), ("seq", 1), ("id", str(made.pk))]
    assert list((await numbered.frame()).items()) == numbered_frame
    await numbered.ask("subscribe_notifications", {"after": 0})  # now it comes from the log
    assert list((await numbered.frame()).items()) == numbered_frame


async def test_a_snapshot_has_each_unread_notification_with_its_text(door: Door, user: User) -> None:
    old, again, read = [await in_db(notify_user)(user, type="info", event=text) for text in ("old", "again", "read")]
    await in_db(mark_read)(user, [again.pk, read.pk])
    await in_db(Notification.objects.filter(pk=again.pk).update)(read_at=None)
    last = await in_db(notify_user)(user, type="info", event="last")
    unread = {
        str(old.pk): {"type": "info", "event": "old"},
        str(again.pk): {"type": "info", "event": "again"},
        str(last.pk): {"type": "info", "event": "last"},
    }
    for others in ([("notification_read", {"ids": [str(read.pk)], "read": True})], []):
        client = await door.client(user)
        answer = await client.ask("subscribe_notifications", {"replay": "latest"})
        frames = await client.frames(3 + len(others))
        assert frames[-1]["seq"] == answer["data"]["head"] == 7
        seen, rest = {}, []
        for frame in frames:
            if frame["method"] == "notification":
                seen[frame["id"]] = frame["data"]
            elif frame["data"]["read"] is False:
                (id,) = frame["data"]["ids"]
                seen[id] = frame["data"]["notification"]
            else:
                rest.append((frame["method"], frame["data"]))
        assert seen == unread
        assert rest == others
        stream = await in_db(Stream.objects.get)(key=streams.notifications(str(user.pk)))
        await in_db(prune)(stream.pk, timezone.now() + timedelta(hours=1))


# Deletion


@pytest.fixture(params=["the row", "a queryset", "the graph, by cascade"])
def delete(request: pytest.FixtureRequest) -> Callable[[GraphExecution], object]:
    ways: dict[str, Callable[[GraphExecution], object]] = {
        "the row": lambda execution: execution.delete(),
        "a queryset": lambda execution: GraphExecution.objects.filter(pk=execution.pk).delete(),
        "the graph, by cascade": lambda execution: execution.graph.delete(),
    }
    return ways[request.param]


async def test_a_watcher_of_a_deleted_execution_is_notified_and_unsubscribed(
    door: Door, user: User, execution: GraphExecution, delete: Callable[[GraphExecution], object]
) -> None:
    plain, numbered = await door.client(user), await door.client(user)
    await watch(plain, execution)
    await watch(numbered, execution, after=1)
    id = str(execution.pk)
    await in_db(delete)(execution)
    for client, channel in ((plain, None), (numbered, f"{user.pk}|graph_exec#{id}")):
        assert await client.frame() == {
            "method": "error",
            "data": None,
            "success": False,
            "channel": channel,
            "error": "Graph execution not found",
        }
        assert (await client.ask("unsubscribe", {"graph_exec_id": id}))["channel"] is None
        await client.ping()


async def test_a_deleted_execution_is_sent_to_numbered_watchers_of_its_graph(
    door: Door, user: User, graph: Graph, execution: GraphExecution
) -> None:
    plain, numbered = await door.client(user), await door.client(user)
    channel = await watch_graph(plain, graph)
    await watch_graph(numbered, graph, after=1)
    id = str(execution.pk)
    await in_db(execution.delete)()
    assert await numbered.text() == (
        f'{{"method":"execution_deleted","data":{{"graph_exec_id":"{id}"}},"success":null,'
        f'"channel":"{channel}","error":null,"seq":2}}'
    )
    await no_frame_came_before(plain, user)


async def test_a_deleted_node_is_sent_to_numbered_watchers(door: Door, user: User, execution: GraphExecution) -> None:
    plain, numbered = await door.client(user), await door.client(user)
    await watch(plain, execution)
    await watch(numbered, execution, after=1)
    node = await in_db(report_node)(execution, node_id="n", status="QUEUED")
    id = str(node.pk)
    await in_db(node.delete)()
    _, deleted = await numbered.frames(2)
    assert (deleted["method"], deleted["seq"]) == ("node_execution_deleted", 3)
    assert deleted["data"] == {"graph_exec_id": str(execution.pk), "node_exec_id": id}
    assert (await plain.frame())["method"] == "node_execution_event"
    await no_frame_came_before(plain, user)
