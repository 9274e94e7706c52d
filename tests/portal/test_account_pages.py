"""Pages of one's own account: authenticator apps, recovery codes, sessions, sign-ins; and what is refused there."""

import base64
import re
import threading
from typing import Any

import pytest
from django.db import connections
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.core.clock import iso, utc_now
from apps.core.context import SessionFacts, service_context
from apps.core.errors import StepUpRequired
from apps.core.scope import no_scope, system_scope, tenant_scope
from apps.identity import recovery, selectors
from apps.identity import services as identity
from apps.identity.models import RecoveryCode, Session, SignIn
from tests.admin.staff import STALE, told_of_platform
from tests.conftest import PASSWORD, TenantKit
from tests.portal.visitors import Visitor, signed_in, text_of

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36"


def code_of(secret: str) -> str:
    return f"{totp(base64.b32decode(secret), t0=0, drift=0):06d}"


def enter(kit: TenantKit, **headers: Any) -> tuple[Any, Visitor]:
    user, visitor = kit.member("analyst"), Visitor(kit.info.slug)
    with no_scope():
        visitor.client.post("/login/", {"email": user.email, "password": PASSWORD}, headers={"user-agent": CHROME})
    return user, visitor


def forget_second_factor(visitor: Visitor) -> None:
    with no_scope(), system_scope("identity.authenticate"):
        session = visitor.client.session
        session["ig_authenticated_at"] = iso(utc_now() - STALE)
        session.pop("ig_second_factor_at", None)
        session.save()


def add_app(visitor: Visitor) -> str:
    assert visitor.post("/account/security/apps/new/")["Location"] == "/account/security/apps/new/"
    page = text_of(visitor.get("/account/security/apps/new/"))
    secret = re.search(r"<code>([A-Z2-7]+)=*</code>", page)[1]  # type: ignore[index]
    assert "data:image/svg+xml;base64," in page
    padded = secret + "=" * (-len(secret) % 8)
    wrong = visitor.post("/account/security/apps/new/", {"code": "000000"})
    assert wrong.status_code == 422 and "does not fit" in text_of(wrong)
    with no_scope(), system_scope("identity.authenticate"):
        TOTPDevice.objects.filter(user_id=visitor.client.session["_auth_user_id"]).update(
            throttling_failure_count=0, throttling_failure_timestamp=None
        )
    assert visitor.post("/account/security/apps/new/", {"code": code_of(padded)}).status_code == 302
    return padded


def test_a_first_app_is_added_and_confirms_the_session(tenant: TenantKit) -> None:
    user, visitor = enter(tenant)
    assert "You have no authenticator app yet" in text_of(visitor.get("/account/security/"))
    add_app(visitor)
    page = text_of(visitor.get("/account/security/"))
    assert "App 1" in page and "You have no recovery codes" in page
    assert visitor.client.session["ig_second_factor_at"]
    assert told_of_platform("identity.second_factor.enrolled")
    assert identity.ways_of(user).app


def test_nothing_changes_without_a_fresh_second_factor(tenant: TenantKit) -> None:
    user, visitor = enter(tenant)
    add_app(visitor)
    (app,) = identity.apps_of(user)
    forget_second_factor(visitor)
    for path in ("apps/new/", f"apps/{app.id}/remove/", "passkeys/1/remove/", "recovery-codes/"):
        answer = visitor.post(f"/account/security/{path}")
        assert (answer.status_code, answer["Location"][:17]) == (302, "/login/code/?next"), path
    page = text_of(visitor.get("/account/security/"))
    assert "Confirm before you change something" in page and "Remove" not in page
    assert identity.apps_of(user) == [app] and identity.ways_of(user).codes_left == 0
    old = service_context("x").but(session=SessionFacts(second_factor_at=utc_now() - STALE))
    with pytest.raises(StepUpRequired):
        identity.make_recovery_codes(old, user=user)


def test_a_password_of_long_ago_is_not_enough_for_a_first_app(tenant: TenantKit) -> None:
    _, visitor = enter(tenant)
    forget_second_factor(visitor)
    answer = visitor.post("/account/security/apps/new/")
    assert answer["Location"].startswith("/login/code/")
    page = text_of(visitor.get(answer["Location"]))
    assert "Sign in again" in page and 'name="code"' not in page


def test_recovery_codes_are_shown_once_and_work_once(tenant: TenantKit) -> None:
    user, visitor = enter(tenant)
    add_app(visitor)
    codes = re.findall(
        r"\b(?:[A-Z2-7]{4}-){3}[A-Z2-7]{4}\b", text_of(visitor.post("/account/security/recovery-codes/"))
    )
    codes = list(dict.fromkeys(codes))
    assert len(codes) == recovery.HOW_MANY
    assert codes[0] not in text_of(visitor.get("/account/security/"))
    with no_scope(), system_scope("identity.authenticate"):
        kept = [bytes(row.digest) for row in RecoveryCode.objects.filter(user_id=user.pk)]
    assert len(kept) == len(codes) and not any(codes[0].encode() in one for one in kept)
    forget_second_factor(visitor)
    typed = codes[0].lower().replace("-", " ")
    assert visitor.post("/login/code/?next=/account/security/", {"code": typed})["Location"] == "/account/security/"
    assert identity.ways_of(user).codes_left == recovery.HOW_MANY - 1
    forget_second_factor(visitor)
    again = visitor.post("/login/code/", {"code": codes[0]})
    assert again.status_code == 422 and "ig_second_factor_at" not in visitor.client.session
    other, _ = enter(tenant)
    assert not identity.use_recovery_code(service_context("x"), user=other, code=codes[1])
    assert told_of_platform("identity.recovery_code.used")


def test_new_codes_end_the_old_ones(tenant: TenantKit) -> None:
    user, visitor = enter(tenant)
    add_app(visitor)
    fresh = service_context("x").but(session=SessionFacts(second_factor_at=utc_now()))
    old = identity.make_recovery_codes(fresh, user=user)
    new = identity.make_recovery_codes(fresh, user=user)
    assert not identity.use_recovery_code(fresh, user=user, code=old[0])
    assert identity.use_recovery_code(fresh, user=user, code=new[0])


def test_of_many_who_hand_in_one_code_one_is_let_in(tenant: TenantKit) -> None:
    user, visitor = enter(tenant)
    add_app(visitor)
    fresh = service_context("x").but(session=SessionFacts(second_factor_at=utc_now()))
    code = identity.make_recovery_codes(fresh, user=user)[0]
    answers: list[bool] = []

    def hand_in() -> None:
        answers.append(identity.use_recovery_code(fresh, user=user, code=code))
        connections.close_all()

    threads = [threading.Thread(target=hand_in) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False] * 5 + [True]


def test_staff_keep_a_second_factor(tenant: TenantKit) -> None:
    user, visitor = enter(tenant)
    add_app(visitor)
    (app,) = identity.apps_of(user)
    with no_scope(), system_scope("identity.authenticate"):
        user.platform_roles = ["operator"]
        user.save(update_fields=["platform_roles"])
    refused = visitor.post(f"/account/security/apps/{app.id}/remove/")
    assert refused.status_code == 409 and identity.apps_of(user) == [app]
    with no_scope(), system_scope("identity.authenticate"):
        user.platform_roles = []
        user.save(update_fields=["platform_roles"])
    assert visitor.post(f"/account/security/apps/{app.id}/remove/").status_code == 302
    assert identity.apps_of(user) == []


def test_an_ended_session_is_nobody_at_once(tenant: TenantKit) -> None:
    user, here = enter(tenant)
    there = Visitor(tenant.info.slug)
    there.post("/login/", {"email": user.email, "password": PASSWORD})
    page = text_of(here.get("/account/sessions/"))
    assert "Chrome on Linux" in page and "this one" in page and here.client.session.session_key not in page
    (theirs,) = [one for one in selectors.sessions_of(user, here.client.session.session_key) if not one.current]
    assert there.get("").status_code == 200
    assert here.post(f"/account/sessions/{theirs.id}/end/").status_code == 302
    assert there.get("")["Location"].startswith("/login/")
    assert here.get("").status_code == 200
    assert told_of_platform("identity.session.revoked")
    assert here.post(f"/account/sessions/{theirs.id}/end/").status_code == 404


def test_all_other_sessions_end_together_and_nobody_else_s(tenant: TenantKit) -> None:
    user, here = enter(tenant)
    others = [Visitor(tenant.info.slug) for _ in range(2)]
    for other in others:
        other.post("/login/", {"email": user.email, "password": PASSWORD})
    stranger = signed_in(tenant, "owner")
    foreign = selectors.sessions_of(user, "")[0].id
    assert stranger.post(f"/account/sessions/{foreign}/end/").status_code == 404
    here.post("/account/sessions/end-others/")
    assert [other.get("").status_code for other in others] == [302, 302]
    assert here.get("").status_code == 200 and stranger.get("").status_code == 200


def test_an_admin_signs_a_member_out_but_no_stranger(tenant: TenantKit, outsider: TenantKit) -> None:
    user, visitor = enter(tenant)
    with no_scope(), tenant_scope(outsider.info.id), pytest.raises(Exception, match="no such member"):
        identity.end_member_sessions(outsider.ctx, user_id=user.pk)
    assert visitor.get("").status_code == 200
    assert identity.end_member_sessions(tenant.ctx, user_id=user.pk) == 1
    assert visitor.get("").status_code == 302


def test_a_session_carries_its_columns_through_a_new_key(tenant: TenantKit) -> None:
    user, visitor = enter(tenant)
    add_app(visitor)  # confirms, which cycles the key
    with no_scope(), system_scope("identity.authenticate"):
        (row,) = Session.objects.filter(user_id=user.pk)
    assert row.session_key == visitor.client.session.session_key
    assert (row.agent, row.ip) == (CHROME, "127.0.0.1") and row.created_at <= row.seen_at


def test_attempts_are_shown_to_the_person_and_to_their_tenant_alone(tenant: TenantKit, outsider: TenantKit) -> None:
    user, visitor = enter(tenant)
    Visitor().post("/login/", {"email": user.email, "password": "wrong password"})
    page = text_of(visitor.get("/account/sessions/"))
    assert "wrong password" in page and "signed in" in page
    mine = selectors.sign_ins_of_member(tenant.ctx, user.pk)
    assert [one.outcome.value for one in mine] == ["refused", "signed in"]
    with no_scope(), tenant_scope(outsider.info.id):
        assert selectors.sign_ins_of_member(outsider.ctx, user.pk) == []
        assert not SignIn.objects.exists() and not RecoveryCode.objects.exists()


def test_the_application_role_writes_no_history(tenant: TenantKit) -> None:
    user, _ = enter(tenant)
    with pytest.raises(Exception, match="row-level security"):
        SignIn.objects.create(user_id=user.pk, at=utc_now(), outcome="signed in")
