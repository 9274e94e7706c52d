"""The one that numbers and chains: reads committed records in order, inserts their links.

Reading the tail follows PgQ's snapshot ticks: keep the last `pg_snapshot`; in one repeatable-read transaction take
the present one, and the rows that it sees and the last one did not, in order of id. A cursor by id would skip rows
whose writers commit late; a cursor by transaction number would put an entity's versions out of order. Links, heads
and the new snapshot commit together, so a kill at any point loses and doubles nothing.

One sequencer per database: an advisory lock held by the very connection that writes. A killed holder loses the lock
with its connection, and the next one goes on.
"""

import threading
import time
from dataclasses import dataclass
from uuid import UUID

import psycopg
from psycopg import sql

from apps.ledger import chain
from apps.ledger.errors import NotSequencer
from apps.ledger.types import WARM_S

LOCK_KEY = 0x4967_5365_7175_656E
"""Advisory lock of the sequencer (the bytes of `IgSequen`)."""

GENESIS = bytes(32)
MAX_BATCH = 20_000


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick did: how many records were linked, the newest position, the tenants touched with their numbers."""

    linked: int
    position: int
    heads: dict[UUID, int]


class Sequencer:
    """Numbers and chains the records of one database over a connection of its own.

    `conninfo` is libpq's form for the system role. Not thread-safe; one instance, one thread.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._connection: psycopg.Connection | None = None
        self._heads: dict[UUID, tuple[int, bytes]] = {}

    def acquire(self) -> bool:
        """Connect if needed and try to become the sequencer. Returns whether this one is it now."""
        if self._connection is not None:
            return True
        connection = psycopg.connect(self._conninfo, autocommit=True, application_name="ig-sequencer")
        row = connection.execute("select pg_try_advisory_lock(%s)", (LOCK_KEY,)).fetchone()
        if row is None or not row[0]:
            connection.close()
            return False
        connection.execute("set lock_timeout = '10s'")
        connection.execute(
            "insert into ledger_sequencer (id, cluster, snapshot, position, updated_at) values (1, '', '', 0, now())"
            " on conflict do nothing"
        )
        self._heads.clear()
        self._connection = connection
        return True

    def release(self) -> None:
        """Give the lock back by closing the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._heads.clear()

    def tick(self) -> Tick:
        """Link every record that has been committed since the last tick.

        Raises NotSequencer when this one does not hold the lock, psycopg.Error when the database is away (the
        connection is then dropped, and the lock with it).
        """
        if self._connection is None:
            raise NotSequencer("acquire the lock first")
        try:
            with self._connection.transaction():
                return self._tick(self._connection)
        except BaseException:
            self.release()
            raise

    def _tick(self, connection: psycopg.Connection) -> Tick:
        connection.execute("set transaction isolation level repeatable read")
        row = connection.execute(
            "select s.snapshot, s.position, s.cluster, pg_current_snapshot()::text,"
            " (select system_identifier::text from pg_control_system())"
            " from ledger_sequencer s where id = 1"
        ).fetchone()
        if row is None:
            raise NotSequencer("the sequencer's row is missing")
        last, position, known_cluster, present, cluster = row
        if last == present and cluster == known_cluster:
            return Tick(0, position, {})
        if not last or cluster != known_cluster:
            # Transaction numbers of another cluster mean nothing here: look once for what has no link.
            new_rows = sql.SQL(
                "select r.id, r.tenant_id, r.leaf from ledger_record r"
                " where not exists (select 1 from ledger_link l where l.record_id = r.id) order by r.id"
            )
            params: tuple[str, ...] = ()
        else:
            new_rows = sql.SQL(
                "select r.id, r.tenant_id, r.leaf from ledger_record r"
                " where r.xid >= pg_snapshot_xmin(%s::pg_snapshot)"
                " and not pg_visible_in_snapshot(r.xid, %s::pg_snapshot) order by r.id"
            )
            params = (last, last)
        linked = 0
        touched: dict[UUID, int] = {}
        with connection.cursor(name="ig_tail", binary=True) as tail:
            tail.itersize = MAX_BATCH
            tail.execute(new_rows, params)
            while rows := tail.fetchmany(MAX_BATCH):
                position = self._link(connection, rows, position, touched)
                linked += len(rows)
        connection.execute(
            "update ledger_sequencer set snapshot = %s, position = %s, cluster = %s, updated_at = now() where id = 1",
            (present, position, cluster),
        )
        if touched:
            connection.execute(
                "insert into ledger_head (tenant_id, number, hash, updated_at)"
                " select t, n, h, now() from unnest(%b::uuid[], %b::bigint[], %b::bytea[]) as x(t, n, h)"
                " on conflict (tenant_id) do update set number = excluded.number, hash = excluded.hash,"
                " updated_at = excluded.updated_at",
                (list(touched), [self._heads[t][0] for t in touched], [self._heads[t][1] for t in touched]),
            )
        return Tick(linked, position, touched)

    def _link(
        self,
        connection: psycopg.Connection,
        rows: list[tuple[int, UUID, bytes]],
        position: int,
        touched: dict[UUID, int],
    ) -> int:
        """Insert the links of `rows`; return the new position. Fills `touched` with each tenant's new number."""
        unknown = list({tenant for _, tenant, _ in rows if tenant not in self._heads})
        if unknown:
            for tenant, number, hash_ in connection.execute(
                "select tenant_id, number, hash from ledger_head where tenant_id = any(%s)", (unknown,)
            ).fetchall():
                self._heads[tenant] = (number, bytes(hash_))
            for tenant in unknown:
                self._heads.setdefault(tenant, (0, GENESIS))
        tenants: list[UUID] = []
        numbers: list[int] = []
        ids: list[int] = []
        prevs: list[bytes] = []
        hashes: list[bytes] = []
        for record_id, tenant, leaf in rows:
            number, prev = self._heads[tenant]
            number += 1
            hash_ = chain.link_hash(tenant, number, prev, leaf)
            self._heads[tenant] = (number, hash_)
            touched[tenant] = number
            tenants.append(tenant)
            numbers.append(number)
            ids.append(record_id)
            prevs.append(prev)
            hashes.append(hash_)
        connection.execute(
            "insert into ledger_link (tenant_id, number, position, record_id, prev, hash)"
            " select t, n, %b::bigint + o, r, p, h"
            " from unnest(%b::uuid[], %b::bigint[], %b::bigint[], %b::bytea[], %b::bytea[])"
            " with ordinality as x(t, n, r, p, h, o)",
            (position, tenants, numbers, ids, prevs, hashes),
        )
        return position + len(rows)


def run(
    sequencer: Sequencer,
    *,
    stop: threading.Event,
    woken: threading.Event,
    on_tick: "OnTick",
    idle_s: float = 0.05,
    busy_s: float = 0.005,
    warm_s: float = WARM_S,
) -> None:
    """Tick until `stop`: at once when woken, every 5 ms until there was no work for `warm_s`, every 50 ms when idle.

    Correctness rests on the polling; waking only shortens the wait. Raises nothing: a database that is away is
    waited for, and a lock held by another is tried again every second.
    """
    warm_until = 0.0
    while not stop.is_set():
        try:
            if not sequencer.acquire():
                on_tick(None, None)
                stop.wait(1.0)
                continue
            tick = sequencer.tick()
        except (psycopg.Error, NotSequencer) as error:
            on_tick(None, error)
            stop.wait(0.5)
            continue
        on_tick(tick, None)
        if tick.linked:
            warm_until = time.monotonic() + warm_s
        woken.wait(busy_s if time.monotonic() < warm_until else idle_s)
        woken.clear()
    sequencer.release()


class OnTick:
    """Called after each tick with (tick, None), without the lock with (None, None), on failure with (None, error)."""

    def __call__(self, tick: Tick | None, error: Exception | None) -> None:
        """Take note."""
