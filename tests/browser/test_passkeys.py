"""Passkeys in a real browser with a virtual authenticator: sign in, step up, and every refusal that is owed."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django_otp_webauthn.models import WebAuthnCredential
from playwright.sync_api import Browser, Page, expect

from apps.core.scope import no_scope, system_scope
from tests.admin.staff import told_of_platform
from tests.browser.passkeys import Authenticator, flipped, with_client_data, with_response
from tests.conftest import PASSWORD, TenantKit
from tests.gateway.live_server import LiveServer
from tests.portal.visitors import signed_in


@pytest.fixture
def base(live: LiveServer) -> str:
    """The server by name: an address by number cannot be a relying party."""
    return f"http://localhost:{live.port}"


@pytest.fixture
def page(chromium: Browser, base: str) -> Iterator[Page]:
    """A fresh browser at the sign-in page."""
    context = chromium.new_context()
    context.set_default_timeout(15_000)
    made = context.new_page()
    made.goto(f"{base}/login/")
    yield made
    context.close()


def enter(page: Page, base: str, kit: TenantKit) -> Any:
    """Sign a new owner in by password; return the account."""
    user = kit.member("owner")
    page.goto(f"{base}/login/?next=/account/security/")
    page.get_by_label("E-mail address").fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Security of your account")).to_be_visible()
    return user


def passkeys_of(user: Any) -> list[Any]:
    with no_scope(), system_scope("identity.authenticate"):
        return list(WebAuthnCredential.objects.filter(user_id=user.pk))


def test_someone_adds_a_passkey_signs_in_with_it_and_takes_it_away(page: Page, base: str, tenant: TenantKit) -> None:
    user = enter(page, base, tenant)
    Authenticator(page)
    page.get_by_label("Name of a new passkey").fill("Laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("cell", name="Laptop", exact=True)).to_be_visible()
    (kept,) = passkeys_of(user)
    assert kept.name == "Laptop" and kept.confirmed
    page.get_by_role("button", name="Account").click()
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{base}/login/?next=/account/security/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", name="Security of your account")).to_be_visible()
    assert told_of_platform("identity.passkey.added")
    page.get_by_role("button", name="Remove Laptop").click()
    page.get_by_role("button", name="Remove passkey").click()
    expect(page.get_by_text("You have no passkey yet.")).to_be_visible()
    assert passkeys_of(user) == []


def test_a_passkey_confirms_an_act(page: Page, base: str, tenant: TenantKit) -> None:
    enter(page, base, tenant)
    key = Authenticator(page)
    assert key.post("/webauthn/register", key.run("register"))[0] == 201
    page.goto(f"{base}/login/code/?next=/account/security/")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("button", name="Add a passkey")).to_be_visible()


def test_refused_registrations_keep_nothing(page: Page, base: str, tenant: TenantKit) -> None:
    user = enter(page, base, tenant)
    key = Authenticator(page)
    elsewhere = with_client_data(key.run("register"), origin="https://evil.example")
    assert key.post("/webauthn/register", elsewhere)[0] == 400
    old = with_client_data(key.run("register"), challenge="BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc")
    assert key.post("/webauthn/register", old)[0] == 400
    assert key.post("/webauthn/register", {"id": "x", "rawId": 7, "response": []})[0] == 400
    key.unplug()
    key.plug(verifies=False)
    selection = {"userVerification": "discouraged", "residentKey": "discouraged"}
    unverified = key.run("register", authenticatorSelection=selection)
    assert key.post("/webauthn/register", unverified)[0] == 400
    assert passkeys_of(user) == []
    key.unplug()
    key.plug(verifies=True)
    good = key.run("register")
    assert key.post("/webauthn/register", good)[0] == 201
    assert key.post("/webauthn/register", good)[0] == 400, "a ceremony ends once"
    assert len(passkeys_of(user)) == 1
    assert key.options("register")["excludeCredentials"][0]["id"] == good["id"]


def test_refused_assertions(page: Page, base: str, tenant: TenantKit) -> None:
    user = enter(page, base, tenant)
    key = Authenticator(page)
    assert key.post("/webauthn/register", key.run("register"))[0] == 201
    spent = key.run("assert")
    assert key.post("/webauthn/assert", spent)[0] == 200
    assert key.post("/webauthn/assert", spent)[0] == 401, "replay"
    forgeries: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "origin": lambda c: with_client_data(c, origin="https://evil.example"),
        "type": lambda c: with_client_data(c, type="webauthn.create"),
        "signature": lambda c: with_response(c, signature=flipped(c["response"]["signature"])),
        "data": lambda c: with_response(c, authenticatorData=flipped(c["response"]["authenticatorData"])),
        "unknown": lambda c: {**c, "id": "CQkJCQkJ", "rawId": "CQkJCQkJ"},
        "two ids": lambda c: {**c, "id": "CQkJCQkJ"},
    }
    for name, forge in forgeries.items():
        status, body = key.post("/webauthn/assert", forge(key.run("assert")))
        assert (status, body["detail"]) == (401, "this passkey was not accepted"), name
    (held,) = key.unplug()
    key.plug(verifies=True)
    key.hold(held, signCount=5000)
    assert key.post("/webauthn/assert", key.run("assert"))[0] == 200
    key.clear()
    key.hold(held, signCount=3)
    assert key.post("/webauthn/assert", key.run("assert"))[0] == 401, "a cloned key"
    assert told_of_platform("identity.passkey.clone_suspected")
    key.unplug()
    key.plug(verifies=False)
    key.hold(held, signCount=9000)
    options = key.options("assert")
    assert options["userVerification"] == "required"
    assert key.post("/webauthn/assert", key.run("assert", userVerification="discouraged"))[0] == 401, "not verified"
    assert passkeys_of(user)[0].sign_count == 5001


def test_somebody_else_s_passkey_confirms_nothing(page: Page, base: str, tenant: TenantKit, chromium: Browser) -> None:
    enter(page, base, tenant)
    key = Authenticator(page)
    assert key.post("/webauthn/register", key.run("register"))[0] == 201
    (held,) = key.credentials()
    context = chromium.new_context()
    cookie = signed_in(tenant, "owner").client.cookies["ig_session"].value
    context.add_cookies([{"name": "ig_session", "value": cookie, "url": base}])
    other = context.new_page()
    other.goto(f"{base}/account/security/")
    theirs = Authenticator(other)
    theirs.hold(held, signCount=100)
    assert theirs.post("/webauthn/assert", theirs.run("assert", allowCredentials=[]))[0] == 401
    context.close()
