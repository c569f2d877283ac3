"""A backup of the database is restored under running servers: by pg_dump and pg_restore, without `new_epochs`."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import User
from django.db import connection

from executions.models import Graph, GraphExecution
from executions.services import notify_user, report_node, start_execution
from realtime import streams
from tests.database import in_db
from tests.realtime.clients import Client, Frame
from tests.servers import NotInstalledError
from tests.servers.backup import Backup
from tests.stories.doors import LiveServer, ServerDoor

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(180)]

NO_SWEEPS = {"SWEEP_INTERVAL": 3_600.0}


class Watcher(NamedTuple):
    client: Client
    numbered: bool

    async def watch(self, method: str, data: dict[str, Any], after: int) -> None:
        answer = await self.client.ask(method, data | ({"after": after} if self.numbered else {}))
        assert answer["success"], answer

    async def watch_execution(self, execution: GraphExecution, after: int) -> None:
        await self.watch("subscribe_graph_execution", {"graph_exec_id": str(execution.pk)}, after)

    async def watch_graph(self, graph: Graph) -> None:
        await self.watch("subscribe_graph_executions", {"graph_id": str(graph.pk)}, 0)

    async def until(self, *conditions: Callable[[Frame], bool]) -> list[Frame]:
        """Reads frames until each condition was true for one of them, and returns them all."""
        frames: list[Frame] = []
        while not all(any(map(condition, frames)) for condition in conditions):
            frames.append(await self.client.frame())
        return frames


def is_reset(channel: str, head: int) -> Callable[[Frame], bool]:
    """The answer that says that another history begins."""
    return lambda frame: (
        frame["channel"] == channel
        and isinstance(frame["data"], dict)
        and frame["data"].get("recovered") is False
        and frame["data"]["head"] == head
    )


def is_event(channel: str, **data: Any) -> Callable[[Frame], bool]:
    return lambda frame: (
        frame["channel"] == channel and frame["method"].endswith("_event") and data.items() <= frame["data"].items()
    )


def is_error(text: str) -> Callable[[Frame], bool]:
    return lambda frame: frame["error"] == text


def is_notification(frame: Frame) -> bool:
    return bool(frame["method"] == "notification")


@pytest.fixture
async def watchers(pair: list[LiveServer], user: User) -> AsyncIterator[list[Watcher]]:
    """On each of two servers a client with numbers and one without."""
    doors = [ServerDoor(server) for server in pair]
    yield [Watcher(await door.client(user), numbered) for door in doors for numbered in (True, False)]
    for door in doors:
        await door.leave()


@pytest.fixture
def back_up(transactional_db: None, tmp_path: Path) -> Iterator[Callable[[], Backup]]:
    def back_up() -> Backup:
        try:
            return Backup(tmp_path / "backup")
        except NotInstalledError as missing:
            pytest.skip(str(missing))

    yield back_up
    connection.close()  # the restore has ended it


def report_nodes(execution: GraphExecution, count: int, name: str) -> None:
    for number in range(count):
        report_node(execution, node_id=f"{name} {number}", status="QUEUED")


async def restored(
    watchers: list[Watcher], user: User, graph: Graph, back_up: Callable[[], Backup], *made_later: str
) -> tuple[GraphExecution, Graph, str, str]:
    """The clients get three events after the backup; then it is restored. They also watch graphs of these names that
    are made after the backup. Returns the execution, the graph without a stream, and the channel of each."""
    silent = await in_db(Graph.objects.create)(owner=user, name="Without a stream when the backup is made")
    execution = await in_db(start_execution)(graph, user=user)
    backup = await in_db(back_up)()
    lost = [await in_db(Graph.objects.create)(owner=user, name=name) for name in made_later]
    for watcher in watchers:
        for each in (silent, *lost):
            await watcher.watch_graph(each)
        await watcher.watch_execution(execution, after=1)
    await in_db(report_nodes)(execution, 3, "lost")
    for watcher in watchers:
        await watcher.client.frames(3)

    await in_db(backup.restore)()
    channels = streams.graph_exec(str(user.pk), str(execution.pk)), streams.graph_execs(str(user.pk), str(silent.pk))
    return execution, silent, *channels


async def test_what_the_backup_has_goes_on_and_what_it_lacks_ends(
    watchers: list[Watcher], user: User, graph: Graph, back_up: Callable[[], Backup]
) -> None:
    execution, silent, channel, channel_of_silent = await restored(
        watchers, user, graph, back_up, "Made after the backup"
    )
    for watcher in watchers:
        expected = [is_error("Graph not found"), is_event(channel, status="QUEUED")]
        if watcher.numbered:
            expected += [is_reset(channel, 1), is_reset(channel_of_silent, 0)]
        frames = await watcher.until(*expected)
        assert sum(frame["method"] == "error" for frame in frames) == 1

    await in_db(start_execution)(silent, user=user)
    await in_db(report_nodes)(execution, 1, "new")
    await in_db(notify_user)(user, type="info", event="hey")
    for watcher in watchers:
        frames = await watcher.until(
            is_event(channel_of_silent, status="QUEUED"), is_event(channel, node_id="new 0"), is_notification
        )
        assert not any(map(is_error("Graph not found"), frames))
        assert len(frames) == 3
        if watcher.numbered:
            assert {frame["channel"]: frame["seq"] for frame in frames if "seq" in frame} == {
                channel_of_silent: 1,
                channel: 2,
            }


@pytest.mark.parametrize("pair", [NO_SWEEPS], indirect=True)
async def test_events_after_the_restore_reach_everybody_although_no_sweep_has_noticed_it(
    watchers: list[Watcher], user: User, graph: Graph, back_up: Callable[[], Backup]
) -> None:
    """They use the numbers again that clients have seen, and soon pass them."""
    execution, silent, channel, channel_of_silent = await restored(watchers, user, graph, back_up)
    await in_db(report_nodes)(execution, 1, "new")
    for watcher in watchers:
        frames = await watcher.until(is_event(channel, node_id="new 0"))
        if watcher.numbered:
            assert is_reset(channel, 2)(frames[0])
            assert [frame["seq"] for frame in frames[1:]] == [1, 2]
    await in_db(start_execution)(silent, user=user)
    await in_db(report_nodes)(execution, 5, "next")
    for watcher in watchers:
        frames = await watcher.until(is_event(channel, node_id="next 4"), is_event(channel_of_silent, status="QUEUED"))
        if watcher.numbered:
            assert [frame["seq"] for frame in frames if frame["channel"] == channel] == [3, 4, 5, 6, 7]
