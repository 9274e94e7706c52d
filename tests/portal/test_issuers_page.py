"""The page of identity providers: who may open it, what it takes, and what holds afterwards."""

import pytest

from apps.core.context import Context
from apps.core.errors import Unauthenticated
from apps.core.scope import no_scope
from apps.identity import selectors
from apps.identity import services as identity
from tests.admin.staff import told
from tests.conftest import TenantKit
from tests.identity.provider import running
from tests.portal.visitors import signed_in, text_of


def enter(token: str) -> Context:
    with no_scope():
        return identity.authenticate_token(Context(), token)


def test_a_provider_is_trusted_its_token_revoked_and_its_trust_ended(tenant: TenantKit) -> None:
    owner = signed_in(tenant, "owner", second_factor=True)
    assert "No identity provider yet" in text_of(owner.get("issuers/"))
    with running() as provider:
        form = {"name": "Idp", "issuer": provider.issuer, "jwks_url": provider.url, "role_claim": "roles"}
        bad = owner.post("issuers/new/", {**form, "role_map": "readers"})
        assert bad.status_code == 422 and "is not of the form" in text_of(bad)
        king = owner.post("issuers/new/", {**form, "role_map": "readers = owner"})
        assert king.status_code == 422 and selectors.trusted_issuers(tenant.ctx) == []
        assert owner.post("issuers/new/", {**form, "role_map": "readers = reader\n\nw=x = analyst"}).status_code == 302
        (issuer,) = selectors.trusted_issuers(tenant.ctx)
        assert issuer.role_map == {"readers": "reader", "w=x": "analyst"}
        assert provider.issuer in text_of(owner.get("issuers/"))
        claims = provider.claims(identity.audience_of(tenant.info.slug))
        token, other = provider.sign(claims), provider.sign(provider.claims(claims["aud"]))
        assert enter(token).roles == {"reader"}
        owner.post(f"issuers/{issuer.id}/revoke/", {"jti": claims["jti"]})
        with pytest.raises(Unauthenticated):
            enter(token)
        enter(other)
        assert owner.post(f"issuers/{issuer.id}/remove/").status_code == 302
        with pytest.raises(Unauthenticated):
            enter(other)
    assert told(tenant.info.id, "identity.issuer.trusted") and told(tenant.info.id, "identity.token.revoked")


@pytest.mark.parametrize("role", ["analyst", "developer", "reader", "dpo"])
def test_others_do_not_open_it(tenant: TenantKit, role: str) -> None:
    assert signed_in(tenant, role, second_factor=True).get("issuers/").status_code == 403


def test_it_wants_a_fresh_second_factor(tenant: TenantKit) -> None:
    assert signed_in(tenant, "owner").post("issuers/new/")["Location"].startswith("/login/code/")


def test_an_outsider_changes_nothing(tenant: TenantKit, outsider: TenantKit) -> None:
    issuer = identity.trust_issuer(
        tenant.ctx, name="x", issuer="https://x.example", jwks_url="https://x.example/k", role_map={"a": "reader"}
    )
    stranger = signed_in(outsider, "owner", second_factor=True)
    assert stranger.post(f"issuers/{issuer.id}/remove/").status_code == 404
    assert stranger.post(f"/t/{tenant.info.slug}/issuers/{issuer.id}/remove/").status_code == 404
    assert [one.id for one in selectors.trusted_issuers(tenant.ctx)] == [issuer.id]
