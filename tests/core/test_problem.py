"""Refusals as problem details: stable codes, no inner reasons."""

import orjson
import pytest

from apps.core import errors, problem


def families() -> list[type[errors.IgError]]:
    found: list[type[errors.IgError]] = []
    queue = list(errors.IgError.__subclasses__())
    while queue:
        family = queue.pop()
        queue += family.__subclasses__()
        if family.__module__ == "apps.core.errors":
            found.append(family)
    return found


@pytest.mark.parametrize("family", families(), ids=lambda family: family.__name__)
def test_each_family_is_told_with_its_code(family: type[errors.IgError]) -> None:
    more = {"retry_after_s": 1.2} if family is errors.RateLimited else {}
    error = family("what is wrong", field="name", mend="do this", reason="inner", action="a.b.c", **more)
    told = problem.of(error, request_id="r-12345678")
    assert told["status"] == family.status and told["code"] == family.code and told["title"] == family.title
    assert told["type"] == f"/developers/errors#{family.code.lower().replace('_', '-')}"
    assert (told["detail"], told["field"], told["mend"], told["request_id"]) == (
        "what is wrong",
        "name",
        "do this",
        "r-12345678",
    )
    assert told["action"] == "a.b.c" and "reason" not in told
    assert orjson.loads(problem.encode(told)) == told


def test_headers_tell_how_to_go_on() -> None:
    assert problem.headers_of(errors.Unauthenticated("no")) == {"WWW-Authenticate": 'Bearer realm="intelgraph"'}
    assert "insufficient_user_authentication" in problem.headers_of(errors.StepUpRequired("no"))["WWW-Authenticate"]
    assert problem.headers_of(errors.RateLimited("no", retry_after_s=1.2)) == {"Retry-After": "2"}
    assert problem.of(errors.RateLimited("no", retry_after_s=0.1))["retry_after_s"] == 1
    assert problem.headers_of(errors.NotFound("no")) == {}


def test_empty_members_are_left_out() -> None:
    assert set(problem.plain(418, "odd", field="", errors=[])) == {"type", "title", "status", "detail", "code"}


def test_a_name_from_outside_is_told_without_controls() -> None:
    told = problem.of(errors.InvalidInput("there is no such parameter", field="a\x00b\nc"))
    assert told["field"] == "a\ufffdb\ufffdc"
