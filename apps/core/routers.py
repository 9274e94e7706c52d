"""Which login role serves a query: the scope decides, never the caller."""

from typing import Any

from apps.core.scope import current_scope


class ScopeRouter:
    """Send work inside `system_scope` to the system role, all else to the application role."""

    def db_for_read(self, model: type, **hints: Any) -> str:
        """Return the alias to read from."""
        return "system" if current_scope().system else "default"

    db_for_write = db_for_read

    def allow_relation(self, obj1: Any, obj2: Any, **hints: Any) -> bool:
        """Both aliases are one database."""
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """Only the owner changes tables."""
        return db == "owner"


def write_alias() -> str:
    """Return the alias of the present scope, for raw SQL and `transaction.atomic(using=…)`."""
    return "system" if current_scope().system else "default"
