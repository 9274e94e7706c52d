"""Verbs of people: accounts, and who is what in a tenant."""

from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from apps.bus import services as bus
from apps.core.context import Actor, ActorKind, Context
from apps.core.errors import Conflict, InvalidInput, NotFound
from apps.core.scope import PLATFORM_TENANT_ID, system_scope
from apps.core.values import altered
from apps.identity import selectors
from apps.identity.events import MemberAdded, MemberRemoved, MemberRolesChanged, UserCreated
from apps.identity.models import Membership, User
from apps.identity.services.acting import acting_in
from apps.identity.services.entering import into
from apps.identity.services.granting import require_grantable
from apps.identity.types import ACTING_PURPOSE, ACTING_ROLES, MembershipInfo, PlatformRole, Role
from apps.tenants.types import TenantInfo


def create_user(
    ctx: Context, *, email: str, password: str | None, name: str = "", platform_roles: tuple[str, ...] = ()
) -> User:
    """Create an account. `password` None makes one that cannot sign in by password.

    Raises InvalidInput for a bad address, weak password or unknown role, Conflict when the address is taken.
    """
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise InvalidInput("this is not an e-mail address", field="email") from None
    if unknown := set(platform_roles) - set(PlatformRole):
        raise InvalidInput(f"unknown platform role: {', '.join(sorted(unknown))}", field="platform_roles")
    user = User(email=email, name=name, platform_roles=sorted(platform_roles))
    if password is not None:
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise InvalidInput(" ".join(error.messages), field="password") from None
    user.set_password(password)
    with system_scope("identity.authenticate"):
        try:
            with transaction.atomic(using="system"):
                user.save(using="system", force_insert=True)
                bus.record(ctx, UserCreated(user.id, tuple(sorted(platform_roles))), tenant_id=PLATFORM_TENANT_ID)
        except IntegrityError:
            raise Conflict("an account of that address exists", field="email") from None
    return user


def check_roles(roles: frozenset[str]) -> None:
    """Raises InvalidInput unless there is a role, and each is known."""
    if not roles:
        raise InvalidInput("a member needs at least one role", field="roles")
    if unknown := roles - set(Role):
        raise InvalidInput(
            f"unknown role: {', '.join(sorted(unknown))}", field="roles", mend=f"Use some of {', '.join(Role)}."
        )


def add_member(ctx: Context, *, user_id: UUID, roles: frozenset[str]) -> MembershipInfo:
    """Make an account a member of the tenant in scope, with these roles; a former member comes back.

    Raises InvalidInput for unknown roles, Forbidden for roles above the caller's own, NotFound for an unknown account.
    """
    check_roles(roles)
    require_grantable(ctx, roles)
    with transaction.atomic():
        try:
            row, _ = Membership.objects.update_or_create(
                user_id=user_id, defaults={"roles": sorted(roles), "active": True}
            )
        except IntegrityError:
            raise NotFound("no such account") from None
        bus.record(ctx, MemberAdded(row.id, user_id, tuple(sorted(roles))))
    found = selectors.membership(user_id, row.tenant_id)
    if found is None:
        raise NotFound("no such account")
    return found


def _owners_but(user_id: UUID) -> bool:
    return Membership.objects.filter(active=True, roles__contains=[Role.OWNER.value]).exclude(user_id=user_id).exists()


def change_roles(ctx: Context, *, user_id: UUID, roles: frozenset[str]) -> None:
    """Give a member of the tenant in scope other roles.

    Raises InvalidInput for unknown roles, NotFound for a stranger, Forbidden for what the caller may not give or take,
    Conflict when the last owner would go.
    """
    check_roles(roles)
    with transaction.atomic():
        row = Membership.objects.select_for_update().filter(user_id=user_id, active=True).first()
        if row is None:
            raise NotFound("no such member")
        before = tuple(sorted(row.roles))
        require_grantable(ctx, roles ^ frozenset(before))
        if Role.OWNER in row.roles and Role.OWNER not in roles and not _owners_but(user_id):
            raise Conflict("the last owner must stay owner", field="roles", mend="Make someone else an owner first.")
        row.roles = sorted(roles)
        row.save(update_fields=["roles"])
        bus.record(ctx, MemberRolesChanged(row.id, user_id, before, tuple(sorted(roles))))


def remove_member(ctx: Context, *, user_id: UUID) -> None:
    """End a membership of the tenant in scope at once. Raises NotFound, Forbidden for someone above the
    caller, Conflict when the last owner would go."""
    with transaction.atomic():
        row = Membership.objects.select_for_update().filter(user_id=user_id, active=True).first()
        if row is None:
            raise NotFound("no such member")
        require_grantable(ctx, frozenset(row.roles))
        if Role.OWNER in row.roles and not _owners_but(user_id):
            raise Conflict("the last owner cannot be removed", mend="Make someone else an owner first.")
        row.active = False
        row.save(update_fields=["active"])
        bus.record(ctx, MemberRemoved(row.id, user_id))


def enter_as_member(ctx: Context, *, user: User, tenant: TenantInfo) -> Context:
    """Return `ctx` as this person in this tenant: a member, or one of the platform's staff who acts there now.

    Raises NotFound for a stranger: the tenant is not told of.
    """
    found = selectors.membership(user.id, tenant.id)
    roles = found.roles if found is not None else None
    if roles is None and (acting := acting_in(ctx, user=user, tenant_id=tenant.id)) is not None:
        session = altered(ctx.session, admitted_until=acting.ends_at)
        roles, ctx = ACTING_ROLES[acting.wide], ctx.but(purpose=ACTING_PURPOSE, session=session)
    if roles is None or not user.is_active:
        raise NotFound("no such tenant")
    return into(ctx, tenant, roles, Actor(ActorKind.USER, str(user.id), user.name or user.email))
