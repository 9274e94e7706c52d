"""Passwords: changing the own one, and a new one by a mailed link; what ends with it, and what strangers learn."""

import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connections
from django_redis.exceptions import ConnectionInterrupted

from apps.core import jobs
from apps.core.clock import utc_now
from apps.core.context import Context, service_context
from apps.core.errors import InvalidInput, NotFound
from apps.core.ids import new_id
from apps.core.scope import no_scope, system_scope, tenant_scope
from apps.identity import selectors, tasks
from apps.identity import services as identity
from apps.identity.models import PasswordReset, Session
from apps.identity.services import passwords
from apps.identity.types import Outcome
from tests.admin.staff import told_of_platform
from tests.conftest import PASSWORD, TenantKit
from tests.portal.visitors import Visitor, text_of

NEW = "quite another long password"
LINK = re.compile(r"http://127\.0\.0\.1:\d+(/login/reset/igr_[A-Za-z0-9_-]{43}/)")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What the queue was given."""
    found: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(jobs.app, "send_task", lambda name, kwargs, **more: found.append((name, kwargs)), raising=True)
    return found


def work(sent: list[tuple[str, dict[str, Any]]]) -> None:
    """Do what the queue was given, as the worker does."""
    done = {
        "identity.password_reset.send": tasks.send_reset,
        "identity.password_notice.send": tasks.send_password_notice,
    }
    with no_scope():
        for name, kwargs in sent:
            done[name].run(service_context("worker"), **kwargs)
    sent.clear()


def signed_in(kit: TenantKit, user: Any, password: str = PASSWORD) -> Visitor:
    visitor = Visitor(kit.info.slug)
    visitor.post("/login/", {"email": user.email, "password": password})
    return visitor


def ask(email: str, ip: str = "") -> Any:
    visitor = Visitor()
    with no_scope():
        where = ip or f"198.51.{new_id().int % 250}.{new_id().int // 7 % 250}"
        return visitor.client.post("/login/reset/", {"email": email}, REMOTE_ADDR=where)


def link_for(user: Any, sent: list[tuple[str, dict[str, Any]]]) -> str:
    assert ask(user.email).status_code == 200
    work(sent)
    assert mail.outbox[-1].to == [user.email]
    found = LINK.search(str(mail.outbox[-1].body))
    assert found is not None
    return found[1]


@pytest.mark.usefixtures("mailoutbox")
def test_a_mailed_link_gives_a_new_password_once_and_ends_every_session(
    tenant: TenantKit, sent: list[tuple[str, dict[str, Any]]]
) -> None:
    user = tenant.member("analyst")
    before = signed_in(tenant, user)
    path, second = link_for(user, sent), link_for(user, sent)
    with no_scope(), system_scope("identity.authenticate"):
        kept = [bytes(row.digest) for row in PasswordReset.objects.filter(user_id=user.pk)]
    assert len(kept) == 2 and path.split("/")[3].encode() not in b"".join(kept)
    guest = Visitor(tenant.info.slug)
    assert guest.get(path).status_code == 200 and guest.get(path).status_code == 200
    weak = guest.post(path, {"password": "password1234"})
    assert weak.status_code == 422 and "too common" in text_of(weak)
    assert before.get("").status_code == 200, "nothing happened yet"
    assert guest.post(path, {"password": NEW})["Location"] == "/login/?changed=1"
    assert "Sign in with the new one." in text_of(guest.get("/login/?changed=1"))
    assert before.get("").status_code == 302, "every session ended"
    assert guest.get("").status_code == 302, "nobody was signed in by a link"
    assert Visitor().get(path).status_code == Visitor().get(second).status_code == 404, "every link ended"
    assert Visitor().post(second, {"password": "one more long password"}).status_code == 404
    assert signed_in(tenant, user).get("").status_code == 302, "the old password"
    again = signed_in(tenant, user, NEW)
    assert again.get("").status_code == 200
    work(sent)
    assert mail.outbox[-1].subject == "Your password was changed" and mail.outbox[-1].to == [user.email]
    assert "password changed" in text_of(again.get("/account/sessions/"))
    event = told_of_platform("identity.password.changed")[0]
    assert str(user.pk) in str(event) and NEW not in str(event) and user.email not in str(event)


@pytest.mark.usefixtures("mailoutbox")
def test_nobody_learns_who_has_an_account(tenant: TenantKit, sent: list[tuple[str, dict[str, Any]]]) -> None:
    known, unknown = tenant.member("reader").email, f"nobody-{new_id().hex}@example.com"
    pages = [re.sub(r'value="[^"]*"|nonce="[^"]*"', "", text_of(ask(one))) for one in (known, unknown)]
    assert pages[0] == pages[1] and "If an account has this address" in pages[0]
    assert [name for name, _ in sent] == ["identity.password_reset.send"] * 2
    assert not any("@" in str(kwargs) for _, kwargs in sent), "ids travel, addresses do not"
    before = len(mail.outbox)
    work(sent)
    assert len(mail.outbox) == before + 1
    closed, without = (
        tenant.member("reader"),
        identity.create_user(tenant.ctx, email=f"k{new_id().hex}@example.com", password=None),
    )
    with no_scope(), system_scope("identity.authenticate"):
        closed.is_active = False
        closed.save(using="system", update_fields=["is_active"])
    for one in (closed, without):
        assert ask(one.email).status_code == 200
    work(sent)
    assert len(mail.outbox) == before + 1, "closed accounts and those without a password get none"


@pytest.mark.usefixtures("mailoutbox")
def test_every_link_that_does_not_hold_gets_the_same_answer(
    tenant: TenantKit, sent: list[tuple[str, dict[str, Any]]]
) -> None:
    token = link_for(tenant.member("reader"), sent).split("/")[3]
    late = Context(clock=lambda: utc_now() + passwords.LIVES + timedelta(minutes=1))
    with no_scope():
        for ctx, said in (
            (late, token),
            (Context(), "igr_" + "A" * 43),
            (Context(), "igi" + token[3:]),
            (Context(), "x"),
        ):
            with pytest.raises(NotFound) as refused:
                identity.check_reset(ctx, token=said)
            assert refused.value.message == passwords.GONE
            with pytest.raises(NotFound):
                identity.reset_password(ctx, token=said, password=NEW)
        identity.check_reset(Context(), token=token)


@pytest.mark.usefixtures("mailoutbox")
def test_of_many_who_use_a_link_at_once_one_sets_the_password(
    tenant: TenantKit, sent: list[tuple[str, dict[str, Any]]]
) -> None:
    user = tenant.member("reader")
    token = link_for(user, sent).split("/")[3]
    came: list[str] = []

    def use(number: int) -> None:
        try:
            identity.reset_password(Context(), token=token, password=f"{NEW} {number}")
            came.append(f"{NEW} {number}")
        except NotFound:
            came.append("")
        finally:
            for one in connections.all(initialized_only=True):
                one.close()

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    (won,) = [one for one in came if one]
    assert len(came) == 4
    assert signed_in(tenant, user, won).get("").status_code == 200


@pytest.mark.usefixtures("mailoutbox")
def test_asking_is_limited_by_account_and_by_place(
    tenant: TenantKit, sent: list[tuple[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    user, before = tenant.member("reader"), len(mail.outbox)
    for _ in range(passwords.MOST_AN_HOUR + 2):
        assert ask(user.email).status_code == 200
    work(sent)
    assert len(mail.outbox) == before + passwords.MOST_AN_HOUR
    monkeypatch.setattr(passwords, "MOST_FROM_ADDRESS", 2)
    here = f"2001:db8::{new_id().int % 65535:x}:{new_id().int // 11 % 65535:x}"
    answers = [ask(f"n{new_id().hex}@example.com", here) for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 200, 429] and answers[-1]["Retry-After"]


def test_a_queue_that_is_away_is_told_to_everybody(tenant: TenantKit, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: Any, **kwargs: Any) -> Any:
        raise ConnectionInterrupted(connection=None)

    monkeypatch.setattr(passwords.cache, "add", away)
    for email in (tenant.member("reader").email, f"n{new_id().hex}@example.com"):
        assert ask(email).status_code == 503


@pytest.mark.usefixtures("mailoutbox")
def test_a_password_is_changed_and_the_other_sessions_end(
    tenant: TenantKit, sent: list[tuple[str, dict[str, Any]]]
) -> None:
    user = tenant.member("analyst")
    here, there = signed_in(tenant, user), signed_in(tenant, user)
    assert here.get("/account/password/").status_code == 200
    weak = here.post("/account/password/", {"current": PASSWORD, "password": "short"})
    assert weak.status_code == 422 and "too short" in text_of(weak)
    wrong = here.post("/account/password/", {"current": "not it at all", "password": NEW})
    assert wrong.status_code == 422 and "not your present password" in text_of(wrong)
    assert there.get("").status_code == 200
    key = here.client.cookies["ig_session"].value
    assert here.post("/account/password/", {"current": PASSWORD, "password": NEW})["Location"] == "/account/security/"
    assert here.client.cookies["ig_session"].value != key, "a new key for the session that stays"
    assert "1 other session ended" in text_of(here.get("/account/security/"))
    assert here.get("").status_code == 200 and there.get("").status_code == 302
    work(sent)
    assert mail.outbox[-1].subject == "Your password was changed"
    history = [one.outcome for one in selectors.sign_ins_of(user)]
    assert history[:2] == [Outcome.CHANGED, Outcome.REFUSED]
    assert "wrong password, when it was to be changed" in text_of(here.get("/account/sessions/"))


def test_guessing_the_present_password_ends(tenant: TenantKit) -> None:
    here = signed_in(tenant, tenant.member("analyst"))
    answers = [
        here.post("/account/password/", {"current": f"guess {n}", "password": NEW}).status_code for n in range(9)
    ]
    assert answers[0] == 422 and answers[-1] == 429


def test_a_change_needs_a_fresh_confirmation(tenant: TenantKit) -> None:
    user = tenant.member("analyst")
    here = signed_in(tenant, user)
    identity.enrol_second_factor(service_context("test"), user=user)
    for answer in (
        here.get("/account/password/"),
        here.post("/account/password/", {"current": PASSWORD, "password": NEW}),
    ):
        assert answer["Location"].startswith("/login/code/")
    assert signed_in(tenant, user).get("").status_code == 200
    with pytest.raises(InvalidInput), tenant_scope(tenant.info.id):
        identity.change_password(
            Context(session=service_context("x").session.__class__(second_factor_at=utc_now())),
            user=user, password="short", session_key="k",
        )  # fmt: skip


def test_the_application_role_sees_no_links(tenant: TenantKit) -> None:
    user = tenant.member("reader")
    with no_scope():
        identity.deliver_reset(service_context("worker"), user_id=user.pk)
    assert PasswordReset.objects.count() == 0
    with no_scope(), system_scope("identity.authenticate"):
        assert PasswordReset.objects.filter(user_id=user.pk).count() == 1
        assert Session.objects.filter(user_id=user.pk).count() == 0
