"""Errors that people and programs meet, in families with one stable code each.

Every door maps them in one place: GraphQL to `extensions.code`, REST to problem details (RFC 9457), pages to an
error page, the command line to one line on standard error.
"""

from typing import Any, ClassVar


class IgError(Exception):
    """An expected refusal. `message` says what is wrong, `mend` what to do, `field` which input is meant."""

    code: ClassVar[str] = "INTERNAL"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    def __init__(self, message: str, *, field: str | None = None, mend: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.mend = mend
        self.details = details


class InvalidInput(IgError):
    """The input cannot be taken as it is."""

    code, status, title = "BAD_USER_INPUT", 400, "Invalid input"


class Unauthenticated(IgError):
    """It is not known who calls, or the proof does not hold."""

    code, status, title = "UNAUTHENTICATED", 401, "Not signed in"


class StepUpRequired(IgError):
    """A fresh second factor is needed (RFC 9470)."""

    code, status, title = "STEP_UP_REQUIRED", 401, "Step-up required"


class Forbidden(IgError):
    """The caller is known and may not do this."""

    code, status, title = "FORBIDDEN", 403, "Forbidden"


class TenantSuspended(Forbidden):
    """The tenant is suspended, offboarding or closed."""

    title = "Tenant suspended"


class NotFound(IgError):
    """There is no such thing in this tenant (or it is another tenant's, which is not told)."""

    code, status, title = "NOT_FOUND", 404, "Not found"


class Conflict(IgError):
    """The request does not fit the present state."""

    code, status, title = "CONFLICT", 409, "Conflict"


class StaleVersion(Conflict):
    """The caller changed a version that is no longer the newest."""

    code, status, title = "STALE_VERSION", 409, "Stale version"


class PayloadTooLarge(IgError):
    """The body or a part of it is larger than allowed."""

    code, status, title = "BAD_USER_INPUT", 413, "Payload too large"


class UnsupportedMedia(IgError):
    """The content type or encoding cannot be read."""

    code, status, title = "BAD_USER_INPUT", 415, "Unsupported media type"


class Misdirected(IgError):
    """The tenant lives in another region."""

    code, status, title = "FORBIDDEN", 421, "Wrong region"


class RateLimited(IgError):
    """The quota is used up; `retry_after_s` says when to come back."""

    code, status, title = "RATE_LIMITED", 429, "Rate limited"

    def __init__(self, message: str, *, retry_after_s: float, **more: Any) -> None:
        super().__init__(message, **more)
        self.retry_after_s = retry_after_s


class TooComplex(InvalidInput):
    """The GraphQL document asks for more than one request may."""

    code, title = "TOO_COMPLEX", "Too complex"


class PersistedOnly(Forbidden):
    """Only documents of the safelist run here."""

    code, title = "PERSISTED_ONLY", "Persisted documents only"


class Unavailable(IgError):
    """A part that this needs is away; trying again later may help."""

    code, status, title = "INTERNAL", 503, "Unavailable"


class NoTenantScope(RuntimeError):
    """A programming error: tenant-owned rows were asked for with no tenant in scope. Never shown to callers."""
