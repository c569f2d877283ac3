"""A watched stream that has no row: it has ended, or a restored backup lacks it."""

import pytest
from channels.layers import get_channel_layer
from django.db import OperationalError

from realtime import streams
from realtime.hub.registry import hub_of_this_loop
from realtime.hub.sweep import sweep
from realtime.models import Stream
from realtime.publish import publish
from realtime.publishing.after_commit import numbered_head
from tests.database import in_db
from tests.realtime.hub.changes import NO_SWEEPS, forget, go_back, restarted
from tests.realtime.layers import layer_named

asked, refused_users = [], set()  # primary keys of users


def owner_of_order(user, id):
    asked.append(user.pk)
    return None if user.pk in refused_users else 1


async def no_review(watches):
    return dict.fromkeys(watches, True)


@pytest.fixture(autouse=True)
def orders(settings, monkeypatch):
    monkeypatch.setattr("realtime.revocation.review.may_still_watch", no_review)  # it could end a subscription first
    settings.REALTIME = NO_SWEEPS | {"STREAM_ACCESS": {"orders": f"{__name__}.owner_of_order"}}
    yield
    asked.clear()
    refused_users.clear()


KEY = streams.own("orders", "1", "7")


def change_order(text="new"):
    publish(KEY, "order_changed", "order", {"text": text})


async def watch_order(client, **options):
    answer = await client.ask("subscribe_stream", {"kind": "orders", "id": "7", **options})
    assert answer["success"], answer


async def sweep_and_restart():
    hub = hub_of_this_loop()
    await sweep(hub)
    if KEY in hub.streams:
        await restarted(hub, KEY)


async def test_if_its_owner_exists_another_history_begins_for_all_subscriptions(live_client, user, counted):
    numbered, plain = await live_client(user), await live_client(user)
    await watch_order(numbered, after=0)
    await watch_order(plain)
    await in_db(change_order)("old")
    for client in (numbered, plain):
        assert (await client.frame())["data"] == {"text": "old"}
    await in_db(forget)(KEY)
    await sweep_and_restart()
    answer = await numbered.frame()
    assert (answer["data"]["head"], answer["data"]["recovered"]) == (0, False)
    assert counted["streams_restarted"] == 1
    await in_db(change_order)()
    for client in (numbered, plain):
        assert (await client.frame())["data"] == {"text": "new"}


async def test_events_recorded_before_it_is_noticed_are_not_lost(live_client, user):
    client = await live_client(user)
    await watch_order(client)
    await in_db(forget)(KEY)
    await in_db(change_order)("first")
    assert (await client.frame())["data"] == {"text": "first"}


async def test_one_question_answers_for_all_sockets_of_a_user_and_all_users_after_the_first_who_may_watch(
    live_client, user, other_user
):
    for each in (user, user, user, other_user):
        await watch_order(await live_client(each))
    asked.clear()
    refused_users.add(user.pk)
    await in_db(forget)(KEY)
    await sweep_and_restart()
    assert asked == [user.pk, other_user.pk]
    refused_users.clear()
    asked.clear()
    await in_db(forget)(KEY)
    await sweep_and_restart()
    assert asked == [other_user.pk]


async def test_who_may_not_watch_it_any_more_is_unsubscribed_and_others_stay(live_client, user, other_user):
    refused, stays = await live_client(user), await live_client(other_user)
    for client in (refused, stays):
        await watch_order(client, after=0)
    refused_users.add(user.pk)
    await in_db(forget)(KEY)
    await sweep_and_restart()
    assert (await refused.frame())["error"] == "Stream not found"
    assert (await stays.frame())["data"]["recovered"] is False
    await in_db(change_order)()
    assert (await stays.frame())["data"] == {"text": "new"}
    await refused.ping()


async def test_if_nobody_may_watch_it_it_has_ended_and_is_not_made_again(live_client, user):
    client = await live_client(user)
    await watch_order(client, after=0)
    refused_users.add(user.pk)
    await in_db(forget)(KEY)
    await sweep_and_restart()
    assert (await client.frame())["error"] == "Stream not found"
    assert KEY not in hub_of_this_loop().streams
    assert not await in_db(Stream.objects.filter(key=KEY).exists)()


async def test_if_the_question_fails_the_next_sweep_asks_again(live_client, user, monkeypatch):
    client = await live_client(user)
    await watch_order(client, after=0)
    await in_db(forget)(KEY)

    def fail(user, id):
        raise OperationalError

    with monkeypatch.context() as broken:
        broken.setattr(f"{__name__}.owner_of_order", fail)
        await sweep_and_restart()
    await client.ping()
    await sweep_and_restart()
    assert (await client.frame())["data"]["recovered"] is False


async def test_a_row_with_a_lower_id_is_another_history(live_client, user):
    """A restored backup also sets back the sequence of ids."""
    client = await live_client(user)
    await watch_order(client, after=0)
    former = await in_db(Stream.objects.get)(key=KEY)
    await in_db(forget)(KEY)
    await in_db(Stream.objects.create)(pk=-former.pk, key=KEY)
    late = await live_client(user)
    await watch_order(late, after=0)
    assert (await client.frame())["data"]["recovered"] is False
    await in_db(change_order)()
    for each in (client, late):
        assert (await each.frame())["seq"] == 1


async def test_a_number_that_comes_twice_restarts_nothing_unless_the_log_was_set_back(
    live_client, user, settings, counted
):
    settings.CHANNEL_LAYERS = layer_named("HeldBack")
    client = await live_client(user)
    await watch_order(client, after=0)
    for _ in range(3):
        await in_db(change_order)()
    layer = get_channel_layer()
    await layer.deliver(0, 1, 2, 0, 1)
    assert [frame["seq"] for frame in await client.frames(3)] == [1, 2, 3]
    await restarted(hub_of_this_loop(), KEY)
    assert counted["streams_restarted"] == 0

    await in_db(go_back)(KEY, 1)
    await in_db(change_order)("after the restore")
    await layer.deliver(len(layer.held) - 1)
    answer, *snapshot = await client.frames(2)
    assert (answer["data"]["head"], answer["data"]["recovered"]) == (2, False)
    assert snapshot[0]["data"] == {"text": "after the restore"}
    assert counted["streams_restarted"] == 1


async def test_a_stream_whose_row_was_made_again_ends_if_nobody_may_watch_it(live_client, user):
    client = await live_client(user)
    await watch_order(client, after=0)
    refused_users.add(user.pk)
    await in_db(forget)(KEY)
    await in_db(numbered_head)(KEY)
    await sweep_and_restart()
    assert (await client.frame())["error"] == "Stream not found"
    assert KEY not in hub_of_this_loop().streams
