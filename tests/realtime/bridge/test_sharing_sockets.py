"""The socket of a guest: what it gets, what it never gets, and how it ends."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.test import Client as Browser
from django.utils import timezone
from pytest_django import Settings

from executions.models import Graph, GraphExecution
from executions.services import (
    finish_execution,
    notify_user,
    report_execution,
    report_node,
    share_execution,
    start_execution,
)
from realtime.auth.jwt import issue_token
from realtime.bridge import sharing
from realtime.hub.registry import hub_of_this_loop
from realtime.metrics import counts
from realtime.revocation import review
from tests.database import in_db
from tests.realtime.clients import HandshakeRefused, InProcess
from tests.realtime.conftest import ConnectClient, Counted
from tests.waiting import until_in_loop

TOKEN, OTHER_TOKEN = "a-token_of-twenty-two-", "another-token-of-twenty-two"
SLOW_TURNS = {"RECHECK_INTERVAL": 3_600.0, "RECHECK_DELAY": 0.1}  # only notices count
QUICK_TURNS = {"RECHECK_INTERVAL": 0.2, "RECHECK_DELAY": 0.1, "SWEEP_INTERVAL": 3_600.0}


@pytest.fixture
def execution(graph: Graph, user: User) -> GraphExecution:
    inputs = {"text": "an input of the owner"}
    return start_execution(graph, user=user, inputs=inputs, is_shared=True, share_token=TOKEN)


@pytest.fixture(params=["a notice", "the next turn"])
def _either_way(request: pytest.FixtureRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The change is seen by a notice, or (every message is lost) by the next check in turn."""
    settings.REALTIME = SLOW_TURNS if request.param == "a notice" else QUICK_TURNS
    if request.param == "the next turn":
        monkeypatch.setattr("realtime.publishing.announcer._send", lambda *args: None)


@pytest.fixture
def guest(live_client: ConnectClient) -> Callable[..., Any]:
    async def connect(token: str = TOKEN, **how: Any) -> InProcess:
        return await live_client(path=f"/ws/?share={quote(token)}", **how)

    return connect


def subscribe_to(execution: GraphExecution, **options: Any) -> tuple[str, dict[str, Any]]:
    return "subscribe_stream", {"kind": "shared", "id": str(execution.pk), "after": 0, **options}


async def watch(client: InProcess, execution: GraphExecution, **options: Any) -> list[Any]:
    """The events up to the head."""
    answer = await client.ask(*subscribe_to(execution, **options))
    assert answer["success"], answer
    return await client.frames(answer["data"]["head"] - options.get("after", 0))


async def is_closed(client: InProcess) -> list[Any]:
    """The frames before the error with which the socket closes."""
    frames = [await client.frame()]
    while frames[-1]["error"] != "Invalid or expired token":
        frames.append(await client.frame())
    assert await client.close_code() == 4003
    return frames[:-1]


async def refusal(live_client: ConnectClient, query: str, **how: Any) -> tuple[str, int]:
    client = await live_client(path=f"/ws?refusal=frame&{query}", **how)
    return (await client.frame())["error"], await client.close_code()


# What a guest gets


async def test_a_guest_gets_the_events_of_its_execution(guest: Any, execution: GraphExecution, user: User) -> None:
    client = await guest()
    (first,) = await watch(client, execution)
    assert first["channel"] == f"guest|shared#{execution.pk}"
    assert (first["method"], first["seq"]) == ("shared_execution_event", 1)
    await in_db(report_execution)(execution, status="RUNNING")
    await in_db(notify_user)(user, type="info", event="for the owner")
    await in_db(report_node)(execution, node_id="n", status="RUNNING", input_data={"text": "for the owner"})
    await in_db(finish_execution)(execution, outputs={"report": ["Done."], "token": ["s3cret"]})
    running, done = await client.frames(2)
    assert (running["data"]["status"], done["data"]["status"]) == ("RUNNING", "COMPLETED")
    assert done["data"]["outputs"] == {"report": ["Done."], "token": ["•••"]}
    await client.ping()
    texts = json.dumps([first, running, done])
    for secret in (str(execution.graph_id), "an input of the owner", "user_id", "graph_id", "s3cret", TOKEN, "stats"):
        assert secret not in texts
    assert set(done["data"]) == {"id", "graph_name", "status", "started_at", "ended_at", "outputs"}


async def test_a_guest_resumes_and_takes_a_snapshot(guest: Any, execution: GraphExecution) -> None:
    await in_db(report_execution)(execution, status="RUNNING")
    client = await guest()
    answer = await client.ask("subscribe_stream", {"kind": "shared", "id": str(execution.pk), "replay": "latest"})
    assert answer["data"]["head"] == 2
    assert (await client.frame())["data"]["status"] == "RUNNING"
    again = await guest()
    resumed = await again.ask(*subscribe_to(execution, after=1, epoch=answer["data"]["epoch"]))
    assert resumed["data"]["recovered"]
    assert (await again.frame())["seq"] == 2


async def test_the_epoch_of_another_stream_is_no_way_in(guest: Any, live_client: ConnectClient, execution: Any) -> None:
    owner = await live_client(execution.user)
    answer = await owner.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 0})
    client = await guest()
    got = await client.ask(*subscribe_to(execution, after=1, epoch=answer["data"]["epoch"]))
    assert not got["data"]["recovered"]
    assert got["data"]["epoch"] != answer["data"]["epoch"]
    assert (await client.frame())["method"] == "shared_execution_event"
    await client.ping()


async def test_users_do_not_watch_the_stream_of_guests(live_client: ConnectClient, execution: Any) -> None:
    owner = await live_client(execution.user)
    assert (await owner.ask(*subscribe_to(execution)))["error"] == "Stream not found"


# What a guest never gets


async def test_every_other_subscribe_is_not_found(guest: Any, execution: GraphExecution, graph: Graph) -> None:
    other = await in_db(start_execution)(graph, user=execution.user, is_shared=True, share_token=OTHER_TOKEN)
    client = await guest()
    for method, data, error in (
        ("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 0}, "Graph execution not found"),
        ("subscribe_graph_executions", {"graph_id": str(graph.pk), "after": 0}, "Graph not found"),
        ("subscribe_notifications", {}, "Notifications not found"),
        (*subscribe_to(other), "Stream not found"),
        ("subscribe_stream", {"kind": "graph_exec", "id": str(execution.pk), "after": 0}, "Stream not found"),
        ("subscribe_stream", {"kind": "orders", "id": "7", "after": 0}, "Stream not found"),
    ):
        answer = await client.ask(method, data)
        assert (answer["error"], answer["channel"]) == (error, None)
    for data in ({"notifications": True}, {"graph_exec_id": str(execution.pk)}, {"kind": "shared", "id": "x"}):
        answer = await client.ask("unsubscribe", data)
        assert (answer["success"], answer["channel"]) == (True, None)
    await in_db(report_execution)(execution, status="RUNNING")
    await client.ping()
    await watch(client, execution)
    answer = await client.ask("unsubscribe", {"kind": "shared", "id": str(execution.pk)})
    assert answer["channel"] == f"guest|shared#{execution.pk}"
    await in_db(finish_execution)(execution)
    await client.ping()


async def test_the_session_cookie_beside_a_link_counts_for_nothing(guest: Any, execution: GraphExecution) -> None:
    browser = Browser()
    await in_db(browser.force_login)(execution.user)
    client = await guest(headers=[("Cookie", f"sessionid={browser.cookies['sessionid'].value}")])
    answer = await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk)})
    assert answer["error"] == "Graph execution not found"
    await in_db(notify_user)(execution.user, type="info", event="hey")
    await in_db(browser.post)("/logout/")
    await client.ping()


async def test_a_bad_link_beside_a_good_session_is_refused(live_client: ConnectClient, execution: Any) -> None:
    browser = Browser()
    await in_db(browser.force_login)(execution.user)
    cookie = [("Cookie", f"sessionid={browser.cookies['sessionid'].value}")]
    assert await refusal(live_client, "share=nothing", headers=cookie) == ("Invalid or expired token", 4003)
    assert await refusal(live_client, "share=", headers=cookie) == ("Invalid or expired token", 4003)
    assert await refusal(live_client, f"share={TOKEN}&token=bad", headers=cookie) == ("Invalid or expired token", 4003)


async def test_the_token_of_a_user_comes_before_a_link(live_client: ConnectClient, execution: GraphExecution) -> None:
    token = issue_token(execution.user_id, timedelta(hours=1))
    client = await live_client(path=f"/ws?share={TOKEN}&token={token}")
    assert (await client.ask(*subscribe_to(execution)))["error"] == "Stream not found"


@pytest.mark.parametrize(("origin", "allowed"), [("http://localhost", True), ("https://evil.example", False)])
async def test_the_origin_counts_as_for_tokens(
    guest: Any, execution: GraphExecution, settings: Settings, origin: str, allowed: bool
) -> None:
    headers = [("Origin", origin)]
    await (await guest(headers=headers)).ping()
    for more, setting in ([("Cookie", "sessionid=x")], "with_cookie"), ([], "always"):
        settings.REALTIME = {"CHECK_TOKEN_ORIGIN": setting}
        if allowed:
            await (await guest(headers=[*headers, *more])).ping()
        else:
            with pytest.raises(HandshakeRefused):
                await guest(headers=[*headers, *more])


@pytest.mark.parametrize(
    "token",
    [
        *("", "%00", "x", "x" * 43, "x" * 10_000, "%ff", "%F0%9F%94%91" * 22, TOKEN[:-1], TOKEN + "A", TOKEN.upper()),
        *(f"{TOKEN}%00", f"{TOKEN}%0A", f"%20{TOKEN}", f"{TOKEN}'", f"{TOKEN}&share=x"),
    ],
)
@pytest.mark.usefixtures("execution")
async def test_a_wrong_token_is_refused_as_a_bad_token(
    live_client: ConnectClient, token: str, counted: Counted
) -> None:
    assert await refusal(live_client, f"share={token}") == ("Invalid or expired token", 4003)
    with pytest.raises(HandshakeRefused):
        await live_client(path=f"/ws?share={token}")
    assert counted["refused_4003"] == 2
    assert counted["errors"] == 0


@pytest.mark.parametrize("change", [{"is_shared": False}, {"share_expires_at": timezone.now()}, {"share_token": None}])
async def test_a_link_that_has_ended_is_refused_in_the_same_way(
    live_client: ConnectClient, execution: GraphExecution, change: dict[str, Any]
) -> None:
    await in_db(GraphExecution.objects.update)(**change)
    assert await refusal(live_client, f"share={TOKEN}") == ("Invalid or expired token", 4003)


@pytest.mark.parametrize("path", ["/api/executions", "/api/notifications", "/api/worker/executions", "/api/graphs"])
@pytest.mark.parametrize("token", [TOKEN, f"share={TOKEN}"])
async def test_the_http_api_does_not_know_links(execution: GraphExecution, path: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    assert (await in_db(Browser().get)(path, headers=headers)).status_code == 401
    assert (await in_db(Browser().get)(f"{path}?share={TOKEN}")).status_code == 401
    for operation in ("/api/socket-token", "/api/socket-token/refresh"):
        assert (await in_db(Browser().post)(operation, headers=headers)).status_code == 401
    assert (await in_db(Browser().get)(f"/executions/{execution.pk}/?share={TOKEN}")).status_code == 302


# Ends

ENDS: dict[str, Callable[[GraphExecution], Any]] = {
    "taken back": lambda run: share_execution(run, is_shared=False),
    "another token": share_execution,
    "update": lambda run: GraphExecution.objects.filter(pk=run.pk).update(is_shared=False),
    "update of the token": lambda run: GraphExecution.objects.filter(pk=run.pk).update(share_token=None),
    "an earlier end": lambda run: GraphExecution.objects.filter(pk=run.pk).update(share_expires_at=timezone.now()),
    "deleted": lambda run: GraphExecution.objects.get(pk=run.pk).delete(),
    "graph deleted": lambda run: Graph.objects.all().delete(),
    "owner inactive": lambda run: deactivate(run.user),
    "owner deleted": lambda run: run.user.delete(),
}


def deactivate(user: User) -> None:
    user.is_active = False
    user.save()


def end_and_work(end: Callable[[GraphExecution], Any], run: GraphExecution) -> None:
    """What is committed after the end must not arrive."""
    end(run)
    if GraphExecution.objects.filter(pk=run.pk).exists():
        report_execution(run, status="RUNNING", outputs={"too": ["late"]})


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_nothing_that_is_committed_after_the_end_arrives(
    guest: Any, execution: GraphExecution, end: Any, settings: Settings, counted: Counted
) -> None:
    settings.REALTIME = SLOW_TURNS
    watching, idle = await guest(), await guest()
    await watch(watching, execution)
    await until_in_loop(notices_arrive)
    await in_db(end_and_work)(end, execution)
    for client in (watching, idle):
        before = await is_closed(client)
        assert "late" not in json.dumps(before)
        assert [frame["error"] for frame in before if frame["method"] == "error"] in ([], ["Stream not found"])
    assert counted["revoked_4003"] == 2


def notices_arrive() -> bool:
    hub = hub_of_this_loop()
    return hub is not None and review.of(hub)._is_listening


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_where_every_message_is_lost_the_next_check_in_turn_ends_it(
    guest: Any, execution: GraphExecution, end: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REALTIME = QUICK_TURNS
    monkeypatch.setattr("realtime.publishing.announcer._send", lambda *args: None)
    client = await guest()
    await watch(client, execution)
    await in_db(end)(execution)
    await is_closed(client)


async def test_guests_of_another_execution_stay(guest: Any, execution: GraphExecution, settings: Settings) -> None:
    settings.REALTIME = SLOW_TURNS
    other = await in_db(start_execution)(execution.graph, user=execution.user, is_shared=True, share_token=OTHER_TOKEN)
    ends, stays = await guest(), await guest(OTHER_TOKEN)
    await watch(stays, other)
    await in_db(share_execution)(execution, is_shared=False)
    await is_closed(ends)
    await in_db(report_execution)(other, status="RUNNING")
    assert (await stays.frame())["data"]["status"] == "RUNNING"


@pytest.mark.usefixtures("_either_way")
async def test_swapped_tokens_end_the_sockets_of_both(guest: Any, execution: GraphExecution) -> None:
    other = await in_db(start_execution)(execution.graph, user=execution.user, is_shared=True, share_token=OTHER_TOKEN)
    one, two = await guest(), await guest(OTHER_TOKEN)
    await watch(one, execution)
    await watch(two, other)

    def swap() -> None:
        share_execution(execution, is_shared=False)
        share_execution(other, token=TOKEN)
        share_execution(execution, token=OTHER_TOKEN)

    await in_db(swap)()
    await is_closed(one)
    await is_closed(two)
    again = await guest()
    assert (await again.ask(*subscribe_to(execution)))["error"] == "Stream not found"
    assert (await watch(again, other))[0]["data"]["id"] == str(other.pk)


async def test_a_link_ends_at_its_time_and_works_again_when_it_is_extended(
    guest: Any, live_client: ConnectClient, execution: GraphExecution, settings: Settings
) -> None:
    settings.REALTIME = SLOW_TURNS
    end = timezone.now() + timedelta(seconds=2)
    await in_db(share_execution)(execution, token=TOKEN, expires_at=end)
    client = await guest()
    (*_, last) = await watch(client, execution)
    await is_closed(client)
    assert await refusal(live_client, f"share={TOKEN}") == ("Invalid or expired token", 4003)
    await in_db(share_execution)(execution, token=TOKEN)
    await in_db(report_execution)(execution, status="RUNNING")
    again = await guest()
    events = await watch(again, execution, after=last["seq"])
    assert [event["data"]["status"] for event in events] == ["QUEUED", "RUNNING"]


async def test_an_open_socket_stays_when_its_link_is_extended(guest: Any, execution: Any, settings: Settings) -> None:
    settings.REALTIME = SLOW_TURNS
    client = await guest()
    await watch(client, execution)
    before = counts().get("access_rechecks", 0)
    await in_db(share_execution)(execution, token=TOKEN, expires_at=timezone.now() + timedelta(days=9))
    assert (await client.frame())["method"] == "shared_execution_event"
    await until_in_loop(lambda: counts().get("access_rechecks", 0) > before)
    await in_db(report_execution)(execution, status="RUNNING")
    assert (await client.frame())["data"]["status"] == "RUNNING"


# Limits


async def test_the_guests_of_a_link_have_a_cap_of_their_own(
    guest: Any, live_client: ConnectClient, execution: GraphExecution, settings: Settings, counted: Counted
) -> None:
    settings.REALTIME = {"MAX_GUEST_CONNECTIONS": 2, "MAX_USER_CONNECTIONS": 1}
    clients = [await guest() for _ in range(2)]
    text, code = await refusal(live_client, f"share={TOKEN}")
    assert (text, code) == ("Too many connections of this link; come back later", 4008)
    assert (counted["refused_guest"], counted["refused_user"]) == (1, 0)
    await (await live_client(execution.user)).ping()
    await clients[0].disconnect()
    await (await guest()).ping()


async def test_many_guests_cost_a_bounded_number_of_queries(
    guest: Any, execution: GraphExecution, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REALTIME = SLOW_TURNS
    others = [await in_db(start_execution)(execution.graph, user=execution.user, is_shared=True) for _ in range(5)]
    for run in [execution, *others]:
        for _ in range(5):
            await watch(await guest(run.share_token), run)
    calls: list[int] = []
    opened_by = sharing.sharing.opened_by
    monkeypatch.setattr(sharing.sharing, "opened_by", lambda tokens: calls.append(len(tokens)) or opened_by(tokens))
    hub = hub_of_this_loop()
    assert hub is not None
    reviews = review.of(hub)
    await reviews._look_at(list(reviews._checked_at))
    assert calls == [6]
