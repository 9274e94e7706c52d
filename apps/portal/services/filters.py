"""Verbs of kept filters: save one under a name, delete it. Each is in the ledger; the words stay out of it."""

from collections.abc import Mapping
from uuid import UUID

from django.db import IntegrityError, connections, transaction

from apps.bus import services as bus
from apps.core.context import Context
from apps.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from apps.core.ids import new_id
from apps.core.routers import write_alias
from apps.core.scope import require_tenant_id
from apps.policy import services as policy
from apps.portal.events import FilterDeleted, FilterSaved
from apps.portal.models import SavedFilter

MAX_NAME = 60
MOST_OWN = 50
MOST_SHARED = 100
SHARE = "portal.filter.share"


def save_filter(ctx: Context, *, list_: str, name: str, state: Mapping[str, str], shared: bool) -> UUID:
    """Keep a list's state under a name and return its id; sharing needs permission of its own.

    Raises InvalidInput for a bad name or an empty state, Forbidden, Conflict when the name is taken or there are too many.
    """
    name = " ".join(name.split())
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise InvalidInput(f"a filter's name is 1 to {MAX_NAME} printable characters", field="name")
    if not state:
        raise InvalidInput("there is nothing to keep: search, filter or sort the list first", field="state")
    if shared:
        policy.require(ctx, SHARE)
    me = UUID(ctx.actor.id)
    try:
        with transaction.atomic(using=write_alias()):
            mine = SavedFilter.objects.filter(list=list_, shared=shared)
            mine = mine if shared else mine.filter(owner_id=me)
            _one_at_a_time()
            if mine.count() >= (MOST_SHARED if shared else MOST_OWN):
                raise Conflict("there are as many filters as are kept already", mend="Delete one first.")
            row = SavedFilter(id=new_id(), list=list_, name=name, state=dict(state), shared=shared, owner_id=me)
            row.save(force_insert=True)
            bus.record(ctx, FilterSaved(row.id, list_, shared))
    except IntegrityError:
        raise Conflict(
            f"there is a filter called “{name}” already", field="name", mend="Choose another name."
        ) from None
    return row.id


def delete_filter(ctx: Context, *, filter_id: UUID) -> str:
    """Delete a filter of one's own, or a shared one with the permission to share; return its name.

    Raises NotFound for what the caller does not see, Forbidden.
    """
    me = UUID(ctx.actor.id)
    with transaction.atomic(using=write_alias()):
        row = SavedFilter.objects.select_for_update().filter(id=filter_id).first()
        if row is None or not (row.shared or row.owner_id == me):
            raise NotFound("no such filter")
        if row.owner_id != me and not policy.decide(ctx, SHARE).allow:
            raise Forbidden("this filter was shared by somebody else", mend="Ask them, or an admin of the tenant.")
        row.delete()
        bus.record(ctx, FilterDeleted(filter_id, row.list, row.shared))
    return str(row.name)


def _one_at_a_time() -> None:
    """Let savers of the same tenant wait for each other until the transaction ends, so that a count holds."""
    with connections[write_alias()].cursor() as cursor:
        cursor.execute(
            "select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"portal.filters {require_tenant_id()}"]
        )
