"""Texts that came with the data: links and citations are told apart, everything else stays text."""

from hypothesis import given
from hypothesis import strategies as st

from apps.portal import prose
from apps.portal.prose import Part


def test_links_and_citations_are_told_apart() -> None:
    (first, second) = prose.paragraphs(
        "See [APT29](https://example.org/G1).(Citation: Report A)\n\nAgain (Citation: Report A)"
    )
    assert first == (Part("See "), Part("APT29", href="https://example.org/G1"), Part("."), Part("Report A", cited=1))
    assert second == (Part("Again "), Part("Report A", cited=1))


def test_only_web_addresses_become_links() -> None:
    text = "[run](javascript:alert(1)) [data](data:text/html,x)"
    assert prose.paragraphs(text) == ((Part(text),),)


@given(st.text())
def test_no_text_is_lost(text: str) -> None:
    shown = "".join(part.text for block in prose.paragraphs(text) for part in block)
    kept = set(shown) - {"\n"}
    assert kept <= set(text)
    if "(Citation: " not in text and "](" not in text:
        assert "".join(shown.split()) == "".join(text.split())


def test_a_snippet_leaves_out_targets_citations_and_the_name() -> None:
    found = (
        "OLDBAIT · [OLDBAIT](https://example.org/S1) is used by [\x02APT28\x03](https://example.org/G7).(Citation: A)"
    )
    assert prose.snippet(found, "OLDBAIT") == (("OLDBAIT is used by ", False), ("APT28", True), (".", False))


def test_a_snippet_whose_name_is_the_match() -> None:
    assert prose.snippet("\x02APT28\x03 · a group", "APT28") == (("a group", False),)
