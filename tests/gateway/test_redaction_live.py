"""What tagged data looks like through GraphQL, to whom; and that nothing tells what is withheld."""

from typing import Any

import pytest

from tests.conftest import TenantKit, make_tenant
from tests.gateway.clients import Api, socket
from tests.gateway.following import follow, take
from tests.gateway.live_server import LiveServer

SHOW = "query ($id: ID!) { entity(id: $id) { kind name externalId properties dataClass withheld withheldReason } }"


@pytest.fixture(scope="module")
def kit() -> TenantKit:
    return make_tenant()


@pytest.fixture(scope="module")
def api(live: LiveServer, kit: TenantKit) -> Api:
    return Api(live.url, kit.key("writer"))


@pytest.fixture(scope="module")
def reader(live: LiveServer, kit: TenantKit) -> Api:
    return Api(live.url, kit.key("reader"))


@pytest.fixture(scope="module")
def ids(api: Api) -> dict[str, str]:
    person = {"kind": "Person", "name": "Ada Lovelace", "properties": {"born": "1815-12-10"}, "dataClass": "personal"}
    written = api.upsert(
        {"kind": "Company", "externalId": "open", "name": "Open Ltd"},
        {**person, "externalId": "masked"},
        {**person, "externalId": "hashed", "redactionPolicy": "hash"},
        {**person, "externalId": "dropped", "redactionPolicy": "drop"},
        {**person, "externalId": "sensitive", "dataClass": "sensitive"},
        {**person, "externalId": "bound", "purposes": ["fraud-risk"]},
    )
    # What is sensitive is withheld from the writer as well, so its id is found by the owner's own reading elsewhere.
    found = {entity["externalId"]: entity["id"] for entity in written}
    open_ = found["open"]
    ends = [
        {"kind": "KNOWS", "source": open_, "targetKind": "Person", "targetExternalId": key}
        for key in ("masked", "sensitive", "bound")
    ]
    result = api.data("mutation ($i: [EdgeInput!]!) { upsertEdges(input: $i) { created errors { message } } }", i=ends)[
        "upsertEdges"
    ]
    assert result == {"created": 3, "errors": []}
    return found


def test_those_who_are_cleared_see_it(api: Api, ids: dict[str, str]) -> None:
    seen = api.data(SHOW, id=ids["masked"])["entity"]
    assert (seen["name"], seen["properties"], seen["withheld"]) == ("Ada Lovelace", {"born": "1815-12-10"}, [])


@pytest.mark.parametrize(("which", "properties"), [("masked", {"born": "•••"}), ("dropped", {})])
def test_those_who_are_not_see_that_it_is_there(reader: Api, ids: dict[str, str], which: str, properties: Any) -> None:
    seen = reader.data(SHOW, id=ids[which])["entity"]
    assert seen["kind"] == "Person"
    assert "Ada" not in str(seen)
    assert "1815" not in str(seen)
    assert seen["properties"] == properties
    assert (seen["withheld"], seen["withheldReason"]) == (["name", "externalId", "properties"], "data class")


def test_hashes_compare_and_do_not_tell(reader: Api, ids: dict[str, str]) -> None:
    seen = reader.data(SHOW, id=ids["hashed"])["entity"]
    assert seen["name"].startswith("#")
    assert seen == reader.data(SHOW, id=ids["hashed"])["entity"]


def test_sensitive_data_is_withheld_and_counted(
    live: LiveServer, kit: TenantKit, api: Api, ids: dict[str, str]
) -> None:
    assert "sensitive" not in ids
    page = api.data("{ entities { nodes { externalId } totalCount withheldCount } }")["entities"]
    assert "sensitive" not in [node["externalId"] for node in page["nodes"]]
    assert page["withheldCount"] == page["totalCount"] - len(page["nodes"]) == 2
    around = api.data(
        "query ($id: ID!) { neighborhood(id: $id) { nodes { externalId } edges { target } withheldCount } }",
        id=ids["open"],
    )["neighborhood"]
    assert {node["externalId"] for node in around["nodes"]} == {"open", "masked"}
    assert around["withheldCount"] == 2
    assert [edge["target"] for edge in around["edges"]] == [ids["masked"]]


def test_purpose_opens_what_it_names_and_nothing_else(live: LiveServer, kit: TenantKit, ids: dict[str, str]) -> None:
    token = kit.key("writer")
    names = {
        purpose: [
            n["externalId"]
            for n in Api(live.url, token, **headers).data("{ entities { nodes { externalId } } }")["entities"]["nodes"]
        ]
        for purpose, headers in {
            "none": {},
            "fraud-risk": {"x-ig-purpose": "fraud-risk"},
            "investigation": {"x-ig-purpose": "investigation"},
        }.items()
    }
    assert "bound" in names["fraud-risk"]
    assert "bound" not in names["none"]
    assert "bound" not in names["investigation"]
    assert Api(live.url, token, **{"x-ig-purpose": "NOT A PURPOSE"}).post("{ apiVersion }").status_code == 400


def test_a_match_tells_nothing(reader: Api, api: Api, ids: dict[str, str]) -> None:
    assert api.data('{ search(q: "lovelace") { nodes { name } } }')["search"]["nodes"]
    hidden = reader.data('{ search(q: "lovelace") { nodes { id } edges { snippet } withheldCount } }')["search"]
    assert (hidden["nodes"], hidden["edges"]) == ([], [])
    for filters in ({"name": {"prefix": "Ada"}}, {"properties.born": "1815-12-10"}, {"externalId": "masked"}):
        page = reader.data("query ($f: JSON) { entities(filters: $f) { nodes { id } } }", f=filters)["entities"]
        assert page["nodes"] == []
        assert api.data("query ($f: JSON) { entities(filters: $f) { nodes { id } } }", f=filters)["entities"]["nodes"]


def test_pushed_updates_are_redacted_alike(live: LiveServer, kit: TenantKit, api: Api, ids: dict[str, str]) -> None:
    with socket(live.ws_url, kit.key("reader")) as low, socket(live.ws_url, kit.key("writer")) as high:
        low_id, high_id = follow(low, kit), follow(high, kit)
        api.upsert(
            {"kind": "Person", "externalId": "masked", "name": "Ada King"},
            {"kind": "Person", "externalId": "sensitive", "name": "Ada King"},
            {"kind": "Company", "externalId": "open", "name": "Still open"},
        )
        for client, id_, names in ((low, low_id, ["•••", "Still open"]), (high, high_id, ["Ada King", "Still open"])):
            assert sorted(change["entity"]["name"] for change in take(client, id_, 2)) == sorted(names)
            assert client.quiet()
