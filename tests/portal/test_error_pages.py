"""What went wrong, in words: each page says what to do, carries the request id, and looks like where it happened."""

import re
from typing import Any

import pytest
from django.test import Client

from apps.core.errors import Forbidden, RateLimited, StepUpRequired
from apps.core.scope import no_scope
from apps.portal import errors
from tests.admin.staff import staff
from tests.conftest import TenantKit
from tests.portal.visitors import Visitor, signed_in, text_of

ID = "abcd-1234-efgh"


def said(answer: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text_of(answer)).split())


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (8, "8 seconds"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (901, "16 minutes"),
        (7200, "2 hours"),
    ],
)
def test_waiting_is_told_in_the_unit_that_people_say(seconds: int, words: str) -> None:
    assert errors.waiting(seconds) == words


def test_too_many_requests_say_when_to_come_back(rf: Any) -> None:
    answer = errors.refusal(rf.get("/t/x/"), RateLimited("the quota is used up", retry_after_s=300.0))
    assert answer.status_code == 429 and answer["Retry-After"] == "300" and "Try again in 5 minutes." in said(answer)


def test_a_missing_second_factor_leads_to_it_and_back(rf: Any) -> None:
    answer = errors.refusal(rf.get("/t/x/keys/new/?a=1"), StepUpRequired("confirm first"))
    assert answer.status_code == 401 and "/login/code/?next=%2Ft%2Fx%2Fkeys%2Fnew%2F%3Fa%3D1" in text_of(answer)
    sent = rf.post("/t/x/keys/new/", headers={"referer": "http://testserver/t/x/keys/"}, HTTP_HOST="testserver")
    assert "next=%2Ft%2Fx%2Fkeys%2F&quot;" not in text_of(errors.refusal(sent, StepUpRequired("confirm first")))
    assert "/login/code/?next=%2Ft%2Fx%2Fkeys%2F" in text_of(errors.refusal(sent, StepUpRequired("confirm first")))


@pytest.mark.parametrize(
    "referer", ["https://evil.example/t/x/", "http://testserver.evil.example/", "javascript:alert(1)", "http://testserver//evil.example/", ""]
)  # fmt: skip
def test_the_way_back_is_ours_or_none(rf: Any, referer: str) -> None:
    sent = rf.post("/t/x/", headers={"referer": referer}, HTTP_HOST="testserver")
    page = text_of(errors.refusal(sent, Forbidden("not you")))
    assert "evil" not in page and "javascript:" not in page and "Go back to the page" not in page


def test_a_form_that_is_no_longer_valid_leads_back(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "owner")
    visitor.client.handler.enforce_csrf_checks = True
    with no_scope():
        answer = visitor.client.post(
            f"/t/{tenant.info.slug}/filters/",
            {"name": "x"},
            headers={"referer": f"http://testserver/t/{tenant.info.slug}/entities/", "x-request-id": ID},
            HTTP_HOST="testserver",
        )
    assert answer.status_code == 403 and "This form is no longer valid" in said(answer)
    assert f'href="/t/{tenant.info.slug}/entities/"' in text_of(answer) and ID in text_of(answer)


def test_a_form_sent_without_a_fresh_factor_says_that_nothing_was_changed(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "owner")
    went = visitor.post("settings/edit/", {"version": "1", "name": "X", "retention_tier": "short-30d"})["Location"]
    assert went.startswith("/login/code/?") and "again=1" in went
    assert "again" not in visitor.get("settings/edit/")["Location"]


def test_staff_see_the_admins_look_and_strangers_do_not(tenant: TenantKit) -> None:
    here = staff("operator").get("/admin/tenants/tenant/00000000-0000-7000-8000-00000000ffff/change/")
    assert here.status_code == 404 and "Go to the overview" in said(here) and 'href="/admin/"' in text_of(here)
    refused = staff("support").get("/admin/portal/proposal/")
    assert refused.status_code == 403 and "Go to the overview" in said(refused)
    for visitor in (signed_in(tenant, "owner"), Visitor()):
        page = visitor.get("/admin/tenants/tenant/")
        assert "Go to the overview" not in text_of(page)


def test_an_error_page_carries_the_request_id_and_the_strict_policy() -> None:
    answer = Client(raise_request_exception=False).get("/nothing/", headers={"x-request-id": ID})
    assert (
        answer.status_code == 404
        and ID in text_of(answer)
        and "'unsafe-inline'" not in answer["Content-Security-Policy"]
    )


def test_a_refusal_says_what_was_refused_in_words(tenant: TenantKit) -> None:
    page = said(signed_in(tenant, "reader").get("members/"))
    assert "Your role here does not let you see members and their roles." in page
    assert "identity.member.read" not in page and "Ask an owner or admin of the tenant" in page


@pytest.mark.parametrize(
    "path",
    [
        "ledger/?type=a%00b",
        "entities/?q=%00",
        "entities/?kind=%00",
        "access/?actor=%00",
        "imports/?state=%00",
        "flags/?%00=1",
        "/audit/proof/?tenant=%00&number=1",
    ],
)
def test_a_nul_in_an_address_is_refused_in_words(tenant: TenantKit, path: str) -> None:
    answer = signed_in(tenant, "owner").get(path)
    assert answer.status_code == 400 and "This request cannot be read" in said(answer)


def test_a_nul_in_a_form_is_refused_and_changes_nothing(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "owner", second_factor=True)
    sent = {"version": "0", "countries": "DE", "reason": "a\x00b"}
    assert visitor.post("access/fence/", sent).status_code == 400
    assert visitor.post("filters/", {"name": "a\x00", "query": "kind=Tool"}).status_code == 400
    assert "a\x00" not in text_of(visitor.get("entities/"))


def test_a_nul_reaches_no_list_of_the_admin() -> None:
    answer = staff("operator").get("/admin/ledger/record/?q=%00")
    assert answer.status_code == 400
