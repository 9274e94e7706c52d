"""Verbs on secrets that must be read again: connector passwords, webhook secrets. Hashes serve for all others."""

from functools import cache

from apps.core import conf
from apps.core.errors import Unavailable
from apps.vault.box import Box, CannotOpen
from apps.vault.errors import SealBroken


@cache
def _box(secrets: tuple[str, ...]) -> Box:
    return Box(secrets)


def box() -> Box:
    """Return the installation's box. Raises Unavailable while `IG_KEY_SECRET` is not set."""
    secrets = tuple(conf.get().items_of("IG_KEY_SECRET"))
    if not secrets:
        raise Unavailable("IG_KEY_SECRET is not set: nothing can be sealed or opened")
    return _box(secrets)


def seal_secret(plain: str, *, purpose: str, place: str) -> str:
    """Return `plain` sealed for storage.

    `purpose` names the kind (`connector`, `webhook`), `place` the row that will hold it, such as its table and id:
    copied to another row, the text does not open.
    """
    return box().seal(plain.encode(), purpose=f"secret {purpose}", place=place)


def open_secret(sealed: str, *, purpose: str, place: str) -> str:
    """Return the secret. Raises SealBroken when it was altered, moved, or sealed with a secret that is gone."""
    try:
        return box().open(sealed, purpose=f"secret {purpose}", place=place).decode()
    except CannotOpen as error:
        raise SealBroken(f"the {purpose} secret cannot be opened: {error}") from None


def reseal_secret(sealed: str, *, purpose: str, place: str) -> str | None:
    """Return the secret sealed anew with the newest key, or None when it is already. Raises SealBroken."""
    if not box().stale(sealed):
        return None
    return seal_secret(open_secret(sealed, purpose=purpose, place=place), purpose=purpose, place=place)
