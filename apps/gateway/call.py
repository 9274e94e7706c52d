"""One GraphQL operation's caller and workspace: what every resolver finds as `info.context`."""

from dataclasses import dataclass, field
from typing import Any

from apps.core.context import Context
from apps.gateway.limits import RowBudget
from apps.gateway.loaders import Loaders
from apps.gateway.shown import Viewer
from apps.gateway.ws_book import Book
from apps.policy import services as policy

DEFAULT_ROWS = 100  # until the engine knows the operation


@dataclass(slots=True)
class Call:
    """The caller, how rows are shown to it, the loaders that batch its reads, and the warnings that it will be told."""

    ctx: Context
    viewer: Viewer
    loaders: Loaders
    transport: str = "http"
    rows: RowBudget = field(default_factory=lambda: RowBudget(DEFAULT_ROWS))
    warnings: list[dict[str, Any]] = field(default_factory=list)
    book: Book | None = None
    """Of a websocket connection: the accounts of its own subscriptions."""

    @classmethod
    def of(cls, ctx: Context, transport: str = "http", book: Book | None = None) -> "Call":
        """Return a fresh workspace for one operation."""
        viewer = Viewer(policy.clearance(ctx), ctx.tenant_id)
        rows = RowBudget(DEFAULT_ROWS)
        return cls(ctx, viewer, Loaders(ctx, viewer, rows), transport, rows, book=book)

    def warn(self, field_name: str, message: str) -> None:
        """Tell the caller, in `extensions.warnings`, how an argument was read that does not mean what it says."""
        if len(self.warnings) < 20:
            self.warnings.append({"code": "BAD_USER_INPUT", "field": field_name, "message": message})
