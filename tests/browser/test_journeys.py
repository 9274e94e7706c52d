"""What people do in the portal, in a real browser."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Tab, Things
from tests.gateway.live_server import LiveServer

OpenTab = Callable[..., Tab]


def test_from_sign_in_to_a_live_change(
    tab: OpenTab, things: Things, account: tuple[str, str], rename: Callable[[str], None]
) -> None:
    one = tab()
    page = one.open("/").page
    page.get_by_role("link", name="Sign in to your tenant").click()
    page.get_by_label("E-mail address").fill(account[0])
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    one.trouble.clear()  # the browser logs the refusal's status
    page.get_by_label("Password").fill(account[1])
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Test tenant")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Entities").click()
    page.get_by_role("searchbox").press_sequentially("auro")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert "q=auro" in page.url
    page.get_by_role("link", name="Nordlicht").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nordlicht")
    expect(page.locator(".relation-list")).to_contain_text("Hammer")
    one.wait_live()
    rename("Polarlicht")
    expect(page.get_by_role("heading", level=1)).to_have_text("Polarlicht")
    expect(page.locator("#toasts")).to_contain_text("Now version 2")
    expect(page.locator(".timeline del").first).to_have_text("Nordlicht")
    expect(page.locator(".timeline")).to_contain_text("test")


def test_a_list_offers_what_came_since(tab: OpenTab, things: Things, rename: Callable[[str], None]) -> None:
    one = tab("analyst").open("entities/")
    one.wait_live()
    rename("Polarlicht")
    offer = one.page.locator("#live-offer")
    expect(offer).to_contain_text("1 change since you opened this list")
    offer.click()
    expect(one.page.get_by_role("link", name="Polarlicht")).to_be_visible()


def test_what_was_missed_arrives_after_a_break(
    tab: OpenTab, things: Things, rename: Callable[[str], None], live: LiveServer
) -> None:
    one = tab("analyst").open(f"entities/{things.group}/")
    one.wait_live()
    rename("First")
    expect(one.page.get_by_role("heading", level=1)).to_have_text("First")
    live.web.end()
    one.page.wait_for_selector('#live-sign[data-state="reconnecting"]')
    rename("While away")
    live.web.start()
    live.wait_ready()
    one.wait_live()
    expect(one.page.get_by_role("heading", level=1)).to_have_text("While away")
    one.trouble.clear()  # the browser logs every failed attempt


def test_two_people_change_the_same_thing(tab: OpenTab, things: Things, rename: Callable[[str], None]) -> None:
    one = tab("analyst").open(f"entities/{things.group}/edit/")
    page = one.page
    page.get_by_label("Name").fill("Mine")
    rename("Theirs")
    page.get_by_role("button", name="Review changes").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Someone else changed this entity")
    one.trouble.clear()
    page.get_by_role("button", name="Save mine over it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Mine")
    expect(page.locator(".notice")).to_contain_text("Saved as version 3")


def test_deleting_names_what_is_lost_and_asks_for_the_name(tab: OpenTab, things: Things) -> None:
    page = tab("analyst").open(f"entities/{things.group}/").page
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 relation to other entities")
    confirm = dialog.get_by_role("button", name="Delete entity")
    expect(confirm).to_be_disabled()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Delete")).to_be_focused()
    page.get_by_role("button", name="Delete").click()
    dialog.get_by_role("textbox").fill("Nordlicht")
    confirm.click()
    expect(page.locator(".notice")).to_contain_text("Deleted Nordlicht")


def test_everything_but_live_works_without_scripts(tab: OpenTab, things: Things, account: tuple[str, str]) -> None:
    page = tab(java_script_enabled=False).open("/login/").page
    page.get_by_label("E-mail address").fill(account[0])
    page.get_by_label("Password").fill(account[1])
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("link", name="Entities", exact=True).first.click()
    page.get_by_role("searchbox").fill("nordlicht")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Nordlicht").click()
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Name").fill("Ohne Skript")
    page.get_by_role("button", name="Review changes").click()
    page.get_by_role("button", name="Save as version 2").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ohne Skript")
    page.get_by_role("button", name="Account").click()
    page.get_by_role("button", name="Dark").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.get_by_role("button", name="Account").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in to your tenant")).to_be_visible()


PAGES = (
    "",
    "entities/",
    "entities/{group}/",
    "entities/{group}/edit/",
    "ledger/",
    "ledger/1/",
    "imports/",
    "imports/new/",
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_small_screens(tab: OpenTab, things: Things, scheme: str) -> None:
    one = tab("owner", viewport={"width": 320, "height": 640}, color_scheme=scheme)
    for path in (*PAGES, "/-/components/"):
        page = one.open(path.format(group=things.group)).page
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, f"{path} is {wide} px too wide"
        page.get_by_role("button", name="Menu").click()
        expect(page.get_by_role("navigation", name="Main")).to_be_visible()
