"""End-to-end tests in a browser: a real server, a real Chromium, the JavaScript of the pages.

A live page must change without a reload. So each test puts a mark into the page first, and checks it at the end. The
console must have no errors; it also shows violations of the Content-Security-Policy.
"""

import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connections
from django.test import Client
from pytest_django import Settings

from executions.models import Graph, GraphExecution
from executions.samples import CODEBASE_CENSUS, CSV_PROFILE, make_sample, make_text_insight
from executions.services import (
    finish_execution,
    mark_read,
    notify_user,
    report_execution,
    report_node,
    requeue_execution,
    start_execution,
    terminate_execution,
)
from realtime.auth.jwt import issue_token
from tests.conftest import StartWebServer
from tests.realtime.layers import redis_layer
from tests.servers import Redis, WebServer

playwright_api = pytest.importorskip(
    "playwright.async_api", reason="Playwright is not installed: pip install -r requirements-dev.txt"
)
from playwright.async_api import Browser, Error, Page, ViewportSize, async_playwright, expect  # noqa: E402

pytestmark = pytest.mark.once  # the pages do not know which database it is

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
ARGUMENTS += ["--disable-background-networking", "--disable-component-update"]
HOSTILE = "</script><img src=x onerror=\"document.title='hacked'\">\u202e\u2066'&{{ x }}"
LONG = "long " * 180_000  # near the size limit of an event

expect.set_options(timeout=20_000)  # milliseconds; a server needs seconds to start, and a page to reconnect
# Whether the words after a string of a run keep their own direction, in each element.
RUNS_LEFT_TO_RIGHT = """(selector) => [...document.querySelectorAll(selector)].every(({ lastChild: words }) => {
    const left = (at) => {
        const letter = document.createRange();
        letter.setStart(words, at);
        letter.setEnd(words, at + 1);
        return letter.getBoundingClientRect().left;
    };
    return left(1) < left(words.length - 1);
})"""
T = TypeVar("T")


async def database(work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Runs database work in another thread than that of the event loop."""

    def run() -> T:
        try:
            return work(*args, **kwargs)
        finally:
            connections.close_all()

    return await sync_to_async(run)()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        try:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        except Error:
            if CHROMIUM:
                raise
            pytest.skip("Chromium is not installed: install chromium (apt), or `playwright install chromium`.")
        yield browser
        await browser.close()


@pytest.fixture
def user(transactional_db: None) -> User:
    return User.objects.create_user("ada", password="ada")


@pytest.fixture
def graph(user: User) -> Graph:
    return make_text_insight(user)[0]


@pytest.fixture
def server(web_server: StartWebServer) -> WebServer:
    """A server without the embedded runner: the test reports the changes."""
    return web_server({"DEBUG": "true"})


class Tab:
    """A page that must not be reloaded, and its console errors."""

    def __init__(self, page: Page, server: WebServer) -> None:
        self.page = page
        self.server = server
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)

    async def open(self, path: str = "/") -> None:
        await self.page.goto(self.server.url + path)

    async def open_live(self, path: str = "/") -> None:
        """Opens the page, waits until it is live, and marks it."""
        await self.open(path)
        await self.is_live()
        await self.mark()

    async def is_live(self) -> None:
        await expect(self.page.locator("#connection")).to_have_text("Live")

    async def mark(self) -> None:
        await self.page.evaluate("window.isMarked = true")

    async def shows(self, selector: str, text: str | re.Pattern[str]) -> None:
        await expect(self.page.locator(selector)).to_have_text(text)

    async def is_only_text(self, width: int) -> None:
        """Checks that strings of a run are only text, and not wider than the window."""
        assert await self.page.locator("img").count() == 0
        assert await self.page.title() != "hacked"
        assert await self.page.evaluate("document.documentElement.scrollWidth") <= width

    async def check(self, *, but_for: str = "$^") -> None:
        """Checks that the page was not reloaded, and has no errors except those that match."""
        assert await self.page.evaluate("window.isMarked"), "The page was loaded again."
        assert [text for text in self.complaints if not re.search(but_for, text)] == []
        assert "ERROR" not in self.server.output


OpenTab = Callable[..., Awaitable[Tab]]


@pytest.fixture
async def open_tab(browser: Browser) -> OpenTab:
    """Opens a new window: `tab = await open_tab(server, user)`."""

    async def open_tab(
        server: WebServer, user: User | None = None, *, viewport: ViewportSize | None = None, javascript: bool = True
    ) -> Tab:
        context = await browser.new_context(viewport=viewport, java_script_enabled=javascript)
        if user is not None:
            client = Client()
            await database(client.force_login, user)
            cookie = client.cookies["sessionid"].value
            await context.add_cookies([{"name": "sessionid", "value": cookie, "url": server.url}])
        return Tab(await context.new_page(), server)

    return open_tab


def path_of(execution: GraphExecution) -> str:
    return f"/executions/{execution.pk}/"


async def test_a_user_signs_in_starts_a_run_and_watches_every_node(
    web_server: StartWebServer, open_tab: OpenTab, graph: Graph
) -> None:
    tab = await open_tab(web_server({"DEBUG": "true"}, program="serve"))
    page = tab.page
    await tab.open()
    await page.get_by_label("Username").fill("ada")
    await page.get_by_label("Password").fill("ada")
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("link", name="Start your first run").click()
    await page.get_by_label("Text", exact=True).fill("A wire carries news. The news runs along the wire. Read it!")
    await page.get_by_role("button", name="Start the run").click()
    await tab.mark()
    await tab.shows("#run-status", "Completed")
    await expect(page.locator(".node[data-status=COMPLETED]")).to_have_count(6)
    await tab.shows("#run-count", "6 of 6")
    await expect(page.locator(".report")).to_contain_text("The news runs along the wire.")
    await expect(page.locator("#terminate")).to_be_hidden()
    seqs = [int(text) for text in await page.locator(".event-seq").all_inner_texts()]
    assert seqs == list(range(21, 0, -1))  # queued, running and completed, for the run and for each of six nodes
    await tab.check()
    await page.get_by_role("link", name="Runs", exact=True).first.click()
    await tab.shows("tbody tr", re.compile(r"Text insight.*Completed.*6 of 6", re.DOTALL))


async def test_choosing_another_graph_loads_its_form(
    web_server: StartWebServer, open_tab: OpenTab, user: User, graph: Graph
) -> None:
    """From the form of one graph to the form of another, and then to its report."""
    await database(make_sample, CSV_PROFILE, user)
    await database(make_sample, CODEBASE_CENSUS, user)
    viewport = {"width": 390, "height": 800}
    tab = await open_tab(web_server({"DEBUG": "true"}, program="serve"), user, viewport=viewport)
    page = tab.page
    for name, field, words in (
        ("CSV profile", "CSV", "8 rows of 10 columns"),
        ("Codebase census", "Folder", "Lines by language"),
    ):
        await tab.open("/executions/start/")
        await page.get_by_label("Graph").select_option(label=name)
        await expect(page.get_by_label(field, exact=True)).to_be_visible()
        await page.get_by_role("button", name="Start the run").click()
        await tab.shows("#run-status", "Completed")
        await expect(page.locator(".report")).to_contain_text(words)
        await tab.is_only_text(390)
    assert tab.complaints == []


async def test_a_page_shows_each_report_live(server: WebServer, open_tab: OpenTab, graph: Graph, user: User) -> None:
    execution = await database(start_execution, graph, user=user)
    tab = await open_tab(server, user)
    page = tab.page
    await tab.open_live(path_of(execution))
    await tab.shows("#run-status", "Queued")
    await database(report_execution, execution, status="RUNNING")
    await tab.shows("#run-status", "Running")
    await database(report_node, execution, node_id="prose", status="RUNNING", input_data={"text": "Some words."})
    prose = page.locator(".node", has_text="Prose")
    await expect(prose.locator(".status")).to_have_text("Running")
    await prose.locator("summary").press("Enter")
    await expect(prose.locator("pre")).to_have_text("Some words.")
    await database(report_node, execution, node_id="prose", status="COMPLETED", output_data={"text": ["Other words."]})
    await expect(prose.locator("pre").nth(1)).to_have_text("Other words.")
    await tab.shows("#run-count", "1 of 6")
    await database(report_node, execution, node_id="of another engine", status="RUNNING")
    await expect(page.locator(".stage.others .node")).to_contain_text("of another engine")
    await database(finish_execution, execution, status="FAILED", error="The wire is cut.", outputs={"left": [7]})
    await tab.shows("#run-status", "Failed")
    await tab.shows("#run-error p", "The wire is cut.")
    await expect(page.locator("#results")).to_contain_text("left")
    await expect(page.locator("#events li").first).to_contain_text("Run failed")
    await tab.check()


async def test_a_run_with_many_nodes_has_pages_and_counts_them_live(
    server: WebServer, open_tab: OpenTab, user: User
) -> None:
    nodes = [{"id": f"n{number:03}", "block_id": "b"} for number in range(250)]
    graph = await database(Graph.objects.create, owner=user, name="Wide", nodes=nodes)
    execution = await database(start_execution, graph, user=user)
    await database(report_execution, execution, status="RUNNING")
    tab = await open_tab(server, user)
    await tab.open_live(path_of(execution))
    await expect(tab.page.locator(".node")).to_have_count(100)
    for node_id in ("n005", "n205"):
        await database(report_node, execution, node_id=node_id, status="RUNNING", input_data={"text": node_id})
        await database(report_node, execution, node_id=node_id, status="COMPLETED")
    await tab.shows("#run-count", "2 of 250")
    await expect(tab.page.locator(".node")).to_have_count(100)
    await expect(tab.page.locator(".node[data-status=COMPLETED]")).to_have_count(1)
    await expect(tab.page.locator("#events")).to_contain_text("n205")
    await tab.check()

    later = tab.page.get_by_role("link", name="Later nodes")
    await later.focus()
    await tab.page.keyboard.press("Enter")
    await tab.page.wait_for_url("**?nodes=2**")
    await tab.page.get_by_role("link", name="Later nodes").click()
    await expect(tab.page.locator(".node")).to_have_count(50)
    await tab.is_live()
    await expect(tab.page.locator(".node[data-node=n205]")).to_have_attribute("data-status", "COMPLETED")
    await database(report_node, execution, node_id="n206", status="RUNNING")
    await expect(tab.page.locator(".node[data-node=n206]")).to_have_attribute("data-status", "RUNNING")
    await tab.shows("#run-count", "2 of 250")


async def test_a_requeued_run_is_shown_from_its_start(
    server: WebServer, open_tab: OpenTab, graph: Graph, user: User
) -> None:
    execution = await database(start_execution, graph, user=user)
    await database(report_execution, execution, status="RUNNING")
    await database(report_node, execution, node_id="prose", status="RUNNING")
    tab = await open_tab(server, user)
    await tab.open_live(path_of(execution))
    await tab.page.get_by_role("button", name="Terminate").click()
    await tab.shows("#run-status", "Terminated")
    await expect(tab.page.locator(".node[data-status=TERMINATED]")).to_have_count(1)
    await database(requeue_execution, execution)
    await tab.shows("#run-status", "Queued")
    await expect(tab.page.locator(".node[data-status='']")).to_have_count(6)
    await expect(tab.page.get_by_role("button", name="Terminate")).to_be_visible()
    await tab.check()


async def test_the_page_shows_that_it_is_offline_and_catches_up_later(
    server: WebServer, open_tab: OpenTab, graph: Graph, user: User
) -> None:
    execution = await database(start_execution, graph, user=user)
    tab = await open_tab(server, user)
    await tab.open_live(path_of(execution))
    server.kill()
    await expect(tab.page.locator("#connection")).to_contain_text(re.compile("Offline, retrying|Connecting"))
    await database(report_execution, execution, status="RUNNING")
    await database(report_node, execution, node_id="prose", status="RUNNING")
    await database(report_node, execution, node_id="prose", status="COMPLETED")
    await tab.shows("#run-status", "Queued")
    server.start()
    await tab.is_live()
    await tab.shows("#run-status", "Running")
    await tab.shows("#run-count", "1 of 6")
    assert [int(text) for text in await tab.page.locator(".event-seq").all_inner_texts()] == [4, 3, 2, 1]
    await tab.check(but_for="WebSocket connection|net::ERR_(CONNECTION|SOCKET_NOT_CONNECTED)")


async def test_the_page_shows_that_the_user_is_signed_out(
    server: WebServer, open_tab: OpenTab, graph: Graph, user: User
) -> None:
    tab = await open_tab(server, user)
    await tab.open_live()
    await database(Session.objects.all().delete)
    server.kill()
    await tab.page.get_by_role("button", name="Retry now").click()  # while the server is down, so that the button stays
    server.start()
    await tab.shows("#connection", "Signed out. Sign in again")
    await tab.page.get_by_role("link", name="Sign in again").click()
    await expect(tab.page.get_by_label("Password")).to_be_visible()


async def test_a_logout_in_one_tab_is_shown_in_the_other(
    server: WebServer, open_tab: OpenTab, graph: Graph, user: User
) -> None:
    tab = await open_tab(server, user)
    await tab.open_live()
    other = await tab.page.context.new_page()
    await other.goto(server.url)
    await other.get_by_role("button", name="Sign out").click()
    await expect(other.get_by_label("Password")).to_be_visible()
    await tab.shows("#connection", "Signed out. Sign in again")
    await tab.page.get_by_role("link", name="Sign in again").click()
    await expect(tab.page.get_by_label("Password")).to_be_visible()


async def test_a_page_says_that_its_run_may_not_be_seen_any_more(
    web_server: StartWebServer, redis_server: Redis, settings: Settings, open_tab: OpenTab, graph: Graph, user: User
) -> None:
    settings.CHANNEL_LAYERS = redis_layer(redis_server.url)
    server = await database(web_server, {"DEBUG": "true"}, redis=redis_server)
    staff = await database(User.objects.create_user, "staff", is_staff=True, is_superuser=True)
    execution = await database(start_execution, graph, user=user)
    tab = await open_tab(server, staff)
    await tab.open_live(path_of(execution))
    staff.is_staff = staff.is_superuser = False
    await database(staff.save)
    await database(notify_user, staff, type="info", event="still here")
    await tab.shows("#run-trouble", "You may not see this run any more.")
    await tab.check()


OPEN = """([url, protocols]) => new Promise((resolve) => {
    const seen = { opened: false, error: null };
    const socket = protocols.length ? new WebSocket(url, protocols) : new WebSocket(url);
    socket.onopen = () => {
        Object.assign(seen, { opened: true, protocol: socket.protocol });
        socket.send(JSON.stringify({ method: "heartbeat", data: "ping", success: true }));
    };
    socket.onmessage = ({ data }) => {
        const frame = JSON.parse(data);
        if (frame.data !== "pong") seen.error = frame.error;
        else resolve({ ...seen, code: null });
    };
    socket.onclose = ({ code }) => resolve({ ...seen, code });
})"""


async def test_a_browser_sees_a_refusal_as_a_lost_connection_unless_it_asks(
    server: WebServer, open_tab: OpenTab, user: User
) -> None:
    stranger, own = await open_tab(server), await open_tab(server, user)
    await stranger.open("/admin/login/")
    await own.open_live()
    url, token = f"ws://{server.host}:{server.port}/ws", issue_token(user.pk, timedelta(hours=1))

    async def opens(tab: Tab, query: str = "", *protocols: str) -> tuple[bool, str | None, str | None, int | None]:
        seen = await tab.page.evaluate(OPEN, [url + query, list(protocols)])
        return seen["opened"], seen.get("protocol"), seen["error"], seen["code"]

    required, invalid = "Authentication required", "Invalid or expired token"
    assert await opens(stranger) == (False, None, None, 1006)
    assert await opens(stranger, "?token=nonsense") == (False, None, None, 1006)
    assert await opens(stranger, "", "bearer", "nonsense") == (False, None, None, 1006)
    assert await opens(stranger, "?refusal=frame") == (True, "", required, 4001)
    assert await opens(stranger, "?token=nonsense&refusal=frame") == (True, "", invalid, 4003)
    assert await opens(stranger, "", "runwire") == (True, "runwire", required, 4001)
    assert await opens(stranger, "", "bearer", "nonsense", "runwire") == (True, "bearer", invalid, 4003)
    assert await opens(stranger, "", "bearer", token, "runwire") == (True, "bearer", None, None)
    assert await opens(stranger, f"?token={token}&refusal=frame") == (True, "", None, None)
    assert await opens(own, "", "runwire") == (True, "runwire", None, None)
    assert await opens(own, "?refusal=frame") == (True, "", None, None)


async def test_a_page_that_was_signed_out_is_live_again_after_a_sign_in(
    server: WebServer, open_tab: OpenTab, graph: Graph, user: User
) -> None:
    tab = await open_tab(server, user)
    await tab.open_live()
    await database(Session.objects.all().delete)
    server.kill()
    server.start()
    await tab.shows("#connection", "Signed out. Sign in again")
    await tab.page.get_by_role("link", name="Sign in again").click()
    await tab.page.get_by_label("Username").fill("ada")
    await tab.page.get_by_label("Password").fill("ada")
    await tab.page.get_by_label("Password").press("Enter")
    await tab.is_live()
    run = await database(start_execution, graph, user=user)
    await expect(tab.page.locator(f"tbody tr a[href='{path_of(run)}']")).to_be_visible()


async def test_the_list_shows_all_runs_live(server: WebServer, open_tab: OpenTab, graph: Graph, user: User) -> None:
    tab = await open_tab(server, user)
    await tab.open_live()
    await expect(tab.page.locator("main")).to_contain_text("Nothing has run yet")
    first = await database(start_execution, graph, user=user)
    row = tab.page.locator("tbody tr", has=tab.page.locator(f"a[href='{path_of(first)}']"))
    await expect(row.locator(".status")).to_have_text("Queued")
    await database(report_execution, first, status="RUNNING")
    await database(report_node, first, node_id="prose", status="RUNNING")
    await database(report_node, first, node_id="prose", status="COMPLETED")
    await expect(row.locator(".count")).to_have_text("1 of 6")
    await expect(row.locator(".status")).to_have_text("Running")
    second = await database(start_execution, graph, user=user)
    await expect(tab.page.locator("tbody tr").first.locator("a")).to_have_attribute("href", path_of(second))
    await database(terminate_execution, first)
    await expect(row.locator(".status")).to_have_text("Terminated")
    await database(second.delete)
    await expect(tab.page.locator("tbody tr")).to_have_count(1)
    await tab.check()


async def test_a_failed_fetch_of_rows_is_repeated(
    server: WebServer, open_tab: OpenTab, graph: Graph, user: User
) -> None:
    tab = await open_tab(server, user)
    await tab.open_live()
    await tab.page.wait_for_load_state("networkidle")
    await tab.page.route("**/executions/rows/", lambda route: route.abort(), times=1)
    execution = await database(start_execution, graph, user=user)
    await expect(tab.page.locator(f"a[href='{path_of(execution)}']")).to_be_visible()
    await tab.check(but_for="net::ERR_FAILED")


async def test_a_deleted_run_disappears(server: WebServer, open_tab: OpenTab, graph: Graph, user: User) -> None:
    execution = await database(start_execution, graph, user=user)
    tab = await open_tab(server, user)
    await tab.open_live(path_of(execution))
    await database(execution.delete)
    await expect(tab.page.get_by_role("alert")).to_contain_text("This run is no longer there.")
    await tab.check()


async def test_a_notification_is_shown_once_and_can_be_marked_as_read(
    server: WebServer, open_tab: OpenTab, user: User
) -> None:
    tab, other_tab = await open_tab(server, user), await open_tab(server, user)
    page = tab.page
    await tab.open_live()
    await other_tab.open_live()
    await database(notify_user, user, type="info", event="The mill has stopped.")
    for each in (tab, other_tab):
        await each.shows(".toast p", "The mill has stopped.")
        await each.shows(".bell-count", "1")
    await tab.open_live()
    await expect(page.locator(".toast")).to_have_count(0)
    await page.goto("about:blank")
    await database(notify_user, user, type="info", event="The mill runs again.")
    await tab.open_live()
    await tab.shows(".toast p", "The mill runs again.")
    await page.get_by_label("Notifications, 2 unread").click()
    await page.get_by_role("button", name="Mark as read").first.click()
    for each in (tab, other_tab):
        await each.shows(".bell-count", "1")
    await page.get_by_role("button", name="Mark all as read").click()
    for each in (tab, other_tab):
        await expect(each.page.locator(".bell-count")).to_be_hidden()
        await each.check()


async def test_what_is_read_elsewhere_is_not_shown_as_new(server: WebServer, open_tab: OpenTab, user: User) -> None:
    tab = await open_tab(server, user)
    page = tab.page
    await tab.open_live()
    for text in ("The mill has stopped.", "The mill runs again."):
        made = await database(notify_user, user, type="info", event=text)
    toasts = page.locator(".toast")
    await expect(toasts).to_have_count(2)
    await toasts.last.hover()  # it stays while the pointer is on it
    await database(mark_read, user, [made.pk])
    await expect(toasts.filter(has_text="The mill runs again.")).to_have_count(0)
    await page.goto("about:blank")
    for text in ("The mill has burnt down.", "The mill is built again."):
        made = await database(notify_user, user, type="info", event=text)
    await database(mark_read, user, [made.pk])
    await tab.open_live()
    await tab.shows(".toast p", "The mill has burnt down.")
    await expect(toasts).to_have_count(1)
    await tab.check()


@pytest.mark.parametrize("width", [360, 1280])
async def test_text_of_a_run_is_never_html(
    server: WebServer, open_tab: OpenTab, graph: Graph, user: User, width: int
) -> None:
    nodes = [{"id": HOSTILE, "block_id": HOSTILE, "title": HOSTILE}]
    graph = await database(Graph.objects.create, owner=user, name=HOSTILE, nodes=nodes, links=[])
    execution = await database(start_execution, graph, user=user, inputs={HOSTILE: HOSTILE})
    tab = await open_tab(server, user, viewport={"width": width, "height": 800})
    page = tab.page
    await tab.open_live(path_of(execution))
    await database(report_execution, execution, status="RUNNING")
    data = {HOSTILE: [HOSTILE]}
    for node_id in (HOSTILE, f"{HOSTILE}, and not in the graph"):
        await database(report_node, execution, node_id=node_id, block_id=HOSTILE, status="RUNNING", input_data=data)
        await database(
            report_node, execution, node_id=node_id, status="COMPLETED", output_data={**data, "long": [LONG]}
        )
    outputs = {"report": [HOSTILE, f"[a](javascript:alert(1)) {HOSTILE}"], HOSTILE: [HOSTILE]}
    await database(finish_execution, execution, status="FAILED", outputs=outputs, error=HOSTILE)
    await database(notify_user, user, type=HOSTILE, event=HOSTILE)
    await tab.shows("#run-error p", HOSTILE)
    await tab.shows(".toast p", HOSTILE)
    await expect(page.locator(".node")).to_have_count(2)
    await expect(page.locator(".report")).to_contain_text(HOSTILE)
    for summary in await page.locator(".node summary, #events summary").all():
        await summary.press("Enter")
    await expect(page.locator("[data-values=outputs] dd").first).to_contain_text(HOSTILE)
    assert await page.evaluate(RUNS_LEFT_TO_RIGHT, ".event-what")
    await tab.is_only_text(width)
    for path in (path_of(execution), "/", "/executions/start/"):
        await tab.open_live(path)
        await page.get_by_label("Notifications, 1 unread").click()
        await tab.is_only_text(width)
    await tab.check()


async def test_without_javascript_a_reload_shows_everything(
    server: WebServer, open_tab: OpenTab, graph: Graph, user: User
) -> None:
    tab = await open_tab(server, user, javascript=False)
    page = tab.page
    await tab.open("/executions/start/")
    await page.get_by_role("button", name="Start the run").click()
    await tab.shows("#run-status", "Queued")
    execution = await database(GraphExecution.objects.get)
    await database(report_execution, execution, status="RUNNING")
    await tab.shows("#run-status", "Running")
    await expect(page.locator("#events li")).to_have_count(2)
    await page.get_by_role("button", name="Terminate").click()
    await tab.shows("#run-status", "Terminated")
    await database(notify_user, user, type="info", event="The mill has stopped.")
    await tab.open()
    await page.locator("#notifications summary").click()
    await page.get_by_role("button", name="Mark all as read").click()
    await expect(page.locator("#notifications")).not_to_contain_text("The mill has stopped.")
