"""Who a record's actor is, in words: people by name, keys by name, our own services as such."""

from collections.abc import Iterable
from uuid import UUID

from apps.core.context import Context
from apps.core.ids import parse_id
from apps.identity import selectors as identity

SERVICES = {"demo": "demo loader", "relay": "relay", "scheduler": "scheduler", "worker": "worker"}


def names_of(ctx: Context, refs: Iterable[str]) -> dict[str, str]:
    """Return {reference: words} for references such as `user:0192…`, `key:0192…`, `service:relay`."""
    wanted = set(refs)
    people = _ids(wanted, "user")
    named = identity.names_of(ctx, set(people.values())) if people else {}
    if unknown := set(people.values()) - set(named):
        named |= {key: f"{name} (platform staff)" for key, name in identity.staff_names_of(ctx, unknown).items()}
    keys = (
        {str(key.id): key.name for key in identity.api_keys(ctx)} if any(r.startswith("key:") for r in wanted) else {}
    )
    found: dict[str, str] = {}
    for ref in wanted:
        kind, _, rest = ref.partition(":")
        if kind == "user":
            found[ref] = named.get(people[ref], "a former member") if ref in people else "a person"
        elif kind == "key":
            found[ref] = f"API key {keys[rest]}" if rest in keys else "an API key"
        elif kind == "service":
            found[ref] = SERVICES.get(rest, rest)
        else:
            found[ref] = kind or "unknown"
    return found


def _ids(refs: set[str], kind: str) -> dict[str, UUID]:
    found = {}
    for ref in refs:
        word, _, rest = ref.partition(":")
        parsed = parse_id(rest) if word == kind else None
        if parsed is not None:
            found[ref] = parsed
    return found
