"""Events of identity: ids and words only, never addresses."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from apps.bus.types import Event


@dataclass(frozen=True, slots=True)
class UserCreated(Event):
    """An account was created."""

    name: ClassVar[str] = "identity.user.created"
    user_id: UUID
    platform_roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MemberAdded(Event):
    """A person became a member, or came back."""

    name: ClassVar[str] = "identity.member.added"
    membership_id: UUID
    user_id: UUID
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MemberRolesChanged(Event):
    """A member's roles changed."""

    name: ClassVar[str] = "identity.member.roles_changed"
    membership_id: UUID
    user_id: UUID
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MemberRemoved(Event):
    """A person is no longer a member."""

    name: ClassVar[str] = "identity.member.removed"
    membership_id: UUID
    user_id: UUID


@dataclass(frozen=True, slots=True)
class InvitationMade(Event):
    """An address was invited. `account` is a keyed hash of it."""

    name: ClassVar[str] = "identity.invitation.made"
    invitation_id: UUID
    account: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InvitationSentAgain(Event):
    """An invitation was sent anew; its earlier link ended."""

    name: ClassVar[str] = "identity.invitation.sent_again"
    invitation_id: UUID


@dataclass(frozen=True, slots=True)
class InvitationRevoked(Event):
    """An invitation was withdrawn."""

    name: ClassVar[str] = "identity.invitation.revoked"
    invitation_id: UUID


@dataclass(frozen=True, slots=True)
class InvitationAccepted(Event):
    """Whoever was invited became a member."""

    name: ClassVar[str] = "identity.invitation.accepted"
    invitation_id: UUID
    user_id: UUID


@dataclass(frozen=True, slots=True)
class ActingStarted(Event):
    """Somebody of the platform's staff entered the tenant, for a reason and until a time."""

    name: ClassVar[str] = "identity.acting.started"
    acting_id: UUID
    user_id: UUID
    reason: str
    ends_at: str
    wide: bool


@dataclass(frozen=True, slots=True)
class ActingEnded(Event):
    """Somebody of the platform's staff acts in the tenant no more."""

    name: ClassVar[str] = "identity.acting.ended"
    acting_id: UUID
    user_id: UUID
    how: str


@dataclass(frozen=True, slots=True)
class ApiKeyCreated(Event):
    """An API key was made."""

    name: ClassVar[str] = "identity.apikey.created"
    key_id: UUID
    scope: str
    expires_at: str


@dataclass(frozen=True, slots=True)
class ApiKeyRevoked(Event):
    """An API key was revoked; it ends at once."""

    name: ClassVar[str] = "identity.apikey.revoked"
    key_id: UUID


@dataclass(frozen=True, slots=True)
class ApiKeyRotated(Event):
    """An API key got a successor; it ends itself at `expires_at`."""

    name: ClassVar[str] = "identity.apikey.rotated"
    key_id: UUID
    successor_id: UUID
    expires_at: str


@dataclass(frozen=True, slots=True)
class IssuerTrusted(Event):
    """A tenant trusts tokens of an identity provider."""

    name: ClassVar[str] = "identity.issuer.trusted"
    issuer_id: UUID
    issuer: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IssuerDistrusted(Event):
    """A tenant trusts tokens of an identity provider no more."""

    name: ClassVar[str] = "identity.issuer.distrusted"
    issuer_id: UUID


@dataclass(frozen=True, slots=True)
class TokenRevoked(Event):
    """A token of an identity provider is refused from now on."""

    name: ClassVar[str] = "identity.token.revoked"
    issuer_id: UUID
    digest: str


@dataclass(frozen=True, slots=True)
class SignedIn(Event):
    """Someone signed in, or confirmed with a second factor."""

    name: ClassVar[str] = "identity.session.started"
    user_id: UUID
    second_factor: bool
    method: str = ""


@dataclass(frozen=True, slots=True)
class SignInFailed(Event):
    """A sign-in was refused. `account` is a keyed hash of the address that was tried."""

    name: ClassVar[str] = "identity.session.refused"
    account: str
    reason: str
    method: str = ""


@dataclass(frozen=True, slots=True)
class AccountLocked(Event):
    """An address was closed to an origin after too many refusals. `account` is a keyed hash of the address."""

    name: ClassVar[str] = "identity.account.locked"
    account: str


@dataclass(frozen=True, slots=True)
class SignedOut(Event):
    """Someone signed out."""

    name: ClassVar[str] = "identity.session.ended"
    user_id: UUID


@dataclass(frozen=True, slots=True)
class PasswordResetSent(Event):
    """A link to a new password was made for an account."""

    name: ClassVar[str] = "identity.password.reset_sent"
    user_id: UUID


@dataclass(frozen=True, slots=True)
class PasswordChanged(Event):
    """An account has another password; `sessions` of it ended."""

    name: ClassVar[str] = "identity.password.changed"
    user_id: UUID
    method: str
    sessions: int


@dataclass(frozen=True, slots=True)
class SecondFactorEnrolled(Event):
    """An account got an authenticator device."""

    name: ClassVar[str] = "identity.second_factor.enrolled"
    user_id: UUID


@dataclass(frozen=True, slots=True)
class PasskeyAdded(Event):
    """An account got a passkey."""

    name: ClassVar[str] = "identity.passkey.added"
    user_id: UUID
    passkey_id: int


@dataclass(frozen=True, slots=True)
class PasskeyRemoved(Event):
    """A passkey was taken away."""

    name: ClassVar[str] = "identity.passkey.removed"
    user_id: UUID
    passkey_id: int


@dataclass(frozen=True, slots=True)
class PasskeyCloneSuspected(Event):
    """A passkey signed with a counter that was passed before: a copy of it may be about (WebAuthn section 6.1.1)."""

    name: ClassVar[str] = "identity.passkey.clone_suspected"
    user_id: UUID
    passkey_id: int


@dataclass(frozen=True, slots=True)
class SecondFactorRemoved(Event):
    """An authenticator app was taken away."""

    name: ClassVar[str] = "identity.second_factor.removed"
    user_id: UUID
    app_id: int


@dataclass(frozen=True, slots=True)
class RecoveryCodesMade(Event):
    """An account got recovery codes; earlier ones ended."""

    name: ClassVar[str] = "identity.recovery_codes.made"
    user_id: UUID
    count: int


@dataclass(frozen=True, slots=True)
class RecoveryCodeUsed(Event):
    """A recovery code stood in for a second factor."""

    name: ClassVar[str] = "identity.recovery_code.used"
    user_id: UUID
    left: int


@dataclass(frozen=True, slots=True)
class SessionsRevoked(Event):
    """Someone ended sessions of the own account."""

    name: ClassVar[str] = "identity.session.revoked"
    user_id: UUID
    count: int


@dataclass(frozen=True, slots=True)
class MemberSessionsRevoked(Event):
    """An admin of a tenant signed a member out everywhere."""

    name: ClassVar[str] = "identity.member.signed_out"
    user_id: UUID
    count: int
