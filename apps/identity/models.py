"""Rows of identity."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models.functions import Lower

from apps.core.ids import new_id
from apps.identity.types import ActingEnd, KeyScope, Outcome
from apps.tenants.base import TenantModel


class UserManager(BaseUserManager["User"]):
    """Accounts, found by e-mail address without regard to case."""

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the account of that address. Raises User.DoesNotExist."""
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser):
    """An account: one person, any number of tenants. `platform_roles` make it platform staff.

    The application role sees accounts that are members of the tenant in scope, no others.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField(max_length=254, unique=True)
    name = models.TextField(blank=True, default="")
    is_active = models.BooleanField(default=True)
    platform_roles = ArrayField(models.TextField(), default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        db_table = "identity_user"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="identity_user_email_lower"),
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def is_staff(self) -> bool:
        """True for platform staff: they may open the admin."""
        return bool(self.platform_roles)

    @property
    def is_superuser(self) -> bool:
        """Nobody bypasses permissions."""
        return False

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Operators may do in the admin what the admin offers; other staff may look."""
        if not (self.is_active and self.is_staff):
            return False
        return "operator" in self.platform_roles or ".view_" in perm

    def has_perms(self, perms: Any, obj: Any = None) -> bool:
        """Whether each of `perms` is held."""
        return all(self.has_perm(perm, obj) for perm in perms)

    def has_module_perms(self, app_label: str) -> bool:
        """Whether the admin shows this app."""
        return self.is_active and self.is_staff

    def get_short_name(self) -> str:
        """The name for greetings."""
        return self.name or self.email.partition("@")[0]


class Membership(TenantModel):
    """A person's roles in a tenant."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    roles = ArrayField(models.TextField(), default=list)
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "identity_membership"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant", "user"], name="identity_membership_once"),
        ]

    def __str__(self) -> str:
        return ", ".join(self.roles)


class Invitation(TenantModel):
    """An address that was asked into a tenant. The link's secret is in the mail alone; a digest of it is kept.

    `open` until it was accepted, withdrawn, or replaced after its time.
    """

    email = models.EmailField(max_length=254)
    roles = ArrayField(models.TextField(), default=list)
    digest = models.BinaryField(default=b"")
    created_by = models.TextField()
    asked_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    asks = models.IntegerField(default=1)
    tries = models.IntegerField(default=0)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    open = models.BooleanField(default=True)

    class Meta:
        db_table = "identity_invitation"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["tenant", "email"], condition=models.Q(open=True), name="identity_invitation_open_once"
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["digest"], condition=models.Q(open=True), name="identity_invitation_digest"),
            models.Index(fields=["tenant", "-asked_at"], name="identity_invitation_asked"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Acting(TenantModel):
    """The time in which somebody of the platform's staff may act in a tenant, and why. One at a time for each person."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    staff_name = models.TextField()
    reason = models.TextField()
    wide = models.BooleanField(default=False)
    started_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_how = models.TextField(default="", choices=[(how.value, how.value) for how in ActingEnd])

    class Meta:
        db_table = "identity_acting"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["user"], condition=models.Q(ended_at=None), name="identity_acting_once"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant", "-started_at"], name="identity_acting_started"),
            models.Index(fields=["ends_at"], condition=models.Q(ended_at=None), name="identity_acting_due"),
        ]

    def __str__(self) -> str:
        return f"{self.staff_name} {self.started_at:%Y-%m-%d %H:%M}"


class ApiKey(TenantModel):
    """A machine's key. Only a SHA-256 of the secret is kept: 256 random bits need no slow hash."""

    name = models.TextField()
    prefix = models.TextField(unique=True)
    digest = models.BinaryField()
    scope = models.TextField(choices=[(s.value, s.value) for s in KeyScope])
    created_by = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    replaced_by = models.UUIDField(null=True, blank=True)

    class Meta:
        db_table = "identity_apikey"
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"


class TrustedIssuer(TenantModel):
    """An identity provider whose tokens a tenant trusts. `role_map` says which value of its claim is which role here."""

    name = models.TextField()
    issuer = models.TextField()
    jwks_url = models.TextField()
    role_claim = models.TextField(default="roles")
    role_map = models.JSONField(default=dict)
    active = models.BooleanField(default=True)
    created_by = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "identity_trustedissuer"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant", "issuer"], name="identity_trustedissuer_once"),
        ]

    def __str__(self) -> str:
        return self.name


class RevokedToken(TenantModel):
    """A token that is refused before it expires: a digest of its id (`jti`) or of itself."""

    issuer = models.ForeignKey(TrustedIssuer, on_delete=models.CASCADE, related_name="+")
    digest = models.BinaryField()
    until = models.DateTimeField()

    class Meta:
        db_table = "identity_revokedtoken"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant", "issuer", "digest"], name="identity_revokedtoken_once"),
        ]

    def __str__(self) -> str:
        return bytes(self.digest).hex()[:16]


class Session(AbstractBaseSession):
    """A browser's session. `public_id` names it on pages, where its key must not stand."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", null=True)
    public_id = models.UUIDField()
    created_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    ip = models.TextField(default="")
    agent = models.TextField(default="")

    class Meta:
        db_table = "identity_session"

    def __str__(self) -> str:
        return str(self.public_id)


class SignIn(models.Model):
    """An attempt to sign in or to confirm, for the person and for the admins of their tenants; the ledger has it too.

    The application role sees those of members of the tenant in scope, and writes none.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField()
    outcome = models.TextField(choices=[(o.value, o.value) for o in Outcome])
    method = models.TextField(default="")
    reason = models.TextField(default="")
    ip = models.TextField(default="")
    agent = models.TextField(default="")

    class Meta:
        db_table = "identity_signin"
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["user", "-at"], name="identity_signin_user_at")]

    def __str__(self) -> str:
        return f"{self.outcome} {self.at:%Y-%m-%d %H:%M}"


class RecoveryCode(models.Model):
    """A code that stands in for a lost second factor, once. Only a digest is kept: 80 random bits need no slow hash."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    digest = models.BinaryField()
    created_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "identity_recoverycode"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["user", "digest"], name="identity_recoverycode_once"),
        ]

    def __str__(self) -> str:
        return "used" if self.used_at else "unused"


class PasswordReset(models.Model):
    """A link to a new password, mailed to the account's address. A digest of it is kept; it works once, for an hour."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    digest = models.BinaryField(unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "identity_passwordreset"

    def __str__(self) -> str:
        return "used" if self.used_at else "unused"
