"""The page that asks for a second factor says what asks for it; a refusal says which signal refused."""

import html
import os
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from apps.core import conf
from apps.core.clock import iso, utc_now
from apps.core.context import service_context
from apps.core.scope import no_scope, system_scope, tenant_scope
from apps.identity import jwks
from apps.identity import services as identity
from apps.identity.models import User
from apps.policy import selectors
from apps.policy import services as policy
from apps.policy.security_events import CAEP
from tests.conftest import PASSWORD, TenantKit
from tests.identity.provider import Provider, running
from tests.policy.test_zero_trust import event, push
from tests.portal.visitors import Visitor, signed_in, text_of


def asked(visitor: Visitor, path: str, **headers: str) -> str:
    """Return the page that asks for a second factor before this one."""
    sent = visitor.get(path, headers=headers)
    assert sent.status_code == 302 and sent["Location"].startswith("/login/code/?next=")
    return " ".join(html.unescape(text_of(visitor.get(sent["Location"]))).split())


def email_of(visitor: Visitor) -> str:
    with no_scope(), system_scope("identity.authenticate"):
        return str(User.objects.get(pk=visitor.user_id).email)


def confirmed(visitor: Visitor, at: datetime) -> None:
    """Let the visitor's session hold a second factor given then."""
    with no_scope(), system_scope("identity.authenticate"):
        session = visitor.client.session
        session["ig_second_factor_at"] = iso(at)
        session.save()


@pytest.fixture
def rated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a trusted proxy say how risky a session is, and on which device."""
    env = {"IG_TRUSTED_PROXIES": "127.0.0.1", "IG_RISK_HEADER": "x-risk", "IG_DEVICE_HEADER": "x-device"}
    settings = conf.read({**os.environ, **env})
    monkeypatch.setattr(conf, "get", lambda: settings)


def test_the_page_says_which_act_asks_for_a_second_factor(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "owner")
    page = asked(visitor, "keys/new/")
    assert "To make, rotate and revoke API keys, you need a second factor from the last 15 minutes." in page
    assert "A change to how you sign in" in text_of(visitor.get("/login/code/?next=/&why=account"))
    assert "What you asked for" in text_of(visitor.get("/login/code/?next=/"))
    assert "used in two countries" in text_of(visitor.get("/login/code/?next=/&why=signal&source=travel"))
    assert "It reaches over all tenants" in text_of(visitor.get("/login/code/?next=/admin/"))


def test_the_page_says_that_the_risk_of_the_session_asks_and_names_the_decision(tenant: TenantKit, rated: None) -> None:
    visitor = signed_in(tenant, "analyst")
    page = asked(visitor, "entities/", **{"x-risk": "medium"})
    assert "The risk of this session" in page and "rates this session’s risk as medium" in page
    assert "do not confirm: sign out" in page
    policy.flush_decisions()
    with no_scope(), tenant_scope(tenant.info.id):
        newest = selectors.decisions(tenant.ctx, first=1)[0]
    assert str(newest.id) in page and newest.outcome == "step_up"


@pytest.fixture
def provider(tenant: TenantKit, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """Run an identity provider that the tenant trusts."""
    monkeypatch.setattr(jwks, "allowed", lambda address: True)
    with running() as one:
        with no_scope(), tenant_scope(tenant.info.id):
            identity.trust_issuer(
                tenant.ctx, name="Idp", issuer=one.issuer, jwks_url=one.url, role_map={"readers": "reader"}
            )
        yield one


@pytest.mark.parametrize(
    ("kind", "of", "words"),
    [
        ("risk-level-change", {"current_level": "MEDIUM"}, "It signalled that the risk of your account is medium."),
        ("credential-change", {"change_type": "revoke"}, "It asked us to check that it is still you."),
    ],
)
def test_the_page_says_that_the_identity_provider_asks(
    tenant: TenantKit, provider: Provider, kind: str, of: dict[str, str], words: str
) -> None:
    visitor = signed_in(tenant, "analyst")
    if kind == "credential-change":
        confirmed(visitor, utc_now() - timedelta(minutes=1))
    assert visitor.get("entities/").status_code == 200
    about = {"format": "email", "email": email_of(visitor)}
    assert push(event(tenant, provider, f"{CAEP}{kind}", about, of)).status_code == 202
    page = asked(visitor, "entities/")
    assert "Your identity provider" in page and words in page


def test_a_made_up_address_chooses_among_our_sentences_only(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "owner")
    crafted = "/login/code/?next=/&why=action&action=pay+us&source=<b>&decision=call+555"
    page = text_of(visitor.get(crafted))
    assert "What you asked for" in page and "Decision" not in page and "pay us</" not in page and "<b>" not in page
    assert "To pay us" not in page


def test_a_wrong_code_keeps_what_the_page_said(tenant: TenantKit) -> None:
    visitor = Visitor(tenant.info.slug)
    user = tenant.member("owner")
    identity.enrol_second_factor(service_context("test"), user=user)
    visitor.post("/login/", {"email": user.email, "password": PASSWORD})
    sent = {"next": "/", "why": "action", "action": "identity.key.manage", "again": "1", "code": "000000"}
    page = text_of(visitor.post("/login/code/", sent))
    assert "To make, rotate and revoke API keys" in page and "Nothing was changed" in page


def test_a_device_that_is_refused_is_named_on_top(tenant: TenantKit, rated: None) -> None:
    answer = signed_in(tenant, "analyst").get("entities/", headers={"x-device": "untrusted"})
    page = text_of(answer)
    assert answer.status_code == 403 and "This device is not let in" in page and "under Access" in page
    answer = signed_in(tenant, "analyst").get("entities/", headers={"x-risk": "high"})
    assert answer.status_code == 403 and "The risk of this session is too high" in text_of(answer)
