"""Search by words over names, keys, aliases and descriptions, with the filters of lists."""

import re
from typing import Any

from apps.core.context import Context
from apps.core.errors import InvalidInput
from apps.core.scope import require_tenant_id
from apps.core.statements import compose
from apps.graph import cursors, filters, store
from apps.graph.selectors.entities import NIL, match_ids
from apps.graph.types import Hit, SearchPage

RANKED_LIMIT = 2_000
MAX_FIRST = 100
MOST_FITTING = 50_000
_HEADLINE = "StartSel=\x02, StopSel=\x03, MaxWords=28, MinWords=12, MaxFragments=1"


def search(ctx: Context, *, q: str, filters_: Any = None, first: int = 20, after: str | None = None) -> SearchPage:
    """Return entities that hold every word of `q` (the last one as a prefix), best first.

    Ranking is exact up to 2,000 matches; `capped` says that there were more. Words in a name weigh most, then keys,
    aliases, descriptions. Raises InvalidInput for an empty or overlong query, a bad filter, cursor or size.
    """
    text = re.sub(r"[\x00-\x1f]", " ", q).strip()
    if not text or not re.search(r"\w", text):
        raise InvalidInput("the query holds no word", field="q")
    if len(text) > 400:
        raise InvalidInput("the query is longer than 400 characters", field="q")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInput("the query holds half of a surrogate pair", field="q") from None
    if not 1 <= first <= MAX_FIRST:
        raise InvalidInput(f"first must be 1 to {MAX_FIRST}", field="first")
    plan = filters.parse(filters_)
    if plan.kinds is not None:
        plan.tags.append([f"k:{kind[:200]}" for kind in plan.kinds] or ["k:"])
    *words, last = text.split()
    tenant_id = require_tenant_id()
    where, params = ["e.tenant_id = %s", *plan.where], [tenant_id, *plan.params]
    if plan.properties:
        where.append("e.id = any(%s)")
        params.append(match_ids(plan, NIL, MOST_FITTING))
    words_query = "plainto_tsquery('simple', %s) && to_tsquery('simple', %s)" if words else "to_tsquery('simple', %s)"
    prefix = "'" + last.replace("\\", "\\\\").replace("'", "''") + "':*"
    terms = [" ".join(words), prefix] if words else [prefix]
    keyset, position = "", []
    if after is not None:
        value, row_id = cursors.decode(after, "rank")
        if not isinstance(value, (int, float)):
            raise InvalidInput("this cursor was not made for this list", field="after")
        keyset, position = "where (-h.rank, h.id) > (%s, %s)", [value, row_id]
    found = store.query(
        compose(
            "with q as (select {words_query} as query),"
            " h as materialized (select s.id, s.rank::float8 as rank, s.matches from q, ig_search_entities(q.query, %s::tsquery, %s) s),"
            " p as (select h.id, h.rank, h.matches, h.id as hit from h"
            "  join graph_entity e on e.id = h.id and {conditions} {keyset} order by -h.rank, h.id limit %s)"
            " select {entity_columns}, p.rank, p.matches,"
            " ts_headline('simple', concat_ws(' · ', e.name, nullif(left(e.properties ->> 'description', 4000), '')), q.query, %s)"
            " from q, p join graph_entity e on e.id = p.id and e.tenant_id = %s order by -p.rank, p.id",
            words_query=words_query,
            conditions=" and ".join(where),
            keyset=keyset,
            entity_columns=store.ENTITY_COLUMNS,
        ),
        [*terms, plan.tag_query(), RANKED_LIMIT + 1, *params, *position, first + 1, _HEADLINE, tenant_id],
    )
    hits = [Hit(store.entity_row(row), float(row[16]), row[18]) for row in found[:first]]
    matches = int(found[0][17]) if found else 0
    return SearchPage(
        hits,
        [cursors.encode("rank", -hit.rank, hit.entity.id) for hit in hits],
        len(found) > first,
        min(matches, RANKED_LIMIT),
        matches > RANKED_LIMIT,
    )
