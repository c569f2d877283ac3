"""From any change, by any writer, through the log to a frame."""

import json
from collections.abc import Callable, Iterator

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client as Browser
from pytest_django import Settings

from executions import services, signals
from executions.models import Graph, GraphExecution, NodeExecution, Notification
from executions.runner.runner import EmbeddedRunner
from executions.samples import make_text_insight
from executions.services import report_execution, report_node, start_execution
from realtime.log.replay import read_after
from tests.database import in_db
from tests.executions.test_admin import act, change_url, form_of
from tests.realtime.clients import Frame
from tests.stories.doors import Door
from tests.stories.test_base_protocol import node_execution_event, watch, watch_graph
from tests.stories.test_resume import stream_of

two_doors = pytest.mark.parametrize("door", ["asgi", "runwire"], indirect=True)
server_only = pytest.mark.parametrize("door", ["runwire"], indirect=True)


def is_end(frame: Frame) -> bool:
    return frame["method"] == "graph_execution_event" and frame["data"]["status"] in ("COMPLETED", "FAILED")


async def check_against_log_and_rows(frames: list[Frame], execution: GraphExecution) -> None:
    """Checks that the frames are 1, 2, 3 … as in the log, and that the newest of each entity equals its row."""
    assert [frame["seq"] for frame in frames] == list(range(1, len(frames) + 1))
    page = await in_db(read_after)((await stream_of(execution)).pk, 0)
    assert page
    assert [(event.seq, event.method, json.loads(event.data or "")) for event in page.events] == [
        (frame["seq"], frame["method"], frame["data"]) for frame in frames
    ]
    told = {frame["data"].get("node_exec_id", "graph"): frame["data"] for frame in frames}
    nodes = await in_db(list)(NodeExecution.objects.filter(graph_execution=execution).select_related("graph_execution"))
    rows = {str(node.pk): node for node in nodes}
    rows["graph"] = await in_db(GraphExecution.objects.get)(pk=execution.pk)
    assert told == {id: json.loads(row.to_event().model_dump_json()) for id, row in rows.items()}


# However it is written


def save(execution: GraphExecution) -> None:
    execution.status = "RUNNING"
    execution.save()


def save_some_fields(execution: GraphExecution) -> None:
    execution.outputs = {"result": [1]}
    execution.save(update_fields=["outputs"])


def create_a_node(execution: GraphExecution) -> None:
    NodeExecution.objects.create(graph_execution=execution, node_id="created")


def update_or_create_a_node(execution: GraphExecution) -> None:
    for status in ("QUEUED", "RUNNING"):
        NodeExecution.objects.update_or_create(graph_execution=execution, node_id="n", defaults={"status": status})


def update_a_queryset(execution: GraphExecution) -> None:
    NodeExecution.objects.bulk_create(NodeExecution(graph_execution=execution, node_id=f"n{n}") for n in range(5))
    NodeExecution.objects.filter(graph_execution=execution).update(status="RUNNING")


def update_in_bulk(execution: GraphExecution) -> None:
    nodes = NodeExecution.objects.bulk_create(
        [NodeExecution(graph_execution=execution, node_id=f"n{n}") for n in range(5)]
    )
    for node in nodes:
        node.output_data = {"result": [node.node_id]}
    NodeExecution.objects.bulk_update(nodes, ["output_data"])


def write_asynchronously(execution: GraphExecution) -> None:
    async def write() -> None:
        execution.status = "RUNNING"
        await execution.asave()
        await NodeExecution.objects.acreate(graph_execution=execution, node_id="n")
        await NodeExecution.objects.filter(graph_execution=execution).aupdate(status="RUNNING")

    async_to_sync(write)()


def use_the_services(execution: GraphExecution) -> None:
    services.report_execution(execution, status="RUNNING")
    services.report_node(execution, node_id="a", status="RUNNING", input_data={"x": 1})
    services.report_node(execution, node_id="b", status="QUEUED")
    services.report_node(execution, node_id="a", status="COMPLETED", output_data={"y": [2]})
    services.terminate_execution(execution)
    services.requeue_execution(execution)
    services.report_execution(execution, status="RUNNING", stats={"cost": 1})
    services.finish_execution(execution, outputs={"y": [2]})


def roll_back_in_between(execution: GraphExecution) -> None:
    with transaction.atomic():
        report_execution(execution, status="RUNNING")
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            report_node(execution, node_id="never", status="QUEUED")
            raise ZeroDivisionError
        report_node(execution, node_id="n", status="QUEUED")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        report_node(execution, node_id="n", status="RUNNING")
        raise ZeroDivisionError


WAYS: dict[Callable[[GraphExecution], None], int] = {  # and the number of events that each makes
    save: 1,
    save_some_fields: 1,
    create_a_node: 1,
    update_or_create_a_node: 2,
    update_a_queryset: 10,
    update_in_bulk: 10,
    write_asynchronously: 3,
    use_the_services: 9,
    roll_back_in_between: 2,
}


@two_doors
@pytest.mark.parametrize("write", WAYS)
async def test_every_way_to_write_gives_frames_equal_to_the_log_and_the_rows(
    write: Callable[[GraphExecution], None], door: Door, user: User, execution: GraphExecution
) -> None:
    client = await door.client(user)
    await watch(client, execution, after=0)
    frames = [await client.frame()]
    await in_db(write)(execution)
    frames += await client.frames(WAYS[write])
    await check_against_log_and_rows(frames, execution)


@two_doors
async def test_a_bulk_of_notifications_reaches_each_user(door: Door, user: User, other_user: User) -> None:
    clients = {each: await door.client(each) for each in (user, other_user)}

    def notify_all() -> None:
        Notification.objects.bulk_create(
            Notification(user=each, type="info", event=f"{n}") for n in range(3) for each in clients
        )

    await in_db(notify_all)()
    for client in clients.values():
        assert {frame["data"]["event"] for frame in await client.frames(3)} == {"0", "1", "2"}


# By a person


@pytest.fixture
def admin(transactional_db: None) -> Browser:
    browser = Browser()
    browser.force_login(User.objects.create_superuser("admin"))
    return browser


@two_doors
async def test_an_edit_in_the_admin_reaches_the_sockets(
    door: Door, admin: Browser, user: User, graph: Graph, execution: GraphExecution
) -> None:
    client = await door.client(user)
    await watch(client, execution)

    def edit() -> None:
        response = admin.post(change_url(execution), {**form_of(admin, execution), "status": "RUNNING"})
        assert response.status_code == 302

    await in_db(edit)()
    assert (await client.frame())["data"]["status"] == "RUNNING"


@two_doors
async def test_an_action_in_the_admin_reaches_the_sockets(
    door: Door, admin: Browser, user: User, graph: Graph, execution: GraphExecution
) -> None:
    client = await door.client(user)
    await watch_graph(client, graph)
    await in_db(report_node)(execution, node_id="n", status="QUEUED")
    await in_db(act)(admin, "terminate_selected", [execution])
    assert (await client.frame())["data"]["status"] == "TERMINATED"


# By the embedded runner


@pytest.fixture
def runner(transactional_db: None, settings: Settings) -> Iterator[EmbeddedRunner]:
    settings.EXECUTIONS = {"BLOCK_PROCESSES": 2, "POLL_INTERVAL": 0.05}
    runner = EmbeddedRunner()
    runner.start()
    yield runner
    runner.stop()


def start_sample(user: User) -> GraphExecution:
    graph, _ = make_text_insight(user)
    return start_execution(graph, user=user, inputs={"text": "One fox. Two foxes jump."}, runner="embedded")


@two_doors
async def test_a_run_of_the_embedded_runner_arrives_completely(door: Door, user: User, runner: EmbeddedRunner) -> None:
    client = await door.client(user)
    execution = await in_db(start_sample)(user)
    await watch(client, execution, after=0)
    frames = await client.until(is_end)
    assert frames[-1]["data"]["status"] == "COMPLETED"
    assert "report" in frames[-1]["data"]["outputs"]
    await check_against_log_and_rows(frames, execution)


# Much of it


@server_only
async def test_the_history_of_a_run_with_ten_thousand_events_is_complete(
    door: Door, user: User, execution: GraphExecution
) -> None:
    event = node_execution_event(user, execution)
    await in_db(signals.node_execution_changed.send)(sender=NodeExecution, events=[event] * 10_000)
    client = await door.client(user)
    await watch(client, execution, after=0)
    assert [frame["seq"] for frame in await client.frames(10_001)] == list(range(1, 10_002))


@server_only
async def test_a_client_that_pauses_reading_gets_all_events_in_order_later(
    door: Door, user: User, execution: GraphExecution
) -> None:
    slow, quick = await door.client(user), await door.client(user)
    for client in (slow, quick):
        await watch(client, execution, after=1)

    def report() -> None:
        event = node_execution_event(user, execution)
        event.input_data = {"text": "x" * 30_000}
        for _ in range(30):
            signals.node_execution_changed.send(sender=NodeExecution, events=[event] * 10)

    await in_db(report)()
    for client in (quick, slow):
        assert [frame["seq"] for frame in await client.frames(300)] == list(range(2, 302))
