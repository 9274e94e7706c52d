"""When API keys were used last: collected in the process, written together in the background.

A request pays a look into a dictionary. What a process has not written when it dies, or when the database stays away
for longer than it lives, is lost, and nothing else is.
"""

import os
import threading
import time
from collections import OrderedDict
from datetime import datetime
from uuid import UUID

from django.db import Error, connections

from apps.core.scope import system_scope
from apps.core.statements import run_prepared
from apps.core.telemetry import get_logger
from apps.identity import measures

log = get_logger(__name__)

EVERY_S = 60.0
"""A key's last use is written at most once in this time, over all processes."""
WRITE_EVERY_S = 5.0
MOST = 20_000

# Rows that another transaction holds are left alone: a use a minute later says the same.
_WRITE = """
with used as (select * from unnest(%s::uuid[], %s::timestamptz[]) as one (id, at)),
due as (
  select held.id, used.at from identity_apikey held join used on used.id = held.id
  where held.last_used_at is null or held.last_used_at < used.at - make_interval(secs => %s)
  for no key update of held skip locked
)
update identity_apikey held set last_used_at = due.at from due where held.id = due.id returning held.id
"""

_noted: OrderedDict[UUID, float] = OrderedDict()
_waiting: dict[UUID, datetime] = {}
_lock = threading.Lock()
_due = threading.Event()
_writer = {"pid": 0}


def note(key_id: UUID, at: datetime) -> None:
    """Remember that a key was used; for a minute after the first time this does nothing."""
    now = time.monotonic()
    last = _noted.get(key_id)
    if last is not None and now - last < EVERY_S:
        return
    with _lock:
        _noted[key_id] = now
        _noted.move_to_end(key_id)
        if len(_noted) > MOST:
            _noted.popitem(last=False)
        if len(_waiting) < MOST:
            _waiting[key_id] = at
    if _writer["pid"] != os.getpid():
        _start()
    _due.set()


def flush() -> int:
    """Write what waits; return how many keys' rows changed. What the database does not take waits on."""
    with _lock:
        taken = dict(_waiting)
        _waiting.clear()
    if not taken:
        return 0
    try:
        with system_scope("identity.authenticate"):
            written = len(run_prepared("system", _WRITE, (list(taken), list(taken.values()), EVERY_S)))
    except Error as error:
        with _lock:
            for key_id, at in taken.items():
                _waiting.setdefault(key_id, at)
        measures.KEY_USES.labels("failed").inc()
        log.warning("last uses of keys are not written yet", keys=len(taken), error=type(error).__name__)
        _due.set()
        return 0
    measures.KEY_USES.labels("written").inc(written)
    return written


def _start() -> None:
    """Start writing, once in each process (a forked one has a thread of its own to start)."""
    with _lock:
        if _writer["pid"] == os.getpid():
            return
        _writer["pid"] = os.getpid()
    threading.Thread(target=_write, name="key-uses", daemon=True).start()


def _write() -> None:
    while True:
        _due.wait()
        time.sleep(WRITE_EVERY_S)
        _due.clear()
        flush()
        try:
            connections["system"].close()  # back to the pool
        except Error as error:
            log.warning("a connection was not closed", error=type(error).__name__)
