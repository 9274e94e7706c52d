"""Verb of fences: from which countries a tenant admits sessions."""

import re
from collections.abc import Iterable

from django.db import IntegrityError, transaction

from apps.bus import services as bus
from apps.core.context import Context
from apps.core.errors import Conflict, InvalidInput, StaleVersion
from apps.core.scope import require_tenant_id
from apps.policy import postures
from apps.policy.events import FenceChanged
from apps.policy.models import Fence
from apps.policy.types import FenceInfo

MOST = 250
_COUNTRY = re.compile(r"^[A-Z]{2}$")


def set_fence(ctx: Context, *, countries: Iterable[str], expected_version: int, reason: str) -> FenceInfo:
    """Admit sessions from these countries only (ISO 3166-1 alpha-2); none: from all. Takes effect at once.

    Raises InvalidInput for what is no country or a missing reason, StaleVersion when somebody changed it meanwhile,
    Conflict when the caller would shut themselves out: whoever draws a fence must stand inside it.
    """
    wanted = frozenset(one.strip().upper() for one in countries if one.strip())
    wrong = sorted(one for one in wanted if not _COUNTRY.match(one))
    if wrong:
        raise InvalidInput(f"{wrong[0][:20]!r} is no two-letter country code such as DE", field="countries")
    if len(wanted) > MOST:
        raise InvalidInput(f"at most {MOST} countries are taken", field="countries")
    reason = reason.strip()
    if not 3 <= len(reason) <= 500:
        raise InvalidInput("a reason of 3 to 500 characters is needed", field="reason")
    if wanted and ctx.session.country not in wanted:
        here = f"from {ctx.session.country}" if ctx.session.country else "from a place that we cannot tell"
        raise Conflict(
            f"you are here {here}, outside that fence", field="countries", mend="add the country that you work from"
        )
    tenant_id = require_tenant_id()
    try:
        with transaction.atomic():
            row = Fence.objects.select_for_update().first()
            held = row.version if row else 0
            if held != expected_version:
                raise StaleVersion("somebody changed the fence meanwhile", expected=expected_version, current=held)
            before = tuple(row.countries) if row else ()
            if row is None:
                row = Fence(tenant_id=tenant_id, version=0)
            row.countries, row.version = sorted(wanted), held + 1
            row.changed_by, row.changed_at = ctx.actor.ref, ctx.now
            row.save()
            bus.record(ctx, FenceChanged(before, tuple(sorted(wanted)), reason))
            postures.FENCES.changed(tenant_id)
    except IntegrityError:
        raise StaleVersion("somebody changed the fence meanwhile", expected=expected_version, current=1) from None
    return FenceInfo(wanted, row.version)
