"""Verbs of invitations: asked for by a member who may give the roles, sent by mail, accepted once by whoever reads it."""

from datetime import timedelta
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from apps.bus import services as bus
from apps.core import mail
from apps.core.context import Actor, ActorKind, Context
from apps.core.errors import Conflict, InvalidInput, NotFound, RateLimited
from apps.core.ids import parse_id
from apps.core.jobs import enqueue_named
from apps.core.scope import require_tenant_id, system_scope, tenant_scope
from apps.identity import selectors, tickets
from apps.identity.events import InvitationAccepted, InvitationMade, InvitationRevoked, InvitationSentAgain, MemberAdded
from apps.identity.models import Invitation, Membership, PasswordReset, User
from apps.identity.services.granting import grantable_with, require_grantable
from apps.identity.services.members import check_roles, create_user
from apps.identity.services.sign_in import account_hash
from apps.identity.types import SEND_INVITATION, InvitationInfo, Offer
from apps.tenants import services as tenants
from apps.tenants.selectors import by_id

LIVES = timedelta(days=7)
MOST_OPEN, MOST_AN_HOUR, MOST_ASKS, MOST_TRIES = 100, 30, 10, 10
AGAIN_AFTER = timedelta(minutes=2)
KEPT_FOR = timedelta(days=30)
"""How long addresses stay after their invitation was asked for last; the ledger keeps what happened."""
UNSENT_AFTER = timedelta(minutes=1)
"""How long the queue has for an invitation before it is sent anew."""
GONE = "this invitation does not hold"
GONE_MEND = (
    "It may have been used, withdrawn or replaced, or its week is over. Ask whoever invited you for another one."
)


def invite(ctx: Context, *, email: str, roles: frozenset[str]) -> InvitationInfo:
    """Invite an address into the tenant in scope with these roles; the mail is sent in the background.

    Raises InvalidInput for a bad address or role, Forbidden for roles above the caller's own, Conflict for a member, for
    an address that is invited already and where no mail can be sent, RateLimited after 30 in an hour.
    """
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise InvalidInput("this is not an e-mail address", field="email") from None
    check_roles(roles)
    require_grantable(ctx, roles)
    if not mail.possible():
        raise Conflict("this installation sends no mail", mend="Set EMAIL_URL, or add the member in the admin.")
    try:
        with transaction.atomic():
            if Membership.objects.filter(user__email=email, active=True).exists():
                raise Conflict("this address belongs to a member already", field="email")
            _no_flood(ctx)
            for row in Invitation.objects.select_for_update().filter(email=email, open=True):
                if row.expires_at > ctx.now:
                    raise Conflict(
                        "this address is invited already", field="email", mend="Send that invitation again instead."
                    )
                row.open = False
                row.save(update_fields=["open"])
            row = Invitation.objects.create(
                email=email, roles=sorted(roles), created_by=ctx.actor.ref, asked_at=ctx.now, expires_at=ctx.now + LIVES
            )
            bus.record(ctx, InvitationMade(row.id, account_hash(email), tuple(sorted(roles))))
            enqueue_named(ctx, SEND_INVITATION, invitation_id=str(row.id))
    except IntegrityError:
        raise Conflict("this address is invited already", field="email") from None
    return selectors.invitation_info(row)


def _no_flood(ctx: Context) -> None:
    """Raises Conflict, RateLimited when the tenant in scope has asked for too many."""
    if Invitation.objects.filter(open=True, expires_at__gt=ctx.now).count() >= MOST_OPEN:
        raise Conflict(f"{MOST_OPEN} invitations wait already", mend="Withdraw some of them first.")
    if Invitation.objects.filter(asked_at__gt=ctx.now - timedelta(hours=1)).count() >= MOST_AN_HOUR:
        raise RateLimited(f"a tenant invites at most {MOST_AN_HOUR} addresses an hour", retry_after_s=3600)


def _locked(invitation_id: UUID) -> Invitation:
    row: Invitation | None = Invitation.objects.select_for_update().filter(id=invitation_id, open=True).first()
    if row is None:
        raise NotFound("no such invitation", mend="It may have been accepted meanwhile. Open the list again.")
    return row


def invite_again(ctx: Context, *, invitation_id: UUID) -> InvitationInfo:
    """Send an invitation anew for another week; the link sent before ends with it.

    Raises NotFound, Forbidden for roles above the caller's own, RateLimited within two minutes, Conflict after ten times.
    """
    with transaction.atomic():
        row = _locked(invitation_id)
        require_grantable(ctx, frozenset(row.roles))
        if ctx.now - row.asked_at < AGAIN_AFTER:
            raise RateLimited("this was sent just now", retry_after_s=AGAIN_AFTER.total_seconds())
        if row.asks >= MOST_ASKS:
            raise Conflict("this was sent ten times", mend="Check the address with whoever it belongs to.")
        row.asked_at, row.expires_at, row.sent_at = ctx.now, ctx.now + LIVES, None
        row.asks, row.tries = row.asks + 1, 0
        row.save(update_fields=["asked_at", "expires_at", "sent_at", "asks", "tries"])
        bus.record(ctx, InvitationSentAgain(row.id))
        enqueue_named(ctx, SEND_INVITATION, invitation_id=str(row.id))
    return selectors.invitation_info(row)


def revoke_invitation(ctx: Context, *, invitation_id: UUID) -> InvitationInfo:
    """Withdraw an invitation: its link opens nothing from the commit on. Raises NotFound, Forbidden."""
    with transaction.atomic():
        row = _locked(invitation_id)
        require_grantable(ctx, frozenset(row.roles))
        row.open, row.digest = False, b""
        row.save(update_fields=["open", "digest"])
        bus.record(ctx, InvitationRevoked(row.id))
    return selectors.invitation_info(row)


def deliver_invitation(ctx: Context, *, invitation_id: UUID) -> bool:
    """Make the link of an invitation that is to be sent, and mail it; return whether there was one.

    The secret exists in the mail alone. When the mail is not taken, the next try makes another one. Raises Unavailable.
    """
    with transaction.atomic():
        row = Invitation.objects.select_for_update().filter(id=invitation_id, open=True, sent_at=None).first()
        if row is None or row.expires_at <= ctx.now or row.tries >= MOST_TRIES:
            return False
        token, row.digest = tickets.generate(tickets.INVITATION)
        row.tries += 1
        row.save(update_fields=["digest", "tries"])
    tenant = by_id(require_tenant_id())
    if tenant is None:
        return False
    inviter = _name_of(ctx, row.created_by)
    mail.send(
        "invitation",
        to=row.email,
        subject=f"{inviter or 'Somebody'} invites you to {tenant.name[:60]}",
        values={
            "inviter": inviter,
            "tenant": tenant.name[:60],
            "roles": row.roles,
            "until": row.expires_at,
            "path": f"/invitations/{token}/",
        },
    )
    Invitation.objects.filter(id=row.id, digest=row.digest).update(sent_at=ctx.now)
    return True


def _name_of(ctx: Context, ref: str) -> str:
    kind, _, rest = ref.partition(":")
    key = parse_id(rest) if kind == "user" else None
    return selectors.names_of(ctx, {key}).get(key, "")[:60] if key else ""


def send_waiting_invitations(ctx: Context) -> int:
    """Ask anew for invitations that were not sent a minute after they were due; return how many."""
    with system_scope("identity.mail"):
        rows = Invitation.objects.filter(
            open=True, sent_at=None, asked_at__lt=ctx.now - UNSENT_AFTER, expires_at__gt=ctx.now, tries__lt=MOST_TRIES
        )
        due = list(rows.order_by("asked_at").values_list("id", "tenant_id")[:100])
    for invitation_id, tenant_id in due:
        enqueue_named(ctx.but(tenant_id=tenant_id), SEND_INVITATION, invitation_id=str(invitation_id))
    return len(due)


def forget_invitations(ctx: Context) -> int:
    """Delete invitations that were asked for 30 days ago, and links to passwords of yesterday; return how many."""
    with system_scope("identity.mail"), transaction.atomic(using="system"):
        gone = int(Invitation.objects.filter(asked_at__lt=ctx.now - KEPT_FOR).delete()[0])
        return gone + int(PasswordReset.objects.filter(expires_at__lt=ctx.now - timedelta(days=1)).delete()[0])


def offer_of(ctx: Context, *, token: str) -> Offer:
    """Return what an invitation's link offers. Raises NotFound, in the same words for every link that holds no more."""
    with system_scope("identity.authenticate"):
        return _offer(ctx, _found(ctx, token, lock=False))


def _found(ctx: Context, token: str, *, lock: bool) -> Invitation:
    if not tickets.holds_form(tickets.INVITATION, token):
        raise NotFound(GONE, mend=GONE_MEND)
    rows = Invitation.objects.select_for_update() if lock else Invitation.objects
    row: Invitation | None = rows.filter(digest=tickets.digest(token), open=True, expires_at__gt=ctx.now).first()
    if row is None or not _may_still_give(row):
        raise NotFound(GONE, mend=GONE_MEND)
    return row


def _may_still_give(row: Invitation) -> bool:
    """Whether the member who invited could still give these roles now."""
    kind, _, rest = row.created_by.partition(":")
    inviter = parse_id(rest) if kind == "user" else None
    if inviter is None or not row.tenant_id:
        return True
    found = selectors.membership(inviter, row.tenant_id)
    return found is not None and frozenset(row.roles) <= grantable_with(found.roles)


def _offer(ctx: Context, row: Invitation) -> Offer:
    tenant = by_id(row.tenant_id) if row.tenant_id else None
    if tenant is None:
        raise NotFound(GONE, mend=GONE_MEND)
    tenants.admit(tenant)
    with tenant_scope(tenant.id):
        inviter = _name_of(ctx, row.created_by)
    known = User.objects.using("system").filter(email=row.email).exists()
    return Offer(row.id, tenant.name, tenant.slug, row.email, tuple(row.roles), inviter, known)


def accept_invitation(
    ctx: Context, *, token: str, user: User | None = None, name: str = "", password: str = ""
) -> User:
    """Make whom the link invited a member: the account of that address, signed in as `user`, or a new one.

    Whoever holds the link reads the mailbox, which is what an account of that address needs. Raises NotFound for a link
    that does not hold, Conflict when `user` is somebody else or an account exists and nobody is signed in to it,
    InvalidInput for a weak password.
    """
    with system_scope("identity.authenticate"), transaction.atomic(using="system"):
        row = _found(ctx, token, lock=True)
        offer = _offer(ctx, row)
        if user is None:
            if offer.known:
                raise Conflict("this address has an account", mend="Sign in to it, then accept.")
            user = create_user(ctx, email=row.email, password=password, name=name.strip()[:120])
        elif user.email != row.email:
            raise Conflict("this invitation is for another address", mend=f"Sign in as {row.email}.")
        member, made = Membership.objects.select_for_update().get_or_create(
            tenant_id=row.tenant_id, user_id=user.pk, defaults={"roles": sorted(row.roles)}
        )
        if not made:
            # A member meanwhile: what they hold stays. A former one comes back with what was offered, no more.
            member.roles = sorted({*member.roles, *row.roles} if member.active else row.roles)
            member.active = True
            member.save(update_fields=["roles", "active"])
        ctx = ctx.but(actor=Actor(ActorKind.USER, str(user.pk)))
        row.open, row.digest, row.accepted_at = False, b"", ctx.now
        row.save(update_fields=["open", "digest", "accepted_at"])
        bus.record(ctx, InvitationAccepted(row.id, user.pk), tenant_id=row.tenant_id)
        bus.record(ctx, MemberAdded(member.id, user.pk, tuple(member.roles)), tenant_id=row.tenant_id)
    return user
