"""Decisions of policy over REST: who may list them, and that everyone can learn why they were refused."""

from apps.core.ids import new_id
from apps.gateway.rest import schemas
from apps.policy import services as policy
from tests.rest.conftest import Api, problem_of


def refused(api: Api) -> str:
    """Have a reader refused; return the decision's id."""
    problem = problem_of(api.send("PUT", "/mappings/m", scope="reader", body={"format": "stix"}), 403)
    policy.flush_decisions()
    return str(problem["decision"])


def test_a_refusal_names_a_decision_that_its_caller_may_read(api: Api) -> None:
    named = refused(api)
    answer = api.get(f"/policy/decisions/{named}", scope="reader")
    assert answer.status_code == 200
    why = schemas.DecisionWhy.model_validate(answer.json())
    assert (why.outcome, why.action) == ("deny", "connectors.mapping.write")
    assert why.hits == []
    assert why.facts["scopes"] == ["reader"]
    assert why.now is not None and why.now.outcome == "deny"


def test_others_need_the_right_to_read_decisions(api: Api) -> None:
    named = refused(api)
    assert api.get(f"/policy/decisions/{named}", scope="admin").status_code == 200
    problem_of(api.get(f"/policy/decisions/{named}", scope="writer"), 404)
    problem_of(api.get(f"/policy/decisions/{new_id()}", scope="admin"), 404)
    problem_of(api.get("/policy/decisions/nonsense", scope="admin"), 400)


def test_the_list_pages_and_filters(api: Api) -> None:
    every = [refused(api) for _ in range(3)]
    first = api.get("/policy/decisions?first=2&outcome=deny", scope="admin")
    page = schemas.Decisions.model_validate(first.json())
    assert [one.id for one in page.items] == every[:0:-1]
    assert page.next and page.next in first["Link"]
    rest = api.get(f"/policy/decisions?after={page.next}&outcome=deny", scope="admin").json()
    assert [one["id"] for one in rest["items"]] == every[:1] and rest["next"] is None
    actor = page.items[0].actor
    assert len(api.get(f"/policy/decisions?actor={actor}&outcome=deny", scope="admin").json()["items"]) == 3
    request_id = page.items[0].request_id
    assert len(api.get(f"/policy/decisions?request_id={request_id}", scope="admin").json()["items"]) == 1
    assert api.get("/policy/decisions?outcome=step_up", scope="admin").json()["items"] == []
    problem_of(api.get("/policy/decisions", scope="reader"), 403)
    problem_of(api.get("/policy/decisions?outcome=perhaps", scope="admin"), 400)
    problem_of(api.get("/policy/decisions?after=%00", scope="admin"), 400)
