"""The flags of this process: one immutable table that evaluations read without waiting for anyone.

A thread of each process keeps it fresh. A change is told to all processes over Redis right after its commit (see
`apps.core.kept`) and wakes the thread at once; besides, it looks every LOOK_S at the registry's revision, which is one
row, so a change takes effect within a second also where Redis is away. When the database is away the last table stays
in use, and before any was read, the file alone.
"""

import asyncio
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connections
from psycopg_pool import PoolTimeout

from apps.core.kept import Kept
from apps.core.scope import system_scope
from apps.core.telemetry import get_logger
from apps.flags import definition, registry, usage
from apps.flags.errors import FlagInvalid
from apps.flags.evaluation import CompiledFlag, compile_flag
from apps.flags.models import Flag, Registry
from apps.flags.types import Definition, State

log = get_logger(__name__)

LOOK_S = 0.5
STOP_S = 2.0
PATIENCE = 4  # failed looks before it is worth a warning
EVERYTHING = "all"
AWAY = (DatabaseError, InterfaceError, PoolTimeout)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All flags at one revision of the registry (-1: the file alone), and the versions of the rows in it."""

    revision: int
    flags: Mapping[str, CompiledFlag]
    versions: Mapping[str, int] = field(default_factory=dict)


class _Watched(Kept[str, Snapshot]):
    """A kept value whose changes wake whoever keeps it fresh."""

    def drop(self, text: str) -> None:
        """Drop the value, and say so."""
        super().drop(text)
        _state.wanted += 1
        _state.wake.set()


class _State:
    """What this process has. The table is stale while fewer changes went into it (`had`) than became known (`wanted`)."""

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = None
        self.wanted, self.had = 1, 0
        self.wake = threading.Event()
        self.lock = threading.Lock()
        self.following = False
        self.thread: threading.Thread | None = None
        self.ends = False
        self.failed = 0


_state = _State()
SNAPSHOT = _Watched("flags.snapshot", seconds=LOOK_S * 0.8, most=1)


def _forked() -> None:
    """A forked process has no thread yet."""
    global _state
    _state = _State()


os.register_at_fork(after_in_child=_forked)


def current() -> Snapshot:
    """Return the flags as they stand: from memory, but for a process's first time and right after a change."""
    state = _state
    if state.snapshot is not None and state.had == state.wanted:
        return state.snapshot
    if not state.following:
        _follow(state)
    if _on_event_loop():  # it must not wait; the thread has been woken
        return state.snapshot or _of_file()
    if state.snapshot is not None and connections["system"].in_atomic_block:
        return state.snapshot  # what this transaction has not committed must not be kept
    return _refresh(state)


def forget() -> None:
    """Let the next evaluation read the registry anew."""
    SNAPSHOT.drop("")


def stop() -> None:
    """End the thread and write what was counted: for a process that ends."""
    state = _state
    state.ends = True
    state.wake.set()
    if state.thread is not None:
        state.thread.join(STOP_S)
        usage.write()
        connections["system"].close()


def _on_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _of_file() -> Snapshot:
    return Snapshot(-1, {key: compile_flag(one) for key, one in registry.declared().items()})


def _refresh(state: _State, *, look: bool = False) -> Snapshot:
    """Bring the table up to date; `look` also where no change is known."""
    with state.lock:
        wanted = state.wanted
        if state.snapshot is not None and state.had == wanted and not look:
            return state.snapshot  # somebody else did it meanwhile
        try:
            found = SNAPSHOT.get(EVERYTHING, _read)
        except AWAY as error:
            state.failed += 1
            if state.failed == PATIENCE:
                log.warning("flags are not refreshed", error=type(error).__name__)
        else:
            state.failed = 0
            state.snapshot = found
        state.had = wanted  # also after a failure: who evaluates does not wait for a database that is away
        if state.snapshot is None:
            state.snapshot = _of_file()
        return state.snapshot


def _read() -> Snapshot:
    """Read the registry. What did not change since the last time is neither read nor compiled again."""
    known = _state.snapshot
    declared = registry.declared()
    with system_scope("flags.registry"):
        revision = Registry.objects.filter(id=1).values_list("revision", flat=True).first() or 0
        if known is not None and known.revision == revision:
            return known
        versions = dict(Flag.objects.values_list("key", "version"))
        had = known.versions if known is not None and known.revision >= 0 else {}
        rows = list(Flag.objects.filter(key__in=[key for key, one in versions.items() if had.get(key) != one]))
    if known is not None and had:
        flags = {**known.flags, **compiled(declared, rows, only_rows=True)}  # rows are never deleted
    else:
        flags = compiled(declared, rows)
    return Snapshot(revision, flags, versions)


def compiled(
    declared: Mapping[str, Definition], rows: list[Flag], *, only_rows: bool = False
) -> dict[str, CompiledFlag]:
    """Return the flags of file and rows together (or of the rows alone). A flag that another release's file declares is
    archived here."""
    flags = {} if only_rows else {key: compile_flag(one) for key, one in declared.items()}
    for row in rows:
        found = effective(row, declared.get(row.key))
        if found is None:
            continue
        state = State(row.state)
        if row.key in declared:
            state = State.LIVE if state is State.ARCHIVED else state  # code of this release asks for it
        elif row.declared is not None:
            state = State.ARCHIVED
        flags[row.key] = compile_flag(
            found, state=state, tenants={UUID(tenant): variant for tenant, variant in row.tenants.items()}
        )
    return flags


def effective(row: Flag, declared: Definition | None) -> Definition | None:
    """Return what a row is with an administrator's changes over the file's definition.

    Changes that do not fit the file any more (a variant is gone) are left out, and logged: the file travels with the
    code that asks for the flag.
    """
    base = declared.document if declared is not None else row.declared or {}
    try:
        return definition.parse(definition.patched(base, row.own))
    except FlagInvalid as error:
        log.warning("changes of a flag do not fit its definition", flag=row.key, error=error.message)
    if declared is not None:
        return declared
    try:
        return definition.parse(row.declared) if row.declared is not None else None
    except FlagInvalid:
        return None


def _follow(state: _State) -> None:
    with state.lock:
        if state.following:
            return
        state.following = True
    state.thread = threading.Thread(target=_keep_fresh, args=(state,), name="flags", daemon=True)
    state.thread.start()


def _keep_fresh(state: _State) -> None:
    while not state.ends:
        state.wake.wait(LOOK_S)
        state.wake.clear()
        try:
            _refresh(state, look=True)
        except Exception as error:
            log.error("flags cannot be refreshed", exc_info=error)
            time.sleep(LOOK_S)
        usage.write_if_due()
        connections["system"].close()  # back into the pool
