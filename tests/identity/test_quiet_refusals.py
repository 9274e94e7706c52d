"""Keys and tokens that must not open anything, at the REST door: one quiet answer outside, each reason in the log."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from joserfc.jwk import RSAKey
from structlog.testing import capture_logs

from apps.core.clock import utc_now
from apps.core.errors import Unauthenticated
from apps.core.kept import drop_everything
from apps.core.scope import no_scope, system_scope, tenant_scope
from apps.gateway import pipeline
from apps.identity import selectors
from apps.identity import services as identity
from apps.identity.models import ApiKey
from apps.identity.types import NewApiKey
from tests.conftest import TenantKit, make_tenant
from tests.identity.provider import Provider, running

Attack = Callable[[TenantKit, TenantKit], str]


def knock(token: str, **headers: str) -> tuple[int, dict[str, Any], list[str]]:
    """Ask for something with this token; return status, body, and the reasons in the log."""
    with no_scope(), capture_logs() as logs:
        answer = Client().get("/api/v1/mappings", headers={"authorization": f"Bearer {token}", **headers})
    reasons = [str(log.get("reason")) for log in logs if log["event"] == "request refused"]
    assert token not in str(logs) or not token, "the log holds no secret"
    return answer.status_code, json.loads(answer.content), reasons


def made(kit: TenantKit) -> NewApiKey:
    with no_scope(), tenant_scope(kit.info.id):
        return identity.create_api_key(kit.ctx, name="k", scope="writer", expires_at=utc_now() + timedelta(days=1))


def changed(key: NewApiKey, **fields: Any) -> str:
    """Change a key's row as time does; return its token."""
    with no_scope(), system_scope("identity.authenticate"):
        ApiKey.objects.filter(id=key.info.id).update(**fields)
    drop_everything()
    return key.token


def revoked(kit: TenantKit) -> str:
    key = made(kit)
    assert knock(key.token)[0] == 200
    with no_scope(), tenant_scope(kit.info.id):
        identity.revoke_api_key(kit.ctx, key_id=key.info.id)
    return key.token


def rotated(kit: TenantKit) -> str:
    key = made(kit)
    with no_scope(), tenant_scope(kit.info.id):
        identity.rotate_api_key(kit.ctx, key_id=key.info.id, overlap=timedelta(0))
    return key.token


def crossed(kit: TenantKit, other: TenantKit) -> str:
    """Another tenant's key id with the own secret."""
    prefix = made(other).token.split("_")[1]
    return f"igk_{prefix}_{made(kit).token.split('_', 2)[2]}"


KEYS: dict[str, tuple[str, Attack]] = {
    "not of our form": ("form", lambda kit, other: "igk_short_secret"),
    "no secret": ("form", lambda kit, other: made(kit).token[:-43]),
    "unknown id": ("unknown", lambda kit, other: f"igk_{'0' * 10}_{'A' * 43}"),
    "wrong secret": ("unknown", lambda kit, other: made(kit).token[:-43] + "A" * 43),
    "secret in another case": ("unknown", lambda kit, other: (t := made(kit).token)[:-43] + t[-43:].swapcase()),
    "another tenant's key id": ("unknown", crossed),
    "expired": ("expired", lambda kit, other: changed(made(kit), expires_at=utc_now() - timedelta(seconds=1))),
    "rotated out": ("expired", lambda kit, other: rotated(kit)),
    "replayed after revocation": ("revoked", lambda kit, other: revoked(kit)),
}


def test_every_key_that_holds_no_more_gets_the_same_answer(tenant: TenantKit, outsider: TenantKit) -> None:
    said = {}
    for name, (reason, attack) in KEYS.items():
        status, body, reasons = knock(attack(tenant, outsider))
        assert (status, reasons) == (401, [reason]), name
        said[name] = (body["detail"], body["code"], body.get("mend"))
    assert len(set(said.values())) == 1, said
    with no_scope():
        identity.flush_key_uses()
    with tenant_scope(tenant.info.id):
        used = [one for one in selectors.api_keys(tenant.ctx) if one.last_used_at]
    assert len(used) == 1, "only the one that was let in before it was revoked"


def test_a_good_key_opens_no_other_tenant(tenant: TenantKit, outsider: TenantKit) -> None:
    token = made(tenant).token
    assert knock(token)[0] == 200
    answers = [knock(token, **{"x-ig-tenant": name}) for name in (outsider.info.slug, "no-such-tenant")]
    assert [status for status, _, _ in answers] == [404, 404]
    assert answers[0][1]["detail"] == answers[1][1]["detail"]


def test_a_connection_ends_when_its_key_is_revoked(tenant: TenantKit) -> None:
    key = made(tenant)
    arrival = pipeline.Arrival(authorization=f"Bearer {key.token}")
    with no_scope():
        assert pipeline.look_again(arrival).ctx.tenant_id == tenant.info.id
        with tenant_scope(tenant.info.id):
            identity.revoke_api_key(tenant.ctx, key_id=key.info.id)
        with pytest.raises(Unauthenticated):
            pipeline.look_again(arrival)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running() as one:
        yield one


def trust(kit: TenantKit, provider: Provider) -> Any:
    with no_scope(), tenant_scope(kit.info.id):
        return identity.trust_issuer(
            kit.ctx, name="Idp", issuer=provider.issuer, jwks_url=provider.url, role_map={"readers": "analyst"}
        )


def test_tokens_that_held_once_get_the_same_answer(tenant: TenantKit, provider: Provider) -> None:
    issuer, aud = trust(tenant, provider), identity.audience_of(tenant.info.slug)
    replayed = provider.sign(claims := provider.claims(aud))
    assert knock(replayed)[0] == 200
    with tenant_scope(tenant.info.id):
        identity.revoke_token(tenant.ctx, issuer_id=issuer.id, jti=claims["jti"])
    with running() as theirs:
        other = make_tenant()
        trust(other, theirs)
        pretending = theirs.sign(theirs.claims(aud, iss=provider.issuer), kid="ec", alg="ES256")
        foreign = theirs.sign(theirs.claims(aud))
    provider.keys["new"] = RSAKey.generate_key(2048)
    early = provider.sign(provider.claims(aud), kid="new")
    said = {}
    for name, token, reason in (
        ("replayed after revocation", replayed, "token: revoked"),
        ("another tenant's key under a known id", pretending, "token: signature"),
        ("another tenant's issuer", foreign, "token: issuer"),
        ("a key that is not known yet", early, "token: unknown kid"),
    ):
        status, body, reasons = knock(token)
        assert (status, reasons) == (401, [reason]), name
        said[name] = (body["detail"], body["code"], body.get("mend"))
    with tenant_scope(tenant.info.id):
        identity.distrust_issuer(tenant.ctx, issuer_id=issuer.id)
    status, body, reasons = knock(provider.sign(provider.claims(aud)))
    assert (status, reasons) == (401, ["token: issuer"])
    said["trusted no more"] = (body["detail"], body["code"], body.get("mend"))
    assert len(set(said.values())) == 1, said
    assert said["trusted no more"] == (lambda b: (b["detail"], b["code"], b.get("mend")))(
        knock(f"igk_{'0' * 10}_{'A' * 43}")[1]
    )
