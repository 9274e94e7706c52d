"""Tokens of a tenant's identity provider: the attack table. Every refusal is one quiet message outside and a reason in
the log; the provider is a real HTTP server."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from joserfc.jwk import ECKey, RSAKey
from structlog.testing import capture_logs

from apps.core.clock import utc_now
from apps.core.context import Actor, ActorKind, Context, SessionFacts
from apps.core.errors import Conflict, Forbidden, InvalidInput, NotFound, TenantSuspended, Unauthenticated
from apps.core.scope import no_scope, tenant_scope
from apps.identity import jwks, selectors
from apps.identity import services as identity
from apps.identity.services import tokens as verbs
from apps.tenants import services as tenancy
from tests.conftest import TenantKit, make_tenant
from tests.identity.provider import Provider, running

ROLES = {"readers": "reader", "writers": "analyst"}


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running() as one:
        yield one


@pytest.fixture
def trusted(tenant: TenantKit, provider: Provider) -> TenantKit:
    """A tenant that trusts the provider."""
    trust(tenant, provider)
    return tenant


def trust(kit: TenantKit, provider: Provider, **more: Any) -> Any:
    with no_scope(), tenant_scope(kit.info.id):
        wanted = {"name": "Idp", "issuer": provider.issuer, "jwks_url": provider.url, "role_map": ROLES, **more}
        return identity.trust_issuer(kit.ctx, **wanted)


def audience(kit: TenantKit) -> str:
    return identity.audience_of(kit.info.slug)


def enter(token: str, now: Any = None) -> Context:
    with no_scope():
        return identity.authenticate_token(Context(clock=lambda: now or utc_now()), token)


def reason_of(token: str, now: Any = None) -> str:
    with pytest.raises(Unauthenticated) as refused:
        enter(token, now)
    assert refused.value.message == "the credentials are not valid", "quiet outside"
    return str(refused.value.details["reason"])


def b64(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(("kid", "alg"), [("rsa", "RS256"), ("ec", "ES256"), ("okp", "EdDSA"), ("okp", "Ed25519")])
def test_a_good_token_opens_its_tenant_with_the_mapped_roles(
    trusted: TenantKit, provider: Provider, kid: str, alg: str
) -> None:
    claims = provider.claims(audience(trusted), roles=["writers", "kings"], sub="ada@example.com")
    ctx = enter(provider.sign(claims, kid=kid, alg=alg, typ="at+jwt"))
    assert (ctx.tenant_id, ctx.roles) == (trusted.info.id, {"analyst"})
    assert ctx.actor.kind is ActorKind.API_KEY and "ada" not in ctx.actor.ref
    again = enter(provider.sign(provider.claims(audience(trusted), sub="ada@example.com"), kid=kid, alg=alg))
    assert again.actor.id == ctx.actor.id and again.roles == {"reader"}


Attack = Callable[[Provider, str], str]
NOW = int(time.time())


def _resigned(provider: Provider, audience: str) -> str:
    head, _, tail = provider.sign(provider.claims(audience)).split(".")
    return f"{head}.{b64(provider.claims(audience, roles=['writers']))}.{tail}"


ATTACKS: dict[str, tuple[str, Attack]] = {
    "expired": ("token: expired", lambda p, a: p.sign(p.claims(a, exp=NOW - 120, iat=NOW - 500))),
    "not yet valid": ("token: not yet valid", lambda p, a: p.sign(p.claims(a, nbf=int(time.time()) + 200))),
    "issued in the future": ("token: not yet valid", lambda p, a: p.sign(p.claims(a, iat=int(time.time()) + 200))),
    "no expiry": ("token: missing exp", lambda p, a: p.sign(p.claims(a, exp=None))),
    "expiry is no number": ("token: exp", lambda p, a: p.sign(p.claims(a, exp="tomorrow"))),
    "lives too long": ("token: lives too long", lambda p, a: p.sign(p.claims(a, exp=int(time.time()) + 900_000))),
    "no subject": ("token: missing sub", lambda p, a: p.sign(p.claims(a, sub=None))),
    "subject too long": ("token: sub", lambda p, a: p.sign(p.claims(a, sub="x" * 300))),
    "wrong audience": ("token: audience", lambda p, a: p.sign(p.claims("https://other.example"))),
    "no audience": ("token: form", lambda p, a: p.sign(p.claims(a, aud=None))),
    "two of our audiences": ("token: audience", lambda p, a: p.sign(p.claims(a, aud=[a, f"{a}x"]))),
    "wrong issuer": ("token: issuer", lambda p, a: p.sign(p.claims(a, iss="https://evil.example"))),
    "no issuer": ("token: form", lambda p, a: p.sign(p.claims(a, iss=None))),
    "alg none": ("token: algorithm none", lambda p, a: f"{b64({'alg': 'none', 'kid': 'rsa'})}.{b64(p.claims(a))}."),
    "alg None": ("token: algorithm None", lambda p, a: f"{b64({'alg': 'None', 'kid': 'rsa'})}.{b64(p.claims(a))}."),
    "no alg": ("token: algorithm None", lambda p, a: f"{b64({'kid': 'rsa'})}.{b64(p.claims(a))}.x"),
    "HMAC with the public key": (
        "token: algorithm HS256",
        lambda p, a: p.signed_with_the_public_key(p.claims(a)),
    ),
    "PS256": ("token: algorithm PS256", lambda p, a: p.sign(p.claims(a), alg="PS256")),
    "RSA's id with another algorithm": (
        "token: the key is of another kind than the algorithm",
        lambda p, a: p.sign(p.claims(a), kid="rsa", alg="ES256", key=ECKey.generate_key("P-256")),
    ),
    "own key under a known id": (
        "token: signature",
        lambda p, a: p.sign(p.claims(a), kid="rsa", key=RSAKey.generate_key(2048)),
    ),
    "own key inside the header": (
        "token: signature",
        lambda p, a: p.sign(
            p.claims(a), kid="ec", alg="ES256", key=(own := ECKey.generate_key("P-256")), jwk=own.as_dict(private=False)
        ),
    ),
    "unknown kid": ("token: unknown kid", lambda p, a: p.sign(p.claims(a), kid="nope", key=p.keys["rsa"])),
    "no kid": ("token: missing kid", lambda p, a: p.sign(p.claims(a), kid=None, key=p.keys["rsa"])),
    "kid is a path": ("token: unknown kid", lambda p, a: p.sign(p.claims(a), kid="../rsa", key=p.keys["rsa"])),
    "changed claims": ("token: signature", _resigned),
    "no role of ours": ("token: no role", lambda p, a: p.sign(p.claims(a, roles=["kings"]))),
    "a logout token": ("token: type", lambda p, a: p.sign(p.claims(a), typ="logout+jwt")),
    "too large": ("token: size", lambda p, a: p.sign(p.claims(a, filler="x" * 9000))),
    "not base64": ("token: form", lambda p, a: "a.b.c"),
    "not ASCII": ("token: form", lambda p, a: "ä.ö.ü"),
    "not an object": ("token: form", lambda p, a: f"{b64([])}.{b64([])}.x"),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_are_refused_each_with_its_reason(trusted: TenantKit, provider: Provider, attack: str) -> None:
    reason, make = ATTACKS[attack]
    assert reason_of(make(provider, audience(trusted))) == reason


def test_outside_every_refusal_is_the_same_and_inside_it_is_logged(trusted: TenantKit, provider: Provider) -> None:
    bodies = set()
    with no_scope(), capture_logs() as logs:
        for reason, make in ATTACKS.values():
            answer = Client().get(
                "/api/v1/mappings",
                headers={"authorization": f"Bearer {make(provider, audience(trusted)).encode().decode('latin-1')}"},
            )
            assert answer.status_code == 401, reason
            said = json.loads(answer.content)
            bodies.add((said["detail"], said["code"], said.get("mend")))
        good = Client().get(
            "/api/v1/mappings",
            headers={"authorization": f"Bearer {provider.sign(provider.claims(audience(trusted)))}"},
        )
        assert good.status_code in {200, 403}, "it is let in; whether it may do this is another question"
    assert len(bodies) == 1
    told = {log.get("reason") for log in logs if log["event"] == "request refused"}
    assert {reason for reason, _ in ATTACKS.values()} <= told


def test_a_little_clock_skew_is_forgiven_and_no_more(trusted: TenantKit, provider: Provider) -> None:
    now = utc_now()
    at = int(now.timestamp())
    token = provider.sign(provider.claims(audience(trusted), exp=at + 100, nbf=at + 50, iat=at + 50))
    enter(token, now)
    enter(token, now + timedelta(seconds=155))
    assert reason_of(token, now + timedelta(seconds=170)) == "token: expired", "also when it was seen before"


def test_another_tenant_s_provider_opens_nothing_here(trusted: TenantKit, provider: Provider) -> None:
    with running() as theirs:
        other = make_tenant()
        trust(other, theirs)
        assert enter(theirs.sign(theirs.claims(audience(other)))).tenant_id == other.info.id
        assert reason_of(theirs.sign(theirs.claims(audience(trusted)))) == "token: issuer"
        pretending = theirs.claims(audience(trusted), iss=provider.issuer)
        assert reason_of(theirs.sign(pretending)) == "token: signature"
        assert reason_of(theirs.sign(pretending, kid="theirs", key=theirs.keys["rsa"])) == "token: unknown kid"
        assert reason_of(provider.sign(provider.claims(audience(other)))) == "token: issuer"


def test_rotation_is_noticed_once_a_minute_at_most(
    trusted: TenantKit, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(provider.sign(provider.claims(audience(trusted))))
    assert provider.asked == 1
    provider.keys["new"] = RSAKey.generate_key(2048)
    old = provider.keys.pop("rsa")
    rotated = provider.sign(provider.claims(audience(trusted)), kid="new")
    for _ in range(5):
        assert reason_of(rotated) == "token: unknown kid"
    assert provider.asked == 1, "a stranger's key id does not make us ask again and again"
    later = time.monotonic() + jwks.AGAIN_S
    monkeypatch.setattr(jwks.time, "monotonic", lambda: later)
    enter(rotated)
    assert provider.asked == 2
    assert reason_of(provider.sign(provider.claims(audience(trusted)), kid="rsa", key=old)) == "token: unknown kid"


def test_keys_that_cannot_be_fetched_end_after_an_hour(
    trusted: TenantKit, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fresh() -> str:
        return provider.sign(provider.claims(audience(trusted)))

    enter(fresh())
    provider.status = 500
    start = time.monotonic()
    monkeypatch.setattr(jwks.time, "monotonic", lambda: start + jwks.KEPT_S + 1)
    enter(fresh())
    monkeypatch.setattr(jwks.time, "monotonic", lambda: start + jwks.STALE_S + 1)
    assert reason_of(fresh()) == "token: key set away"


def test_a_revoked_token_is_refused_also_where_it_was_seen(trusted: TenantKit, provider: Provider) -> None:
    claims = provider.claims(audience(trusted))
    token, nameless = provider.sign(claims), provider.sign(provider.claims(audience(trusted), jti=None))
    enter(token)
    enter(nameless)
    (issuer,) = selectors.trusted_issuers(trusted.ctx)
    identity.revoke_token(trusted.ctx, issuer_id=issuer.id, jti=claims["jti"])
    assert reason_of(token) == "token: revoked"
    enter(nameless)
    identity.revoke_token(trusted.ctx, issuer_id=issuer.id, token=nameless)
    assert reason_of(nameless) == "token: revoked"
    enter(provider.sign(provider.claims(audience(trusted))))


def test_an_issuer_that_is_trusted_no_more_opens_nothing(trusted: TenantKit, provider: Provider) -> None:
    token = provider.sign(provider.claims(audience(trusted)))
    enter(token)
    (issuer,) = selectors.trusted_issuers(trusted.ctx)
    identity.distrust_issuer(trusted.ctx, issuer_id=issuer.id)
    assert reason_of(token) == "token: issuer"
    trust(trusted, provider, role_map={"readers": "billing"})
    assert enter(token).roles == {"billing"}, "trusted anew, with other roles"


def test_a_suspended_tenant_lets_no_token_in(provider: Provider) -> None:
    kit = make_tenant()
    trust(kit, provider)
    token = provider.sign(provider.claims(audience(kit)))
    enter(token)
    with no_scope():
        tenancy.change_status(kit.ctx, tenant_id=kit.info.id, to="suspended", reason="test")
    with pytest.raises(TenantSuspended):
        enter(token)


def test_a_seen_token_asks_nobody(trusted: TenantKit, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    token = provider.sign(provider.claims(audience(trusted)))
    enter(token)
    monkeypatch.setattr(verbs.tokens, "verify", lambda *a, **k: pytest.fail("verified again"))
    enter(token)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": " "}, "name"), ({"issuer": ""}, "issuer"), ({"issuer": "a\nb"}, "issuer"),
        ({"jwks_url": "ftp://x.example/"}, "jwks_url"), ({"jwks_url": "https://u:p@x.example/"}, "jwks_url"),
        ({"jwks_url": "https:///keys"}, "jwks_url"), ({"role_map": {}}, "role_map"),
        ({"role_map": {"a": "owner"}}, "role_map"), ({"role_map": {"a": "king"}}, "role_map"), ({"role_claim": ""}, "role_claim"),
    ],
)  # fmt: skip
def test_bad_issuers_are_refused(tenant: TenantKit, provider: Provider, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        trust(tenant, provider, **changes)
    assert refused.value.field == field and selectors.trusted_issuers(tenant.ctx) == []


def test_nobody_lets_tokens_do_more_than_they_may(tenant: TenantKit, provider: Provider) -> None:
    developer = tenant.as_role("developer").but(session=SessionFacts(second_factor_at=utc_now()))
    with pytest.raises(Forbidden):
        identity.trust_issuer(
            developer, name="x", issuer=provider.issuer, jwks_url=provider.url, role_map={"a": "admin"}
        )
    assert selectors.trusted_issuers(tenant.ctx) == []


def test_an_issuer_is_trusted_once_and_seen_by_its_tenant_alone(
    trusted: TenantKit, provider: Provider, outsider: TenantKit
) -> None:
    with pytest.raises(Conflict):
        trust(trusted, provider)
    (issuer,) = selectors.trusted_issuers(trusted.ctx)
    with no_scope(), tenant_scope(outsider.info.id):
        assert selectors.trusted_issuers(outsider.ctx) == []
        for act in (
            lambda: identity.distrust_issuer(outsider.ctx, issuer_id=issuer.id),
            lambda: identity.revoke_token(outsider.ctx, issuer_id=issuer.id, jti="x"),
        ):
            with pytest.raises(NotFound):
                act()
    assert Actor(ActorKind.API_KEY).ref == "key"
