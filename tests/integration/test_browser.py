"""An analyst's first look: Neo4j Browser in a real web browser, with what ``interestream up`` printed."""

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from neo4j import GraphDatabase
from playwright.async_api import Page, Request, async_playwright

from tests.conftest import not_tested

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

QUERY = "MATCH p=(:User)-[:INTERESTED_IN]->(:Category) RETURN p LIMIT 25"
USER_COLOUR, CATEGORY_COLOUR = "#4C8EDA", "#F79767"  # of deploy/neo4j/style.grass
PATIENCE_MS = 60_000

# No sandbox: tests may run as root. The rest keeps Chromium from calling its maker.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium(pytestconfig: pytest.Config) -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        not_tested(pytestconfig, "NEO4J'S BROWSER WAS NOT TESTED: no chromium on PATH (`make chromium` installs it)")
    return found


class Traffic:
    """Which hosts a page asked, and which of them it reached out to beyond this machine."""

    def __init__(self, page: Page) -> None:
        self.asked: set[str] = set()
        self.blocked: set[str] = set()
        page.on("request", lambda request: self.asked.add(self._host(request)))
        page.on("requestfailed", self._failed)

    def _failed(self, request: Request) -> None:
        if request.failure == "csp":
            self.blocked.add(self._host(request))

    @staticmethod
    def _host(request: Request) -> str:
        return urlsplit(request.url).hostname or ""

    def left_this_machine(self) -> set[str]:
        return self.asked - self.blocked - {"127.0.0.1", "localhost", ""}


@pytest.fixture
async def page(chromium: str) -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = await browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(PATIENCE_MS)
        yield page
        await browser.close()


@pytest.fixture
def endpoints(up: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Where ``up`` says the servers are, with three interests in the graph."""
    endpoints = up()
    auth = (endpoints["neo4j_user"], endpoints["neo4j_password"])
    with GraphDatabase.driver(endpoints["neo4j_uri"], auth=auth) as driver, driver.session() as session:
        session.run(
            """
            MERGE (u:User {userId: 'u1', name: 'u1'}) MERGE (v:User {userId: 'u2', name: 'u2'})
            MERGE (c:Category {path: 'Home > Candles', name: 'Candles'})
            MERGE (l:Category {path: 'Home > Lanterns', name: 'Lanterns'})
            MERGE (u)-[a:INTERESTED_IN]->(c) MERGE (u)-[b:INTERESTED_IN]->(l) MERGE (v)-[d:INTERESTED_IN]->(l)
            SET a.weight = 3.0, b.weight = 1.0, d.weight = 2.0
            """
        ).consume()
    return endpoints


async def log_in(page: Page, endpoints: dict[str, Any]) -> None:
    await page.goto(endpoints["browser_url"])
    await page.get_by_test_id("username").fill(endpoints["neo4j_user"])
    await page.get_by_test_id("password").fill(endpoints["neo4j_password"])
    await page.get_by_test_id("connect").click()
    await page.get_by_role("heading", name="The interest graph").wait_for()


async def test_draws_who_is_interested_in_what_in_our_style(
    page: Page, endpoints: dict[str, Any], tmp_path: Path
) -> None:
    traffic = Traffic(page)
    await log_in(page, endpoints)
    await page.locator(".monaco-editor").first.click()
    await page.keyboard.type(QUERY)
    await page.keyboard.press("Control+Enter")
    names = page.locator("svg g.node text")
    for name in ("u1", "u2", "Candles", "Lanterns"):
        await names.filter(has_text=name).first.wait_for()

    async def colours(name: str) -> list[str | None]:
        circles = page.locator("svg g.node", has_text=name).locator("circle.b-outline")
        return [await circle.get_attribute("fill") for circle in await circles.all()]

    assert await colours("u1") == [USER_COLOUR]
    assert await colours("Lanterns") == [CATEGORY_COLOUR]
    assert await page.locator("svg g.relationship").count() == 3
    picture = await page.screenshot(path=tmp_path / "browser.png")
    assert picture.startswith(b"\x89PNG")
    assert traffic.left_this_machine() == set()
    assert traffic.blocked  # else the page no longer asks, or blocking is not seen here


async def test_the_guides_queries_run_by_a_click(page: Page, endpoints: dict[str, Any]) -> None:
    await log_in(page, endpoints)
    await page.get_by_text("Next", exact=True).last.click()
    await page.get_by_role("heading", name="Who is interested in what").wait_for()
    await page.locator("pre.runnable").first.click()
    await page.get_by_test_id("editor-Run").click()
    await page.locator("svg g.node text").filter(has_text="Lanterns").first.wait_for()
