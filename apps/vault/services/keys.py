"""Verbs on signing keys: make, rotate with overlap, retire."""

from datetime import timedelta
from functools import cache

from django.db import connections, transaction

from apps.bus import services as bus
from apps.core import conf
from apps.core.clock import iso
from apps.core.context import Context
from apps.core.errors import InvalidInput
from apps.core.scope import PLATFORM_TENANT_ID, system_scope
from apps.vault import keys, signers
from apps.vault.box import CannotOpen
from apps.vault.errors import KeyInUse, NoSigningKey
from apps.vault.events import SigningKeyCreated, SigningKeyRetired, SigningKeyRotated
from apps.vault.models import SigningKey
from apps.vault.services.secrets import box
from apps.vault.types import KeyInfo, KeyOrigin, KeyStatus, Signer

OVERLAP = timedelta(days=7)
MAX_OVERLAP = timedelta(days=90)
MAX_AGE = timedelta(days=365)
"""A stored key older than this is rotated by itself."""
CLOCK_SKEW = timedelta(minutes=5)
"""A key is valid from a little before it was made, since the clocks of several machines differ."""
_PURPOSE = "signing-key"
_LOCK = 0x4967_4B65_7973
"""Advisory lock under which keys change (the bytes of `IgKeys`)."""


def _info(row: SigningKey) -> KeyInfo:
    return KeyInfo(row.key_id, row.status, row.origin, row.public_key_pem, row.not_before, row.not_after)


@cache
def _configured(setting: str) -> Signer:
    return signers.from_setting(setting, tuple(conf.get().items_of("IG_KEY_SECRET")))


def _lock() -> None:
    with connections["system"].cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [_LOCK])


def _new_row(ctx: Context, setting: str) -> SigningKey:
    """Return the row, not saved, of the key that the setting names, or of a new one when it names none."""
    if setting:
        signer = _configured(setting)
        origin = KeyOrigin.EXTERNAL if setting.startswith(signers.COMMAND) else KeyOrigin.FILE
        if SigningKey.objects.filter(key_id=signer.key_id).exists():
            raise NoSigningKey(
                f"the key {signer.key_id} in IG_SIGNING_KEY was replaced before and cannot come back",
                mend="Put a fresh key there.",
            )
        key_id, pem, sealed = signer.key_id, signer.public_key_pem, ""
    else:
        private = keys.generate()
        origin = KeyOrigin.STORED
        key_id, pem = keys.key_id(private.public_key()), keys.public_pem(private.public_key())
        sealed = box().seal(keys.to_der(private), purpose=_PURPOSE, place=key_id)
    return SigningKey(
        key_id=key_id,
        status=KeyStatus.ACTIVE,
        origin=origin,
        public_key_pem=pem,
        private_sealed=sealed,
        not_before=ctx.now - CLOCK_SKEW,
        created_at=ctx.now,
    )


def _replace(ctx: Context, active: SigningKey | None, setting: str, overlap: timedelta) -> SigningKey:
    row = _new_row(ctx, setting)
    if active is None:
        row.save(force_insert=True, using="system")
        bus.record(ctx, SigningKeyCreated(row.key_id, row.origin), tenant_id=PLATFORM_TENANT_ID)
        return row
    active.status, active.not_after = KeyStatus.RETIRING, ctx.now + overlap
    active.save(update_fields=["status", "not_after"], using="system")
    row.save(force_insert=True, using="system")
    event = SigningKeyRotated(active.key_id, row.key_id, row.origin, iso(active.not_after))
    bus.record(ctx, event, tenant_id=PLATFORM_TENANT_ID)
    return row


def _retire_due(ctx: Context) -> None:
    for row in SigningKey.objects.filter(status=KeyStatus.RETIRING, not_after__lte=ctx.now):
        row.status, row.private_sealed = KeyStatus.RETIRED, ""
        row.save(update_fields=["status", "private_sealed"], using="system")
        bus.record(ctx, SigningKeyRetired(row.key_id), tenant_id=PLATFORM_TENANT_ID)


def ensure_signing_key(ctx: Context) -> KeyInfo:
    """Return the active key, making, taking over or replacing one where needed; safe to run at every start.

    The key that `IG_SIGNING_KEY` names becomes the active one; without it a key is made and kept sealed, and
    replaced when it is `MAX_AGE` old. Keys whose overlap has passed are retired: their private half is destroyed.
    Raises NoSigningKey when the configured key cannot be read or was used before.
    """
    setting = conf.get()["IG_SIGNING_KEY"]
    with system_scope("vault.keys"), transaction.atomic(using="system"):
        _lock()
        active = SigningKey.objects.filter(status=KeyStatus.ACTIVE).first()
        if setting:
            fresh = active is not None and active.key_id == _configured(setting).key_id
        else:
            fresh = active is not None and active.origin == KeyOrigin.STORED and active.created_at > ctx.now - MAX_AGE
        if not fresh or active is None:
            active = _replace(ctx, active, setting, OVERLAP)
        _retire_due(ctx)
    return _info(active)


def rotate_key(ctx: Context, *, overlap: timedelta = OVERLAP) -> KeyInfo:
    """Make a new active key; signatures by the old one are accepted for `overlap` more.

    Raises InvalidInput for an overlap outside 0 to 90 days, KeyInUse when the key is kept outside: there a new key
    in `IG_SIGNING_KEY` and a restart rotate.
    """
    if not timedelta(0) <= overlap <= MAX_OVERLAP:
        raise InvalidInput(f"overlap must be between 0 and {MAX_OVERLAP.days} days", field="overlap")
    if conf.get()["IG_SIGNING_KEY"]:
        raise KeyInUse("the signing key is kept outside", mend="Put a new key in IG_SIGNING_KEY and restart.")
    with system_scope("vault.keys"), transaction.atomic(using="system"):
        _lock()
        active = SigningKey.objects.filter(status=KeyStatus.ACTIVE).first()
        row = _replace(ctx, active, "", overlap)
        _retire_due(ctx)
    return _info(row)


def active_signer() -> Signer:
    """Return the holder of the active key.

    Raises NoSigningKey when there is none yet or when its private half cannot be opened.
    """
    setting = conf.get()["IG_SIGNING_KEY"]
    with system_scope("vault.keys"):
        if setting:
            signer = _configured(setting)
            accepted = (KeyStatus.ACTIVE, KeyStatus.RETIRING)
            if not SigningKey.objects.filter(key_id=signer.key_id, status__in=accepted).exists():
                raise NoSigningKey(f"the key {signer.key_id} in IG_SIGNING_KEY is not registered", mend="Restart.")
            return signer
        row = SigningKey.objects.filter(status=KeyStatus.ACTIVE, origin=KeyOrigin.STORED).first()
    if row is None:
        raise NoSigningKey("there is no active signing key", mend="Run `manage.py signing_key ensure`.")
    try:
        der = box().open(row.private_sealed, purpose=_PURPOSE, place=row.key_id)
    except CannotOpen as error:
        raise NoSigningKey(
            f"the signing key {row.key_id} cannot be opened: {error}",
            mend="Add the former secret to IG_KEY_SECRET after a comma.",
        ) from None
    return signers.LocalSigner(keys.from_der(der))
