"""Reads of flags.

    if selectors.is_on(ctx, "connectors.ingest"): ...
    size = selectors.value(ctx, "gateway.outboxSize", 256)

Evaluating reads this process's table (`snapshot`): no query, no lock but the counter's, no exception for a flag that is not
there. Unlike other reads it needs no scope: which flag is on for whom is not the tenant's data.
"""

from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Max, Sum

from apps.core import conf
from apps.core.context import Context
from apps.core.scope import require_tenant_id, system_scope
from apps.flags import registry, snapshot, usage
from apps.flags.definition import NEVER
from apps.flags.evaluation import CompiledFlag
from apps.flags.expiry import findings_of
from apps.flags.models import Flag, Usage
from apps.flags.types import (
    NO_ATTRIBUTES,
    Definition,
    ErrorCode,
    Evaluation,
    Finding,
    FindingKind,
    FlagType,
    FlagView,
    State,
    Subject,
)

V = TypeVar("V", bool, str, int, float, dict[str, Any])

KINDS: Mapping[type, tuple[FlagType, ...]] = {
    bool: (FlagType.BOOLEAN,),
    str: (FlagType.STRING,),
    int: (FlagType.INTEGER,),
    float: (FlagType.FLOAT, FlagType.INTEGER),  # a whole number is a number
    dict: (FlagType.OBJECT,),
}
"""The types of flags that a Python type can hold."""
_UNKNOWN = Evaluation("", error=ErrorCode.FLAG_NOT_FOUND)


def subject_of(ctx: Context, targeting_key: str = "", attributes: Mapping[str, Any] = NO_ATTRIBUTES) -> Subject:
    """Return the caller of `ctx` as flags see it: its tenant and region by what is known, the rest as it is said."""
    return Subject(ctx.tenant_id, ctx.tenant_slug, ctx.region or conf.get().region, targeting_key, attributes)


def evaluate(subject: Subject, key: str, kinds: tuple[FlagType, ...] = ()) -> Evaluation:
    """Return what a flag is for a subject.

    A flag that is not there, or archived, or of another type than `kinds` (none: any), is an evaluation with an error.
    """
    flag = snapshot.current().flags.get(key)
    if flag is None:
        usage.note(_UNKNOWN, None)
        return Evaluation(key, error=ErrorCode.FLAG_NOT_FOUND, message="there is no such flag")
    if kinds and flag.type not in kinds:
        message = f"the flag is of type {flag.type}, not {kinds[0]}"
        return Evaluation(key, error=ErrorCode.TYPE_MISMATCH, message=message)
    found = flag.evaluate(subject)
    usage.note(found, subject.tenant_id)
    return found


def is_on(ctx: Context, key: str, default: bool = False) -> bool:
    """Return whether a boolean flag is on for the caller; `default` where it cannot be said."""
    found = evaluate(
        Subject(ctx.tenant_id, ctx.tenant_slug, ctx.region or conf.get().region, ctx.actor.id, NO_ATTRIBUTES), key
    )
    return found.value if isinstance(found.value, bool) else default


def value(
    ctx: Context, key: str, default: V, *, targeting_key: str = "", attributes: Mapping[str, Any] = NO_ATTRIBUTES
) -> V:
    """Return a flag's value for the caller, of the type of `default`, which holds where it cannot be said."""
    found = evaluate(subject_of(ctx, targeting_key or ctx.actor.id, attributes), key, KINDS[type(default)])
    if found.error is not None:
        return default
    return type(default)(deepcopy(found.value))  # an object is shared by all who ask


def evaluate_all(subject: Subject) -> list[tuple[CompiledFlag, Evaluation]]:
    """Return every flag that clients may see (`remote`, not archived), with what it is for a subject, by key."""
    flags = snapshot.current().flags
    found = []
    for key in sorted(flags):
        flag = flags[key]
        if flag.state is State.ARCHIVED or not flag.definition.remote:
            continue
        evaluation = flag.evaluate(subject)
        usage.note(evaluation, subject.tenant_id)
        found.append((flag, evaluation))
    return found


def evaluate_remote(subject: Subject, key: str) -> Evaluation:
    """Return what a flag is for a subject; one that clients may not see is not there."""
    flag = snapshot.current().flags.get(key)
    if flag is not None and not flag.definition.remote:
        return Evaluation(key, error=ErrorCode.FLAG_NOT_FOUND, message="there is no such flag")
    return evaluate(subject, key)


def known(key: str) -> CompiledFlag | None:
    """Return a flag as it stands, or None."""
    return snapshot.current().flags.get(key)


def revision() -> int:
    """Return the revision of the registry that this process answers from."""
    return snapshot.current().revision


def flags_for(ctx: Context) -> list[FlagView]:
    """Return the flags that apply to the tenant in scope, by key, with what they are for it and when it last asked."""
    seen = {row.key: row for row in Usage.objects.filter(scope_id=require_tenant_id())}
    subject = subject_of(ctx, targeting_key=ctx.actor.id)
    flags = snapshot.current().flags
    return [
        FlagView(
            flag.definition,
            flag.state,
            flag.evaluate(subject),
            seen[key].last_seen if key in seen else None,
            seen[key].evaluations if key in seen else 0,
        )
        for key, flag in sorted(flags.items())
        if flag.state is not State.ARCHIVED and flag.definition.remote
    ]


def last_seen() -> dict[str, datetime]:
    """Return when each flag was last evaluated anywhere."""
    with system_scope("flags.registry"):
        return dict(Usage.objects.order_by().values_list("key").annotate(Max("last_seen")))


def use_by_tenant(key: str, first: int = 50) -> list[tuple[UUID, int, datetime]]:
    """Return (tenant, evaluations, last seen) of a flag, those who asked last first (system scope)."""
    rows = Usage.objects.filter(key=key).order_by("-last_seen")[:first]
    return [(row.scope_id, row.evaluations, row.last_seen) for row in rows]


def use_of(keys: list[str]) -> dict[str, tuple[int, datetime]]:
    """Return (evaluations, last seen) of these flags over all tenants (system scope)."""
    rows = (
        Usage.objects.filter(key__in=keys).order_by().values_list("key").annotate(Sum("evaluations"), Max("last_seen"))
    )
    return {key: (number, seen) for key, number, seen in rows}


def document_of(row: Flag) -> dict[str, Any]:
    """Return all fields of a flag as they stand, defaults included; of one whose definition cannot be read, its columns."""
    found = snapshot.effective(row, registry.declared().get(row.key))
    if found is None:
        return {
            "about": "",
            "variants": {},
            "default": "",
            "off": "",
            "rules": [],
            "killswitch": False,
            "remote": False,
        }
    return {
        "about": found.about,
        "owner": found.owner,
        "expires": str(found.expires or NEVER),
        "risk": found.risk.value,
        "killswitch": found.killswitch,
        "variants": found.variants,
        "default": found.default,
        "off": found.off,
        "rules": list(found.document.get("rules", ())),
        "remote": found.remote,
    }


def own_variants(row: Flag) -> dict[UUID, str]:
    """Return the variants that single tenants were given."""
    return {UUID(tenant): variant for tenant, variant in row.tenants.items()}


def tried(key: str, subject: Subject) -> Evaluation:
    """Return what a flag would be for a subject, without counting it as use; read now."""
    flag = next((one for one in everything() if one.definition.key == key), None)
    if flag is None:
        return Evaluation(key, error=ErrorCode.FLAG_NOT_FOUND, message="there is no such flag")
    return flag.evaluate(subject)


def in_file(key: str) -> bool:
    """Return whether the registry's file of this release declares the flag."""
    return key in registry.declared()


def in_text(text: bytes) -> dict[str, Definition]:
    """Return the flags that a registry's text declares, by key. Raises FlagInvalid."""
    return registry.load(text)


def everything() -> list[CompiledFlag]:
    """Return every flag as it stands, archived ones too, by key; read now."""
    with system_scope("flags.registry"):
        rows = list(Flag.objects.all())
    return [flag for _, flag in sorted(snapshot.compiled(registry.declared(), rows).items())]


def count() -> int:
    """Return how many flags are not archived; read now."""
    return sum(flag.state is not State.ARCHIVED for flag in everything())


def findings(ctx: Context) -> list[Finding]:
    """Return the flags of file and registry that should go: expired, overdue, stale; read now."""
    return _findings(ctx, everything())


def finding_counts(ctx: Context) -> dict[str, int]:
    """Return how many flags should go, by kind; those that are not there with 0. From this process's table."""
    counted = Counter(one.kind for one in _findings(ctx, list(snapshot.current().flags.values())))
    return {kind.value: counted[kind] for kind in FindingKind}


def _findings(ctx: Context, flags: list[CompiledFlag]) -> list[Finding]:
    with system_scope("flags.registry"):
        since = dict(Flag.objects.values_list("key", "created_at"))
    return findings_of(
        [flag.definition for flag in flags if flag.state is not State.ARCHIVED],
        today=ctx.now.date(),
        grace_days=int(conf.get()["IG_FLAGS_GRACE_DAYS"]),
        stale_days=int(conf.get()["IG_FLAGS_STALE_DAYS"]),
        seen=last_seen(),
        known_since=since,
    )
