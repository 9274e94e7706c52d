"""A list's address says everything about it."""

from urllib.parse import parse_qs, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from apps.portal.tables import ListQuery, Table
from apps.portal.types import Cell, Column, Empty, Filter, Option, Row

COLUMNS = (
    Column("name", "Name", sortable=True, matters=True, optional=False),
    Column("kind", "Kind", sortable=True, matters=True),
    Column("edges", "Edges", numeric=True),
)


def query(**parameters: str) -> ListQuery:
    return ListQuery.parse("/list/", parameters, filters=("kind",), sorts=("name", "kind"))


def table(state: ListQuery, **more: object) -> Table:
    kinds = Filter(
        "kind", "Kind", (Option("tool", "tool", 91), Option("malware", "malware")), state.filters.get("kind", "")
    )
    rows = (Row("1", {"name": Cell("A"), "kind": Cell("tool"), "edges": Cell("3")}),)
    values: dict[str, object] = {"filters": (kinds,), "rows": rows, **more}
    return Table(id="t", caption="Things", query=state, columns=COLUMNS, empty=Empty("None", "None yet."), **values)  # type: ignore[arg-type]


words = st.text(st.characters(exclude_categories=("Cs",)), max_size=30).map(str.strip)


@given(q=words, kind=words, sort=st.sampled_from(["", "name", "-name", "kind"]), after=words)
def test_an_address_comes_back_as_it_was_written(q: str, kind: str, sort: str, after: str) -> None:
    state = query(q=q, kind=kind, sort=sort, after=after)
    said = {key: values[0] for key, values in parse_qs(urlsplit(state.href(after=state.after)).query).items()}
    assert query(**said) == state


def test_unknown_sorts_and_filters_are_left_out() -> None:
    state = query(sort="password", colour="red")
    assert state.sort == "" and state.filters == {} and state.href() == "/list/"


def test_a_change_goes_back_to_the_first_page() -> None:
    state = query(q="apt", after="cursor")
    assert "after" not in state.href(sort="name") and "q=apt" in state.href(sort="name")


def test_a_heading_sorts_up_then_down() -> None:
    up = table(query()).heads[0]
    assert up.sorted == "" and up.href == "/list/?sort=name"
    down = table(query(sort="name")).heads[0]
    assert down.sorted == "ascending" and down.href == "/list/?sort=-name"
    assert table(query(sort="-name")).heads[0].sorted == "descending"
    assert table(query()).heads[2].href == ""


def test_a_chip_that_is_on_leads_to_the_list_without_it() -> None:
    ((_, chips),) = table(query(kind="tool", q="x")).chips
    assert [(chip.on, chip.href) for chip in chips] == [(True, "/list/?q=x"), (False, "/list/?q=x&kind=malware")]


def test_columns_can_be_hidden_and_shown_but_not_the_one_that_names_the_row() -> None:
    hidden = table(query(hide="kind,name"))
    assert [column.key for column in hidden.shown] == ["name", "edges"]
    assert [(column.key, on) for column, on, _ in hidden.choices] == [("kind", False), ("edges", True)]
    _, _, back = hidden.choices[0]
    assert "kind" not in back


def test_paging_keeps_what_narrows_the_list() -> None:
    page = table(query(kind="tool", after="a"), next_cursor="b")
    assert page.next_href == "/list/?kind=tool&after=b" and page.first_href == "/list/?kind=tool"
    assert table(query()).next_href == "" and table(query()).first_href == ""
    assert page.clear_href == "/list/"
