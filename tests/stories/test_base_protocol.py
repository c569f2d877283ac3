"""Part 1 of docs/protocol.md, through every door: the base protocol, for frontends that do not use numbers."""

from datetime import datetime

from django.contrib.auth.models import User

from executions import signals
from executions.events import GraphExecutionEvent, NodeExecutionEvent, NotificationEvent, NotificationPayload
from executions.models import Graph, GraphExecution, NodeExecution, Notification
from executions.services import notify_user, report_execution, report_node, start_execution
from realtime.wire.frames import WSMessage
from realtime.wire.methods import WSMethod
from tests.database import in_db
from tests.realtime.clients import Client
from tests.stories.doors import Door
from tests.waiting import until_in_loop

NOT_A_ROW = "00000000-0000-4000-8000-000000000000"
NAIVE = datetime(2026, 1, 2, 3, 4, 5)


async def watch(client: Client, execution: GraphExecution, **options: object) -> str:
    answer = await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), **options})
    assert answer["success"] is True, answer
    return str(answer["channel"])


async def watch_graph(client: Client, graph: Graph, **options: object) -> str:
    answer = await client.ask("subscribe_graph_executions", {"graph_id": str(graph.pk), **options})
    assert answer["success"] is True, answer
    return str(answer["channel"])


def graph_execution_event(user: User, graph_id: object, id: object) -> GraphExecutionEvent:
    return GraphExecutionEvent(
        id=str(id),
        user_id=str(user.pk),
        graph_id=str(graph_id),
        graph_version=1,
        preset_id=None,
        status="COMPLETED",  # type: ignore[arg-type]
        started_at=NAIVE,
        ended_at=NAIVE,
        stats=GraphExecutionEvent.Stats(cost=3, duration=1.5, node_exec_time=0.5, node_exec_count=2),
        inputs={"text": 'ä "quoted" \u2028 </script>'},
        credential_inputs=None,
        nodes_input_masks={},
        outputs={"result": [1, 2.5, None, {"deep": []}]},
    )


def node_execution_event(user: User, execution: GraphExecution) -> NodeExecutionEvent:
    return NodeExecutionEvent(
        user_id=str(user.pk),
        graph_id="test_graph",
        graph_version=1,
        graph_exec_id=str(execution.pk),
        node_exec_id="node-exec-1",
        node_id="node-1",
        block_id="block-1",
        status="COMPLETED",  # type: ignore[arg-type]
        input_data={"text": "é"},
        output_data={"result": ["ok"]},
        add_time=NAIVE,
        queue_time=None,
        start_time=NAIVE,
        end_time=NAIVE,
    )


async def send_graph_execution(event: GraphExecutionEvent) -> None:
    await in_db(signals.graph_execution_changed.send)(sender=GraphExecution, event=event)


async def send_node_execution(event: NodeExecutionEvent) -> None:
    await in_db(signals.node_execution_changed.send)(sender=NodeExecution, event=event)


async def no_frame_came_before(client: Client, user: User) -> None:
    """Sends one frame now, and checks that it is the next one: no unwanted frame came before it."""
    await in_db(notify_user)(user, type="info", event="the next frame")
    assert (await client.frame())["data"] == {"type": "info", "event": "the next frame"}


# Connecting


async def test_connecting_accepts_and_selects_the_subprotocol(door: Door, user: User) -> None:
    client = await door.client(user)
    assert client.subprotocol == "bearer"
    await client.ping()


async def test_a_notification_reaches_only_the_sockets_of_its_user(door: Door, user: User, other_user: User) -> None:
    mine = [await door.client(user) for _ in range(3)]
    others = await door.client(other_user)
    await in_db(notify_user)(user, type="info", event="hey", link="/x")
    for client in mine:
        payload = NotificationPayload(type="info", event="hey", link="/x")  # type: ignore[call-arg]
        assert (
            await client.text() == WSMessage(method=WSMethod.NOTIFICATION, data=payload.model_dump()).model_dump_json()
        )
    await no_frame_came_before(others, other_user)


async def test_a_notification_without_a_row_is_delivered(door: Door, user: User) -> None:
    client = await door.client(user)
    event = NotificationEvent(
        id="notification-1", user_id=str(user.pk), payload=NotificationPayload(type="info", event="hey")
    )
    await in_db(signals.notification_created.send)(sender=Notification, event=event)
    assert await client.text() == (
        '{"method":"notification","data":{"type":"info","event":"hey"},"success":null,"channel":null,"error":null}'
    )


async def test_disconnecting_leaves_all_groups(door: Door, user: User, graph: Graph, execution: GraphExecution) -> None:
    client = await door.client(user)
    await watch(client, execution, after=1)
    await watch_graph(client, graph)
    await client.disconnect()
    await door.nothing_is_left()


# Subscribing and unsubscribing


async def test_a_subscribe_is_answered_with_the_channel(
    door: Door, user: User, graph: Graph, execution: GraphExecution
) -> None:
    client = await door.client(user)
    await client.send("subscribe_graph_execution", {"graph_exec_id": str(execution.pk)})
    assert await client.text() == (
        '{"method":"subscribe_graph_execution","data":null,"success":true,'
        f'"channel":"{user.pk}|graph_exec#{execution.pk}","error":null}}'
    )
    await client.send("subscribe_graph_executions", {"graph_id": str(graph.pk)})
    assert await client.text() == (
        '{"method":"subscribe_graph_executions","data":null,"success":true,'
        f'"channel":"{user.pk}|graph#{graph.pk}|executions","error":null}}'
    )


async def test_after_an_unsubscribe_no_frame_of_the_stream_follows(
    door: Door, user: User, graph: Graph, execution: GraphExecution
) -> None:
    client = await door.client(user)
    await watch(client, execution)
    await watch_graph(client, graph)
    await in_db(report_execution)(execution, status="RUNNING")
    await client.frames(2)
    await client.send("unsubscribe", {"graph_exec_id": str(execution.pk)})
    assert await client.text() == (
        '{"method":"unsubscribe","data":null,"success":true,'
        f'"channel":"{user.pk}|graph_exec#{execution.pk}","error":null}}'
    )
    answer = await client.ask("unsubscribe", {"graph_id": str(graph.pk)})
    assert answer["channel"] == f"{user.pk}|graph#{graph.pk}|executions"
    await in_db(report_execution)(execution, status="REVIEW")
    await no_frame_came_before(client, user)


async def test_unsubscribing_an_unwatched_stream_is_answered_without_a_channel(
    door: Door, user: User, execution: GraphExecution
) -> None:
    client = await door.client(user)
    for data in ({"graph_exec_id": str(execution.pk)}, {"graph_exec_id": NOT_A_ROW}, {"graph_id": "no such graph"}):
        await client.send("unsubscribe", data)
        assert await client.text() == (
            '{"method":"unsubscribe","data":null,"success":true,"channel":null,"error":null}'
        )


async def test_an_unsubscribe_means_the_stream_however_its_id_is_spelled(
    door: Door, user: User, graph: Graph, execution: GraphExecution
) -> None:
    client = await door.client(user)
    for pk, name, method in (
        (execution.pk, "graph_exec_id", "subscribe_graph_execution"),
        (graph.pk, "graph_id", "subscribe_graph_executions"),
    ):
        spellings = (
            str(pk),
            str(pk).upper(),
            pk.hex,
            f"{{{pk}}}",
            pk.urn,
            pk.urn.upper().replace("URN:UUID", "urn:uuid"),
        )
        for subscribed, unsubscribed in zip(spellings, reversed(spellings), strict=True):
            channel = (await client.ask(method, {name: subscribed}))["channel"]
            assert str(pk) in channel
            assert (await client.ask("unsubscribe", {name: unsubscribed}))["channel"] == channel
            assert (await client.ask("unsubscribe", {name: subscribed}))["channel"] is None


async def test_after_an_unsubscribe_no_notification_follows_until_the_next_subscribe(door: Door, user: User) -> None:
    client, other = await door.client(user), await door.client(user)
    for channel in (f"{user.pk}|notifications", None):
        await client.send("unsubscribe", {"notifications": True})
        expected = f'"{channel}"' if channel else "null"
        assert await client.text() == (
            f'{{"method":"unsubscribe","data":null,"success":true,"channel":{expected},"error":null}}'
        )
    await in_db(notify_user)(user, type="info", event="to the other socket")
    assert (await other.frame())["data"]["event"] == "to the other socket"
    await client.ask("subscribe_notifications", {"replay": "none"})
    await in_db(notify_user)(user, type="info", event="to both")
    assert [(await each.frame())["data"]["event"] for each in (client, other)] == ["to both", "to both"]
    assert (await client.ask("unsubscribe", {"notifications": True}))["channel"] == f"{user.pk}|notifications"


async def test_the_graph_of_another_owner_is_watched_by_those_who_have_executions_of_it(
    door: Door, user: User, other_user: User, graph: Graph, execution: GraphExecution
) -> None:
    """Each on a stream of their own."""
    owner, other = await door.client(user), await door.client(other_user)
    await watch_graph(owner, graph)
    assert (await other.ask("subscribe_graph_executions", {"graph_id": str(graph.pk)}))["error"] == "Graph not found"
    theirs = await in_db(start_execution)(graph, user=other_user)
    assert await watch_graph(other, graph, replay="none") == f"{other_user.pk}|graph#{graph.pk}|executions"
    await in_db(report_execution)(execution, status="RUNNING")
    await in_db(report_execution)(theirs, status="RUNNING")
    assert (await owner.frame())["data"]["id"] == str(execution.pk)
    assert (await other.frame())["data"]["id"] == str(theirs.pk)
    await no_frame_came_before(owner, user)


async def test_two_subscribes_get_two_answers_and_each_event_once(
    door: Door, user: User, execution: GraphExecution
) -> None:
    client = await door.client(user)
    assert await watch(client, execution) == await watch(client, execution)
    await in_db(report_execution)(execution, status="RUNNING")
    assert (await client.frame())["data"]["status"] == "RUNNING"
    await no_frame_came_before(client, user)


async def test_subscribing_again_after_an_unsubscribe_delivers_again(
    door: Door, user: User, execution: GraphExecution
) -> None:
    client = await door.client(user)
    await watch(client, execution)
    await client.ask("unsubscribe", {"graph_exec_id": str(execution.pk)})
    await in_db(report_execution)(execution, status="RUNNING")
    await watch(client, execution)
    await in_db(report_execution)(execution, status="REVIEW")
    assert (await client.frame())["data"]["status"] == "REVIEW"


# Results


async def test_a_graph_execution_result_arrives_as_a_graph_execution_event(
    door: Door, user: User, execution: GraphExecution
) -> None:
    plain, numbered = await door.client(user), await door.client(user)
    channel = await watch(plain, execution)
    await watch(numbered, execution, after=1)
    event = graph_execution_event(user, "test_graph", execution.pk)
    await send_graph_execution(event)
    frame = WSMessage(method=WSMethod.GRAPH_EXECUTION_EVENT, channel=channel, data=event.model_dump()).model_dump_json()
    assert await plain.text() == frame
    assert await numbered.text() == f'{frame[:-1]},"seq":2}}'


async def test_a_node_execution_result_arrives_as_a_node_execution_event(
    door: Door, user: User, execution: GraphExecution
) -> None:
    plain, numbered = await door.client(user), await door.client(user)
    channel = await watch(plain, execution)
    await watch(numbered, execution, after=1)
    event = node_execution_event(user, execution)
    await send_node_execution(event)
    frame = WSMessage(method=WSMethod.NODE_EXECUTION_EVENT, channel=channel, data=event.model_dump()).model_dump_json()
    assert await plain.text() == frame
    assert await numbered.text() == f'{frame[:-1]},"seq":2}}'


async def test_a_result_without_a_row_is_delivered_to_the_watchers_of_its_graph(
    door: Door, user: User, graph: Graph
) -> None:
    client = await door.client(user)
    channel = await watch_graph(client, graph)
    event = graph_execution_event(user, graph.pk, "graph-exec-1")
    await send_graph_execution(event)
    assert await client.text() == (
        WSMessage(method=WSMethod.GRAPH_EXECUTION_EVENT, channel=channel, data=event.model_dump()).model_dump_json()
    )


async def test_a_result_of_a_deleted_row_is_delivered_to_its_watchers(
    door: Door, user: User, execution: GraphExecution
) -> None:
    before = await door.count_of("access_rechecks")
    client = await door.client(user)
    await watch(client, execution)

    async def is_checked() -> bool:
        return await door.count_of("access_rechecks") > before

    await until_in_loop(is_checked)  # soon after its first socket a process checks all; the row must be there then
    rows = GraphExecution.objects.filter(pk=execution.pk)
    await in_db(rows._raw_delete)(rows.db)
    await send_graph_execution(graph_execution_event(user, "test_graph", execution.pk))
    assert (await client.frame())["data"]["graph_id"] == "test_graph"


async def test_a_watcher_of_an_execution_and_its_graph_gets_a_graph_event_for_each(
    door: Door, user: User, graph: Graph, execution: GraphExecution
) -> None:
    client = await door.client(user)
    channels = {await watch(client, execution), await watch_graph(client, graph)}
    await in_db(report_execution)(execution, status="RUNNING")
    frames = await client.frames(2)
    assert {frame["channel"] for frame in frames} == channels
    assert frames[0]["data"] == frames[1]["data"]
    await in_db(report_node)(execution, node_id="n", status="QUEUED")
    assert (await client.frame())["channel"] == f"{user.pk}|graph_exec#{execution.pk}"
    await no_frame_came_before(client, user)


async def test_a_result_of_another_user_is_not_delivered(
    door: Door, user: User, other_user: User, graph: Graph, execution: GraphExecution
) -> None:
    """Not even to a client that watches the same ids."""
    client, other = await door.client(user), await door.client(other_user)
    await watch(client, execution)
    await watch_graph(client, graph)
    await send_graph_execution(graph_execution_event(other_user, graph.pk, execution.pk))
    await no_frame_came_before(client, user)
    await no_frame_came_before(other, other_user)


async def test_a_result_without_subscribers_is_no_error(door: Door, user: User, execution: GraphExecution) -> None:
    await in_db(report_execution)(execution, status="RUNNING")
    client = await door.client(user)
    await send_graph_execution(graph_execution_event(user, "test_graph", "graph-exec-1"))
    await send_node_execution(node_execution_event(user, execution))
    await in_db(report_execution)(execution, status="REVIEW")
    await no_frame_came_before(client, user)


async def test_streams_of_another_user_look_as_if_they_did_not_exist(
    door: Door, other_user: User, graph: Graph, execution: GraphExecution
) -> None:
    client = await door.client(other_user)
    for id in (str(execution.pk), NOT_A_ROW, "graph-exec-1"):
        answer = await client.ask("subscribe_graph_execution", {"graph_exec_id": id})
        assert (answer["method"], answer["error"]) == ("error", "Graph execution not found")
    for id in (str(graph.pk), NOT_A_ROW, "test_graph"):
        answer = await client.ask("subscribe_graph_executions", {"graph_id": id})
        assert (answer["method"], answer["error"]) == ("error", "Graph not found")


async def test_staff_watches_an_execution_on_the_channel_of_its_owner(
    door: Door, user: User, other_user: User, execution: GraphExecution
) -> None:
    await in_db(User.objects.filter(pk=other_user.pk).update)(is_staff=True, is_superuser=True)
    client = await door.client(other_user)
    assert await watch(client, execution) == f"{user.pk}|graph_exec#{execution.pk}"
    await in_db(report_execution)(execution, status="RUNNING")
    assert (await client.frame())["data"]["user_id"] == str(user.pk)


# Heartbeats and mistakes


async def test_a_heartbeat_is_answered_with_exactly_three_fields(door: Door, user: User) -> None:
    client = await door.client(user)
    await client.send_text('{"method":"heartbeat","data":"ping","success":true}')
    assert await client.text() == '{"method":"heartbeat","data":"pong","success":true}'


INVALID_FORMAT = "Invalid message format. Review the schema and retry"
DATA_MISSING = "Subscription data missing"
INVALID_DATA = "Invalid message data. Refer to the API schema"
NOT_PROCESSED = "Message type is not processed by the server"
MISTAKES = {
    "": INVALID_FORMAT,
    "{": INVALID_FORMAT,
    "hello": INVALID_FORMAT,
    "null": INVALID_FORMAT,
    "7": INVALID_FORMAT,
    "[]": INVALID_FORMAT,
    "{}": INVALID_FORMAT,
    '{"method":null}': INVALID_FORMAT,
    '{"method":"no_such_method"}': INVALID_FORMAT,
    '{"method":"heartbeat","success":"maybe"}': INVALID_FORMAT,
    '{"method":"heartbeat","channel":7}': INVALID_FORMAT,
    '{"method":"heartbeat","data":7}': INVALID_FORMAT,
    '{"method":"heartbeat","data":NaN}': INVALID_FORMAT,
    '{"method":"subscribe_graph_execution"}': DATA_MISSING,
    '{"method":"subscribe_graph_execution","data":null}': DATA_MISSING,
    '{"method":"subscribe_graph_execution","data":{}}': DATA_MISSING,
    '{"method":"subscribe_graph_executions","data":{}}': DATA_MISSING,
    '{"method":"unsubscribe"}': DATA_MISSING,
    '{"method":"unsubscribe","data":{}}': DATA_MISSING,
    '{"method":"subscribe_graph_execution","data":"E"}': INVALID_DATA,
    '{"method":"subscribe_graph_execution","data":["E"]}': INVALID_DATA,
    '{"method":"subscribe_graph_execution","data":{"graph_exec_id":7}}': INVALID_DATA,
    '{"method":"subscribe_graph_execution","data":{"graph_exec_id":""}}': INVALID_DATA,
    '{"method":"subscribe_graph_execution","data":{"graph_id":"G"}}': INVALID_DATA,
    '{"method":"subscribe_graph_execution","data":{"graph_exec_id":"E","after":-1}}': INVALID_DATA,
    '{"method":"subscribe_graph_execution","data":{"graph_exec_id":"E","after":"1"}}': INVALID_DATA,
    '{"method":"subscribe_graph_execution","data":{"graph_exec_id":"E","after":1.5}}': INVALID_DATA,
    '{"method":"subscribe_graph_execution","data":{"graph_exec_id":"E","replay":"some"}}': INVALID_DATA,
    '{"method":"subscribe_graph_execution","data":{"graph_exec_id":"E","replay":"latest","limit":0}}': INVALID_DATA,
    '{"method":"subscribe_graph_executions","data":{"graph_exec_id":"E"}}': INVALID_DATA,
    '{"method":"unsubscribe","data":{"node_id":"N"}}': INVALID_DATA,
    '{"method":"graph_execution_event","data":{}}': NOT_PROCESSED,
    '{"method":"node_execution_event"}': NOT_PROCESSED,
    '{"method":"notification","data":{"type":"info","event":"hey"}}': NOT_PROCESSED,
    '{"method":"subscribe_graph_execution","data":{"graph_exec_id":"E"}}': "Graph execution not found",
    '{"method":"subscribe_graph_execution","data":{"graph_exec_id":"\\u0000"}}': INVALID_DATA,
    '{"method":"subscribe_graph_executions","data":{"graph_id":"G"}}': "Graph not found",
}


async def test_an_invalid_request_is_answered_and_the_socket_stays_open(door: Door, user: User) -> None:
    client = await door.client(user)
    answers = {}
    for text in MISTAKES:
        await client.send_text(text)
        answers[text] = await client.text()
    assert answers == {
        text: f'{{"method":"error","data":null,"success":false,"channel":null,"error":"{error}"}}'
        for text, error in MISTAKES.items()
    }
    await client.ping()
    await no_frame_came_before(client, user)


async def test_a_binary_frame_is_an_invalid_request(door: Door, user: User) -> None:
    client = await door.client(user)
    await client.send_bytes(b'{"method":"heartbeat"}')
    assert (await client.frame())["error"] == INVALID_FORMAT
    await client.ping()


async def test_an_error_from_the_client_is_not_answered(door: Door, user: User) -> None:
    client = await door.client(user)
    await client.send("error", error="I do not understand")
    await client.ping()
    await no_frame_came_before(client, user)


async def test_unknown_fields_are_ignored(door: Door, user: User, execution: GraphExecution) -> None:
    client = await door.client(user)
    data = {"graph_exec_id": str(execution.pk), "colour": "green"}
    answer = await client.ask("subscribe_graph_execution", data, success=None, error=None, channel=None, more=[1])
    assert answer["success"] is True


async def test_a_request_id_is_the_last_field_of_the_answer_or_error(
    door: Door, user: User, execution: GraphExecution
) -> None:
    client = await door.client(user)
    requests = [
        ("subscribe_graph_execution", {"graph_exec_id": str(execution.pk)}),
        ("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 0}),
        ("unsubscribe", {"graph_exec_id": str(execution.pk)}),
        ("subscribe_graph_execution", {"graph_exec_id": "E"}),
        ("subscribe_graph_execution", {}),
        ("unsubscribe", "E"),
        ("notification", None),
        ("heartbeat", "ping"),
        ("no such method", None),
        ("heartbeat", 7),
    ]
    for number, (method, data) in enumerate(requests):
        await client.send(method, data, id=f'"{number}"')
        text = await client.text()
        while '"seq":' in text:
            text = await client.text()
        assert text.endswith(rf',"id":"\"{number}\""}}'), text
        if "after" not in str(data):
            answer = await client.ask(method, data, id=number)
            assert (answer["id"], type(answer["id"])) == (number, int)
