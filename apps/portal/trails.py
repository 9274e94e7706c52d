"""What the ledger tells of one thing, as a timeline: words, who, when, what was before and after."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

from apps.core.admin.roof import Trail, Version
from apps.core.context import service_context
from apps.core.ids import parse_id
from apps.identity import selectors as identity
from apps.ledger import selectors as ledger
from apps.ledger.types import Told
from apps.portal import shown
from apps.portal.types import FieldChange, Proof, ProofState, TimelineItem
from apps.portal.wording import icon_of, words_of

QUIET = frozenset({"before", "after", "reason"})


def labels(refs: Iterable[str]) -> dict[str, str]:
    """Return who is behind references such as `user:0192…`, across tenants (system scope): staff see addresses' owners."""
    wanted = set(refs)
    people = {ref: key for ref in wanted if ref.startswith("user:") and (key := parse_id(ref[5:]))}
    known = identity.names_of(service_context("admin"), set(people.values())) if people else {}
    return {ref: known.get(people[ref], ref) if ref in people else ref.replace(":", " ", 1) for ref in wanted}


def timeline(trail: Trail, address: Callable[[int], str]) -> Sequence[TimelineItem]:
    """Return the items for a trail, newest first. `address(record_id)` is where a record's page is."""
    told = ledger.told(trail.tenant_id, trail.types, key=trail.key, value=trail.value)
    names = labels({one.actor for one in told})
    return [_item(one, names, address(one.record_id)) for one in told]


def _item(one: Told, names: Mapping[str, str], href: str) -> TimelineItem:
    data: Mapping[str, Any] = orjson.loads(one.body).get("data", {})
    proof = (
        Proof(ProofState.SEALED, one.hash.hex(), one.number, href)
        if one.number is not None
        else Proof(ProofState.WAITING)
    )
    return TimelineItem(
        title=words_of(one.type),
        at=one.at,
        actor=names.get(one.actor, one.actor),
        icon=icon_of(one.type),
        note=str(data.get("reason", "")),
        proof=proof,
        changes=changes_of(data),
    )


OPS = {"created": ("Created", "circle-plus"), "updated": ("Changed", "pencil"), "deleted": ("Deleted", "trash-2")}


def versions(told: Sequence[Version], address: Callable[[int], str]) -> Sequence[TimelineItem]:
    """Return the items for the versions of a thing whose documents are kept, in the order given."""
    names = labels({one.actor for one in told})
    items = []
    for one in told:
        title, icon = OPS.get(one.op, (one.op, "circle-dot"))
        items.append(
            TimelineItem(
                title=title,
                at=one.at,
                actor=names.get(one.actor, one.actor),
                icon=icon,
                note=f"version {one.version}",
                proof=Proof(ProofState.SEALED, one.hash.hex(), one.number, address(one.record_id)),
                changes=shown.changes(one.before, one.after, hidden=one.hidden) if one.before is not None else (),
            )
        )
    return items


def changes_of(data: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """Return the before and after that an event's data names, if it does: field by field where both are documents."""
    if "before" not in data or "after" not in data:
        return ()
    before, after = data["before"], data["after"]
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return tuple(
            FieldChange(
                name,
                _text(before[name]) if name in before else None,
                _text(after[name]) if name in after else None,
            )
            for name in sorted(before.keys() | after.keys())
            if before.get(name) != after.get(name)
        )
    return (FieldChange("value", _text(data["before"]), _text(data["after"])),)


def _text(value: Any) -> str:
    if isinstance(value, Iterable) and not isinstance(value, str | Mapping):
        return ", ".join(str(part) for part in value)
    return str(value)
