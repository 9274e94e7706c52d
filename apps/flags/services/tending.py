"""Taking the registry's file in, telling of flags that should go, beginning and ending with a process."""

from django.db import connections, transaction

from apps.bus import services as bus
from apps.core.context import Context, service_context
from apps.core.scope import PLATFORM_TENANT_ID, system_scope
from apps.core.telemetry import get_logger
from apps.flags import definition, registry, selectors, snapshot
from apps.flags.events import FlagArchived, FlagDeclared, FlagExpired, FlagWentStale
from apps.flags.models import Flag, Registry
from apps.flags.services.changes import document_of, locked, new_row, stored
from apps.flags.types import Definition, FindingKind

log = get_logger(__name__)


def declare(ctx: Context) -> list[str]:
    """Take the registry's file in, so that lists show its flags; return the keys that were new or changed.

    What processes evaluate does not wait for it: each reads the file of its own release. Flags that left the file are
    archived: killed or not, they come back as they were. Idempotent; safe to run in several processes at once.
    """
    wanted = registry.declared()
    with system_scope("flags.registry"):
        known = dict(Flag.objects.exclude(declared=None).filter(absent=False).values_list("key", "declared"))
        if known == {key: dict(one.document) for key, one in wanted.items()}:
            return []
        with transaction.atomic(using="system"):
            registered = locked()
            rows = {row.key: row for row in Flag.objects.select_for_update()}
            changed = [key for key, found in wanted.items() if _take_in(ctx, registered, rows.get(key), found)]
            for row in rows.values():
                if row.declared is not None and row.key not in wanted and not row.absent:
                    before = document_of(row)
                    row.absent, row.version = True, row.version + 1
                    stored(ctx, registered, row, FlagArchived, "it left the file", before)
                    changed.append(row.key)
    return changed


def _take_in(ctx: Context, registered: Registry, row: Flag | None, found: Definition) -> bool:
    document = dict(found.document)
    if row is None:
        stored(ctx, registered, new_row(ctx, found, declared=True), FlagDeclared, "the file", {})
        return True
    if row.declared == document and not row.absent:
        return False
    # `before` is what the row said, not what the new file makes of it.
    before = definition.told({**definition.patched(row.declared or {}, row.own), "state": row.state})
    row.declared, row.absent, row.version = document, False, row.version + 1
    stored(ctx, registered, row, FlagDeclared, "the file", before)
    return True


def tend(ctx: Context) -> int:
    """Tell of each flag that has expired or gone stale: one event each time that becomes true. Return how many."""
    declare(ctx)
    seen = selectors.last_seen()
    told = 0
    for found in selectors.findings(ctx):
        with system_scope("flags.registry"), transaction.atomic(using="system"):
            row = Flag.objects.select_for_update().filter(key=found.key).first()
            mark = f"{found.kind}:{found.since}"
            if row is None or mark in row.told.split():
                continue
            row.told = " ".join([*row.told.split(), mark][-6:])
            row.save(update_fields=["told"])
            if found.kind is FindingKind.STALE:
                last = str(seen[found.key].date()) if found.key in seen else ""
                bus.record(ctx, FlagWentStale(found.key, found.owner, last), tenant_id=PLATFORM_TENANT_ID)
            else:
                overdue = found.kind is FindingKind.OVERDUE
                event = FlagExpired(found.key, found.owner, str(found.since), overdue)
                bus.record(ctx, event, tenant_id=PLATFORM_TENANT_ID)
            told += 1
    return told


def begin() -> None:
    """Make a web process ready: the file is taken in, the table of flags is read. Without a database it starts all the same."""
    try:
        declare(service_context("flags"))
    except snapshot.AWAY as error:
        log.warning("the registry's file is not taken in", error=type(error).__name__)
    snapshot.current()
    connections["system"].close()  # back into the pool: this thread does nothing else


def end() -> None:
    """Write what was counted, when a process ends."""
    snapshot.stop()
