"""Errors of the vault."""

from apps.core.errors import Conflict, IgError, InvalidInput, NotFound, Unavailable


class NoSigningKey(Unavailable):
    """There is no active signing key, or it cannot be read."""


class SigningFailed(Unavailable):
    """The holder of the private key did not sign."""


class KeyInUse(Conflict):
    """The key cannot be rotated as asked."""


class ResidencyRefused(InvalidInput):
    """The region is not among those where the tenant's data may lie."""

    title = "Region not allowed"


class ObjectMissing(NotFound):
    """The tenant has no such object, or its bytes are gone from the store."""


class ObjectCorrupt(IgError):
    """The bytes in the store are not those that were put there."""


class StoreUnavailable(Unavailable):
    """The object store does not answer as it should."""


class SealBroken(IgError):
    """A sealed secret cannot be opened: altered, moved to another place, or sealed with a key that is gone."""
