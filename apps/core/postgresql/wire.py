"""Frequent statements straight through libpq: prepared, parameters in one message, the first together with its BEGIN.

psycopg's cursors cost three times what libpq needs for a small statement, and a transaction's BEGIN a round trip of its
own. This is the same connection with the same adapters and errors; only cursor and BEGIN are spared. A
connection keeps the MAX_KEPT statements that it used last.
"""

import re
import select
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

_PLACEHOLDER = re.compile(r"%(.)", re.DOTALL)
_FORMATS = {"s": PyFormat.AUTO, "b": PyFormat.BINARY, "t": PyFormat.TEXT}
_FINE = frozenset({ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK})
MAX_KEPT = 300
_TICK_MS = 100  # how long an interrupt from the keyboard may wait


@lru_cache(maxsize=512)
def translated(sql: str) -> tuple[bytes, tuple[PyFormat, ...]]:
    """Return a statement with `$1`, `$2`, … for `%s`, `%b`, `%t`, and how each parameter is sent. `%%` is a percent sign."""
    formats: list[PyFormat] = []

    def number(found: re.Match[str]) -> str:
        if found[1] == "%":
            return "%"
        formats.append(_FORMATS[found[1]])
        return f"${len(formats)}"

    return _PLACEHOLDER.sub(number, sql).encode(), tuple(formats)


class Wire:
    """The statements that one connection has prepared."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection
        self._pgconn: PGconn = connection.pgconn
        self._adapt = Transformer(connection)
        self._names: OrderedDict[tuple[str, tuple[int, ...]], bytes] = OrderedDict()
        self._made = 0

    @classmethod
    def of(cls, connection: "psycopg.Connection[Any]") -> "Wire":
        """Return the wire of a connection; it stays with it, as what was prepared does, also through a pool."""
        wire: Wire | None = getattr(connection, "ig_wire", None)
        if wire is None:
            wire = cls(connection)
            connection.ig_wire = wire  # type: ignore[attr-defined]
        return wire

    def run(self, sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return all rows of a statement; begin the transaction that is due. Raises psycopg.Error."""
        text, formats = translated(sql)
        values = self._adapt.dump_sequence(params, formats)
        types, sent_as = self._adapt.types or (), self._adapt.formats
        name = self._names.get((sql, types))
        due = self._begin_is_due()
        if name is None:
            if due:
                self._checked(self._pgconn.exec_(b"BEGIN"))
                due = False
            name = self._prepare(text, types)
            self._names[sql, types] = name
        else:
            self._names.move_to_end((sql, types))
        if due:
            result = self._begin_and_run(name, values, sent_as)
        else:
            result = self._checked(self._pgconn.exec_prepared(name, values, sent_as))  # type: ignore[arg-type]  # None is NULL
        if result.status != ExecStatus.TUPLES_OK:
            return []
        self._adapt.set_pgresult(result)
        return self._adapt.load_rows(0, result.ntuples, tuple)

    def _prepare(self, text: bytes, types: Sequence[int]) -> bytes:
        if len(self._names) >= MAX_KEPT:
            _, oldest = self._names.popitem(last=False)
            self._checked(self._pgconn.exec_(b"DEALLOCATE " + oldest))
        self._made += 1
        name = b"ig_%d" % self._made
        self._checked(self._pgconn.prepare(name, text, types))
        return name

    def commit(self) -> None:
        """Commit what was begun, if anything was. Raises psycopg.Error."""
        if self._pgconn.transaction_status != TransactionStatus.IDLE:
            self._checked(self._pgconn.exec_(b"COMMIT"))

    def _begin_is_due(self) -> bool:
        return not self._connection.autocommit and self._pgconn.transaction_status == TransactionStatus.IDLE

    def _begin_and_run(self, name: bytes, values: Sequence[Any], sent_as: Any) -> PGresult:
        pgconn = self._pgconn
        pgconn.enter_pipeline_mode()
        try:
            pgconn.send_query_params(b"BEGIN", None)
            pgconn.send_query_prepared(name, values, sent_as)
            pgconn.pipeline_sync()
            results = self._answers()
        finally:
            if pgconn.status == ConnStatus.OK:
                pgconn.exit_pipeline_mode()
        for result in results:
            self._checked(result)
        return results[-1]

    def _answers(self) -> list[PGresult]:
        """Read up to the synchronisation point, in which libpq ends every command with a None."""
        pgconn = self._pgconn
        results: list[PGresult] = []
        poll = select.poll()
        poll.register(pgconn.socket, select.POLLIN)
        unsent = pgconn.flush()
        while True:
            while unsent or pgconn.is_busy():
                poll.modify(pgconn.socket, select.POLLIN | (select.POLLOUT if unsent else 0))
                if poll.poll(_TICK_MS):
                    pgconn.consume_input()
                    unsent = unsent and pgconn.flush()
            result = pgconn.get_result()
            if result is None:
                continue
            if result.status == ExecStatus.PIPELINE_SYNC:
                return results
            results.append(result)

    def _checked(self, result: PGresult) -> PGresult:
        if result.status not in _FINE:
            if self._pgconn.status != ConnStatus.OK:
                raise psycopg.OperationalError(result.get_error_message())
            raise error_from_result(result, encoding=self._connection.info.encoding)
        return result
