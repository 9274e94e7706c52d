"""Mappings over REST: what the published shape allows is taken, what it does not is refused with its place."""

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from apps.connectors import selectors as connectors
from apps.gateway.rest import mapping_contract, schemas
from tests.conftest import TenantKit
from tests.rest.conftest import PEOPLE, Api, problem_of

FULL = {
    "description": "Zoë’s list 😀",
    "format": "csv",
    "options": {
        "delimiter": ";",
        "quote": "'",
        "encoding": "latin-1",
        "header": ["id", "name", "born", "likes", "boss"],
        "nulls": ["", "n/a"],
    },
    "defaults": {
        "dataClass": "personal",
        "retentionTier": "standard-365d",
        "purposes": ["investigation"],
        "licence": "CC0",
    },
    "entities": [
        {
            "kind": "Person",
            "id": "{id}",
            "name": "{name}",
            "properties": {
                "born": {"column": "born", "type": "date", "format": "%d.%m.%Y"},
                "likes": {"column": "likes", "type": "list", "separator": "|"},
                "sort": {"value": "human"},
                "label": "Dr. {name}",
                "code": {"column": "likes", "values": {"a": 1, "b": None}, "default": "c"},
            },
            "when": [{"column": "name", "notEquals": ""}],
            "subjectKeys": ["{id}"],
            "passthrough": {"except": ["boss"]},
        }
    ],
    "edges": [
        {
            "kind": "REPORTS_TO",
            "from": {"kind": "Person", "id": "{id}"},
            "to": {"kind": "Person", "id": "{boss}"},
            "selfLoops": "refuse",
            "acyclic": True,
        }
    ],
    "onError": "refuse",
}


def test_the_published_shape_is_json_schema() -> None:
    Draft202012Validator.check_schema(mapping_contract.MAPPING)


def test_what_comes_along_fits_the_published_shape(tenant: TenantKit) -> None:
    views = connectors.mappings(tenant.ctx)
    assert "stix" in {view.name for view in views}
    for view in views:
        assert not list(mapping_contract.validator().iter_errors(view.document)), view.name


@pytest.mark.parametrize("how", ["json", "ascii", "yaml"])
def test_a_whole_mapping_goes_in_and_comes_out(api: Api, how: str) -> None:
    body = yaml.safe_dump(FULL, allow_unicode=True) if how == "yaml" else json.dumps(FULL, ensure_ascii=how == "ascii")
    answer = api.send(
        "PUT", "/mappings/staff", body=body, content_type="application/yaml" if how == "yaml" else "application/json"
    )
    assert answer.status_code == 201 and answer.headers["Location"] == "/api/v1/mappings/staff", answer.content
    schemas.Mapping.model_validate(answer.json())
    kept = api.get("/mappings/staff").json()
    assert kept["document"] == {**FULL, "name": "staff"} and kept["version"] == 1 and not kept["built_in"]
    same = api.send("PUT", "/mappings/staff", body=json.dumps(kept["document"]))
    assert same.status_code == 200 and same.json()["version"] == 1
    changed = api.send("PUT", "/mappings/staff", body=json.dumps({**FULL, "onError": "keep"}))
    assert changed.status_code == 200 and changed.json()["version"] == 2
    listed = api.get("/mappings").json()
    schemas.Mappings.model_validate(listed)
    assert [item["name"] for item in listed["items"]] == ["staff", "stix"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({**PEOPLE, "extra": 1}, "extra"),
    ({"format": "csv"}, "entities"),
    ({**PEOPLE, "format": "xml"}, "format"),
    ({"format": "csv", "entities": [{"kind": "Person", "id": "fixed"}]}, "entities"),
    ({"format": "csv", "entities": [{"kind": "Person", "id": "{a"}]}, "entities"),
    ({**PEOPLE, "description": "a\x00b"}, "description"),
    ({**PEOPLE, "options": {"delimiter": '"'}}, "options"),
    ({"format": "stix", "entities": PEOPLE["entities"]}, "entities"),
]


@pytest.mark.parametrize(("document", "place"), WRONG)
def test_wrong_mappings_are_refused_with_their_place(api: Api, document: dict[str, Any], place: str) -> None:
    problem = problem_of(api.send("PUT", "/mappings/wrong", body=json.dumps(document)), 400)
    assert problem["errors"] and place in json.dumps(problem["errors"])
    problem_of(api.get("/mappings/wrong"), 404)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{", "application/json"),
        (b'{"format": "csv", "format": "csv"}', "application/json"),
        (b'{"format": NaN}', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"a: &a [*a]", "application/yaml"),
        (b"a: [" * 500, "application/yaml"),
        (b"!!python/object/apply:os.system [id]", "application/yaml"),
        (b"- 1", "application/yaml"),
        (b" " * 300_000, "application/json"),
    ],
)
def test_hostile_bodies_are_refused(api: Api, body: bytes, content_type: str) -> None:
    problem_of(api.send("PUT", "/mappings/hostile", body=body, content_type=content_type), 400)


def test_names_are_one_thing(api: Api, outsider: TenantKit) -> None:
    assert problem_of(api.send("PUT", "/mappings/a", body=json.dumps({**PEOPLE, "name": "b"})), 409)["field"] == "name"
    problem_of(api.send("PUT", "/mappings/jobs", body=json.dumps(PEOPLE)), 409)
    problem_of(api.send("PUT", "/mappings/Upper", body=json.dumps(PEOPLE)), 400)
    problem_of(api.send("PUT", "/mappings/a", body=json.dumps(PEOPLE), content_type="text/csv"), 415)
    problem_of(api.send("PUT", "/mappings/a", body=json.dumps(PEOPLE), scope="reader"), 403)
    api.save_people()
    problem_of(Api(outsider).get("/mappings/people"), 404)
