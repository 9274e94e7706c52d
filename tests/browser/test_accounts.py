"""Accounts in a real browser: authenticator apps, recovery codes, sessions, invitations, staff in a tenant."""

import base64
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice
from playwright.sync_api import Page, expect

from apps.core.context import service_context
from apps.core.ids import new_id
from apps.core.scope import no_scope, system_scope, tenant_scope
from apps.identity import selectors
from apps.identity import services as identity
from tests.admin.staff import told_of_platform
from tests.browser.conftest import Tab
from tests.conftest import PASSWORD, TenantKit

OpenTab = Callable[..., Tab]
CODE = re.compile(r"\b(?:[A-Z2-7]{4}-){3}[A-Z2-7]{4}\b")


def code_now(secret: str, ahead: int = 0) -> str:
    """Return an app's present code, or that of the next half minutes, which clocks that differ make necessary."""
    padded = secret + "=" * (-len(secret) % 8)
    return f"{totp(base64.b32decode(padded), t0=0, drift=ahead):06d}"


def forgive(user: Any) -> None:
    """Let the account's apps forget wrong codes: each slows down the next try."""
    with no_scope(), system_scope("identity.authenticate"):
        TOTPDevice.objects.filter(user_id=user.pk).update(throttling_failure_count=0, throttling_failure_timestamp=None)


def sign_in(page: Page, email: str) -> None:
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def give(page: Page, code: str) -> None:
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Confirm", exact=True).click()


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Account").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(re.compile(r"/$"))


def staff_with_app(role: str) -> tuple[Any, str]:
    ctx = service_context("test")
    with no_scope():
        user = identity.create_user(
            ctx, email=f"s{new_id().hex}@staff.example", password=PASSWORD, name="Helper", platform_roles=(role,)
        )
        return user, identity.enrol_second_factor(ctx, user=user)


def test_an_app_lets_staff_in_and_a_code_works_once(tab: OpenTab) -> None:
    user, secret = staff_with_app("operator")
    one = tab()
    page = one.open("/admin/").page
    sign_in(page, user.email)
    expect(page.get_by_role("heading", name="Confirm it is you")).to_be_visible()
    give(page, "000000" if code_now(secret) != "000000" else "111111")
    expect(page.get_by_role("alert")).to_contain_text("That code is not valid now")
    one.trouble.clear()  # the browser logs the refusal's status
    forgive(user)
    code = code_now(secret)
    give(page, code)
    page.wait_for_url(re.compile(r"/admin/$"))
    other = tab()
    second = other.open("/admin/").page
    sign_in(second, user.email)
    give(second, code)
    expect(second.get_by_role("alert")).to_contain_text("That code is not valid now")
    other.trouble.clear()
    forgive(user)
    give(second, code_now(secret, ahead=1))
    second.wait_for_url(re.compile(r"/admin/$"))


def test_an_app_is_added_and_an_act_asks_for_it_again(tab: OpenTab, tenant: TenantKit) -> None:
    user = tenant.member("owner")
    one = tab()
    page = one.open("/login/?next=/account/security/").page
    sign_in(page, user.email)
    page.get_by_role("button", name="Add an authenticator app").click()
    secret = re.sub(r"\s|=", "", page.locator("code").first.inner_text())
    give_first = code_now(secret)
    page.get_by_label("Code").fill(give_first)
    page.get_by_role("button", name=re.compile("Add|Confirm")).last.click()
    expect(page.get_by_text("The authenticator app is added.")).to_be_visible()
    sign_out(page)
    one.open("/login/?next=/t/" + tenant.info.slug + "/keys/new/")
    sign_in(page, user.email)
    expect(page.get_by_role("heading", name="Confirm it is you")).to_be_visible()
    with tenant_scope(tenant.info.id):
        assert selectors.api_keys(tenant.ctx) == []
    give(page, code_now(secret, ahead=1))
    expect(page.get_by_role("heading", name="Make an API key")).to_be_visible()


def test_a_recovery_code_stands_in_once(tab: OpenTab, tenant: TenantKit) -> None:
    user = tenant.member("owner")
    secret = identity.enrol_second_factor(tenant.ctx, user=user)
    page = tab().open("/login/code/?next=/account/security/").page
    sign_in(page, user.email)
    give(page, code_now(secret))
    page.get_by_role("button", name="Make recovery codes").click()
    codes = sorted(set(CODE.findall(page.locator("main").inner_text())))
    assert len(codes) == 10
    lost = tab()
    second = lost.open("/login/code/?next=/account/security/").page
    sign_in(second, user.email)
    give(second, codes[0].lower().replace("-", " "))
    expect(second.get_by_text("You have 9 unused codes.")).to_be_visible()
    assert told_of_platform("identity.recovery_code.used")
    thief = tab()
    third = thief.open("/login/code/?next=/account/security/").page
    sign_in(third, user.email)
    give(third, codes[0])
    expect(third.get_by_role("alert")).to_contain_text("That code is not valid now")
    thief.trouble.clear()
    third.goto(f"{thief.url}/account/security/")
    expect(third.get_by_role("button", name=re.compile("Make"))).to_have_count(0)
    page.reload()


def test_a_session_that_is_ended_is_out_in_the_other_browser(tab: OpenTab, tenant: TenantKit) -> None:
    user = tenant.member("analyst")
    there = tab(user_agent="Mozilla/5.0 (Windows NT 10.0; Win64; x64) Gecko/20100101 Firefox/140.0")
    lost = there.open("/login/").page
    sign_in(lost, user.email)
    there.wait_live()
    here = tab().open("/login/?next=/account/sessions/").page
    sign_in(here, user.email)
    here.get_by_role("button", name="End the session of Firefox on Windows").click()
    expect(here.get_by_text("That session has ended.")).to_be_visible()
    lost.get_by_role("navigation", name="Main").get_by_role("link", name="Entities").click()
    expect(lost.get_by_role("heading", name="Sign in")).to_be_visible()
    here.reload()
    expect(here.get_by_role("heading", name="Sessions and sign-ins")).to_be_visible()
    there.trouble.clear()  # its websocket was closed on it


@pytest.mark.usefixtures("mailoutbox")
def test_a_colleague_is_invited_and_joins(tab: OpenTab, tenant: TenantKit) -> None:
    user = tenant.member("owner")
    secret = identity.enrol_second_factor(tenant.ctx, user=user)
    email = f"new-{new_id().hex}@elsewhere.example"
    page = tab(viewport={"width": 360, "height": 740}).open("/login/").page
    sign_in(page, user.email)
    page.goto(page.url.rstrip("/") + "/members/")
    page.get_by_role("link", name="Invite someone").click()
    give(page, code_now(secret))
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("analyst").check()
    page.get_by_role("button", name="Send the invitation").click()
    expect(page.get_by_text("The invitation is on its way.")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    with no_scope(), tenant_scope(tenant.info.id):
        (waiting,) = selectors.invitations(tenant.ctx)
        assert identity.deliver_invitation(tenant.ctx, invitation_id=waiting.id)
    path = re.search(r"/invitations/igi_\S+/", str(mail.outbox[-1].body))
    assert path is not None
    guest = tab().open(path[0]).page
    guest.get_by_label("Your name").fill("New Colleague")
    guest.get_by_label("Password").fill(PASSWORD)
    guest.get_by_role("button", name="Make my account and join").click()
    expect(guest.get_by_text("Welcome to Test tenant.")).to_be_visible()
    page.reload()
    expect(page.get_by_role("link", name=email)).to_be_visible()


def test_staff_act_with_a_banner_until_they_stop(tab: OpenTab, tenant: TenantKit) -> None:
    user, secret = staff_with_app("support")
    one = tab()
    page = one.open("/admin/identity/acting/do/act/").page
    sign_in(page, user.email)
    give(page, code_now(secret))
    page.get_by_label("Tenant").fill(tenant.info.slug)
    page.get_by_label("Reason").fill("Ticket 4711: nothing is found")
    page.get_by_role("button", name="Act in a tenant").click()
    page.get_by_role("link", name="Open the tenant").click()
    banner = page.locator(".acting")
    expect(banner).to_contain_text("as platform staff, reading only, until")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Entities").click()
    expect(banner).to_be_visible()
    banner.get_by_role("button", name="Stop acting").click()
    expect(page.get_by_text("You act in no tenant any more.")).to_be_visible()
    expect(banner).to_have_count(0)
    assert page.goto(f"{one.url}/t/{tenant.info.slug}/").status == 404  # type: ignore[union-attr]
    one.trouble.clear()  # the browser logs the refusal's status
