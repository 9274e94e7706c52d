"""Invitations: who may ask whom in, what the mail carries, that a link works once, and what nobody learns from it."""

import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.db import connections

from apps.core.clock import utc_now
from apps.core.context import Context, service_context
from apps.core.errors import Conflict, Forbidden, InvalidInput, NotFound, RateLimited, Unavailable
from apps.core.ids import new_id
from apps.core.scope import no_scope, system_scope, tenant_scope
from apps.identity import selectors, tasks
from apps.identity import services as identity
from apps.identity.models import Invitation
from apps.identity.services import invitations
from tests.admin.staff import told
from tests.conftest import PASSWORD, TenantKit
from tests.portal.visitors import Visitor, signed_in, text_of

LINK = re.compile(r"http://127\.0\.0\.1:\d+(/invitations/igi_[A-Za-z0-9_-]{43}/)")


def address() -> str:
    return f"New.{new_id().hex}@Elsewhere.example"


def deliver(kit: TenantKit) -> EmailMultiAlternatives:
    """Send what waits, as the worker does; return the last mail."""
    with no_scope(), tenant_scope(kit.info.id):
        for row in Invitation.objects.filter(open=True, sent_at=None):
            tasks.send_invitation.run(kit.ctx, invitation_id=str(row.id))
    return mail.outbox[-1]


def link_of(message: EmailMultiAlternatives) -> str:
    found = LINK.search(str(message.body))
    assert found is not None
    return found[1]


def invite(visitor: Visitor, email: str, *roles: str) -> Any:
    return visitor.post("members/invite/", {"email": email, "roles": roles or ("reader",)})


def roles_of(kit: TenantKit, email: str) -> set[str]:
    user = selectors.user_by_email(email)
    found = selectors.membership(user.pk, kit.info.id) if user else None
    return set(found.roles) if found else set()


@pytest.mark.usefixtures("mailoutbox")
def test_somebody_new_is_invited_makes_an_account_and_is_in(tenant: TenantKit) -> None:
    email, owner = address(), signed_in(tenant, "owner", second_factor=True)
    assert invite(owner, email, "analyst", "billing").status_code == 302
    page = text_of(owner.get("members/"))
    assert email.lower() in page and "being sent" in page
    message = deliver(tenant)
    assert message.to == [email.lower()]
    html = str(message.alternatives[0][0])
    path = link_of(message)
    assert path in html and "owner invites you" in message.body and "analyst, billing" in message.body
    assert re.search(r'(src|href)="(?!http://127\.0\.0\.1)', html) is None, "nothing is fetched from elsewhere"
    token = path.split("/")[2]
    with no_scope(), system_scope("identity.authenticate"):
        row = Invitation.objects.get(email=email.lower())
    assert token.encode() not in bytes(row.digest) and len(row.digest) == 32
    assert "sent" in text_of(owner.get("members/"))

    guest = Visitor(tenant.info.slug)
    for _ in range(2):
        assert guest.get(path).status_code == 200, "looking uses nothing up"
    weak = guest.post(path, {"name": "New", "password": "short"})
    assert weak.status_code == 422 and "too short" in text_of(weak)
    assert roles_of(tenant, email) == set()
    done = guest.post(path, {"name": "New Colleague", "password": PASSWORD})
    assert done["Location"] == f"/t/{tenant.info.slug}/"
    assert guest.get("").status_code == 200
    assert roles_of(tenant, email) == {"analyst", "billing"}
    events = told(tenant.info.id, "identity.invitation.made", "identity.invitation.accepted", "identity.member.added")
    assert [one.type for one in events][:2] == ["identity.member.added", "identity.invitation.accepted"]
    assert email.lower() not in str(events)
    assert Visitor().get(path).status_code == 404, "once"


@pytest.mark.usefixtures("mailoutbox")
def test_an_account_that_exists_signs_in_first(tenant: TenantKit, outsider: TenantKit) -> None:
    person = outsider.member("reader")
    owner = signed_in(tenant, "owner", second_factor=True)
    assert invite(owner, person.email, "reader").status_code == 302
    path = link_of(deliver(tenant))
    guest = Visitor(tenant.info.slug)
    page = text_of(guest.get(path))
    assert "You have an account already" in page and 'name="password"' not in page
    assert "Sign in" in text_of(guest.post(path, {"name": "x", "password": "another good password"}))
    assert roles_of(tenant, person.email) == set(), "a link is no way around somebody's password"
    with no_scope(), pytest.raises(Conflict):
        identity.accept_invitation(Context(), token=path.split("/")[2], name="x", password="another good password")
    other = signed_in(outsider, "reader")
    assert "signed in as somebody else" in text_of(other.get(path))
    assert other.post(path).status_code == 409
    guest.post("/login/", {"email": person.email, "password": PASSWORD})
    assert guest.post(path)["Location"] == f"/t/{tenant.info.slug}/"
    assert roles_of(tenant, person.email) == {"reader"}


@pytest.mark.usefixtures("mailoutbox")
def test_whoever_invites_learns_nothing_of_accounts(tenant: TenantKit, outsider: TenantKit) -> None:
    owner = signed_in(tenant, "owner", second_factor=True)
    answers = [invite(owner, email) for email in (outsider.member("reader").email, address())]
    pages = [
        re.sub(r"[\w.]+@[\w.]+", "X", text_of(owner.get(answer["Location"].partition("#")[0]))) for answer in answers
    ]
    assert [answer.status_code for answer in answers] == [302, 302]
    assert pages[0].count("being sent") == pages[1].count("being sent") == 2


@pytest.mark.parametrize(
    ("email", "roles", "says"),
    [
        ("no address", ("reader",), "name@example.com"),
        ("a@b.example", (), "at least one role"),
        ("a@b.example", ("king",), "may not give king"),
    ],
)
def test_bad_invitations_are_named_and_kept_from_the_queue(
    tenant: TenantKit, email: str, roles: tuple[str, ...], says: str
) -> None:
    owner = signed_in(tenant, "owner", second_factor=True)
    answer = owner.post("members/invite/", {"email": email, "roles": roles})
    assert answer.status_code == 422 and says in text_of(answer)
    assert selectors.invitations(tenant.ctx) == []


def test_nobody_invites_above_their_own_role(tenant: TenantKit) -> None:
    admin = signed_in(tenant, "admin", second_factor=True)
    page = text_of(admin.get("members/"))
    assert 'value="analyst"' in page and 'value="owner"' not in page and 'value="dpo"' not in page
    assert invite(admin, address(), "owner").status_code == 422
    with pytest.raises(Forbidden):
        identity.invite(tenant.as_role("admin"), email=address(), roles=frozenset({"owner"}))
    made = identity.invite(tenant.ctx, email=address(), roles=frozenset({"owner"}))
    for verb in (identity.invite_again, identity.revoke_invitation):
        with pytest.raises(Forbidden):
            verb(tenant.as_role("admin"), invitation_id=made.id)
    for role in ("analyst", "reader", "developer"):
        assert invite(signed_in(tenant, role, second_factor=True), address()).status_code == 403
    assert [one.id for one in selectors.invitations(tenant.ctx)] == [made.id]


def test_a_fresh_second_factor_is_asked_for_before_anything_is_typed(tenant: TenantKit) -> None:
    owner = signed_in(tenant, "owner")
    page = text_of(owner.get("members/"))
    assert "Invite someone" in page and 'name="email"' not in page
    assert owner.get("members/invite/")["Location"].startswith("/login/code/?next=")
    assert invite(owner, address())["Location"].startswith("/login/code/")
    assert selectors.invitations(tenant.ctx) == []


@pytest.mark.usefixtures("mailoutbox")
def test_a_new_link_ends_the_old_one_and_withdrawing_ends_both(tenant: TenantKit) -> None:
    owner = signed_in(tenant, "owner", second_factor=True)
    invite(owner, address())
    first = link_of(deliver(tenant))
    (one,) = selectors.invitations(tenant.ctx)
    soon = owner.post(f"invitations/{one.id}/again/")
    assert soon.status_code == 429 and soon["Retry-After"] == "120"
    later = tenant.ctx.but(clock=lambda: utc_now() + timedelta(minutes=3))
    identity.invite_again(later, invitation_id=one.id)
    second = link_of(deliver(tenant))
    assert Visitor().get(first).status_code == 404
    assert Visitor().get(second).status_code == 200
    assert owner.post(f"invitations/{one.id}/revoke/").status_code == 302
    assert Visitor().get(second).status_code == 404
    assert selectors.invitations(tenant.ctx) == []
    types = [one.type for one in told(tenant.info.id, "identity.invitation.sent_again", "identity.invitation.revoked")]
    assert types == ["identity.invitation.revoked", "identity.invitation.sent_again"]


@pytest.mark.usefixtures("mailoutbox")
def test_every_link_that_does_not_hold_gets_the_same_answer(tenant: TenantKit) -> None:
    ctx = Context()
    identity.invite(tenant.ctx, email=address(), roles=frozenset({"reader"}))
    token = link_of(deliver(tenant)).split("/")[2]
    late = ctx.but(clock=lambda: utc_now() + invitations.LIVES + timedelta(minutes=1))
    with no_scope():
        for known, said in (
            (late, token),
            (ctx, "igi_" + "A" * 43),
            (ctx, token + "x"),
            (ctx, "igr" + token[3:]),
            (ctx, ""),
        ):
            with pytest.raises(NotFound) as refused:
                identity.offer_of(known, token=said)
            assert refused.value.message == invitations.GONE
            with pytest.raises(NotFound):
                identity.accept_invitation(known, token=said, name="x", password=PASSWORD)
        assert identity.offer_of(ctx, token=token).tenant_slug == tenant.info.slug


@pytest.mark.usefixtures("mailoutbox")
def test_what_an_inviter_may_not_give_any_more_is_not_given(tenant: TenantKit) -> None:
    inviter = tenant.member("owner")
    ctx = tenant.as_role("owner", actor_id=str(inviter.pk))
    email = address()
    identity.invite(ctx, email=email, roles=frozenset({"admin"}))
    path = link_of(deliver(tenant))
    assert Visitor().get(path).status_code == 200
    tenant.member("owner")
    identity.change_roles(tenant.ctx, user_id=inviter.pk, roles=frozenset({"analyst"}))
    assert Visitor().get(path).status_code == 404
    assert Visitor().post(path, {"name": "New", "password": PASSWORD}).status_code == 404
    assert roles_of(tenant, email) == set()


@pytest.mark.usefixtures("mailoutbox")
def test_of_many_who_use_a_link_at_once_one_is_let_in(tenant: TenantKit) -> None:
    email = address()
    identity.invite(tenant.ctx, email=email, roles=frozenset({"reader"}))
    token = link_of(deliver(tenant)).split("/")[2]
    came: list[str] = []

    def take() -> None:
        try:
            identity.accept_invitation(Context(), token=token, name="New", password=PASSWORD)
            came.append("in")
        except (NotFound, Conflict):
            came.append("refused")
        finally:
            for one in connections.all(initialized_only=True):
                one.close()

    threads = [threading.Thread(target=take) for _ in range(5)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(came) == ["in", *["refused"] * 4]


def test_an_address_is_invited_once_and_a_member_never(tenant: TenantKit) -> None:
    email = address()
    identity.invite(tenant.ctx, email=email, roles=frozenset({"reader"}))
    with pytest.raises(Conflict, match="invited already"):
        identity.invite(tenant.ctx, email=email.upper(), roles=frozenset({"reader"}))
    with pytest.raises(Conflict, match="a member already"):
        identity.invite(tenant.ctx, email=tenant.member("reader").email, roles=frozenset({"reader"}))
    late = tenant.ctx.but(clock=lambda: utc_now() + timedelta(days=8))
    identity.invite(late, email=email, roles=frozenset({"reader"}))
    assert len(selectors.invitations(tenant.ctx)) == 1


def test_a_tenant_floods_nobody(tenant: TenantKit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invitations, "MOST_AN_HOUR", 2)
    for _ in range(2):
        identity.invite(tenant.ctx, email=address(), roles=frozenset({"reader"}))
    with pytest.raises(RateLimited):
        identity.invite(tenant.ctx, email=address(), roles=frozenset({"reader"}))


def test_a_mail_server_that_is_away_is_asked_again(tenant: TenantKit, monkeypatch: pytest.MonkeyPatch) -> None:
    made = identity.invite(tenant.ctx, email=address(), roles=frozenset({"reader"}))

    def away(self: Any, *args: Any, **kwargs: Any) -> int:
        raise ConnectionRefusedError

    with monkeypatch.context() as patched:
        patched.setattr(EmailMultiAlternatives, "send", away)
        with pytest.raises(Unavailable):
            identity.deliver_invitation(tenant.ctx, invitation_id=made.id)
    assert selectors.invitations(tenant.ctx)[0].sent_at is None
    asked: list[str] = []
    monkeypatch.setattr(invitations, "enqueue_named", lambda ctx, name, **ids: asked.append(ids["invitation_id"]))
    with no_scope():
        tasks.send_waiting.run(service_context("scheduler", clock=lambda: utc_now() + timedelta(minutes=2)))
    assert str(made.id) in asked
    assert identity.deliver_invitation(tenant.ctx, invitation_id=made.id) is True
    assert identity.deliver_invitation(tenant.ctx, invitation_id=made.id) is False, "sent is sent"


def test_addresses_are_forgotten_after_a_month(tenant: TenantKit) -> None:
    long_ago = tenant.ctx.but(clock=lambda: utc_now() - timedelta(days=31))
    identity.invite(long_ago, email=address(), roles=frozenset({"reader"}))
    kept = identity.invite(tenant.ctx, email=address(), roles=frozenset({"reader"}))
    with no_scope():
        tasks.send_waiting.run(service_context("scheduler"))
    assert [row.id for row in Invitation.objects.all()] == [kept.id]


def test_where_no_mail_goes_nobody_is_invited(tenant: TenantKit, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    with pytest.raises(Conflict, match="sends no mail"):
        identity.invite(tenant.ctx, email=address(), roles=frozenset({"reader"}))


def test_an_outsider_touches_no_invitation(tenant: TenantKit, outsider: TenantKit) -> None:
    made = identity.invite(tenant.ctx, email=address(), roles=frozenset({"reader"}))
    stranger = signed_in(outsider, "owner", second_factor=True)
    for path in (f"invitations/{made.id}/again/", f"invitations/{made.id}/revoke/"):
        assert stranger.post(path).status_code == 404
        assert stranger.post(f"/t/{tenant.info.slug}/{path}").status_code == 404
    with no_scope(), tenant_scope(outsider.info.id):
        assert selectors.invitations(outsider.ctx) == []
        assert not identity.deliver_invitation(outsider.ctx, invitation_id=made.id)
    with pytest.raises(InvalidInput):
        identity.invite(tenant.ctx, email="x", roles=frozenset({"reader"}))
    assert [one.id for one in selectors.invitations(tenant.ctx)] == [made.id]
