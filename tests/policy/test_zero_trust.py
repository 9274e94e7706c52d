"""Fences, trusted proxies, and security events of identity providers that take effect on the next request."""

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from apps.core import client, conf
from apps.core.clock import utc_now
from apps.core.context import Actor, ActorKind, Context, SessionFacts
from apps.core.errors import Conflict, Forbidden, InvalidInput, StaleVersion, StepUpRequired, Unauthenticated
from apps.core.scope import no_scope, tenant_scope
from apps.identity import jwks
from apps.identity import services as identity
from apps.ledger import selectors as ledger
from apps.policy import selectors, services
from apps.policy.models import SignalEntry
from apps.policy.security_events import CAEP, RISC, VERIFICATION
from tests.conftest import TenantKit, make_tenant
from tests.identity.provider import Provider, running

ADDRESS = "/api/v1/security-events"


@pytest.fixture
def other_tenant() -> TenantKit:
    with no_scope():
        return make_tenant()


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setattr(jwks, "allowed", lambda address: True)
    with running() as one:
        yield one


@pytest.fixture
def trusted(tenant: TenantKit, provider: Provider) -> TenantKit:
    with no_scope(), tenant_scope(tenant.info.id):
        identity.trust_issuer(
            tenant.ctx, name="Idp", issuer=provider.issuer, jwks_url=provider.url, role_map={"readers": "reader"}
        )
    return tenant


def event(
    kit: TenantKit,
    provider: Provider,
    kind: str,
    subject: dict[str, Any],
    of: dict[str, Any] | None = None,
    **more: Any,
) -> str:
    claims = provider.claims(identity.audience_of(kit.info.slug), exp=None, roles=None, sub=None)
    claims |= {"sub_id": subject, "events": {kind: of or {}}, **more}
    return provider.sign({k: v for k, v in claims.items() if v is not None}, typ="secevent+jwt")


def push(token: str, content_type: str = "application/secevent+jwt") -> Any:
    with no_scope():
        return Client().post(ADDRESS, token, content_type=content_type)


def session_of(kit: TenantKit, user: Any, **facts: Any) -> Context:
    now = utc_now()
    known = SessionFacts(id="s", authenticated_at=now - timedelta(minutes=5), **facts)
    return kit.ctx.but(actor=Actor(ActorKind.USER, str(user.id)), roles=frozenset({"analyst"}), session=known)


def assess(ctx: Context) -> None:
    with no_scope():
        services.assess_session(ctx)


# -- signals


def test_a_device_that_is_no_longer_compliant_is_refused_and_comes_back(trusted: TenantKit, provider: Provider) -> None:
    user = trusted.member("analyst")
    about = {"format": "email", "email": user.email}
    assess(session_of(trusted, user))
    kind = f"{CAEP}device-compliance-change"
    assert push(event(trusted, provider, kind, about, {"current_status": "not-compliant"})).status_code == 202
    with pytest.raises(Forbidden) as refused:
        assess(session_of(trusted, user))
    assert refused.value.details["signal"] == "device"
    assert refused.value.mend
    assert push(event(trusted, provider, kind, about, {"current_status": "compliant"})).status_code == 202
    assess(session_of(trusted, user))


@pytest.mark.parametrize(
    ("kind", "of", "error", "signal"),
    [
        (f"{CAEP}risk-level-change", {"current_level": "HIGH", "principal": "USER"}, Forbidden, "risk"),
        (f"{CAEP}risk-level-change", {"current_level": "MEDIUM"}, StepUpRequired, "risk"),
        (f"{CAEP}session-revoked", {}, Forbidden, "session"),
        (f"{RISC}sessions-revoked", {}, Forbidden, "session"),
        (f"{RISC}account-disabled", {"reason": "hijacking"}, Forbidden, "account"),
        (f"{RISC}account-purged", {}, Forbidden, "account"),
        (f"{RISC}credential-compromise", {"credential_type": "password"}, Forbidden, "session"),
        (f"{CAEP}credential-change", {"change_type": "revoke"}, StepUpRequired, "risk"),
        (f"{CAEP}assurance-level-change", {"change_direction": "decrease"}, StepUpRequired, "risk"),
    ],
)
def test_events_stop_a_session(
    trusted: TenantKit, provider: Provider, kind: str, of: dict[str, Any], error: type[Exception], signal: str
) -> None:
    user = trusted.member("analyst")
    assert push(event(trusted, provider, kind, {"format": "email", "email": user.email}, of)).status_code == 202
    confirmed = utc_now() - timedelta(minutes=1)
    needs_newer = kind.endswith(("credential-change", "assurance-level-change"))
    facts = {"second_factor_at": confirmed} if needs_newer else {}
    with pytest.raises(error) as stopped:
        assess(session_of(trusted, user, **facts))
    assert stopped.value.details["signal"] == signal  # type: ignore[attr-defined]


def test_what_a_person_does_after_the_event_counts(trusted: TenantKit, provider: Provider) -> None:
    user = trusted.member("analyst")
    about = {"format": "email", "email": user.email}
    past = {"event_timestamp": time.time() - 30}
    assert push(event(trusted, provider, f"{CAEP}session-revoked", about, past)).status_code == 202
    assert push(event(trusted, provider, f"{CAEP}credential-change", about, past)).status_code == 202
    later = utc_now() - timedelta(seconds=5)
    fresh = session_of(trusted, user, second_factor_at=later)
    assess(fresh.but(session=SessionFacts(id="n", authenticated_at=later, second_factor_at=later)))
    with pytest.raises(Forbidden):
        assess(fresh)


def test_an_event_about_a_token_holder_stops_its_token(trusted: TenantKit, provider: Provider) -> None:
    token = provider.sign(provider.claims(identity.audience_of(trusted.info.slug), sub="robot-7"))
    with no_scope():
        holder = identity.authenticate_token(Context(), token)
    assess(holder)
    about = {"format": "iss_sub", "iss": provider.issuer, "sub": "robot-7"}
    assert push(event(trusted, provider, f"{RISC}account-disabled", about)).status_code == 202
    with pytest.raises(Forbidden):
        assess(holder)
    other = provider.sign(provider.claims(identity.audience_of(trusted.info.slug), sub="robot-8"))
    with no_scope():
        assess(identity.authenticate_token(Context(), other))


def test_claims_of_a_token_are_signals(trusted: TenantKit, provider: Provider) -> None:
    def holder(**claims: Any) -> Context:
        token = provider.sign(provider.claims(identity.audience_of(trusted.info.slug), **claims))
        with no_scope():
            return identity.authenticate_token(Context(), token)

    assess(holder())
    assess(holder(ig_risk="low", ig_device_trusted=True))
    with pytest.raises(StepUpRequired) as asked:
        assess(holder(ig_risk="medium"))
    assert asked.value.details["max_age"] == 900
    assess(holder(ig_risk="medium", auth_time=int(time.time()) - 60, amr=["pwd", "otp"]))
    with pytest.raises(StepUpRequired):
        assess(holder(ig_risk="medium", auth_time=int(time.time()) - 60, amr=["pwd"]))
    with pytest.raises(StepUpRequired):
        assess(holder(ig_risk="medium", auth_time=int(time.time()) - 1_000, amr=["mfa"]))
    for bad in ({"ig_risk": "high"}, {"ig_device_trusted": False}, {"ig_risk": ["low"]}):
        with pytest.raises(Forbidden):
            assess(holder(**bad))


def test_the_same_token_twice_is_one_signal_and_one_record(
    trusted: TenantKit, provider: Provider, settle: Callable[[], None]
) -> None:
    user = trusted.member("analyst")
    token = event(trusted, provider, f"{RISC}account-disabled", {"format": "email", "email": user.email})
    assert [push(token).status_code for _ in range(3)] == [202] * 3
    with no_scope():
        settle()
    with no_scope(), tenant_scope(trusted.info.id):
        assert SignalEntry.objects.count() == 1
        names = [row.type for row in ledger.records(trusted.info.id)]
    assert names.count("policy.signal.received") == 1


def test_a_stranger_and_a_verification_change_nothing(trusted: TenantKit, provider: Provider) -> None:
    about = {"format": "email", "email": "nobody@elsewhere.example"}
    assert push(event(trusted, provider, f"{RISC}account-disabled", about)).status_code == 202
    assert (
        push(event(trusted, provider, VERIFICATION, {"format": "opaque", "id": "1"}, {"state": "x"})).status_code == 202
    )
    with no_scope(), tenant_scope(trusted.info.id):
        assert SignalEntry.objects.count() == 0


def test_an_issuer_does_not_reach_another_tenant(
    trusted: TenantKit, other_tenant: TenantKit, provider: Provider
) -> None:
    user = other_tenant.member("analyst")
    about = {"format": "email", "email": user.email}
    refused = push(event(other_tenant, provider, f"{RISC}account-disabled", about))
    assert refused.json()["err"] == "invalid_issuer"
    assert push(event(trusted, provider, f"{RISC}account-disabled", about)).status_code == 202
    assess(session_of(other_tenant, user))


def test_attacks_are_refused_by_code(trusted: TenantKit, provider: Provider) -> None:
    user = trusted.member("analyst")
    about = {"format": "email", "email": user.email}
    kind = f"{RISC}account-disabled"
    good = event(trusted, provider, kind, about)
    audience = identity.audience_of(trusted.info.slug)
    bare = {"sub_id": about, "events": {kind: {}}}
    claims = {**provider.claims(audience, exp=None), **bare}
    unsigned = provider.sign(claims, typ="JWT")
    cases = [
        (good[:-6] + "AAAAAA", "invalid_key"),
        (event(trusted, provider, kind, about, iss="https://other.example"), "invalid_issuer"),
        (event(trusted, provider, kind, about, aud="https://other.example"), "invalid_audience"),
        (event(trusted, provider, kind, about, jti=None), "invalid_request"),
        (event(trusted, provider, kind, about, iat=time.time() + 4_000), "invalid_request"),
        (event(trusted, provider, kind, {"format": "phone_number", "phone_number": "+1"}), "invalid_request"),
        (event(trusted, provider, kind, about, events=None), "invalid_request"),
        (event(trusted, provider, kind, about, events={kind: "x"}), "invalid_request"),
        (event(trusted, provider, kind, about, events={f"{kind}{n}": {} for n in range(11)}), "invalid_request"),
        (event(trusted, provider, f"{CAEP}risk-level-change", about, {"current_level": "EXTREME"}), "invalid_request"),
        (
            event(trusted, provider, kind, {"format": "iss_sub", "iss": "https://x.example", "sub": "a"}),
            "invalid_issuer",
        ),
        (unsigned, "invalid_request"),
        ("", "invalid_request"),
        ("a.b.c", "invalid_request"),
        ("x" * 9_000, "invalid_request"),
    ]
    for token, err in cases:
        answer = push(token)
        assert (answer.status_code, answer.json()["err"]) == (400, err), (err, answer.content)
        assert answer["Content-Type"] == "application/json"
    assert push(good, "application/json").json()["err"] == "invalid_request"
    assert push("ä").status_code == 400
    with no_scope():
        assert Client().get(ADDRESS).status_code == 405
    assess(session_of(trusted, user))


def test_a_security_event_is_no_token_of_access(trusted: TenantKit, provider: Provider) -> None:
    token = event(trusted, provider, f"{RISC}account-enabled", {"format": "email", "email": "x@y.example"}, sub="s")
    with no_scope(), pytest.raises(Unauthenticated):
        identity.authenticate_token(Context(), token)


# -- fences


def fenced(kit: TenantKit, *countries: str, version: int = 0, here: str = "DE") -> Any:
    ctx = kit.ctx.but(session=SessionFacts(country=here))
    with no_scope(), tenant_scope(kit.info.id):
        return services.set_fence(ctx, countries=countries, expected_version=version, reason="for the test")


def test_a_fence_keeps_other_countries_out_at_once(tenant: TenantKit, settle: Callable[[], None]) -> None:
    user = tenant.member("analyst")
    inside, outside = session_of(tenant, user, country="AT"), session_of(tenant, user, country="FR")
    assess(outside)
    assert fenced(tenant, "de", "AT").version == 1
    assess(inside)
    with pytest.raises(Forbidden) as refused:
        assess(outside)
    assert refused.value.details["signal"] == "geography"
    assert refused.value.message == "your organisation does not admit sessions from FR"
    with pytest.raises(Forbidden, match="cannot tell"):
        assess(session_of(tenant, user))
    assert fenced(tenant, version=1).countries == frozenset()
    assess(outside)
    with no_scope():
        settle()
    with no_scope(), tenant_scope(tenant.info.id):
        assert [row.type for row in ledger.records(tenant.info.id)].count("policy.fence.changed") == 2
        assert selectors.fence().version == 2


def test_a_fence_is_not_drawn_by_who_stands_outside(tenant: TenantKit) -> None:
    with pytest.raises(Conflict, match="from FR"):
        fenced(tenant, "DE", here="FR")
    with pytest.raises(Conflict, match="cannot tell"):
        fenced(tenant, "DE", here="")
    with pytest.raises(InvalidInput, match="two-letter"):
        fenced(tenant, "Germany")
    fenced(tenant, "DE")
    with pytest.raises(StaleVersion):
        fenced(tenant, "DE", "AT", version=0)


def test_a_fence_does_not_stop_keys(tenant: TenantKit) -> None:
    fenced(tenant, "DE")
    with no_scope():
        holder = identity.authenticate_token(Context(), tenant.key("reader"))
    assess(holder)


# -- trusted proxies


def around(peer: str, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> SessionFacts:
    settings = conf.read(
        {
            **os.environ,
            "IG_TRUSTED_PROXIES": "10.0.0.1",
            "IG_COUNTRY_HEADER": "CF-IPCountry",
            "IG_DEVICE_HEADER": "X-Device",
            "IG_RISK_HEADER": "X-Risk",
        }
    )
    monkeypatch.setattr(client.conf, "get", lambda: settings)
    return client.surroundings(SessionFacts(ip="192.0.2.1"), peer, headers)


def test_a_trusted_proxy_is_believed_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"cf-ipcountry": "de", "x-device": "Untrusted", "x-risk": "MEDIUM"}
    facts = around("10.0.0.1", said, monkeypatch)
    assert (facts.country, facts.device_trusted, facts.risk, facts.ip) == ("DE", False, "medium", "192.0.2.1")
    assert around("10.0.0.2", said, monkeypatch) == SessionFacts(ip="192.0.2.1")
    odd = around("10.0.0.1", {"cf-ipcountry": "XX", "x-device": "perhaps", "x-risk": "purple"}, monkeypatch)
    assert (odd.country, odd.device_trusted, odd.risk) == ("", None, "purple")
    assert around("10.0.0.1", {}, monkeypatch) == SessionFacts(ip="192.0.2.1")


def test_the_stopped_are_told_how_to_go_on(tenant: TenantKit) -> None:
    ctx = session_of(tenant, tenant.member("analyst"), risk="medium")
    with pytest.raises(StepUpRequired) as asked:
        assess(ctx)
    assert json.loads(json.dumps(asked.value.details))["signal"] == "risk"
    assert asked.value.mend == "confirm with your second factor"
    with no_scope(), tenant_scope(tenant.info.id):
        services.flush_decisions()
        (entry,) = selectors.decisions(ctx)
    assert (entry.stage, entry.outcome, entry.action) == ("session", "step_up", "risk")
    assert entry.facts["risk"] == "medium"
