"""Pages that move by themselves: what they follow, how they say so, and how they are paused."""

from collections.abc import Callable

from playwright.sync_api import Route, expect

from apps.connectors import services as connectors
from apps.connectors.types import JobView
from apps.core.scope import no_scope, tenant_scope
from apps.quotas import services as quotas
from apps.quotas.types import Measure
from tests.browser.conftest import Tab, Things
from tests.conftest import TenantKit
from tests.gateway.live_server import LiveServer

OpenTab = Callable[..., Tab]
MAPPING = "name: things\nformat: csv\nentities:\n  - {kind: Thing, id: '{id}', name: '{id}'}\n"
SIGN = "#live-sign"


def queued(tenant: TenantKit, rows: bytes) -> JobView:
    """Make an import that nobody has taken yet."""
    with no_scope(), tenant_scope(tenant.info.id):
        connectors.put_mapping(tenant.ctx, name="things", text=MAPPING)
        return connectors.start_ingest(tenant.ctx, source="things", content=[rows], enqueue=False)


def run(tenant: TenantKit, job: JobView) -> None:
    """Bring it in."""
    with no_scope(), tenant_scope(tenant.info.id):
        connectors.run_ingest(tenant.ctx, job_id=job.id)


def test_a_paused_page_stays_as_it_is_and_then_shows_what_was_missed(
    tab: OpenTab, things: Things, rename: Callable[[str], None]
) -> None:
    one = tab("analyst").open(f"entities/{things.group}/")
    one.wait_live()
    title, sign = one.page.get_by_role("heading", level=1), one.page.locator(SIGN)
    rename("First")
    expect(title).to_have_text("First")
    expect(sign).to_have_text("Live", use_inner_text=True)
    sign.click()
    expect(sign).to_have_text("Paused", use_inner_text=True)
    expect(sign).to_have_accessible_name("Paused. Go on")
    rename("Unseen")
    one.page.wait_for_timeout(1500)
    expect(title).to_have_text("First")
    one.open(f"entities/{things.group}/")
    expect(sign).to_have_attribute("data-state", "paused")  # it holds for the tab
    rename("Unseen too")
    sign.press("Enter")
    one.wait_live()
    expect(title).to_have_text("Unseen too")
    rename("Seen")
    expect(title).to_have_text("Seen")


def test_the_list_of_imports_moves_as_they_do(tab: OpenTab, tenant: TenantKit, things: Things) -> None:
    one = tab("analyst").open("imports/")
    one.wait_live()
    expect(one.page.locator("#imports-live")).to_contain_text("Nothing brought in yet")
    job = queued(tenant, b"id\n1\n2\n")
    row = one.page.locator(f'tr[data-id="{job.id}"]')
    expect(row).to_contain_text("queued")
    run(tenant, job)
    expect(row).to_contain_text("succeeded")


def test_an_import_is_followed_to_its_end(tab: OpenTab, tenant: TenantKit, things: Things) -> None:
    job = queued(tenant, b"id\n" + b"".join(b"%d\n" % number for number in range(5_000)))
    one = tab("analyst").open(f"imports/{job.id}/")
    one.wait_live()
    expect(one.page.locator("#import .badge").first).to_have_text("queued")
    run(tenant, job)
    expect(one.page.locator("#import .badge").first).to_have_text("succeeded")
    expect(one.page.locator("#import dl").first).to_contain_text("5,000")


def test_what_moves_is_looked_at_while_nothing_is_heard(
    tab: OpenTab, tenant: TenantKit, things: Things, live: LiveServer
) -> None:
    job = queued(tenant, b"id\n1\n")
    one = tab("analyst")
    one.page.route("**/graphql-ws.min.js", lambda route: route.abort())
    one.open(f"imports/{job.id}/")
    run(tenant, job)
    expect(one.page.locator("#import .badge").first).to_have_text("succeeded")
    expect(one.page.locator(SIGN)).to_be_hidden()
    one.trouble.clear()  # the browser logs what was refused


def test_home_and_limits_follow_what_is_used(tab: OpenTab, tenant: TenantKit, things: Things) -> None:
    home, limits = tab("analyst").open(""), tab("analyst").open("limits/")
    home.wait_live()
    limits.wait_live()
    card = limits.page.locator("#limits .card", has_text="Rows brought in").first
    expect(card.locator(".meter-head")).to_contain_text("0 of")
    with no_scope(), tenant_scope(tenant.info.id):
        assert quotas.consume(tenant.ctx, Measure.INGEST, 50_000).allowed
    expect(card.locator(".meter-head")).not_to_contain_text(" 0 of")
    expect(card.locator(".meter-foot")).not_to_contain_text("0 % used")
    line = home.page.locator("#home li", has_text="Rows brought in")
    expect(line).not_to_contain_text("0% of")


def test_news_show_although_the_page_could_not_be_drawn_at_once(
    tab: OpenTab, things: Things, rename: Callable[[str], None]
) -> None:
    """A server that ends, or that has too much to do, when the page asks for itself anew."""
    one = tab("analyst").open(f"entities/{things.group}/")
    one.wait_live()
    refused: list[str] = []

    def refuse_twice(route: Route) -> None:
        if route.request.headers.get("x-requested-with") != "fetch" or len(refused) == 2:
            route.continue_()
            return
        refused.append(route.request.url)
        if len(refused) == 1:
            route.fulfill(status=503, body="away")
        else:
            route.abort()

    one.page.route("**/entities/**", refuse_twice)
    rename("Seen all the same")
    expect(one.page.get_by_role("heading", level=1)).to_have_text("Seen all the same", timeout=30_000)
    assert len(refused) == 2
    one.trouble.clear()  # the browser logs what was refused
