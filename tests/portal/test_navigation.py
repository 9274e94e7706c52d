"""People see the pages that they may open, and keys do not clash."""

from apps.portal import navigation


def test_only_allowed_pages_are_shown() -> None:
    sections = navigation.sections_for(lambda action: action.startswith("ledger."), "ledger", lambda name: f"/{name}/")
    assert [(section.label, [item.name for item in section.items]) for section in sections] == [("Prove", ["ledger"])]
    assert sections[0].items[0].current and sections[0].items[0].href == "/ledger/"


def test_nobody_sees_nothing() -> None:
    assert navigation.sections_for(lambda action: False, "", str) == ()


def test_keys_are_single_letters_and_unique() -> None:
    keys = [page.key for page in (*navigation.PAGES, *navigation.EVERYWHERE) if page.key]
    assert len(keys) == len(set(keys)) and all(len(key) == 1 and key.isalpha() and key != "g" for key in keys)
