"""Tokens of tenants' identity providers (JWT: RFC 7519, with the care of RFC 8725). Pure: keys are handed in.

The audience names the tenant (`<base>/t/<slug>`), so a token can only ever open the tenant that it was made for; the
issuer is looked up inside that tenant; the key's own kind decides the algorithm.
"""

import hashlib
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from joserfc import jwt
from joserfc.errors import (
    BadSignatureError,
    ClaimError,
    ExpiredTokenError,
    JoseError,
    MissingClaimError,
    SecurityWarning,
)
from joserfc.util import urlsafe_b64decode

from apps.identity.jwks import KnownKey

# The name that RFC 8037 gave is still what most providers send; RFC 9864 renamed it, the signature is the same.
warnings.filterwarnings("ignore", message="EdDSA is deprecated", category=SecurityWarning)

LARGEST = 8 * 1024
SKEW_S = 60
LONGEST_S = 24 * 3600
ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA", "Ed25519"})
TYPES = frozenset({"", "jwt", "at+jwt", "application/at+jwt"})
EVENT_TYPES = frozenset({"secevent+jwt", "application/secevent+jwt"})
"""Security event tokens say what they are (RFC 8417 section 2.3), so that none passes for a token of access."""
SECOND_FACTORS = frozenset({"mfa", "otp", "hwk", "swk", "fpt", "face", "pin"})
"""Methods (RFC 8176) that a token counts as a second factor."""
_COUNTRY = re.compile(r"^[A-Z]{2}$")


class TokenRefused(Exception):
    """A token that does not hold. `reason` is for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a token says of itself before anyone has checked it: enough to find the key."""

    algorithm: str
    kid: str
    issuer: str
    audiences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verified:
    """A token that holds."""

    subject: str
    expires_at: float
    claims: Mapping[str, Any]
    digest: bytes


def looks_like_one(token: str) -> bool:
    """Return whether this is of the form of a signed token (three parts)."""
    return token.count(".") == 2


def read(token: str, types: frozenset[str] = TYPES) -> Unverified:
    """Return what a token says of itself. Raises TokenRefused for what is none, and for algorithms that we never take."""
    if len(token) > LARGEST:
        raise TokenRefused("size")
    try:
        head, body, _ = (part.encode("ascii") for part in token.split("."))
        header, claims = orjson.loads(urlsafe_b64decode(head)), orjson.loads(urlsafe_b64decode(body))
    except (ValueError, TypeError):
        raise TokenRefused("form") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise TokenRefused("form")
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "")
    if algorithm not in ALGORITHMS:
        raise TokenRefused(f"algorithm {str(algorithm)[:20]}")
    if not isinstance(kid, str) or not 0 < len(kid) <= 256:
        raise TokenRefused("missing kid")
    if not isinstance(kind, str) or kind.lower() not in types:
        raise TokenRefused("type")
    issuer, audience = claims.get("iss"), claims.get("aud")
    listed = audience if isinstance(audience, list) else [audience]
    audiences = tuple(one for one in listed if isinstance(one, str))
    if not isinstance(issuer, str) or len(audiences) != len(listed):
        raise TokenRefused("form")
    return Unverified(algorithm, kid, issuer, audiences)


def verify(token: str, said: Unverified, *, known: KnownKey, audience: str, now: datetime) -> Verified:
    """Return a token whose signature, issuer, audience and times hold. Raises TokenRefused."""
    if said.algorithm not in known.algorithms:
        raise TokenRefused("the key is of another kind than the algorithm")
    at = int(now.timestamp())
    try:
        claims = jwt.decode(token, known.key, algorithms=[said.algorithm]).claims
        jwt.JWTClaimsRegistry(
            now=at,
            leeway=SKEW_S,
            iss={"essential": True, "value": said.issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        ).validate(claims)
    except BadSignatureError:
        raise TokenRefused("signature") from None
    except ExpiredTokenError:
        raise TokenRefused("expired") from None
    except MissingClaimError as error:
        raise TokenRefused(f"missing {error.claim}") from None
    except ClaimError as error:
        raise TokenRefused({"nbf": "not yet valid", "iat": "not yet valid"}.get(error.claim, error.claim)) from None
    except (JoseError, ValueError, TypeError) as error:
        raise TokenRefused(type(error).__name__) from None
    subject, expires = claims["sub"], float(claims["exp"])
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise TokenRefused("sub")
    if expires - at > LONGEST_S + SKEW_S:
        raise TokenRefused("lives too long")
    return Verified(subject, expires + SKEW_S, claims, digest_of(token, claims.get("jti")))


def verify_event(token: str, said: Unverified, *, known: KnownKey, audience: str, now: datetime) -> Mapping[str, Any]:
    """Return the claims of a security event token whose signature, issuer and audience hold. Raises TokenRefused.

    Such tokens tell what happened and do not expire (RFC 8417 section 2.2).
    """
    if said.algorithm not in known.algorithms:
        raise TokenRefused("the key is of another kind than the algorithm")
    try:
        claims: dict[str, Any] = jwt.decode(token, known.key, algorithms=[said.algorithm]).claims
        jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=SKEW_S,
            iss={"essential": True, "value": said.issuer},
            aud={"essential": True, "value": audience},
            iat={"essential": True},
            jti={"essential": True},
        ).validate(claims)
    except BadSignatureError:
        raise TokenRefused("signature") from None
    except MissingClaimError as error:
        raise TokenRefused(f"missing {error.claim}") from None
    except ClaimError as error:
        raise TokenRefused(error.claim) from None
    except (JoseError, ValueError, TypeError) as error:
        raise TokenRefused(type(error).__name__) from None
    return claims


@dataclass(frozen=True, slots=True)
class Said:
    """What a token of access says of the session behind it, for zero trust; what it does not say is as in a session
    that nothing is known of."""

    id: str
    authenticated_at: datetime | None = None
    second_factor_at: datetime | None = None
    device_trusted: bool | None = None
    risk: str = "low"
    country: str = ""
    ends_at: datetime | None = None


def session_of(token: Verified) -> Said:
    """Return what the claims say: `auth_time` and `amr` (OpenID Connect Core, RFC 8176), and our own `ig_risk` (low,
    medium, high), `ig_device_trusted` (a boolean), `ig_country` (ISO 3166-1 alpha-2)."""
    claims = token.claims
    stamp, methods = claims.get("auth_time"), claims.get("amr")
    known = isinstance(stamp, int | float) and not isinstance(stamp, bool) and 0 < stamp < 1e11
    at = datetime.fromtimestamp(stamp, UTC) if known else None  # type: ignore[arg-type]
    strong = isinstance(methods, list) and any(one in SECOND_FACTORS for one in methods if isinstance(one, str))
    device, risk, country = claims.get("ig_device_trusted"), claims.get("ig_risk", "low"), claims.get("ig_country")
    return Said(
        id=f"token-{token.digest.hex()[:12]}",
        authenticated_at=at,
        second_factor_at=at if strong else None,
        device_trusted=device if isinstance(device, bool) else None,
        risk=risk if isinstance(risk, str) else "unknown",
        country=country if isinstance(country, str) and _COUNTRY.match(country) else "",
        ends_at=datetime.fromtimestamp(token.expires_at, UTC),
    )


def digest_of(token: str, jti: object) -> bytes:
    """Return what a revocation names: a digest of the token's id, or of a token that has none."""
    named = isinstance(jti, str) and jti
    return hashlib.sha256(f"jti\n{jti}".encode() if named else f"token\n{token}".encode()).digest()


def roles_of(claims: Mapping[str, Any], claim: str, role_map: Mapping[str, str]) -> frozenset[str]:
    """Return the roles that the claim's values stand for; a text is a list by spaces, unknown values say nothing."""
    value = claims.get(claim)
    values = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
    return frozenset(role_map[one] for one in values if isinstance(one, str) and one in role_map)
