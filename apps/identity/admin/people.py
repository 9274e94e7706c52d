"""Accounts, members and API keys in the admin. Secrets are not shown: neither hashes of passwords nor digests of keys."""

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.admin import Outcome, PlatformAdmin, Trail, Verb, VerbForm, filters, shown, tenant_of
from apps.core.context import Context
from apps.core.errors import NotFound
from apps.core.ids import parse_id
from apps.core.scope import PLATFORM_TENANT_ID, tenant_scope
from apps.identity import selectors, services
from apps.identity.events import (
    ApiKeyCreated,
    ApiKeyRevoked,
    MemberAdded,
    MemberRemoved,
    MemberRolesChanged,
    PasswordChanged,
    PasswordResetSent,
    SecondFactorEnrolled,
    SignedIn,
    SignedOut,
    UserCreated,
)
from apps.identity.models import ApiKey, Membership, User
from apps.identity.types import KeyScope, PlatformRole, Role
from apps.tenants import selectors as tenants


def _inside(ctx: Context, tenant_id: UUID) -> Context:
    """Return the context of a staff member's act in a tenant: its ledger names who did it."""
    return ctx.but(tenant_id=tenant_id)


# -- accounts ------------------------------------------------------------------------------------------------------


class NewAccountForm(VerbForm):
    """Who the account is for."""

    email = forms.EmailField(
        label="E-mail address", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    name = forms.CharField(max_length=120, required=False)
    password = forms.CharField(
        label="First password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters. Hand it over in person; it is not shown again.",
    )
    platform_roles = forms.MultipleChoiceField(
        label="Platform roles",
        required=False,
        choices=[(role.value, role.value) for role in PlatformRole],
        widget=forms.CheckboxSelectMultiple,
        help_text="Only for staff: any of them opens the admin. Members of tenants need none.",
    )


def _create_account(ctx: Context, obj: None, answers: dict[str, Any]) -> Outcome:
    made = services.create_user(
        ctx,
        email=answers["email"],
        password=answers["password"],
        name=answers["name"],
        platform_roles=tuple(answers["platform_roles"]),
    )
    return Outcome(f"Created the account {made.email}.", made.id)


@admin.register(User)
class UserAdmin(PlatformAdmin):
    """Accounts: one person each, any number of tenants."""

    noun, nouns = "account", "accounts"
    read_action = "platform.account.read"
    about = "People who can sign in. What someone may do in a tenant stands with the membership."
    empty = "Nobody fits."
    keyset = "email"
    search_hint = "e-mail address or id"
    list_display = ("email", "name", "active", "staff_roles", "last_login", "created_at")
    list_matters = ("email", "active")
    list_filter = (filters.choice("may sign in", "is_active", [("True", "yes"), ("False", "no")]),)
    detail = (
        ("Account", ("email", "name", "active", "staff_roles", "second_factor", "last_login", "created_at", "id_copy")),
    )
    verbs = (
        Verb(
            "create",
            "Create an account",
            "platform.account.create",
            run=_create_account,
            icon="plus",
            form=NewAccountForm,
            creates=True,
            lead="An account alone opens nothing: add it to a tenant under Members.",
        ),
    )

    def found(self, request: HttpRequest, rows: QuerySet[User], term: str) -> QuerySet[User]:
        """By address (its beginning suffices) or id."""
        key = parse_id(term)
        return rows.filter(pk=key) if key else rows.filter(email__startswith=term.lower())

    @admin.display(description="may sign in")
    def active(self, obj: User) -> shown.Mark:
        """Whether the account is open."""
        return shown.Mark("yes", "ok", "circle-check") if obj.is_active else shown.Mark("no", "warn", "ban")

    @admin.display(description="platform roles")
    def staff_roles(self, obj: User) -> Any:
        """What it is among the platform's staff."""
        return shown.Marks(tuple(shown.Mark(role, "accent", "shield") for role in obj.platform_roles)) or None

    @admin.display(description="second factor")
    def second_factor(self, obj: User) -> shown.Mark:
        """Whether an authenticator is enrolled."""
        if services.has_second_factor(obj):
            return shown.Mark("enrolled", "ok", "shield-check")
        return shown.Mark("none", "warn", "shield-alert")

    @admin.display(description="id")
    def id_copy(self, obj: User) -> shown.Copyable:
        """The id, to copy."""
        return shown.Copyable(str(obj.pk), "id")

    def panels(self, request: HttpRequest, obj: User) -> Sequence[shown.Panel]:
        """The tenants that it is a member of."""
        found = selectors.memberships_of(obj.pk)
        slugs = {one.id: one.slug for one in tenants.by_ids([one.tenant_id for one in found])}
        rows = [
            (
                shown.Link(slugs[one.tenant_id], self.address_of("identity.membership", one.id)),
                ", ".join(sorted(one.roles)),
            )
            for one in found
        ]
        return (shown.Panel("Member of", ("Tenant", "Roles"), rows, "It is a member of no tenant."),)

    def trail(self, obj: User) -> Trail:
        """The platform's ledger tells of accounts and sign-ins."""
        types = (
            UserCreated.name,
            SecondFactorEnrolled.name,
            PasswordChanged.name,
            PasswordResetSent.name,
            SignedIn.name,
            SignedOut.name,
        )
        return Trail(PLATFORM_TENANT_ID, types, "user_id", str(obj.pk))


# -- members -------------------------------------------------------------------------------------------------------


class RolesForm(VerbForm):
    """Which roles."""

    roles = forms.MultipleChoiceField(
        choices=[(role.value, role.value) for role in Role], widget=forms.CheckboxSelectMultiple
    )


class NewMemberForm(RolesForm):
    """Who becomes a member of which tenant."""

    tenant = forms.CharField(max_length=40, help_text="Slug or id of the tenant.")
    email = forms.EmailField(label="E-mail address", help_text="Of an account that exists.")
    field_order = ("tenant", "email", "roles")


def _add_member(ctx: Context, obj: None, answers: dict[str, Any]) -> Outcome:
    key = parse_id(answers["tenant"])
    tenant = tenants.by_id(key) if key else tenants.by_slug(answers["tenant"])
    if tenant is None:
        raise NotFound(f"there is no tenant {answers['tenant']}", field="tenant")
    user = selectors.user_by_email(answers["email"])
    if user is None:
        raise NotFound("no account has this address", field="email", mend="Create the account first.")
    with tenant_scope(tenant.id):
        member = services.add_member(_inside(ctx, tenant.id), user_id=user.id, roles=frozenset(answers["roles"]))
    return Outcome(f"{user.email} is a member of {tenant.slug} now.", member.id)


def _change_roles(ctx: Context, row: Membership, answers: dict[str, Any]) -> Outcome:
    with tenant_scope(tenant_of(row)):
        services.change_roles(_inside(ctx, tenant_of(row)), user_id=row.user_id, roles=frozenset(answers["roles"]))
    return Outcome(f"{row.user.email} has the roles {', '.join(sorted(answers['roles']))} now.", row.pk)


def _remove_member(ctx: Context, row: Membership, answers: dict[str, Any]) -> Outcome:
    with tenant_scope(tenant_of(row)):
        services.remove_member(_inside(ctx, tenant_of(row)), user_id=row.user_id)
    return Outcome(f"{row.user.email} is no member any more.", row.pk)


def _no_member(row: Membership) -> str:
    return "" if row.active else "this membership has ended"


@admin.register(Membership)
class MembershipAdmin(PlatformAdmin):
    """Who is a member of which tenant, in which roles."""

    noun, nouns = "member", "members"
    read_action = "platform.member.read"
    about = "People in tenants. Roles decide what someone may do there; every change is in that tenant's ledger."
    empty = "No membership fits."
    tenant_column = "tenant_id"
    search_hint = "e-mail address or id"
    list_select_related = ("user",)
    list_display = ("person", "tenant_label", "role_marks", "state", "created_at")
    list_matters = ("person", "tenant_label")
    list_filter = (filters.TenantFilter, filters.choice("member now", "active", [("True", "yes"), ("False", "ended")]))
    detail = (("Membership", ("person_link", "tenant_label", "role_marks", "state", "created_at")),)
    verbs = (
        Verb(
            "add",
            "Add a member",
            "platform.member.manage",
            run=_add_member,
            icon="plus",
            form=NewMemberForm,
            creates=True,
            lead="The account must exist. Somebody who was a member before comes back with these roles.",
        ),
        Verb(
            "roles",
            "Change roles",
            "platform.member.manage",
            run=_change_roles,
            icon="user-round-cog",
            form=RolesForm,
            unfit=_no_member,
            initial=lambda row: {"roles": row.roles},
            consequences=lambda rows: (
                "The new roles hold from the next request on. A tenant's last owner stays owner.",
            ),
        ),
        Verb(
            "remove",
            "Remove",
            "platform.member.manage",
            run=_remove_member,
            icon="log-out",
            danger=True,
            bulk=True,
            unfit=_no_member,
            consequences=lambda rows: (
                f"{', '.join(row.user.email for row in rows)} can enter the tenant no more, from the next request on.",
                "What they did stays in the ledger under their id. They can be added again.",
            ),
        ),
    )

    def label_of(self, obj: Membership) -> str:
        """Who, and where."""
        return f"{obj.user.email} in {getattr(obj, 'ig_tenant_label', obj.tenant_id)}"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        """Memberships come with their person."""
        return cast("QuerySet[Membership]", super().get_queryset(request)).select_related("user")

    def found(self, request: HttpRequest, rows: QuerySet[Membership], term: str) -> QuerySet[Membership]:
        """By the person's address or the membership's id."""
        key = parse_id(term)
        return rows.filter(pk=key) if key else rows.filter(user__email=term.lower())

    @admin.display(description="person")
    def person(self, obj: Membership) -> str:
        """Who it is."""
        return obj.user.email

    @admin.display(description="person")
    def person_link(self, obj: Membership) -> shown.Link:
        """Who it is, leading to the account."""
        return shown.Link(obj.user.email, self.address_of("identity.user", obj.user_id))

    @admin.display(description="roles")
    def role_marks(self, obj: Membership) -> shown.Marks:
        """The roles."""
        return shown.Marks(tuple(shown.Mark(role) for role in obj.roles))

    @admin.display(description="member now")
    def state(self, obj: Membership) -> shown.Mark:
        """Whether it holds."""
        return shown.Mark("yes", "ok", "circle-check") if obj.active else shown.Mark("ended", "neutral", "ban")

    def trail(self, obj: Membership) -> Trail:
        """The tenant's ledger tells of its members."""
        types = (MemberAdded.name, MemberRolesChanged.name, MemberRemoved.name)
        return Trail(tenant_of(obj), types, "membership_id", str(obj.pk))


# -- keys ----------------------------------------------------------------------------------------------------------


def _revoke(ctx: Context, row: ApiKey, answers: dict[str, Any]) -> Outcome:
    with tenant_scope(tenant_of(row)):
        services.revoke_api_key(_inside(ctx, tenant_of(row)), key_id=row.id)
    return Outcome(f"Revoked the key {row.name} ({row.prefix}).", row.pk)


@admin.register(ApiKey)
class ApiKeyAdmin(PlatformAdmin):
    """Keys of machines."""

    read_action = "platform.key.read"
    about = "Keys of machines. The secret is shown once, to whoever makes the key; it is kept nowhere."
    empty = "No key fits."
    tenant_column = "tenant_id"
    search_hint = "the key's prefix or id"
    list_display = ("name", "prefix_code", "tenant_label", "scope", "state", "last_used_at", "expires_at", "created_at")
    list_matters = ("name", "state")
    list_filter = (filters.TenantFilter, filters.choice("scope", "scope", [(s.value, s.value) for s in KeyScope]))
    detail = (
        ("Key", ("name", "prefix_code", "tenant_label", "scope", "state", "maker")),
        ("Times", ("created_at", "last_used_at", "expires_at", "revoked_at")),
    )
    verbs = (
        Verb(
            "revoke",
            "Revoke",
            "platform.key.revoke",
            run=_revoke,
            icon="ban",
            danger=True,
            bulk=True,
            unfit=lambda row: "it is revoked already" if row.revoked_at else "",
            consequences=lambda rows: (
                f"Whatever uses {', '.join(row.name for row in rows)} is refused from the next request on.",
                "A revoked key cannot be brought back; its tenant has to make another one.",
            ),
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        """Keys without their digests: what is not read cannot be shown."""
        return cast("QuerySet[ApiKey]", super().get_queryset(request)).defer("digest")

    def found(self, request: HttpRequest, rows: QuerySet[ApiKey], term: str) -> QuerySet[ApiKey]:
        """By prefix or id."""
        key = parse_id(term)
        return rows.filter(pk=key) if key else rows.filter(prefix=term)

    def prepare(self, request: HttpRequest, rows: Sequence[ApiKey]) -> None:
        """Read who made them."""
        super().prepare(request, rows)
        names = self.roof.actor_labels({row.created_by for row in rows})
        for row in rows:
            row.__dict__["ig_maker"] = names.get(row.created_by, row.created_by)

    @admin.display(description="prefix")
    def prefix_code(self, obj: ApiKey) -> shown.Text:
        """What tells keys apart in logs."""
        return shown.Text(obj.prefix, code=True)

    @admin.display(description="made by")
    def maker(self, obj: ApiKey) -> str:
        """Who made it."""
        return str(obj.__dict__["ig_maker"])

    @admin.display(description="state")
    def state(self, obj: ApiKey) -> shown.Mark:
        """Whether it opens anything."""
        if obj.revoked_at:
            return shown.Mark("revoked", "neutral", "ban")
        return shown.Mark("in force", "ok", "circle-check")

    def trail(self, obj: ApiKey) -> Trail:
        """The tenant's ledger tells of its keys."""
        return Trail(tenant_of(obj), (ApiKeyCreated.name, ApiKeyRevoked.name), "key_id", str(obj.pk))
