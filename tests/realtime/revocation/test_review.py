"""What ends the access of an open socket, and what does not."""

import asyncio
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.models import Session
from django.db import OperationalError

from executions.models import Graph
from executions.services import notify_user, start_execution
from realtime import streams
from realtime.auth import identity
from realtime.auth.jwt import issue_token
from realtime.hub.registry import hub_of_this_loop
from realtime.publish import revoke
from realtime.publishing import announcer
from realtime.revocation import review
from tests.database import in_db
from tests.realtime.hub.changes import report_nodes
from tests.realtime.layers import layer_named
from tests.realtime.revocation.conftest import QUICK_TURNS, SLOW_TURNS, cookie_of, is_closed, is_live, queries_of_a_look
from tests.waiting import until_in_loop

REVOKED = "Execution subscription access was revoked"


async def watch(client, execution, **options):
    answer = await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), **options})
    assert answer["success"], answer


# The socket closes


def deactivate(user):
    user.is_active = False
    user.save()


def change_password(user):
    user.set_password("another password")
    user.save()


ENDS = {
    "password": lambda person, user: change_password(user),
    "deactivation": lambda person, user: deactivate(user),
    "deletion": lambda person, user: user.delete(),
    "logout": lambda person, user: person.browser.post("/logout/"),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.usefixtures("either_way")
async def test_the_sockets_of_a_session_close_with_4001(person, user, other_user, end, counted):
    one, stays = await person(user), await person(other_user)
    await in_db(end)(one, user)
    await is_closed(one.client, 4001)
    await is_live(stays.client, other_user)
    assert counted["revoked_4001"] == 1


@pytest.mark.parametrize("end", [deactivate, lambda user: user.delete()], ids=["deactivation", "deletion"])
@pytest.mark.usefixtures("either_way")
async def test_the_sockets_of_a_token_close_with_4003(live_client, user, end):
    client = await live_client(subprotocols=["bearer", issue_token(user.pk, timedelta(hours=1))])
    await in_db(end)(user)
    await is_closed(client, 4003)


@pytest.mark.usefixtures("notices_only")
async def test_a_token_closes_its_socket_when_it_expires(live_client, user):
    client = await live_client(subprotocols=["bearer", issue_token(user.pk, timedelta(seconds=2))])
    await is_closed(client, 4003)


async def test_a_session_that_expires_closes_its_socket(person, user, settings):
    settings.REALTIME = QUICK_TURNS
    one = await person(user)
    await in_db(Session.objects.update)(expire_date="2020-01-01T00:00Z")
    await is_closed(one.client, 4001)


@pytest.mark.usefixtures("either_way")
async def test_a_hundred_sockets_of_one_user_close_together(person, live_client, user, counted):
    one = await person(user)
    cookie = ("Cookie", cookie_of(one.browser))
    clients = [one.client] + [await live_client(headers=[cookie]) for _ in range(99)]
    await in_db(one.browser.post)("/logout/")
    await asyncio.gather(*(is_closed(client, 4001) for client in clients))
    assert counted["revoked_4001"] == 100


@pytest.mark.usefixtures("notices_only")
async def test_who_logs_in_again_at_once_gets_in_and_the_old_socket_closes(person, live_client, user):
    one = await person(user)
    await in_db(one.browser.post)("/logout/")
    await in_db(one.browser.force_login)(user)
    await is_closed(one.client, 4001)
    await is_live(await live_client(headers=[("Cookie", cookie_of(one.browser))]), user)


# One subscription ends


@pytest.fixture
def staff(other_user):
    other_user.is_staff = True
    other_user.save()
    group = Group.objects.create(name="watchers")
    group.permissions.set(Permission.objects.filter(codename__in=["view_graphexecution", "view_graph"]))
    other_user.groups.add(group)
    return other_user


def no_longer_staff(staff):
    staff.is_staff = False
    staff.save()


NARROWS = {
    "staff": no_longer_staff,
    "group": lambda staff: staff.groups.clear(),
    "group, from its side": lambda staff: Group.objects.get().user_set.clear(),
    "permission of a group": lambda staff: Group.objects.get().permissions.clear(),
    "deleted group": lambda staff: Group.objects.get().delete(),
}


@pytest.mark.parametrize("narrow", NARROWS.values(), ids=NARROWS)
@pytest.mark.usefixtures("either_way")
async def test_a_subscription_ends_and_the_socket_stays(person, staff, user, execution, narrow, counted):
    base, numbered, owner = [await person(each) for each in (staff, staff, user)]
    await watch(base.client, execution)
    await watch(numbered.client, execution, replay="none")
    await watch(owner.client, execution)
    await in_db(narrow)(staff)
    key = f"{user.pk}|graph_exec#{execution.pk}"
    for client, channel in ((base.client, None), (numbered.client, key)):
        assert await client.frame() == {
            "method": "error", "data": None, "success": False, "channel": channel, "error": REVOKED
        }  # fmt: skip
    await in_db(report_nodes)(execution, 1)
    assert (await owner.client.frame())["method"] == "node_execution_event"
    await base.client.ping()
    answer = await base.client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 0})
    assert answer["error"] == "Graph execution not found"
    assert counted["revoked_subscriptions"] == 2
    await is_live(numbered.client, staff)


@pytest.mark.usefixtures("either_way")
async def test_a_graph_with_another_owner_is_watched_no_more(person, user, other_user, graph):
    one = await person(user)
    assert (await one.client.ask("subscribe_graph_executions", {"graph_id": str(graph.pk)}))["success"]
    graph.owner = other_user
    await in_db(graph.save)()
    assert (await one.client.frame())["error"] == "Graph subscription access was revoked"


owners = {}


def owner_of_order(user, id):
    if owners.get(id) == "fails":
        raise OperationalError
    return 1 if user.pk in owners.get(id, ()) else None


@pytest.fixture
def orders(user, other_user, settings):
    settings.REALTIME = SLOW_TURNS | {"STREAM_ACCESS": {"orders": f"{__name__}.owner_of_order"}}
    owners.update({id: {user.pk, other_user.pk} for id in ("7", "8")})
    yield {"kind": "orders", "id": "7"}
    owners.clear()


async def test_another_app_says_that_access_to_its_stream_has_changed(person, user, other_user, orders):
    one, stays = await person(user), await person(other_user)
    for each in (one, stays):
        assert (await each.client.ask("subscribe_stream", orders))["success"]
    owners["7"] = {other_user.pk}
    await in_db(revoke)(streams.own("orders", "1", "7"), user)
    assert (await one.client.frame())["error"] == "Stream subscription access was revoked"
    await is_live(one.client, user)
    await is_live(stays.client, other_user)


async def test_a_notice_by_itself_ends_nothing(person, user, orders, counted):
    one = await person(user)
    await one.client.ask("subscribe_stream", orders)
    for _ in range(3):
        await in_db(revoke)(user)
        await in_db(revoke)(streams.own("orders", "1", "7"), user.pk)
    await until_in_loop(lambda: counted["access_rechecks"] > 1)
    await is_live(one.client, user)
    assert counted["revoked_subscriptions"] == 0


async def test_a_stream_whose_access_function_fails_is_paused_and_others_go_on(person, user, orders, settings):
    settings.REALTIME = settings.REALTIME | QUICK_TURNS
    one = await person(user)
    await one.client.ask("subscribe_stream", orders)
    await one.client.ask("subscribe_stream", {"kind": "orders", "id": "8"})
    owners["7"] = "fails"
    watched = hub_of_this_loop().streams["1|orders#7"].subscriptions
    await until_in_loop(lambda: watched.each()[0].state.value == "paused")
    await is_live(one.client, user)
    owners["7"] = {user.pk}
    await until_in_loop(lambda: watched.each()[0].state.value == "active")


# Nothing slips out


@pytest.mark.usefixtures("notices_only")
async def test_nothing_committed_after_the_notice_is_delivered(person, user, execution):
    one = await person(user)
    await watch(one.client, execution, after=0)
    await one.client.frame()

    def log_out_and_work():
        one.browser.post("/logout/")
        report_nodes(execution, 50)

    await in_db(log_out_and_work)()
    await is_closed(one.client, 4001)


@pytest.mark.usefixtures("notices_only")
async def test_what_comes_during_a_check_is_delivered_after_it_in_order(person, user, execution):
    one = await person(user)
    await watch(one.client, execution, after=0)
    await one.client.frame()
    for _ in range(5):
        await in_db(revoke)(user)
        await in_db(report_nodes)(execution, 10)
    assert [(await one.client.frame())["seq"] for _ in range(10)] == list(range(2, 12))


@pytest.mark.usefixtures("notices_only")
@pytest.mark.parametrize("options", [{"after": 0}, {"replay": "latest", "limit": 10_000}], ids=["replay", "snapshot"])
async def test_a_replay_stops(person, user, execution, options):
    await in_db(report_nodes)(execution, 1_000)
    one = await person(user, room=5)  # it reads slowly
    await watch(one.client, execution, **options)
    await in_db(one.browser.post)("/logout/")
    key = f"{user.pk}|graph_exec#{execution.pk}"
    await until_in_loop(lambda: all(each.is_stopped for each in hub_of_this_loop().streams[key].subscriptions.each()))
    frames = await one.client.until(lambda frame: frame["method"] == "error")
    assert len(frames) < 150
    assert await one.client.close_code() == 4001


@pytest.mark.usefixtures("notices_only")
async def test_a_subscribe_in_flight_is_not_granted(person, user, execution, frozen_database):
    one = await person(user)
    await one.client.send("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 0})
    await in_db(one.browser.post)("/logout/")
    await in_db(report_nodes)(execution, 3)
    await until_in_loop(lambda: review.of(hub_of_this_loop()).is_in_doubt(str(user.pk)))  # the notice has come
    frozen_database.set()
    await is_closed(one.client, 4001)


@pytest.mark.usefixtures("notices_only")
async def test_a_change_between_the_credentials_and_the_accept_is_seen(person, live_client, user, monkeypatch):
    first = await person(user)  # so that the process listens
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def accept(self, subprotocol=None):
        reached.set()
        await go_on.wait()
        await real_accept(self, subprotocol)

    from realtime.consumers import LiveConsumer

    real_accept = LiveConsumer.accept
    monkeypatch.setattr(LiveConsumer, "accept", accept)
    connecting = asyncio.create_task(live_client(headers=[("Cookie", cookie_of(first.browser))]))
    await reached.wait()
    await in_db(first.browser.post)("/logout/")
    await is_closed(first.client, 4001)
    go_on.set()
    await is_closed(await connecting, 4001)


async def test_no_subscribe_is_granted_after_the_end_even_if_no_notice_came(
    person, user, execution, settings, monkeypatch
):
    settings.REALTIME = SLOW_TURNS
    monkeypatch.setattr(announcer, "announce_access", lambda *args, **fields: None)
    one = await person(user)
    await in_db(one.browser.post)("/logout/")
    await one.client.send("subscribe_graph_execution", {"graph_exec_id": str(execution.pk)})
    await is_closed(one.client, 4001)


# Parts that fail


@pytest.mark.parametrize("layer", ["FailsAlways", "DropsEverything"])
async def test_without_the_layer_the_check_in_turn_finds_it(person, user, settings, layer):
    settings.CHANNEL_LAYERS = layer_named(layer)
    settings.REALTIME = QUICK_TURNS
    one = await person(user)
    await in_db(one.browser.post)("/logout/")
    await is_closed(one.client, 4001)


async def test_a_socket_that_cannot_be_checked_after_a_notice_is_closed_with_1011(
    person, user, settings, monkeypatch, counted
):
    settings.REALTIME = SLOW_TURNS | {"RECHECK_TIMEOUT": 0.5}
    one = await person(user)
    await until_in_loop(lambda: counted["access_rechecks"] == 1)

    async def hangs(*args):
        await asyncio.Event().wait()

    monkeypatch.setattr(review, "check_all", hangs)
    await in_db(revoke)(user)
    await in_db(notify_user)(user, type="info", event="not for you")
    assert await one.client.close_code() == 1011
    assert counted["recheck_timeouts"] == 1


async def test_while_the_database_fails_nothing_goes_out_and_nothing_is_lost(person, user, settings, monkeypatch):
    settings.REALTIME = QUICK_TURNS
    one = await person(user)

    async def fails(*args):
        raise OperationalError

    with monkeypatch.context() as broken:
        broken.setattr(review, "check_all", fails)
        (subscription,) = hub_of_this_loop().streams[f"{user.pk}|notifications"].subscriptions.each()
        await until_in_loop(lambda: subscription.state.value == "paused")
        await in_db(notify_user)(user, type="info", event="later")
        await one.client.ping()
    assert (await one.client.frame())["data"]["event"] == "later"


@pytest.mark.parametrize(
    "message",
    [{}, {"users": "all"}, {"users": [1]}, {"users": ["1"], "stream": 7}, {"users": None, "revoke": True}],
)
@pytest.mark.usefixtures("notices_only")
async def test_a_message_that_it_does_not_understand_is_counted(person, user, message, counted):
    await person(user)
    hub_of_this_loop()._on_message({"type": "access.changed", **message})
    hub_of_this_loop()._on_message({"type": "session.moved", **message})
    assert counted["layer_messages_unknown"] == 2
    assert counted["access_notices"] == 0


# What it costs


async def test_the_checks_of_many_sockets_take_a_few_queries(person, settings, monkeypatch):
    settings.REALTIME = SLOW_TURNS
    people = [await in_db(User.objects.create)(username=f"person{number}") for number in range(30)]
    for each in people:
        of = await in_db(Graph.objects.create)(owner=each, name="own")
        run = await in_db(start_execution)(of, user=each)
        one = await person(each)
        await watch(one.client, run)
        await one.client.ask("subscribe_graph_executions", {"graph_id": str(of.pk)})
    queries = await queries_of_a_look(monkeypatch)
    assert len(queries) == 4  # users, sessions, executions, graphs


@pytest.mark.usefixtures("notices_only")
async def test_many_subscribes_at_once_share_the_reading_of_the_users(person, monkeypatch, execution):
    flags = {"is_staff": True, "is_superuser": True}
    people = [await in_db(User.objects.create)(username=f"person{number}", **flags) for number in range(40)]
    clients = [(await person(each)).client for each in people]
    runs = []
    real = identity._check

    def counted_check(proofs):
        runs.append(len(proofs))
        return real(proofs)

    monkeypatch.setattr(identity, "_check", counted_check)
    await asyncio.gather(*(watch(client, execution) for client in clients))
    assert sum(runs) == 40
    assert len(runs) < 20


@pytest.mark.usefixtures("notices_only")
async def test_a_login_sends_no_notice(user, person, counted):
    await person(user)
    other = await person(user)
    user.first_name = "Ada"
    await in_db(user.save)()
    await is_live(other.client, user)
    assert counted["access_notices"] == 0


async def test_nothing_is_left_of_it(user, live_client, settings):
    from tests.realtime.traces import nothing_is_left

    settings.REALTIME = SLOW_TURNS
    client = await live_client(user)
    await client.disconnect()
    await nothing_is_left()
