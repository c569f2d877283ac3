"""One socket with a slow database, or with a slow client."""

from executions.services import report_execution, report_node
from realtime.hub.registry import hub_of_this_loop
from realtime.subscription.state import Subscription
from tests.database import in_db

NOT_A_ROW = "00000000-0000-0000-0000-000000000000"


# Only requests that need the database wait for it


async def test_heartbeats_are_answered_while_the_database_is_frozen_and_a_subscribe_is_pending(
    live_client, user, execution, frozen_database
):
    client, other = await live_client(user), await live_client(user)
    for number in range(20):  # more than there are threads
        await client.send("subscribe_graph_execution", {"graph_exec_id": str(execution.pk)}, id=str(number))
        await client.ping()
    for _ in range(20):
        await other.send("subscribe_graph_execution", {"graph_exec_id": str(execution.pk)})
    await other.ping()
    frozen_database.set()
    assert [frame["id"] for frame in await client.frames(20)] == [str(number) for number in range(20)]
    await other.frames(20)


async def test_events_of_other_streams_arrive_while_a_subscribe_is_pending(
    live_client, user, graph, execution, frozen_database
):
    client = await live_client(user)
    await client.ask("subscribe_graph_executions", {"graph_id": str(graph.pk)})
    await client.send("subscribe_graph_execution", {"graph_exec_id": str(execution.pk)})
    await in_db(report_execution)(execution, status="RUNNING")
    assert (await client.frame())["data"]["status"] == "RUNNING"
    frozen_database.set()
    assert (await client.frame())["success"] is True


async def test_many_pending_requests_are_answered_in_order_when_the_database_works_again(
    live_client, user, execution, frozen_database, settings
):
    settings.REALTIME = {"MAX_PENDING_REQUESTS": 4}
    client = await live_client(user)
    for number in range(50):
        method = "subscribe_graph_execution" if number % 2 == 0 else "unsubscribe"
        await client.send(method, {"graph_exec_id": str(execution.pk)}, id=str(number))
    frozen_database.set()
    answers = await client.frames(50)
    assert [answer["id"] for answer in answers] == [str(number) for number in range(50)]
    assert {answer["channel"] for answer in answers} == {f"{user.pk}|graph_exec#{execution.pk}"}


# A slow client


async def test_a_slow_socket_lags_reads_the_log_and_gets_everything_in_order(
    live_client, user, execution, settings, counted
):
    settings.REALTIME = {"BUFFER_EVENTS": 10, "PAGE_EVENTS": 7}
    client = await live_client(user, room=1)
    await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 0})
    for number in range(100):
        await in_db(report_node)(execution, node_id=f"n{number}", status="QUEUED")
    seqs = [(await client.frame())["seq"] for _ in range(101)]
    assert seqs == list(range(1, 102))
    assert counted["subscriptions_behind"] >= 1


async def test_a_slow_sockets_memory_is_bounded(live_client, user, execution, settings, monkeypatch):
    settings.REALTIME = {"BUFFER_EVENTS": 10, "BUFFER_BYTES": 10_000}
    client = await live_client(user, room=1)
    await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 0})
    (live,) = [live for key, live in hub_of_this_loop().streams.items() if "graph_exec" in key]
    (subscription,) = live.subscriptions.each()
    most = []
    offer = Subscription.offer

    def offer_and_look(self, event):
        fits = offer(self, event)
        most.append((len(self._buffer), self._size))
        return fits

    monkeypatch.setattr(Subscription, "offer", offer_and_look)
    for number in range(30):
        await in_db(report_node)(execution, node_id=f"n{number}", status="QUEUED", input_data={"text": "x" * 1_500})
    seqs = [(await client.frame())["seq"] for _ in range(31)]
    assert seqs == list(range(1, 32))
    assert max(events for events, _ in most) <= 10
    assert max(size for _, size in most) <= 10_000
    assert subscription.delivered_seq == 31
