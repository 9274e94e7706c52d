"""Members of a tenant: who they are, in which roles, where they signed in."""

from datetime import timedelta
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from apps.core import mail
from apps.core.context import Context
from apps.core.errors import InvalidInput, NotFound
from apps.core.scope import require_tenant_id
from apps.identity import selectors as people
from apps.identity import services as identity
from apps.identity.types import ActingEnd, ActingInfo, InvitationInfo, MembershipInfo, Role
from apps.policy import services as policy
from apps.portal import actors, attempts, door, figures
from apps.portal.account_forms import InviteForm
from apps.portal.forms import RolesForm
from apps.portal.types import Badge, Crumb, Tone

ABOUT: dict[Role, str] = {
    Role.OWNER: "everything, also giving every role",
    Role.ADMIN: "members, keys, data, settings",
    Role.ANALYST: "reads and writes data, brings data in",
    Role.READER: "reads data",
    Role.DEVELOPER: "reads and writes data, makes API keys",
    Role.BILLING: "use and invoices",
    Role.DPO: "privacy requests, all data in clear",
    Role.AUDITOR_TENANT: "the ledger and evidence of this tenant",
    Role.AUDITOR_ORG: "the ledger and evidence, for the organisation",
}
SENDING_AT_MOST = timedelta(minutes=20)
"""After this long the queue and the mail server had their chances."""


@require_safe
@door.tenant_page("identity.member.read", "members")
def members(request: HttpRequest, ctx: Context) -> HttpResponse:
    """The members of the tenant, by address, and who is invited."""
    return drawn(request, ctx)


def role_choices(ctx: Context) -> list[tuple[str, str]]:
    """Return the roles that the viewer may give, each with what it is for."""
    mine = identity.grantable(ctx)
    return [(role.value, f"{role.value}: {ABOUT[role]}") for role in Role if role in mine]


def _invitation_state(ctx: Context, one: InvitationInfo) -> Badge:
    if one.expires_at <= ctx.now:
        return Badge("expired", Tone.NEUTRAL, "clock")
    if one.sent_at is not None:
        return Badge("sent", Tone.OK, "send")
    if ctx.now - one.asked_at > SENDING_AT_MOST:
        return Badge("not sent", Tone.DANGER, "circle-alert")
    return Badge("being sent", Tone.INFO, "clock")


def _acting_state(ctx: Context, one: ActingInfo) -> Badge:
    if one.ended_at is None and one.ends_at > ctx.now:
        return Badge("acts now", Tone.WARN, "log-in")
    return Badge(one.ended_how or ActingEnd.EXPIRED.value, Tone.NEUTRAL, "clock")


def drawn(request: HttpRequest, ctx: Context, form: InviteForm | None = None) -> HttpResponse:
    """Return the page of members; `form` is an invitation that was not taken."""
    found = [one for one in people.members(ctx) if one.active]
    manage = policy.decide(ctx, "identity.member.manage")
    mine = identity.grantable(ctx)
    waiting = people.invitations(ctx) if manage.allow or manage.step_up else []
    names = actors.names_of(ctx, {one.invited_by for one in waiting})
    return render(
        request,
        "portal/members.html",
        {
            "members": found,
            "slug": ctx.tenant_slug,
            "manage": manage.allow or manage.step_up,
            "fresh": manage.allow,
            "form": form or InviteForm(choices=role_choices(ctx)),
            "invitations": [
                (one, _invitation_state(ctx, one), names[one.invited_by], frozenset(one.roles) <= mine)
                for one in waiting
            ],
            "mail_folder": mail.written_to(),
            "staff": [(one, _acting_state(ctx, one)) for one in people.acted(ctx)],
        },
        status=422 if form is not None and form.errors else 200,
    )


def _member(ctx: Context, user_id: UUID) -> MembershipInfo:
    found = people.membership(user_id, require_tenant_id())
    if found is None:
        raise NotFound("no such member")
    return found


@require_safe
@door.tenant_page("identity.member.read", "members")
def member(request: HttpRequest, ctx: Context, user_id: UUID) -> HttpResponse:
    """One member: roles, and the newest attempts to sign in for those who manage sessions."""
    found = _member(ctx, user_id)
    mine = identity.grantable(ctx)
    manage = door.may(ctx, "identity.member.manage") and found.roles <= mine
    may_sessions = door.may(ctx, "identity.session.manage")
    return render(
        request,
        "portal/member.html",
        {
            "member": found,
            "manage": manage,
            "form": RolesForm(initial={"roles": sorted(found.roles)}, choices=role_choices(ctx)),
            "may_sessions": may_sessions,
            "attempts": attempts.lines(people.sign_ins_of_member(ctx, user_id)) if may_sessions else [],
            "crumbs": (Crumb("Members", reverse("portal:members", args=[ctx.tenant_slug])),),
            "slug": ctx.tenant_slug,
        },
    )


def _back(ctx: Context, user_id: UUID) -> HttpResponse:
    return HttpResponseRedirect(reverse("portal:member", args=[ctx.tenant_slug, user_id]))


@require_POST
@door.tenant_page("identity.member.manage", "members")
def change_roles(request: HttpRequest, ctx: Context, user_id: UUID) -> HttpResponse:
    """Give a member other roles, within what the viewer may give and take."""
    form = RolesForm(request.POST, choices=[(role.value, role.value) for role in Role])
    if not form.is_valid():
        raise InvalidInput("one of these roles is unknown", field="roles")
    identity.change_roles(ctx, user_id=user_id, roles=frozenset(form.cleaned_data["roles"]))
    messages.success(request, "The roles are changed. They hold from the next request on.")
    return _back(ctx, user_id)


@require_POST
@door.tenant_page("identity.member.manage", "members")
def remove(request: HttpRequest, ctx: Context, user_id: UUID) -> HttpResponse:
    """End a membership at once."""
    identity.remove_member(ctx, user_id=user_id)
    messages.success(request, "The member is removed. Nothing of this tenant is open to them any more.")
    return HttpResponseRedirect(reverse("portal:members", args=[ctx.tenant_slug]))


@require_POST
@door.tenant_page("identity.session.manage", "members")
def sign_out(request: HttpRequest, ctx: Context, user_id: UUID) -> HttpResponse:
    """Sign a member out everywhere."""
    ended = identity.end_member_sessions(ctx, user_id=user_id)
    messages.success(request, f"{figures.plural(ended, 'session')} ended.")
    return _back(ctx, user_id)
