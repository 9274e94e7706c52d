"""PostgreSQL engine that keeps the session's `ig.tenant` in step with the scope, before every statement.

The tenant is set only when it changes. It is forgotten (and so set anew) after a rollback, since PostgreSQL rolls
settings back too, and on every connection taken from the pool. Connections of the system role refuse work outside
a `system_scope`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from django.db.backends.utils import debug_transaction  # type: ignore[attr-defined]  # not in the stubs

from apps.core.errors import NoTenantScope
from apps.core.postgresql.arrays import FastListBinaryDumper
from apps.core.postgresql.wire import Wire
from apps.core.scope import current_scope


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's PostgreSQL connection with a tenant."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._session_tenant: str | None = None
        self._leaving = False
        self._role = self.settings_dict.get("IG_ROLE", "app")
        self._local = self.settings_dict.get("IG_POOLING") == "transaction"
        self.execute_wrappers.append(self._in_scope)

    def _in_scope(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        self.enter_scope()
        return execute(sql, params, many, context)

    def enter_scope(self) -> None:
        """Make the session's tenant the scope's. Raises NoTenantScope for the system role outside its scope."""
        if self._role == "owner" or self._leaving:
            return
        scope = current_scope()
        if self._role == "system":
            if not scope.system:
                raise NoTenantScope("the system connection is for system scopes only")
            return
        wanted = scope.tenant_id.hex if scope.tenant_id else ""
        if wanted == self._session_tenant:
            return
        if self._local and not self.in_atomic_block:
            if wanted:
                raise NoTenantScope("behind a transaction-pooling proxy, tenant work needs a transaction")
            return
        self.ensure_connection()
        with self.connection.cursor() as cursor:
            cursor.execute("select set_config('ig.tenant', %s, %s)", (wanted, self._local))
        self._session_tenant = wanted

    def prepared(self, sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Run a hot statement as a prepared one with server-side parameters; return its rows.

        It saves parsing, planning, quoting and most of the client's work. Behind a transaction-pooling proxy it runs
        unprepared. Raises Django's database errors.
        """
        self.ensure_connection()
        self.enter_scope()
        with self.wrap_database_errors:
            if not self._local:
                return Wire.of(self.connection).run(sql, params)
            with psycopg.Cursor(self.connection) as cursor:
                cursor.execute(sql, params)
                return cursor.fetchall() if cursor.description else []

    def forget_session(self) -> None:
        """Say that the session's tenant is not known any more."""
        self._session_tenant = None

    def init_connection_state(self) -> None:
        self._session_tenant = None
        self.connection.adapters.register_dumper(list, FastListBinaryDumper)
        super().init_connection_state()

    def connect(self) -> None:
        self._session_tenant = None
        super().connect()

    def _close(self) -> None:
        self._session_tenant = None
        super()._close()  # type: ignore[misc]  # not in the stubs

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]  # not in the stubs
        finally:
            self._session_tenant = None

    def _commit(self) -> None:
        if self._local:
            self._session_tenant = None
        if self.connection is None:
            return
        with debug_transaction(self, "COMMIT"), self.wrap_database_errors:
            Wire.of(self.connection).commit()

    def _savepoint_rollback(self, sid: str) -> None:
        # In a failed transaction only the rollback itself may run: the tenant is set again by what comes after it.
        with self._leaving_failure():
            super()._savepoint_rollback(sid)  # type: ignore[misc]  # not in the stubs

    @contextmanager
    def _leaving_failure(self) -> Iterator[None]:
        self._leaving = True
        try:
            yield
        finally:
            self._leaving = False
            self._session_tenant = None
