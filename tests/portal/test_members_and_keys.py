"""Pages of members and API keys: who may open and change them, what is shown once, and that nobody gives more than they
hold."""

import re
from datetime import timedelta
from typing import Any

import pytest

from apps.core.clock import utc_now
from apps.core.context import Context
from apps.core.errors import Conflict, Forbidden, InvalidInput, NotFound, Unauthenticated
from apps.core.ids import new_id
from apps.core.scope import no_scope, tenant_scope
from apps.identity import selectors
from apps.identity import services as identity
from tests.admin.staff import told
from tests.conftest import PASSWORD, TenantKit
from tests.portal.visitors import Visitor, signed_in, text_of

TOKEN = re.compile(r"igk_[0-9a-z]{10}_[A-Za-z0-9_-]{43}")


def roles_of(kit: TenantKit, user: Any) -> set[str]:
    found = selectors.membership(user.pk, kit.info.id)
    return set(found.roles) if found else set()


def token_of(page: str) -> str:
    return sorted(set(TOKEN.findall(page)))[0]


def enter(token: str, after: timedelta = timedelta()) -> Context:
    with no_scope():
        return identity.authenticate_token(Context(clock=lambda: utc_now() + after), token)


def test_a_key_is_made_shown_once_and_works(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "owner", second_factor=True)
    assert "No API key yet" in text_of(visitor.get("keys/"))
    wrong = visitor.post("keys/new/", {"name": "", "scope": "king", "days": "90"})
    assert wrong.status_code == 422 and selectors.api_keys(tenant.ctx) == []
    token = token_of(text_of(visitor.post("keys/new/", {"name": "Loader", "scope": "writer", "days": "30"})))
    assert enter(token).roles == {"analyst"}
    with pytest.raises(Unauthenticated):
        enter(token, timedelta(days=31))
    page = text_of(visitor.get("keys/"))
    assert "Loader" in page and not TOKEN.search(page)


def test_a_rotated_key_overlaps_with_its_successor(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "owner", second_factor=True)
    old = token_of(text_of(visitor.post("keys/new/", {"name": "Loader", "scope": "reader", "days": "90"})))
    (key,) = selectors.api_keys(tenant.ctx)
    new = token_of(text_of(visitor.post(f"keys/{key.id}/rotate/")))
    assert enter(old).tenant_id == enter(new).tenant_id == tenant.info.id
    with pytest.raises(Unauthenticated):
        enter(old, timedelta(hours=25))
    assert enter(new, timedelta(days=89)).roles == {"reader"}
    assert visitor.post(f"keys/{key.id}/rotate/").status_code == 409, "once"
    assert "rotated out" in text_of(visitor.get("keys/"))
    assert told(tenant.info.id, "identity.apikey.rotated")


def test_a_revoked_key_is_refused_at_once_and_cannot_be_rotated(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "owner", second_factor=True)
    token = token_of(text_of(visitor.post("keys/new/", {"name": "Loader", "scope": "reader", "days": "90"})))
    enter(token)
    (key,) = selectors.api_keys(tenant.ctx)
    assert visitor.post(f"keys/{key.id}/revoke/").status_code == 302
    with pytest.raises(Unauthenticated):
        enter(token)
    with pytest.raises(Conflict):
        identity.rotate_api_key(tenant.ctx, key_id=key.id)
    with pytest.raises(NotFound):
        identity.rotate_api_key(tenant.ctx, key_id=new_id())
    with pytest.raises(InvalidInput):
        identity.rotate_api_key(tenant.ctx, key_id=key.id, overlap=timedelta(days=31))


def test_changes_need_a_fresh_second_factor(tenant: TenantKit) -> None:
    visitor, user = signed_in(tenant, "owner"), tenant.member("reader")
    for path in ("keys/new/", f"members/{user.pk}/roles/", f"members/{user.pk}/remove/"):
        answer = visitor.post(path, {"name": "x", "scope": "reader", "days": "30", "roles": ["admin"]})
        assert (answer.status_code, answer["Location"][:12]) == (302, "/login/code/"), path
    assert selectors.api_keys(tenant.ctx) == [] and roles_of(tenant, user) == {"reader"}


@pytest.mark.parametrize(
    ("role", "status"), [("owner", 200), ("admin", 200), ("developer", 403), ("analyst", 403), ("reader", 403)]
)
def test_who_sees_members(tenant: TenantKit, role: str, status: int) -> None:
    assert signed_in(tenant, role, second_factor=True).get("members/").status_code == status


def test_an_owner_changes_roles_and_they_hold_at_once(tenant: TenantKit) -> None:
    owner = signed_in(tenant, "owner", second_factor=True)
    user = tenant.member("reader")
    theirs = Visitor(tenant.info.slug)
    theirs.post("/login/", {"email": user.email, "password": PASSWORD})
    assert theirs.get("ledger/").status_code == 403
    assert owner.post(f"members/{user.pk}/roles/", {"roles": ["dpo", "reader"]}).status_code == 302
    assert roles_of(tenant, user) == {"dpo", "reader"} and theirs.get("ledger/").status_code == 200
    assert owner.post(f"members/{user.pk}/roles/", {"roles": ["king"]}).status_code == 400
    assert owner.post(f"members/{user.pk}/roles/", {}).status_code == 400
    assert owner.post(f"members/{user.pk}/remove/").status_code == 302
    assert theirs.get("").status_code == 404 and roles_of(tenant, user) == set()


def test_nobody_gives_or_takes_more_than_they_hold(tenant: TenantKit) -> None:
    admin = signed_in(tenant, "admin", second_factor=True)
    user, owner = tenant.member("reader"), tenant.member("owner")
    tenant.member("owner")
    for target, roles in ((user, ["owner"]), (user, ["dpo", "reader"]), (owner, ["reader"])):
        assert admin.post(f"members/{target.pk}/roles/", {"roles": roles}).status_code == 403
    assert admin.post(f"members/{owner.pk}/remove/").status_code == 403
    assert roles_of(tenant, user) == {"reader"} and roles_of(tenant, owner) == {"owner"}
    assert admin.post(f"members/{user.pk}/roles/", {"roles": ["analyst"]}).status_code == 302
    page = text_of(admin.get(f"members/{owner.pk}/"))
    assert "You may not change the roles" in page


def test_a_developer_makes_no_admin_key(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "developer", second_factor=True)
    assert 'value="admin"' not in text_of(visitor.get("keys/new/"))
    assert visitor.post("keys/new/", {"name": "x", "scope": "admin", "days": "30"}).status_code == 422
    with pytest.raises(Forbidden):
        identity.create_api_key(tenant.as_role("developer"), name="x", scope="admin")
    assert selectors.api_keys(tenant.ctx) == []


def test_an_outsider_changes_nothing(tenant: TenantKit, outsider: TenantKit) -> None:
    stranger = signed_in(outsider, "owner", second_factor=True)
    user = tenant.member("reader")
    identity.create_api_key(tenant.ctx, name="k", scope="reader")
    (key,) = selectors.api_keys(tenant.ctx)
    for path in (
        f"members/{user.pk}/remove/",
        f"members/{user.pk}/sign-out/",
        f"keys/{key.id}/revoke/",
        f"keys/{key.id}/rotate/",
    ):
        assert stranger.post(f"/t/{tenant.info.slug}/{path}").status_code == 404
        assert stranger.post(path).status_code == 404, "and not by way of the own tenant"
    assert roles_of(tenant, user) == {"reader"}
    with no_scope(), tenant_scope(tenant.info.id):
        assert [one.revoked_at for one in selectors.api_keys(tenant.ctx)] == [None]


def test_an_admin_sees_a_member_s_sign_ins_and_signs_them_out(tenant: TenantKit) -> None:
    admin, user, theirs = (
        signed_in(tenant, "admin", second_factor=True),
        tenant.member("reader"),
        Visitor(tenant.info.slug),
    )
    theirs.post("/login/", {"email": user.email, "password": "wrong password"})
    theirs.post("/login/", {"email": user.email, "password": PASSWORD})
    page = text_of(admin.get(f"members/{user.pk}/"))
    assert "wrong password" in page and "Sign out everywhere" in page
    assert admin.post(f"members/{user.pk}/sign-out/").status_code == 302
    assert theirs.get("").status_code == 302
    assert told(tenant.info.id, "identity.member.signed_out")
