"""Accounts, members, keys: who may, what is refused, what the ledger says."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError

from apps.core.clock import shifted, utc_now
from apps.core.context import ActorKind, Context
from apps.core.errors import Conflict, InvalidInput, NotFound, TenantSuspended, Unauthenticated
from apps.core.ids import new_id
from apps.core.scope import PLATFORM_TENANT_ID, system_scope, tenant_scope
from apps.identity import keys, selectors, services
from apps.identity.backends import AccountBackend
from apps.identity.models import ApiKey, User
from apps.ledger import selectors as ledger
from apps.tenants import selectors as tenants
from apps.tenants import services as tenancy
from tests.conftest import PASSWORD, TenantKit, make_tenant, sequence


def types_of(tenant_id: object) -> list[str]:
    sequence()
    with system_scope("ledger.verify"):
        return [record.type for record in ledger.walk(tenant_id)]  # type: ignore[arg-type]


def test_an_account_is_made_once_and_its_address_stays_out_of_the_ledger(tenant: TenantKit) -> None:
    address = f"Some.One.{new_id().hex}@Example.COM"
    user = services.create_user(tenant.ctx, email=address, password=PASSWORD)
    assert user.email == address.lower()
    with pytest.raises(Conflict):
        services.create_user(tenant.ctx, email=address.upper(), password=PASSWORD)
    sequence()
    with system_scope("ledger.verify"):
        newest = ledger.newest(PLATFORM_TENANT_ID, limit=50)
    body = next(r.body for r in newest if str(user.id).encode() in r.body)
    assert b"identity.user.created" in body and address.lower().encode() not in body.lower()


@pytest.mark.parametrize(
    ("email", "password", "roles", "field"),
    [
        ("nobody", PASSWORD, (), "email"),
        ("a@b.example", "short", (), "password"),
        ("a@b.example", "password1234", (), "password"),
        ("a@b.example", PASSWORD, ("king",), "platform_roles"),
        ("a b@c.example", PASSWORD, (), "email"),
        ("", PASSWORD, (), "email"),
    ],
)
def test_bad_accounts_are_refused(
    tenant: TenantKit, email: str, password: str, roles: tuple[str, ...], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        services.create_user(tenant.ctx, email=email, password=password, platform_roles=roles)
    assert refused.value.field == field


def test_password_sign_in() -> None:
    kit = make_tenant()
    user = kit.member("reader")
    backend = AccountBackend()
    assert backend.authenticate(None, username=user.email.upper(), password=PASSWORD) == user
    assert backend.authenticate(None, username=user.email, password="wrong") is None
    assert backend.authenticate(None, username="nobody@nowhere.example", password=PASSWORD) is None
    assert backend.get_user(str(user.id)) == user
    assert backend.get_user("not an id") is None


def test_the_last_owner_stays(tenant: TenantKit) -> None:
    first, second = tenant.member("owner"), tenant.member("reader")
    with pytest.raises(Conflict):
        services.remove_member(tenant.ctx, user_id=first.id)
    with pytest.raises(Conflict):
        services.change_roles(tenant.ctx, user_id=first.id, roles=frozenset({"reader"}))
    services.change_roles(tenant.ctx, user_id=second.id, roles=frozenset({"owner"}))
    services.remove_member(tenant.ctx, user_id=first.id)
    assert selectors.membership(first.id, tenant.info.id) is None
    with pytest.raises(NotFound):
        services.remove_member(tenant.ctx, user_id=first.id)
    with pytest.raises(InvalidInput):
        services.change_roles(tenant.ctx, user_id=second.id, roles=frozenset({"emperor"}))
    recorded = types_of(tenant.info.id)
    assert recorded.count("identity.member.added") == 2
    assert recorded[-2:] == ["identity.member.roles_changed", "identity.member.removed"]


def test_a_member_of_one_tenant_is_a_stranger_in_another(tenant: TenantKit, outsider: TenantKit) -> None:
    user = tenant.member("owner")
    with pytest.raises(NotFound):
        services.enter_as_member(tenant.ctx, user=user, tenant=outsider.info)
    entered = services.enter_as_member(Context(), user=user, tenant=tenant.info)
    assert (entered.tenant_id, entered.roles) == (tenant.info.id, frozenset({"owner"}))


def test_a_key_acts_in_its_tenant_with_its_scope(tenant: TenantKit) -> None:
    token = tenant.key("writer")
    ctx = services.authenticate_token(Context(), token)
    assert (ctx.tenant_id, ctx.actor.kind, ctx.roles, ctx.scopes) == (
        tenant.info.id,
        ActorKind.API_KEY,
        frozenset({"analyst"}),
        frozenset({"writer"}),
    )
    services.flush_key_uses()
    [info] = selectors.api_keys(tenant.ctx)
    assert info.last_used_at is not None


def test_only_a_digest_of_a_key_is_kept(tenant: TenantKit) -> None:
    token = tenant.key("reader")
    row = ApiKey.objects.get()
    secret = token.rsplit("_", 1)[1] if token.count("_") == 2 else token.split("_", 2)[2]
    assert secret.encode() not in bytes(row.digest) and bytes(row.digest) == keys.digest(secret)


def refusal(ctx: Context, token: str) -> str:
    with pytest.raises(Unauthenticated) as refused:
        services.authenticate_token(ctx, token)
    assert refused.value.message == "the credentials are not valid"
    return str(refused.value.details["reason"])


def test_bad_keys_are_refused_quietly_each_for_its_reason(tenant: TenantKit) -> None:
    made = services.create_api_key(tenant.ctx, name="k", scope="reader", expires_at=utc_now() + timedelta(hours=1))
    prefix = made.info.prefix
    assert refusal(Context(), "") == "form"
    assert refusal(Context(), "igk_x_y") == "form"
    assert refusal(Context(), f"igk_{prefix}_{'A' * 43}") == "unknown"
    assert refusal(Context(), f"igk_{'0' * 10}_{'A' * 43}") == "unknown"
    assert refusal(Context(clock=shifted(timedelta(hours=2))), made.token) == "expired"
    services.revoke_api_key(tenant.ctx, key_id=made.info.id)
    services.revoke_api_key(tenant.ctx, key_id=made.info.id)
    assert refusal(Context(), made.token) == "revoked"
    assert types_of(tenant.info.id).count("identity.apikey.revoked") == 1


def test_another_tenants_key_cannot_be_revoked(tenant: TenantKit, outsider: TenantKit) -> None:
    token = outsider.key("reader")
    foreign = services.authenticate_token(Context(), token).actor.id
    with pytest.raises(NotFound):
        services.revoke_api_key(tenant.ctx, key_id=foreign)  # type: ignore[arg-type]
    assert services.authenticate_token(Context(), token).tenant_id == outsider.info.id


@pytest.mark.parametrize(
    ("name", "scope", "field"), [("", "reader", "name"), ("x" * 121, "reader", "name"), ("k", "root", "scope")]
)
def test_bad_keys_are_not_made(tenant: TenantKit, name: str, scope: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        services.create_api_key(tenant.ctx, name=name, scope=scope)
    assert refused.value.field == field
    assert selectors.api_keys(tenant.ctx) == []


def test_a_suspended_tenant_lets_nobody_in() -> None:
    kit = make_tenant()
    token, user = kit.key("reader"), kit.member("owner")
    tenancy.change_status(kit.ctx, tenant_id=kit.info.id, to="suspended", reason="unpaid")
    now = tenants.by_id(kit.info.id)
    assert now is not None
    with pytest.raises(TenantSuspended):
        services.authenticate_token(Context(), token)
    with pytest.raises(TenantSuspended):
        services.enter_as_member(Context(), user=user, tenant=now)
    tenancy.change_status(kit.ctx, tenant_id=kit.info.id, to="active", reason="paid")
    assert services.authenticate_token(Context(), token).tenant_id == kit.info.id
    with pytest.raises(Conflict):
        tenancy.change_status(kit.ctx, tenant_id=kit.info.id, to="closed", reason="x")
    with pytest.raises(InvalidInput):
        tenancy.change_status(kit.ctx, tenant_id=kit.info.id, to="suspended", reason=" ")


def test_a_second_factor_code_works_once(tenant: TenantKit) -> None:
    from base64 import b32decode

    from django_otp.oath import totp

    user = tenant.member("owner")
    assert not services.has_second_factor(user)
    secret = services.enrol_second_factor(tenant.ctx, user=user)
    assert services.has_second_factor(user)
    code = f"{totp(b32decode(secret)):06d}"
    assert services.verify_second_factor(user=user, code=code)
    assert not services.verify_second_factor(user=user, code=code)
    for wrong in ("", "abc", "１２３４５６", "0" * 7, "12345"):
        assert not services.verify_second_factor(user=user, code=wrong)


def test_no_two_accounts_differ_by_case_only(tenant: TenantKit) -> None:
    with system_scope("identity.authenticate"), pytest.raises((ValidationError, Exception)) as refused:
        User(email="Upper@Case.example").save(using="system", force_insert=True)
    assert "identity_user_email_lower" in str(refused.value)


def test_names_are_told_for_members_only(tenant: TenantKit, outsider: TenantKit) -> None:
    own, foreign = tenant.member("owner"), outsider.member("owner")
    with tenant_scope(tenant.info.id):
        assert set(selectors.names_of(tenant.ctx, {own.id, foreign.id})) == {own.id}
