"""Verbs of flags. All change the platform's registry; doors ask policy for `platform.flag.*` first.

One at a time: each verb locks the registry's row, then the flag's, changes, counts the revision up and records what stood
before and after. An edit names the version it began from, so of two administrators the second is told; a kill does not,
since it must never wait for a question.
"""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.bus import services as bus
from apps.core.context import Context
from apps.core.errors import Conflict, InvalidInput, NotFound, StaleVersion
from apps.core.ids import new_id
from apps.core.scope import PLATFORM_TENANT_ID, system_scope
from apps.flags import definition, registry, schema, snapshot
from apps.flags.events import (
    FlagArchived,
    FlagChanged,
    FlagCreated,
    FlagEvent,
    FlagKilled,
    FlagRestored,
    FlagTargeted,
)
from apps.flags.models import Flag, Registry
from apps.flags.types import Definition, Scope, State
from apps.tenants import selectors as tenants

MAX_REASON = 500
MAX_FLAGS = 5_000


def _reason(reason: str) -> str:
    text = " ".join(reason.split())
    if not text or len(text) > MAX_REASON:
        raise InvalidInput(f"a reason is needed, of at most {MAX_REASON} characters", field="reason")
    return text


def locked() -> Registry:
    """Lock the registry: whoever changes flags does it alone."""
    Registry.objects.get_or_create(id=1)
    return Registry.objects.select_for_update().get(id=1)


def _effective(row: Flag) -> Definition:
    found = snapshot.effective(row, registry.declared().get(row.key))
    if found is None:
        raise Conflict(f"the definition of {row.key} cannot be read", mend="Mend it in the registry's file.")
    return found


def document_of(row: Flag) -> dict[str, str]:
    """Return all that a flag is, as the ledger keeps it."""
    state = row.state if not row.state_reason else f"{row.state}: {row.state_reason}"
    state = f"{state} (not in the file)" if row.absent else state
    return definition.told({**_effective(row).document, "tenants": row.tenants, "state": state})


def _mirror(row: Flag, found: Definition) -> None:
    """Repeat in columns what lists are filtered by."""
    row.owner, row.scope, row.type, row.risk = found.owner, found.scope.value, found.type.value, found.risk.value
    row.expires = found.expires


def stored(ctx: Context, registered: Registry, row: Flag, event: type[FlagEvent], reason: str, before: Any) -> Flag:
    """Write a changed row, count the revision up, record what was and what is."""
    _mirror(row, _effective(row))
    row.updated_at, row.updated_by = ctx.now, ctx.actor.ref
    row.save()
    registered.revision += 1
    registered.save(update_fields=["revision"])
    told = event(row.key, row.version, reason, before, document_of(row))
    bus.record(ctx, told, tenant_id=PLATFORM_TENANT_ID)
    snapshot.SNAPSHOT.changed(snapshot.EVERYTHING)
    return row


def new_row(ctx: Context, found: Definition, *, declared: bool) -> Flag:
    document = dict(found.document)
    row = Flag(
        id=new_id(),
        key=found.key,
        declared=document if declared else None,
        own={} if declared else document,
        created_at=ctx.now,
        updated_at=ctx.now,
    )
    _mirror(row, found)
    return row


def _change(
    ctx: Context,
    key: str,
    event: type[FlagEvent],
    reason: str,
    change: Callable[[Flag], None],
    expected_version: int | None = None,
) -> Flag:
    """Change one flag. Raises NotFound, StaleVersion, Conflict when nothing would change, FlagInvalid."""
    why = _reason(reason)
    with system_scope("flags.registry"), transaction.atomic(using="system"):
        registered = locked()
        row = Flag.objects.select_for_update().filter(key=key).first()
        if row is None:
            declared = registry.declared().get(key)
            if declared is None:
                raise NotFound(f"there is no flag {key!r}"[:200], field="key")
            row = new_row(ctx, declared, declared=True)
        elif expected_version is not None and row.version != expected_version:
            raise StaleVersion(
                f"{key} was changed meanwhile: it is at version {row.version}, you began from {expected_version}",
                mend="Look at it again, then decide.",
                expected=expected_version,
                current=row.version,
            )
        before = document_of(row)
        change(row)
        if document_of(row) == before:
            raise Conflict("nothing would change", field="key")
        row.version += 1
        return stored(ctx, registered, row, event, why, before)


def create_flag(ctx: Context, *, document: Mapping[str, Any], reason: str) -> Flag:
    """Make a flag that no file declares. Raises FlagInvalid, Conflict when the key is taken."""
    why = _reason(reason)
    found = definition.parse(dict(document))
    with system_scope("flags.registry"), transaction.atomic(using="system"):
        registered = locked()
        if found.key in registry.declared() or Flag.objects.filter(key=found.key).exists():
            raise Conflict(f"there is a flag {found.key} already", field="key", mend="Choose another key.")
        if Flag.objects.count() >= MAX_FLAGS:
            raise Conflict(f"the registry holds {MAX_FLAGS} flags", mend="Take out what is stale first.")
        return stored(ctx, registered, new_row(ctx, found, declared=False), FlagCreated, why, {})


def change_flag(ctx: Context, *, key: str, changes: Mapping[str, Any], expected_version: int, reason: str) -> Flag:
    """Set fields of a flag (`schema.CHANGEABLE`); None takes a field back to what the file says.

    Raises NotFound, StaleVersion, InvalidInput for fields that cannot be set, FlagInvalid, Conflict when nothing changes.
    """
    fixed = sorted(set(changes) - schema.CHANGEABLE)
    if fixed:
        raise InvalidInput(f"{fixed[0]} cannot be changed", field=fixed[0], mend="Make a new flag for it.")

    def change(row: Flag) -> None:
        own = {**row.own, **changes}
        base = registry.declared()[key].document if key in registry.declared() else row.declared or {}
        definition.parse(definition.patched(base, own))
        row.own = {name: value for name, value in own.items() if value is not None and base.get(name) != value}
        row.told = ""

    return _change(ctx, key, FlagChanged, reason, change, expected_version)


def target_tenant(
    ctx: Context, *, key: str, tenant_id: UUID, variant: str | None, expected_version: int, reason: str
) -> Flag:
    """Give one tenant a variant of its own, which goes before all rules; None takes it back. It stands in the tenant's
    ledger, too.

    Raises NotFound, StaleVersion, InvalidInput for an unknown variant and for a global flag, Conflict when nothing changes.
    """
    if tenants.by_id(tenant_id) is None:
        raise NotFound("no such tenant", field="tenant")

    def change(row: Flag) -> None:
        found = _effective(row)
        if found.scope is Scope.GLOBAL:
            raise InvalidInput("a global flag is the same for all tenants", field="tenant")
        if variant is not None and variant not in found.variants:
            raise InvalidInput(
                f"there is no variant {variant!r}"[:100],
                field="variant",
                mend=f"There are: {', '.join(found.variants)}.",
            )
        own = {**row.tenants, str(tenant_id): variant}
        row.tenants = {tenant: name for tenant, name in own.items() if name is not None}

    with system_scope("flags.registry"), transaction.atomic(using="system"):
        row = _change(ctx, key, FlagTargeted, reason, change, expected_version)
        was = {"variant": "the rules decide"} if variant is not None else {"variant": "its own"}
        now = {"variant": variant if variant is not None else "the rules decide"}
        bus.record(ctx, FlagTargeted(key, row.version, _reason(reason), was, now), tenant_id=tenant_id)
    return row


def kill(ctx: Context, *, key: str, reason: str) -> Flag:
    """Throw the kill switch: every process serves the off variant to everyone within a second.

    Raises NotFound, InvalidInput without a reason, Conflict when it is killed already or has no kill switch.
    """

    def change(row: Flag) -> None:
        if not _effective(row).killswitch:
            raise Conflict(f"{key} has no kill switch", mend="Change its default or its rules instead.")
        if row.state != State.LIVE:
            raise Conflict(f"{key} is {row.state} already", mend="There is nothing left to do.")
        row.state, row.state_reason = State.KILLED, _reason(reason)

    return _change(ctx, key, FlagKilled, reason, change)


def restore(ctx: Context, *, key: str, reason: str) -> Flag:
    """Put the kill switch back, or take the flag out of the archive. Raises NotFound, Conflict when it is live."""

    def change(row: Flag) -> None:
        if row.state == State.LIVE:
            raise Conflict(f"{key} is live", mend="There is nothing left to do.")
        row.state, row.state_reason = State.LIVE, ""

    return _change(ctx, key, FlagRestored, reason, change)


def archive(ctx: Context, *, key: str, reason: str) -> Flag:
    """Answer a flag no more: callers get their own default. Nothing is deleted, and `restore` brings it back.

    Raises NotFound, Conflict when it is archived already or code still declares it.
    """

    def change(row: Flag) -> None:
        if key in registry.declared():
            raise Conflict(f"{key} is declared in the registry's file", mend="Take it out of the code and the file.")
        if row.state == State.ARCHIVED:
            raise Conflict(f"{key} is archived already", mend="There is nothing left to do.")
        row.state, row.state_reason = State.ARCHIVED, _reason(reason)

    return _change(ctx, key, FlagArchived, reason, change)
