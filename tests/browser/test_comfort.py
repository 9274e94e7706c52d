"""Appearance and keyboard."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import Tab, Things

OpenTab = Callable[..., Tab]


def lightness(page: Page) -> float:
    """Return how light the page's ground is, from 0 to 1 (the first number of its OKLCH colour)."""
    colour: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return float(colour.removeprefix("oklch(").split()[0])


def test_dark_follows_the_system_until_chosen_and_is_remembered(tab: OpenTab, things: Things) -> None:
    one = tab("analyst", color_scheme="dark").open("")
    page = one.page
    assert lightness(page) < 0.3
    page.get_by_role("button", name="Account").click()
    page.get_by_role("button", name="Light").click()
    assert lightness(page) > 0.9
    one.open("ledger/")
    assert lightness(page) > 0.9 and page.locator("html").get_attribute("data-theme") == "light"
    page.get_by_role("button", name="Account").click()
    page.get_by_role("button", name="As the system").click()
    one.open("")
    assert lightness(page) < 0.3


def test_pages_by_key(tab: OpenTab, things: Things) -> None:
    page = tab("owner").open("").page
    for key, heading in (("e", "Entities"), ("i", "Imports"), ("l", "Ledger"), ("h", "Test tenant")):
        page.keyboard.press("g")
        page.keyboard.press(key)
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)


def test_rows_by_arrow_and_search_by_slash(tab: OpenTab, things: Things) -> None:
    page = tab("owner").open("entities/").page
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="Nordlicht")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("g e")
    assert page.get_by_role("searchbox").input_value() == "g e", "keys typed into a field are text"
    page.get_by_role("searchbox").fill("hammer")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="Hammer")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#entity")).to_be_visible()


def test_the_palette_opens_finds_and_gives_focus_back(tab: OpenTab, things: Things) -> None:
    page = tab("owner").open("entities/").page
    page.get_by_role("searchbox").focus()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox")).to_be_focused()
    expect(page.get_by_role("option", name=re.compile("^Ledger"))).to_be_visible()
    page.keyboard.type("nord")
    expect(page.get_by_role("option").first).to_contain_text("Nordlicht")
    page.keyboard.press("Escape")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.press("Control+k")
    page.keyboard.type("nordlicht")
    expect(page.get_by_role("option", name="Nordlicht")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Nordlicht")


def test_commands_of_the_palette_act(tab: OpenTab, things: Things) -> None:
    page = tab("owner", color_scheme="light").open("").page
    page.keyboard.press("Control+k")
    page.keyboard.type("dark")
    expect(page.get_by_role("option", name="Dark appearance")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Go to Ledger")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_copying_says_so(tab: OpenTab, things: Things) -> None:
    one = tab("owner", permissions=["clipboard-read", "clipboard-write"]).open(f"entities/{things.group}/")
    one.page.get_by_role("button", name="Copy id").click()
    expect(one.page.get_by_role("button", name="Copied")).to_be_visible()
    assert one.page.evaluate("navigator.clipboard.readText()") == things.group


def test_the_first_stop_leads_past_the_navigation(tab: OpenTab, things: Things) -> None:
    page = tab("owner").open("").page
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
