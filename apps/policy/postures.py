"""What is known of sessions besides the request: a tenant's fence, what identity providers signalled. Kept reads."""

from uuid import UUID

from apps.core.kept import Kept
from apps.core.scope import system_scope
from apps.core.statements import run_prepared
from apps.policy.types import FenceInfo, Posture, SignalKind

FENCES: Kept[UUID, FenceInfo] = Kept("policy.fence")
POSTURES: Kept[UUID, dict[str, Posture]] = Kept("policy.postures")
OPEN = FenceInfo()
NOTHING = Posture()

_FENCE = "select countries, version from policy_fence where tenant_id = %s"
# The latest of each kind about each subject; what was withdrawn again (low risk, a trusted device) says nothing, and a
# token holder's place stops nobody.
_LATEST = """
select subject, kind, value, at from (
  select distinct on (subject, kind) subject, kind, value, at from policy_signal
  where tenant_id = %s and kind <> 'place' order by subject, kind, at desc, id desc
) latest
where not (kind = 'risk' and value = 'low') and not (kind = 'account' and value = 'open')
"""


def fence_of(tenant_id: UUID) -> FenceInfo:
    """Return a tenant's fence."""

    def read() -> FenceInfo:
        with system_scope("policy.decisions"):
            found = run_prepared("system", _FENCE, (tenant_id,))
        return FenceInfo(frozenset(found[0][0]), found[0][1]) if found else OPEN

    return FENCES.get(tenant_id, read) or OPEN


def posture_of(tenant_id: UUID, subject: str) -> Posture:
    """Return what a tenant's identity providers last said of an actor (by its reference, such as `user:...`)."""

    def read() -> dict[str, Posture]:
        said: dict[str, dict[str, object]] = {}
        with system_scope("policy.decisions"):
            rows = run_prepared("system", _LATEST, (tenant_id,))
        for whom, kind, value, at in rows:
            about = said.setdefault(whom, {})
            if kind == SignalKind.SESSION:
                about["ended_at"] = at
            elif kind == SignalKind.FACTOR:
                about["confirm_since"], about["confirm_why"] = at, value
            else:
                about[kind] = value
        return {whom: Posture(**about) for whom, about in said.items()}  # type: ignore[arg-type]

    return (POSTURES.get(tenant_id, read) or {}).get(subject, NOTHING)
