"""Signing in: no address is told apart from another, guessing ends, forms carry a token, every act is on record."""

import base64

import orjson
import pytest
from django_otp.oath import totp

from apps.core.context import service_context
from apps.core.ids import new_id
from apps.core.scope import PLATFORM_TENANT_ID, no_scope, system_scope
from apps.identity import services as identity
from apps.ledger import selectors as ledger
from tests.conftest import PASSWORD, TenantKit
from tests.portal.visitors import Visitor, signed_in, text_of


def credentials(email: str, password: str = PASSWORD, **more: str) -> dict[str, str]:
    return {"email": email, "password": password, **more}


def test_a_member_signs_in_and_lands_in_the_tenant(tenant: TenantKit) -> None:
    visitor = Visitor()
    answer = visitor.post("/login/", credentials(tenant.member("analyst").email))
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert visitor.get("/")["Location"] == f"/t/{tenant.info.slug}/"


def test_sign_in_leads_back_to_where_one_was_sent_from(tenant: TenantKit) -> None:
    visitor = Visitor(tenant.info.slug)
    sent = visitor.get("ledger/?type=x")
    assert sent.status_code == 302 and sent["Location"].startswith("/login/?next=%2Ft%2F")
    answer = visitor.post(sent["Location"], credentials(tenant.member("owner").email))
    assert answer["Location"] == f"/t/{tenant.info.slug}/ledger/?type=x"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "http:///x"])
def test_sign_in_never_leads_elsewhere(tenant: TenantKit, target: str) -> None:
    answer = Visitor().post("/login/", credentials(tenant.member("reader").email, next=target))
    assert answer["Location"] == "/"


def without_noise(page: str, email: str) -> str:
    return "\n".join(
        line
        for line in page.replace(email, "").splitlines()
        if "csrfmiddlewaretoken" not in line and "nonce" not in line
    )


def test_known_and_unknown_addresses_get_the_same_answer(tenant: TenantKit) -> None:
    known, unknown = tenant.member("analyst").email, f"nobody-{new_id().hex}@example.com"
    first = Visitor().post("/login/", credentials(known, "wrong password"))
    second = Visitor().post("/login/", credentials(unknown, "wrong password"))
    assert first.status_code == second.status_code == 422
    assert "do not belong together" in text_of(first)
    assert without_noise(text_of(first), known) == without_noise(text_of(second), unknown)


def test_missing_values_are_named(tenant: TenantKit) -> None:
    page = text_of(Visitor().post("/login/", {"email": "not an address", "password": ""}))
    assert "Enter an address like name@example.com." in page and "Enter your password." in page
    assert 'aria-invalid="true"' in page and "<title>Error: " in page


def test_guessing_ends_also_for_unknown_addresses_and_with_the_right_password(tenant: TenantKit) -> None:
    for email in (tenant.member("analyst").email, f"nobody-{new_id().hex}@example.com"):
        visitor = Visitor()
        answers = [visitor.post("/login/", credentials(email, "wrong password")).status_code for _ in range(9)]
        assert answers[0] == 422 and answers[-1] == 429
        locked = visitor.post("/login/", credentials(email.upper()))
        assert locked.status_code == 429 and locked["Retry-After"] == "900"
        assert "closed from here for 15 minutes" in text_of(locked)


def test_a_form_without_its_token_is_refused(tenant: TenantKit) -> None:
    answer = Visitor(csrf=True).post("/login/", credentials(tenant.member("analyst").email))
    assert answer.status_code == 403 and "This form is no longer valid" in text_of(answer)


def events_of(user_id: object) -> list[str]:
    with no_scope(), system_scope("identity.authenticate"):
        rows = ledger.newest(PLATFORM_TENANT_ID, limit=200)
    return [row.type for row in rows if orjson.loads(row.body)["data"].get("user_id") == str(user_id)]


def test_signing_in_and_out_is_recorded(tenant: TenantKit, settle: object) -> None:
    user, visitor = tenant.member("analyst"), Visitor(tenant.info.slug)
    visitor.post("/login/", credentials(user.email))
    assert visitor.get("").status_code == 200
    assert visitor.get("/logout/").status_code == 405
    assert visitor.post("/logout/")["Location"] == "/"
    assert visitor.get("").status_code == 302
    settle()  # type: ignore[operator]
    assert events_of(user.id)[:2] == ["identity.session.ended", "identity.session.started"]


def test_a_second_factor_is_asked_for_where_it_is_needed(tenant: TenantKit) -> None:
    user = tenant.member("owner")
    secret = identity.enrol_second_factor(service_context("test"), user=user)
    visitor = Visitor(tenant.info.slug)
    sent = visitor.post("/login/", credentials(user.email, next="/admin/"))
    assert sent["Location"] == "/login/code/?next=%2Fadmin%2F"
    wrong = visitor.post(sent["Location"], {"code": "000000"})
    assert wrong.status_code == 422 and "not valid now" in text_of(wrong)
    with no_scope(), system_scope("identity.authenticate"):
        user.totpdevice_set.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    code = f"{totp(base64.b32decode(secret), t0=0, drift=0):06d}"
    right = visitor.post(sent["Location"], {"code": f"{code[:3]} {code[3:]}"})
    assert (right.status_code, right["Location"]) == (302, "/admin/")
    session = visitor.client.session
    assert session["ig_second_factor_at"].endswith("Z") and session["otp_device_id"]
    again = visitor.post(sent["Location"], {"code": code})
    assert again.status_code == 422, "a code works once"


def test_someone_without_a_device_is_told_what_to_do(tenant: TenantKit) -> None:
    page = text_of(signed_in(tenant, "owner").get("/login/code/"))
    assert "You have no second factor yet" in page and 'name="code"' not in page


def test_the_second_factor_page_is_for_people_who_are_signed_in() -> None:
    assert Visitor().get("/login/code/")["Location"].startswith("/login/?next=")
