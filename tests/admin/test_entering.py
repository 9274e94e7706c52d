"""Who may enter the admin, what entering leaves on record, and what its answers allow a browser to do."""

import re

import pytest
from django.contrib import admin
from django.urls import reverse

from apps.core.admin import PlatformAdmin
from apps.portal.events import AdminEntered
from tests.admin.conftest import World
from tests.admin.staff import Staff, session_of, staff, text_of, told_of_platform
from tests.portal.visitors import Visitor

ADDRESSES = [
    "/admin/",
    "/admin/tenants/tenant/",
    "/admin/search/",
    "/admin/nothing/here/",
    "/admin/tenants/tenant/do/create/",
]


def entries_of(person: Staff) -> list[bytes]:
    return [one.body for one in told_of_platform(AdminEntered.name) if one.actor == f"user:{person.user.pk}"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_strangers_are_sent_to_sign_in(address: str) -> None:
    answer = Visitor().get(address)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/login/?next=%2Fadmin%2F")


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_owner_of_a_tenant_is_not_told_that_it_exists(world: World, address: str) -> None:
    owner = Staff(None, session_of(world.kit.member("owner"), second_factor=False))
    assert owner.get(address).status_code == 404
    assert owner.post(address).status_code in {403, 404}


@pytest.mark.parametrize("address", ADDRESSES)
def test_staff_without_a_second_factor_are_sent_to_give_it(address: str) -> None:
    somebody = staff("operator", second_factor=False)
    answer = somebody.get(address)
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/login/code/")
    assert entries_of(somebody) == []


def test_a_device_of_somebody_else_does_not_count() -> None:
    one, other = staff("operator"), staff("operator", second_factor=False)
    session = other.client.session
    session["otp_device_id"] = one.client.session["otp_device_id"]
    session.save()
    assert other.get("/admin/").status_code == 302


def test_an_account_that_lost_its_roles_is_out_at_once() -> None:
    somebody = staff("operator")
    assert somebody.get("/admin/").status_code == 200
    from apps.core.scope import no_scope, system_scope

    with no_scope(), system_scope("identity.authenticate"):
        somebody.user.platform_roles = []
        somebody.user.save(using="system")
    assert somebody.get("/admin/").status_code == 404


def test_entering_is_on_record_once_per_session_and_second_factor(operator: Staff) -> None:
    for _ in range(3):
        assert operator.get("/admin/").status_code == 200
    assert len(entries_of(operator)) == 1
    assert b'"platform_roles":["operator"]' in entries_of(operator)[0]
    again = Staff(operator.user, session_of(operator.user, second_factor=True))
    assert again.get("/admin/").status_code == 200
    assert len(entries_of(operator)) == 2


def test_the_doors_of_djangos_own_admin_are_shut(operator: Staff) -> None:
    for address in ("login/", "logout/", "password_change/", "autocomplete/", "jsi18n/", "r/1/1/"):
        assert operator.get(f"/admin/{address}").status_code == 404, address


def test_only_pages_of_ours_are_registered() -> None:
    assert len(admin.site._registry) >= 17
    for model, page in admin.site._registry.items():
        assert isinstance(page, PlatformAdmin), model
    names = {model._meta.label for model in admin.site._registry}
    assert not names & {"otp_totp.TOTPDevice", "axes.AccessAttempt", "auth.Group"}


def test_nothing_can_be_saved_past_a_verb(world: World, operator: Staff) -> None:
    for model, page in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        assert operator.get(reverse(f"{name}_add")).status_code == 403, model
        assert operator.post(reverse(f"{name}_add")).status_code == 403, model
        assert not page.list_editable
    tenant = reverse("admin:tenants_tenant_change", args=[world.kit.info.id])
    assert operator.post(tenant, {"name": "Taken over"}).status_code == 405
    assert (
        operator.post(reverse("admin:tenants_tenant_delete", args=[world.kit.info.id]), {"post": "yes"}).status_code
        == 403
    )


def test_the_policy_allows_no_inline_code_and_the_page_has_none(world: World, operator: Staff) -> None:
    for address in ("/admin/", "/admin/tenants/tenant/", f"/admin/tenants/tenant/{world.kit.info.id}/change/",
                    "/admin/tenants/tenant/do/create/", "/admin/ledger/record/"):  # fmt: skip
        answer = operator.get(address)
        policy = answer["Content-Security-Policy"]
        nonce = re.search(r"script-src 'nonce-([^']+)'", policy)
        assert nonce and "unsafe" not in policy and "default-src 'none'" in policy
        page = text_of(answer)
        scripts = re.findall(r"<script[^>]*>", page)
        assert scripts and all(f'nonce="{nonce[1]}"' in script and "src=" in script for script in scripts)
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=\"|javascript:", page)
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)
