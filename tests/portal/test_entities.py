"""Entity pages: what is listed, what one is, how it is changed; and who sees none of it."""

import json
import re
from collections.abc import Callable

import pytest

from apps.core.scope import no_scope, tenant_scope
from apps.graph import selectors, services
from apps.graph.types import EntityInput
from tests.conftest import TenantKit
from tests.portal.conftest import Graph
from tests.portal.visitors import Visitor, signed_in, text_of

MakeGraph = Callable[[TenantKit], Graph]


def plain(page: str) -> str:
    """Return a page's text with markup and white space taken out."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_the_list_shows_what_is_there_by_name(tenant: TenantKit, graph_of: MakeGraph) -> None:
    graph_of(tenant)
    page = text_of(signed_in(tenant, "owner").get("entities/"))
    names = re.findall(r'class="row-link"[^>]*>([^<]+)<', page)
    assert names == ["Ada Quist", "Hammer", "Nordlicht"]
    assert "4 entities" in page and "Withheld: purpose" in plain(page)
    assert "Shown with permission." in page, "the licence of the data stands beside it"


def test_the_list_is_searched_filtered_and_sorted_by_its_address(tenant: TenantKit, graph_of: MakeGraph) -> None:
    graph_of(tenant)
    visitor = signed_in(tenant, "owner")
    assert "Nordlicht" in text_of(visitor.get("entities/?q=aurora")), "an alias is found"
    tools = text_of(visitor.get("entities/?kind=Tool"))
    assert "Hammer" in tools and "Nordlicht" not in tools
    down = text_of(visitor.get("entities/?sort=-name"))
    assert down.index("Nordlicht") < down.index("Hammer") and 'aria-sort="descending"' in down
    assert "Nothing matches" in text_of(visitor.get("entities/?q=zzz"))
    assert "This cannot be searched for" in text_of(visitor.get("entities/?q=***"))
    assert visitor.get("entities/?after=forged").status_code == 400


def test_the_list_pages_by_cursor(tenant: TenantKit, settle: Callable[[], None]) -> None:
    with no_scope(), tenant_scope(tenant.info.id):
        services.upsert_entities(
            tenant.ctx, inputs=[EntityInput("Tool", f"t-{i}", name=f"Tool {i:03}") for i in range(60)]
        )
    settle()
    visitor = signed_in(tenant, "owner")
    first = text_of(visitor.get("entities/"))
    (following,) = re.findall(r'href="(/t/[^"]+after=[^"]+)" rel="next"', first)
    second = text_of(visitor.get(following.replace("&amp;", "&")))
    names = re.findall(r"Tool \d{3}", first) + re.findall(r"Tool \d{3}", second)
    assert sorted(set(names)) == [f"Tool {i:03}" for i in range(60)] and 'rel="next"' not in second


def test_an_empty_tenant_says_what_to_do(tenant: TenantKit) -> None:
    page = text_of(signed_in(tenant, "owner").get("entities/"))
    assert "No entities yet" in page and "Bring in data" in page


def test_a_page_says_what_it_is_where_from_and_what_happened(tenant: TenantKit, graph_of: MakeGraph) -> None:
    made = graph_of(tenant)
    page = text_of(signed_in(tenant, "owner").get(f"entities/{made.group}/"))
    words = plain(page)
    for said in (
        "Nordlicht",
        "Aurora",
        "field notes",
        "to 2",
        "from 1",
        "Hammer",
        "Ada Quist",
        "Created",
        "version 1",
        "test",
    ):
        assert said in words, said
    assert "Saw" not in words and "Withheld: purpose" in words
    assert "&lt;b&gt;many&lt;/b&gt;" in page and "<b>many" not in page
    assert re.search(r'tone-sealed[^>]*href="/t/[^"]+/ledger/\d+/"', page), "its proof is one click away"


def test_history_shows_before_and_after(tenant: TenantKit, graph_of: MakeGraph, settle: Callable[[], None]) -> None:
    made = graph_of(tenant)
    with no_scope(), tenant_scope(tenant.info.id):
        services.upsert_entities(tenant.ctx, inputs=[EntityInput("Tool", "t-1", name="Mallet")])
    visitor = signed_in(tenant, "owner")
    assert "waiting" in text_of(visitor.get(f"entities/{made.hammer}/")), "not numbered yet, and says so"
    settle()
    page = text_of(visitor.get(f"entities/{made.hammer}/"))
    assert "<del>Hammer</del>" in page and "<ins>Mallet</ins>" in page and "waiting" not in page


def test_a_reader_who_is_not_cleared_sees_marks(tenant: TenantKit, graph_of: MakeGraph) -> None:
    made = graph_of(tenant)
    visitor = signed_in(tenant, "reader")
    page = text_of(visitor.get(f"entities/{made.person}/"))
    assert "1815" not in page and "Ada Quist" not in page and "withheld: data class" in plain(page)
    assert "Edit" not in plain(page) and visitor.get(f"entities/{made.person}/edit/").status_code == 403
    withheld = visitor.get(f"entities/{made.saw}/")
    assert withheld.status_code == 403 and "withheld from you: purpose" in text_of(withheld)
    assert "Saw" not in text_of(withheld)


@pytest.mark.parametrize("role", ["auditor:tenant", "billing"])
def test_roles_without_the_right_are_refused(tenant: TenantKit, graph_of: MakeGraph, role: str) -> None:
    made = graph_of(tenant)
    visitor = signed_in(tenant, role)
    for path in (
        "entities/",
        f"entities/{made.group}/",
        f"entities/{made.group}/edit/",
        f"entities/{made.group}/relations/out/uses/",
    ):
        answer = visitor.get(path)
        assert answer.status_code == 403 and "You may not open this" in text_of(answer), path
    assert "Entities" not in re.findall(r'class="nav-link"[^>]*>.*?</a>', text_of(visitor.get(""))).__repr__()


def test_an_outsider_is_not_told_that_anything_exists(
    tenant: TenantKit, outsider: TenantKit, graph_of: MakeGraph
) -> None:
    made = graph_of(tenant)
    stranger = signed_in(outsider, "owner")
    slug, other = tenant.info.slug, outsider.info.slug
    for path in (
        "",
        "entities/",
        f"entities/{made.group}/",
        "ledger/",
        "ledger/1/",
        "imports/",
        "-/palette/?q=nord",
        "ledger/export/",
    ):
        there, nowhere = stranger.get(f"/t/{slug}/{path}"), stranger.get(f"/t/no-such-tenant/{path}")
        assert there.status_code == nowhere.status_code == 404, path
        assert b"Nordlicht" not in there.content
    for path in (
        f"entities/{made.group}/",
        f"entities/{made.group}/edit/",
        f"entities/{made.group}/relations/out/uses/",
    ):
        assert stranger.get(f"/t/{other}/{path}").status_code == 404, path
    assert stranger.post(f"/t/{other}/entities/{made.group}/delete/", {"confirm_name": "Nordlicht"}).status_code == 404
    assert Visitor().get(f"/t/{slug}/entities/").status_code == 302


def test_relations_of_one_kind_have_a_page(tenant: TenantKit, graph_of: MakeGraph) -> None:
    made = graph_of(tenant)
    visitor = signed_in(tenant, "analyst")
    page = plain(text_of(visitor.get(f"entities/{made.group}/relations/out/uses/")))
    assert "Hammer" in page and "2 relations" in page and "Saw" not in page and "Withheld: purpose" in page
    assert "Nordlicht" in text_of(visitor.get(f"entities/{made.hammer}/relations/in/uses/"))
    assert visitor.get(f"entities/{made.group}/relations/sideways/uses/").status_code == 404


def form_of(page: str) -> dict[str, str]:
    found = dict(re.findall(r'<input type="hidden" name="(version|name|properties)" value="([^"]*)"', page))
    return {key: value.replace("&quot;", '"').replace("&#x27;", "'") for key, value in found.items()}


def current(tenant: TenantKit, made: Graph) -> tuple[str, dict[str, object], int]:
    with no_scope(), tenant_scope(tenant.info.id):
        row = selectors.get_entity(tenant.ctx, made.hammer)
    assert row is not None
    return row.name, row.properties, row.version


def test_a_change_is_reviewed_then_saved(tenant: TenantKit, graph_of: MakeGraph) -> None:
    made, visitor = graph_of(tenant), signed_in(tenant, "analyst")
    path = f"entities/{made.hammer}/edit/"
    wanted = {"version": "1", "name": "Sledge", "properties": '{"weight": 9}'}
    review = text_of(visitor.post(path, wanted))
    assert "<del>Hammer</del>" in review and "<ins>9</ins>" in review and "Nothing is saved yet" in review
    assert current(tenant, made) == ("Hammer", {}, 1)
    saved = visitor.post(path, {**form_of(review), "confirm": "1"})
    assert saved.status_code == 302 and current(tenant, made) == ("Sledge", {"weight": 9}, 2)
    assert "Saved as version 2" in text_of(visitor.get(f"entities/{made.hammer}/"))


def test_nothing_changed_writes_nothing(tenant: TenantKit, graph_of: MakeGraph) -> None:
    made, visitor = graph_of(tenant), signed_in(tenant, "analyst")
    same = {"version": "1", "name": "Hammer", "properties": "{}", "confirm": "1"}
    assert visitor.post(f"entities/{made.hammer}/edit/", same).status_code == 302
    assert current(tenant, made)[2] == 1 and "Nothing was changed." in text_of(visitor.get(f"entities/{made.hammer}/"))


def test_a_stale_save_shows_both_and_writes_nothing(tenant: TenantKit, graph_of: MakeGraph) -> None:
    made, visitor = graph_of(tenant), signed_in(tenant, "analyst")
    with no_scope(), tenant_scope(tenant.info.id):
        services.upsert_entities(tenant.ctx, inputs=[EntityInput("Tool", "t-1", name="Theirs")])
    path = f"entities/{made.hammer}/edit/"
    answer = visitor.post(path, {"version": "1", "name": "Mine", "properties": "{}", "confirm": "1"})
    page = text_of(answer)
    assert answer.status_code == 409 and "Someone else changed this entity" in page
    assert "<ins>Theirs</ins>" in page and "<ins>Mine</ins>" in page
    assert current(tenant, made) == ("Theirs", {}, 2)
    assert visitor.post(path, {**form_of(page), "confirm": "1"}).status_code == 302
    assert current(tenant, made) == ("Mine", {}, 3)


@pytest.mark.parametrize(
    ("properties", "says"),
    [
        ("{", "This is not JSON"),
        ("[1]", "Properties are an object"),
        ('{"a": 1, "a": 2}', "The name “a” stands twice"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": 99999999999999999999}', "beyond 2^53"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": "\\u0000"}', "NUL"),
    ],
)
def test_properties_that_cannot_be_taken_say_why(
    tenant: TenantKit, graph_of: MakeGraph, properties: str, says: str
) -> None:
    made, visitor = graph_of(tenant), signed_in(tenant, "analyst")
    answer = visitor.post(
        f"entities/{made.hammer}/edit/", {"version": "1", "name": "X", "properties": properties, "confirm": "1"}
    )
    assert answer.status_code == 422 and says in text_of(answer)
    assert current(tenant, made) == ("Hammer", {}, 1)


def test_deleting_needs_the_name(tenant: TenantKit, graph_of: MakeGraph, settle: Callable[[], None]) -> None:
    made, visitor = graph_of(tenant), signed_in(tenant, "analyst")
    path = f"entities/{made.group}/delete/"
    assert visitor.get(path).status_code == 405
    assert visitor.post(path, {"confirm_name": "nordlicht"}).status_code == 400
    assert visitor.get(f"entities/{made.group}/").status_code == 200
    assert visitor.post(path, {"confirm_name": "Nordlicht"}).status_code == 302
    assert visitor.get(f"entities/{made.group}/").status_code == 404
    assert "Deleted Nordlicht and 3 of its relations" in text_of(visitor.get("entities/"))


def test_the_palette_finds_what_the_viewer_may_open(tenant: TenantKit, graph_of: MakeGraph) -> None:
    graph_of(tenant)
    found = text_of(signed_in(tenant, "analyst").get("-/palette/?q=nord"))
    assert "Nordlicht" in found and 'role="option"' in found
    auditor = signed_in(tenant, "auditor:tenant")
    assert "Nordlicht" not in text_of(auditor.get("-/palette/?q=nord"))
    everything = text_of(auditor.get("-/palette/"))
    assert "/ledger/" in everything and "/entities/" not in everything
    assert json.dumps(text_of(auditor.get("-/palette/?q=%3Cscript%3E"))).count("<script>") == 0
