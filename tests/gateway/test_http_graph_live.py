"""A day's work over GraphQL against the real web process: writing, reading, pages, filters, input that is refused."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import TenantKit, make_tenant
from tests.gateway.clients import Api
from tests.gateway.live_server import LiveServer

WRITE = "mutation ($input: [EntityInput!]!) { upsertEntities(input: $input) { created updated unchanged entities { id name version } errors { index code field message } } }"


@pytest.fixture(scope="module")
def kit() -> TenantKit:
    return make_tenant()


@pytest.fixture(scope="module")
def keys(kit: TenantKit) -> dict[str, str]:
    return {scope: kit.key(scope) for scope in ("reader", "writer", "admin")}


@pytest.fixture(scope="module")
def api(live: LiveServer, keys: dict[str, str]) -> Iterator[Api]:
    return Api(live.url, keys["writer"])


def test_the_slice_of_a_days_work(api: Api) -> None:
    written = api.data(
        WRITE,
        input=[
            {"kind": "Asset", "externalId": f"a{n}", "name": f"Asset {n}", "properties": {"n": n}} for n in range(3)
        ],
    )["upsertEntities"]
    assert (written["created"], written["updated"], written["unchanged"]) == (3, 0, 0)
    again = api.data(
        WRITE, input=[{"kind": "Asset", "externalId": "a0", "name": "Renamed"}, {"kind": "Asset", "externalId": "a1"}]
    )["upsertEntities"]
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 1, 1)
    first, second, third = (entity["id"] for entity in written["entities"])
    edges = api.data(
        """mutation ($input: [EdgeInput!]!) { upsertEdges(input: $input) { created edges { id kind source target } errors { index code field } } }""",
        input=[
            {"kind": "USES", "source": first, "target": second},
            {
                "kind": "USES",
                "sourceKind": "Asset",
                "sourceExternalId": "a1",
                "targetKind": "Asset",
                "targetExternalId": "a2",
            },
            {"kind": "USES", "source": "nonsense", "target": second},
            {"kind": "USES", "source": first, "target": "01990000-0000-7000-8000-000000000009"},
        ],
    )["upsertEdges"]
    assert edges["created"] == 2
    assert [(e["index"], e["code"]) for e in edges["errors"]] == [(2, "BAD_USER_INPUT"), (3, "DANGLING_EDGE")]
    assert (edges["edges"][1]["source"], edges["edges"][1]["target"]) == (second, third)

    entity = api.data(
        """query ($id: ID!) { entity(id: $id) { name version properties updatedAt eventId withheld
             outEdges { nodes { kind targetEntity { name inEdges { nodes { source } } } } pageInfo { hasNextPage } } history { version op eventId } }
           asset(id: $id) { name } }""",
        id=first,
    )
    assert entity["entity"]["name"] == entity["asset"]["name"] == "Renamed"
    assert (entity["entity"]["version"], entity["entity"]["properties"], entity["entity"]["eventId"]) == (
        2,
        {"n": 0},
        None,
    )
    assert entity["entity"]["outEdges"]["nodes"][0]["targetEntity"]["inEdges"]["nodes"] == [{"source": first}]
    assert entity["entity"]["updatedAt"].endswith("Z")

    around = api.data(
        "query ($id: ID!) { neighborhood(id: $id, hops: 2) { nodes { id } edges { kind } truncated withheldCount } }",
        id=first,
    )["neighborhood"]
    assert {node["id"] for node in around["nodes"]} == {first, second, third}
    assert (len(around["edges"]), around["truncated"], around["withheldCount"]) == (2, False, 0)
    path = api.data(
        "query ($a: ID!, $b: ID!) { shortestPath(source: $a, target: $b) { nodes { id } } }", a=first, b=third
    )["shortestPath"]
    assert [node["id"] for node in path["nodes"]] == [first, second, third]
    found = api.data('{ search(q: "renam") { nodes { id } edges { rank snippet } totalCount } }')["search"]
    assert [node["id"] for node in found["nodes"]] == [first]

    gone = api.data(
        "mutation ($ids: [ID!]!) { deleteEntities(ids: $ids) { deleted edgesDeleted unknown } }",
        ids=[first, "nonsense"],
    )["deleteEntities"]
    assert gone == {"deleted": 1, "edgesDeleted": 1, "unknown": ["nonsense"]}
    assert api.data("query ($id: ID!) { entity(id: $id) { id } }", id=first)["entity"] is None


def test_pages_follow_one_another(api: Api) -> None:
    api.upsert(*({"kind": "Paged", "externalId": f"p{n:03}"} for n in range(25)))
    seen: list[str] = []
    after = None
    while True:
        page = api.data(
            'query ($after: String) { entities(kind: "Paged", first: 10, after: $after) { nodes { externalId } edges { cursor } pageInfo { hasNextPage endCursor } totalCount totalIsEstimate } }',
            after=after,
        )["entities"]
        seen += [node["externalId"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        assert (page["totalCount"], page["totalIsEstimate"]) == (25, False)
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == [f"p{n:03}" for n in range(25)]


def test_a_stale_version_is_refused(api: Api) -> None:
    api.upsert({"kind": "Versioned", "externalId": "v"})
    result = api.data(WRITE, input=[{"kind": "Versioned", "externalId": "v", "name": "x", "expectedVersion": 7}])[
        "upsertEntities"
    ]
    assert [e["code"] for e in result["errors"]] == ["STALE_VERSION"]
    assert result["entities"] == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", ""),
        ("kind", "\x00"),
        ("externalId", ""),
        ("externalId", "a\x00b"),
        ("name", "x" * 5_000),
        ("dataClass", "secret"),
        ("retentionTier", "forever"),
        ("redactionPolicy", "burn"),
        ("purposes", ["NOT A PURPOSE"]),
        ("expectedVersion", -1),
    ],
)
def test_bad_inputs_come_back_as_rows_and_good_ones_are_kept(api: Api, field: str, value: Any) -> None:
    good = {"kind": "Kept", "externalId": f"{field}-{value!r}"[:40].replace("\x00", "")}
    result = api.data(WRITE, input=[{"kind": "Bad", "externalId": "b", field: value}, good])["upsertEntities"]
    assert [(e["index"], e["field"]) for e in result["errors"]] == [(0, field)]
    assert result["created"] == 1


@pytest.mark.parametrize(
    "properties", ['{a: "\\u0000"}', "{a: 99999999999999999999}", "{a: ENUM}", "{a: 1, a: 2}", "{a: 1e999}"]
)
def test_json_that_cannot_be_kept_is_refused_before_anything_runs(api: Api, properties: str) -> None:
    answer = api.run(
        f'mutation {{ upsertEntities(input: [{{kind: "J", externalId: "j", properties: {properties}}}]) {{ created }} }}'
    )
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert "data" not in answer


def test_json_in_variables_is_checked_too(api: Api) -> None:
    deep: Any = "x"
    for _ in range(40):
        deep = [deep]
    for properties in ({"a": "\x00"}, {"a": deep}):
        assert api.code(WRITE, input=[{"kind": "J", "externalId": "j", "properties": properties}]) == "BAD_USER_INPUT"


def test_values_that_mean_nothing_find_nothing_and_are_told(api: Api) -> None:
    answer = api.run(
        '{ entity(id: "nonsense") { id } entities(kind: "\\u0000", first: -3) { nodes { id } } asset(id: 5) { id } }'
    )
    assert answer["data"] == {"entity": None, "entities": {"nodes": []}, "asset": None}
    assert [warning["field"] for warning in answer["extensions"]["warnings"]] == ["id", "kind", "first", "id"]
    cursor = api.data(
        '{ entities(after: "forged") { nodes { id } errors { field code } } search(q: "  ") { nodes { id } errors { field } } }'
    )
    assert cursor["entities"] == {"nodes": [], "errors": [{"field": "after", "code": "BAD_USER_INPUT"}]}
    assert cursor["search"] == {"nodes": [], "errors": [{"field": "q"}]}


@pytest.mark.parametrize(
    "filters",
    [
        {"nonsense": 1},
        {"name": {"like": "x"}},
        {"name": 5},
        {"version": "x"},
        {"updatedAt": "yesterday"},
        [],
        "x",
        {"kind": {"in": []}},
    ],
)
def test_a_wrong_filter_is_refused_by_name(api: Api, filters: Any) -> None:
    assert api.code("query ($f: JSON) { entities(filters: $f) { totalCount } }", f=filters) == "BAD_USER_INPUT"


def test_limits_refuse_shape_and_cut_size(api: Api) -> None:
    deep = "{ entities { nodes " + "{ outEdges { nodes { targetEntity " * 6 + "{ id }" + " } } }" * 6 + " } }"
    assert api.code(deep) == "TOO_COMPLEX"
    assert api.code("{ " + " ".join(f"a{n}: apiVersion" for n in range(61)) + " }") == "TOO_COMPLEX"
    assert api.code("{ " + "apiVersion " * 5_000 + "}") == "TOO_COMPLEX"
    api.upsert(*({"kind": "Many", "externalId": f"m{n:04}"} for n in range(600)))
    wide = (
        "{ "
        + " ".join(
            f'a{n}: entities(kind: "Many", first: 500) {{ nodes {{ id kind name }} pageInfo {{ hasNextPage }} }}'
            for n in range(10)
        )
        + " }"
    )
    answer = api.run(wide)
    rows = sum(len(page["nodes"]) for page in answer["data"].values())
    assert rows == answer["extensions"]["cost"]["rows"] <= answer["extensions"]["cost"]["rowLimit"]
    cut = [page for page in answer["data"].values() if len(page["nodes"]) < 500]
    assert cut
    assert all(page["pageInfo"]["hasNextPage"] for page in cut)


ERASE = """mutation ($s: String!) { requestErasure(subjectId: $s, scope: DELETE) {
  id subjectId scope status requestedAt errors { field } } }"""


def test_an_erasure_is_asked_for_by_those_who_may(live: LiveServer, api: Api, keys: dict[str, str]) -> None:
    admin = Api(live.url, keys["admin"])
    asked = admin.data(ERASE, s="person-17")["requestErasure"]
    assert (asked["subjectId"], asked["scope"], asked["status"], asked["errors"]) == (
        "person-17",
        "DELETE",
        "QUEUED",
        [],
    )
    assert admin.data(ERASE, s="person-17")["requestErasure"]["id"] == asked["id"]
    refused = admin.data(ERASE, s=" ")["requestErasure"]
    assert (refused["id"], refused["status"], refused["errors"]) == (None, "REFUSED", [{"field": "subjectId"}])
    assert api.code(ERASE, s="person-17") == "FORBIDDEN"
