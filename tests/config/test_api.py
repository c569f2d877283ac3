"""The page that describes the API, under the Content Security Policy of the site, and in a real browser."""

import shutil

import pytest
from django.test import Client

from tests.conftest import StartWebServer

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def test_the_page_loads_nothing_from_other_hosts(client: Client) -> None:
    page = client.get("/api/docs")
    text = page.content.decode()
    assert page.status_code == 200
    assert "https://" not in text
    assert "unsafe-inline" not in page["Content-Security-Policy"]
    assert client.get("/api/openapi.json").json()["info"]["title"] == "Runwire"


async def test_a_browser_shows_the_page(web_server: StartWebServer) -> None:
    """The browser reports no violation of the policy."""
    playwright_api = pytest.importorskip("playwright.async_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    server = web_server()
    errors: list[str] = []
    async with playwright_api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = await browser.new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto(f"http://{server.host}:{server.port}/api/docs")
        operation = page.locator("#operations-workers-worker_report_batch")
        await operation.click(timeout=30_000)
        await operation.locator("text=Up to 1,000 reports").wait_for(timeout=20_000)
        await browser.close()
    assert errors == []
