"""Callers of every kind, and what ends or alters the access of each while it has a connection."""

import itertools
import json
from base64 import urlsafe_b64decode as _decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.test import Client

from apps.core.clock import utc_now
from apps.core.context import Actor, ActorKind, Context, SessionFacts
from apps.core.scope import no_scope, system_scope, tenant_scope
from apps.identity import selectors as identity_selectors
from apps.identity import services as identity
from apps.identity.types import IssuerInfo
from apps.policy import services as policy
from apps.tenants import services as tenancy
from tests.admin.staff import staff
from tests.conftest import TenantKit, make_tenant
from tests.identity.provider import Provider, running


@dataclass
class Caller:
    """Who opens a connection: how, and what ends or alters it (run in a thread, committed when it returns)."""

    payload: dict[str, str]
    cookie: str
    change: Callable[[], object]
    country: str = ""


def sign_in(user: object) -> str:
    client = Client()
    with no_scope(), system_scope("identity.authenticate"):
        client.force_login(user, backend="apps.identity.backends.AccountBackend")
    return str(client.cookies[settings.SESSION_COOKIE_NAME].value)


def key_revoked(kit: TenantKit) -> Iterator[Caller]:
    while True:
        token = kit.key("reader")
        with no_scope(), tenant_scope(kit.info.id):
            (key,) = [each for each in identity_selectors.api_keys(kit.ctx) if each.prefix in token]

        def change(key_id: object = key.id) -> None:
            identity.revoke_api_key(kit.ctx, key_id=key_id)

        yield Caller({"authorization": f"Bearer {token}"}, "", change)


def member_removed(kit: TenantKit) -> Iterator[Caller]:
    user = kit.member("analyst")
    cookie = sign_in(user)
    while True:
        yield Caller({}, cookie, lambda: identity.remove_member(kit.ctx, user_id=user.id))
        with no_scope(), tenant_scope(kit.info.id):
            identity.add_member(kit.ctx, user_id=user.id, roles=frozenset({"analyst"}))


def role_lowered(kit: TenantKit) -> Iterator[Caller]:
    user = kit.member("admin")
    cookie = sign_in(user)
    for roles in itertools.cycle(["reader", "admin"]):
        yield Caller(
            {},
            cookie,
            lambda roles=roles: identity.change_roles(kit.ctx, user_id=user.id, roles=frozenset({roles})),
        )


def signed_out(kit: TenantKit) -> Iterator[Caller]:
    """The change stands in the platform's ledger, not in the tenant's."""
    user = kit.member("analyst")
    while True:
        yield Caller({}, sign_in(user), lambda: identity.end_other_sessions(kit.ctx, user=user, session_key="none"))


def signed_out_elsewhere(kit: TenantKit) -> Iterator[Caller]:
    """The change is made in another tenant that the person belongs to."""
    user, other = kit.member("analyst"), make_tenant()
    with no_scope(), tenant_scope(other.info.id):
        identity.add_member(other.ctx, user_id=user.id, roles=frozenset({"reader"}))

    def change() -> None:
        with no_scope(), tenant_scope(other.info.id):
            identity.end_member_sessions(other.ctx, user_id=user.id)

    while True:
        yield Caller({"tenant": kit.info.slug}, sign_in(user), change)


def fence_drawn(kit: TenantKit) -> Iterator[Caller]:
    cookie = sign_in(kit.member("analyst"))
    staff = kit.ctx.but(session=SessionFacts(country="DE"))
    for version in itertools.count(step=2):

        def change(countries: frozenset[str] = frozenset({"DE"}), version: int = version) -> None:
            policy.set_fence(staff, countries=countries, expected_version=version, reason="a race")

        yield Caller({}, cookie, change, country="FR")
        with no_scope(), tenant_scope(kit.info.id):
            change(frozenset(), version + 1)


def key_rotated(kit: TenantKit) -> Iterator[Caller]:
    """The old key ends with the change."""
    while True:
        token = kit.key("reader")
        with no_scope(), tenant_scope(kit.info.id):
            (key,) = [each for each in identity_selectors.api_keys(kit.ctx) if each.prefix in token]

        def change(key_id: object = key.id) -> None:
            identity.rotate_api_key(kit.ctx, key_id=key_id, overlap=timedelta(0))

        yield Caller({"authorization": f"Bearer {token}"}, "", change)


def _trusted(kit: TenantKit, provider: Provider) -> IssuerInfo:
    with no_scope(), tenant_scope(kit.info.id):
        return identity.trust_issuer(
            kit.ctx, name="Idp", issuer=provider.issuer, jwks_url=provider.url, role_map={"readers": "reader"}
        )


def _token(kit: TenantKit, provider: Provider, **claims: object) -> str:
    told = provider.claims(identity.audience_of(kit.info.slug), **claims)
    return provider.sign(told, kid="ec", alg="ES256")


def token_revoked(kit: TenantKit) -> Iterator[Caller]:
    with running() as provider:
        issuer = _trusted(kit, provider)
        while True:
            token = _token(kit, provider)

            def change(token: str = token) -> None:
                identity.revoke_token(kit.ctx, issuer_id=issuer.id, jti=_jti(token))

            yield Caller({"authorization": f"Bearer {token}"}, "", change)


def _jti(token: str) -> str:
    return str(json.loads(_decode(token.split(".")[1] + "=="))["jti"])


def issuer_distrusted(kit: TenantKit) -> Iterator[Caller]:
    with running() as provider:
        while True:
            issuer = _trusted(kit, provider)

            def change(issuer_id: object = issuer.id) -> None:
                identity.distrust_issuer(kit.ctx, issuer_id=issuer_id)

            yield Caller({"authorization": f"Bearer {_token(kit, provider)}"}, "", change)


def account_disabled(kit: TenantKit) -> Iterator[Caller]:
    """The tenant's identity provider says so, of a person who is signed in."""
    user = kit.member("analyst")
    cookie, about = sign_in(user), {"format": "email", "email": user.email}
    with running() as provider:
        _trusted(kit, provider)

        def say(what: str) -> None:
            claims = provider.claims(identity.audience_of(kit.info.slug), exp=None, roles=None, sub=None)
            events = {f"https://schemas.openid.net/secevent/risc/event-type/account-{what}": {}}
            token = provider.sign(claims | {"sub_id": about, "events": events}, typ="secevent+jwt")
            with no_scope():
                assert policy.receive_events(kit.ctx, token=token) == 1

        while True:
            yield Caller({}, cookie, lambda: say("disabled"))
            say("enabled")


def staff_sent_away(kit: TenantKit) -> Iterator[Caller]:
    """The tenant ends the time that one of the platform's staff acts in it."""
    helper = staff("support")
    cookie, now = str(helper.client.cookies[settings.SESSION_COOKIE_NAME].value), utc_now()
    ctx = Context(
        actor=Actor(ActorKind.USER, str(helper.user.pk)),
        platform_roles=frozenset({"support"}),
        session=SessionFacts(authenticated_at=now, second_factor_at=now),
    )
    while True:
        with no_scope():
            acting = identity.start_acting(ctx, tenant=kit.info, reason="ticket 4711, as asked", minutes=30)

        def change(acting_id: object = acting.id) -> None:
            identity.end_acting(kit.ctx, acting_id=acting_id)

        yield Caller({"tenant": kit.info.slug}, cookie, change)


def tenant_suspended(kit: TenantKit) -> Iterator[Caller]:
    token = kit.key("reader")

    def move(to: str) -> None:
        with no_scope():
            tenancy.change_status(kit.ctx, tenant_id=kit.info.id, to=to, reason="a race")

    while True:
        yield Caller({"authorization": f"Bearer {token}"}, "", lambda: move("suspended"))
        move("active")
