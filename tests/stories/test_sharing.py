"""A run that is shared by a link: guests of several servers, and a stranger's browser."""

import json
import re
from contextlib import ExitStack
from typing import Any
from urllib.request import Request, urlopen

import pytest
from django.contrib.auth.models import User

from executions.models import Graph, GraphExecution
from executions.services import finish_execution, report_execution, share_execution, start_execution
from tests.database import in_db
from tests.realtime.clients import Client, HandshakeRefused
from tests.realtime.layers import redis_layer
from tests.servers import Redis
from tests.stories.doors import Door, LiveServer, ServerDoor, Servers
from tests.stories.test_browser import OpenTab, browser, database, open_tab, server
from tests.stories.test_revocation import ONLY_NOTICES, QUICK_TURNS, logged_in
from tests.stories.test_two_processes import Two

__all__ = ["browser", "open_tab", "server"]  # fixtures

TOKEN = "a-token_of-twenty-two-"


@pytest.fixture
def shared(graph: Graph, user: User) -> GraphExecution:
    return start_execution(graph, user=user, inputs={"text": "an input"}, is_shared=True, share_token=TOKEN)


async def guest_of(door: Door, execution: GraphExecution) -> Client:
    client = await door.client(path=f"/ws?share={TOKEN}")
    answer = await client.ask("subscribe_stream", {"kind": "shared", "id": str(execution.pk), "after": 0})
    assert answer["success"], answer
    await client.frames(answer["data"]["head"])
    return client


def stop_and_work(execution: GraphExecution) -> None:
    share_execution(execution, is_shared=False)
    report_execution(execution, status="RUNNING", outputs={"text": ["too late"]})


async def test_guests_of_every_server_are_served_and_end_together(shared: GraphExecution, redis_server: Redis) -> None:
    Servers.need_a_client()
    with ExitStack() as life:
        two = await in_db(Two)(life, layers=redis_layer(redis_server.url), limits=ONLY_NOTICES)
        guests = [await guest_of(door, shared) for door in two.doors for _ in range(3)]
        # This process has no Redis. The first server takes the report and the end.
        address, owner = two.doors[0].address, await in_db(signed_in)(shared.user)
        await in_db(owner)(address, "terminate", shared)
        for guest in guests:
            assert (await guest.frame())["data"]["status"] == "TERMINATED"
        await in_db(owner)(address, "stop-sharing", shared)
        for guest in guests:
            before = await guest.until(lambda frame: frame["error"] == "Invalid or expired token")
            assert [frame["error"] for frame in before[:-1]] in ([], ["Stream not found"])
            assert await guest.close_code() == 4003
        for door in two.doors:
            with pytest.raises(HandshakeRefused, match="403"):
                await door.client(path=f"/ws?share={TOKEN}")
        await two.leave()


def signed_in(user: User) -> Any:
    """Returns what posts to a page of a run, as its owner."""
    cookie = f"sessionid={logged_in(user).cookies['sessionid'].value}; csrftoken={'a' * 32}"

    def post(address: str, action: str, execution: GraphExecution) -> None:
        headers = {"Cookie": cookie, "X-CSRFToken": "a" * 32}
        request = Request(f"http://{address}/executions/{execution.pk}/{action}/", b"", headers)
        urlopen(request, timeout=20).close()

    return post


@pytest.mark.parametrize("program", ["runwire", "daphne", "uvicorn"])
async def test_without_redis_the_next_check_in_turn_ends_them(shared: GraphExecution, program: str) -> None:
    Servers.need_a_client()
    with ExitStack() as life:
        live = LiveServer(program, limits=QUICK_TURNS, REDIS_URL="")
        await in_db(live.begin)()
        await in_db(life.enter_context)(live)
        door = ServerDoor(live)
        guest = await guest_of(door, shared)
        await in_db(stop_and_work)(shared)
        frames = await guest.until(lambda frame: frame["error"] == "Invalid or expired token")
        assert await guest.close_code() == 4003
        assert "too late" not in json.dumps(frames)
        await door.leave()


@pytest.mark.once
async def test_a_stranger_watches_the_run_until_its_owner_stops_sharing(
    server: Any, open_tab: OpenTab, graph: Graph, user: User
) -> None:
    run = await database(start_execution, graph, user=user, inputs={"text": "an input"})
    owner = await open_tab(server, user)
    await owner.open_live(f"/executions/{run.pk}/")
    await owner.page.locator("#share summary").click()
    await owner.page.get_by_label("For").select_option("7 days")
    await owner.page.get_by_role("button", name="Create link").click()
    link = await owner.page.locator("#share-link").input_value()
    assert re.fullmatch(rf"{server.url}/shared/[\w-]{{43}}/", link)
    stranger = await open_tab(server)
    await stranger.open_live(link.removeprefix(server.url))
    await stranger.shows("#run-status .status", "Queued")
    await stranger.shows("#results h2", "No outputs yet")
    await database(report_execution, run, status="RUNNING", outputs={"count": [7], "api_key": ["k3y"]})
    await stranger.shows("#run-status .status", "Running")
    await stranger.shows("#results dd", [re.compile("7"), re.compile("•••")])
    await database(finish_execution, run, outputs={"report": ["# All is well"]})
    await stranger.shows("#run-status .status", "Completed")
    await stranger.shows("#results .prose h3", "All is well")
    assert await stranger.page.context.cookies() == []
    await owner.page.get_by_role("button", name="Stop sharing").click()
    await stranger.shows("#connection", "The link has ended")
    await stranger.shows("#run-trouble", "This link has ended. What you see is not updated any more.")
    await stranger.check()
    await stranger.page.reload()
    await stranger.shows("h1", "There is no such page")
    without = await open_tab(server, javascript=False)
    await database(share_execution, run, token=TOKEN)
    await without.open(f"/shared/{TOKEN}/")
    await without.shows("#results .prose h3", "All is well")
    assert "k3y" not in server.output
    assert TOKEN not in server.output
