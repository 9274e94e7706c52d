"""A real browser (headless Chromium) at the product's own web process, with its relay."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from apps.core.scope import no_scope, tenant_scope
from apps.graph import services as graph
from apps.graph.types import EdgeInput, EntityInput
from tests.conftest import PASSWORD, TenantKit
from tests.gateway.live_server import LiveServer, running
from tests.portal.visitors import signed_in

CANDIDATES = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test here."""
    for item in items:
        if "tests/browser/" in item.nodeid:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser, for one module: its event loop must not outlive the tests that allow for it. Skips where there is none, except in continuous integration, where there must be one."""
    path = os.environ.get("IG_CHROMIUM") or next(filter(None, map(shutil.which, CANDIDATES)), None)
    if path is None:
        message = "no Chromium: apt install chromium | dnf install chromium | brew install chromium"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    expect.set_options(timeout=15_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture(autouse=True)
def _rows_beside_the_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Playwright keeps an event loop in this thread; Django would take every query for one made on it."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The web process and the relay, for one module."""
    folder: Path = tmp_path_factory.mktemp("browser")
    with running(folder) as server:
        yield server


@dataclass
class Tab:
    """A page, and everything that went wrong in it."""

    page: Page
    url: str
    slug: str
    trouble: list[str] = field(default_factory=list)

    def open(self, path: str) -> "Tab":
        """Open a path; one without a leading slash lies in the tenant."""
        self.page.goto(self.url + (path if path.startswith("/") else f"/t/{self.slug}/{path}"))
        return self

    def wait_live(self) -> None:
        """Wait until the page hears changes."""
        self.page.wait_for_selector('#live-sign[data-state="live"]')


@pytest.fixture
def tab(chromium: Browser, live: LiveServer, tenant: TenantKit) -> Iterator[Callable[..., Tab]]:
    """Opens tabs: `tab("analyst")` is signed in as a new member of that role, `tab()` is nobody.

    Further arguments are those of a browser context. At the end no tab may have met an error or another host.
    """
    contexts: list[BrowserContext] = []
    tabs: list[Tab] = []

    def make(*roles: str, **more: Any) -> Tab:
        context = chromium.new_context(**more)
        contexts.append(context)
        if roles:
            cookie = signed_in(tenant, *roles).client.cookies["ig_session"].value
            context.add_cookies([{"name": "ig_session", "value": cookie, "url": live.url}])
        made = Tab(context.new_page(), live.url, tenant.info.slug)
        made.page.set_default_timeout(15_000)
        made.page.on("pageerror", lambda error: made.trouble.append(f"script: {error}"))
        made.page.on("console", lambda m: made.trouble.append(m.text) if m.type == "error" else None)
        made.page.on(
            "request", lambda r: None if r.url.startswith(live.url) else made.trouble.append(f"other host: {r.url}")
        )
        tabs.append(made)
        return made

    yield make
    for context in contexts:
        context.close()
    assert [trouble for one in tabs for trouble in one.trouble] == []


@dataclass(frozen=True)
class Things:
    """Ids of the small graph that the tests look at."""

    group: str
    tool: str


@pytest.fixture
def things(tenant: TenantKit) -> Things:
    """A group that uses a tool."""
    with no_scope(), tenant_scope(tenant.info.id):
        rows = graph.upsert_entities(
            tenant.ctx,
            inputs=[
                EntityInput("Group", "g-1", name="Nordlicht", properties={"aliases": ["Aurora"]}, source="field notes"),
                EntityInput("Tool", "t-1", name="Hammer"),
                *(EntityInput("Tool", f"t-{i}", name=f"Tool {i:02}") for i in range(2, 12)),
            ],
        ).rows
        graph.upsert_edges(tenant.ctx, inputs=[EdgeInput("uses", source_id=rows[0].id, target_id=rows[1].id)])
    return Things(str(rows[0].id), str(rows[1].id))


@pytest.fixture
def rename(tenant: TenantKit) -> Callable[[str], None]:
    """Gives the group another name, as someone else."""

    def run(name: str) -> None:
        with no_scope(), tenant_scope(tenant.info.id):
            graph.upsert_entities(tenant.ctx, inputs=[EntityInput("Group", "g-1", name=name)])

    return run


@pytest.fixture
def account(tenant: TenantKit) -> tuple[str, str]:
    """Address and password of a new analyst."""
    return tenant.member("analyst").email, PASSWORD
