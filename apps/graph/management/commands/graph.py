"""`manage.py graph`: how far the projections are, whether they hold, and mending them.

Exit codes: 0 all is well, 1 it is not (behind, different), 2 the usage or the input is wrong or Neo4j is away (one
line on standard error).
"""

import json
import sys
import time
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand

from apps.bus import services as bus
from apps.bus.errors import StoreAway
from apps.core.context import Context, service_context
from apps.core.errors import IgError, InvalidInput, NotFound
from apps.core.ids import parse_id
from apps.core.scope import tenant_scope
from apps.graph import selectors
from apps.graph.services import counting, projecting
from apps.tenants import selectors as tenants
from apps.tenants.types import TenantInfo

SHOW_EVERY_S = 1.0
PATIENCE_S = 60.0


class Command(BaseCommand):
    """Look after the graph's projections."""

    help = "Show how far the graph's projections are behind, check them, rebuild them from PostgreSQL."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare `lag`, `check`, `rebuild` and `recount`."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
        for name, about in (
            ("lag", "events that each projection has still to apply; exit 1 when more than --max"),
            ("check", "compare what PostgreSQL, the counts and Neo4j hold; exit 1 when they differ"),
            ("rebuild", "read Neo4j anew from PostgreSQL, while writes go on; resumes where it was stopped"),
            ("recount", "put wrong counts by kind right"),
        ):
            verb = verbs.add_parser(name, help=about)
            verb.add_argument("--tenant", help="slug or id of one tenant; default: all")
            verb.add_argument("--json", action="store_true", help="print the result as JSON")
            if name == "lag":
                verb.add_argument("--max", type=int, default=0, metavar="EVENTS", help="most that is well (default 0)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run one of the verbs and exit with its code."""
        verbs = {"lag": self._lag, "check": self._check, "rebuild": self._rebuild, "recount": self._recount}
        try:
            code = verbs[options["verb"]](_tenants(options["tenant"]), options)
        except IgError as error:
            self.stderr.write(f"error: {error.message}. {error.mend or ''}".rstrip())
            code = 2
        except StoreAway as error:
            self.stderr.write(f"error: {error}")
            code = 2
        if code:
            sys.exit(code)

    def _lag(self, wanted: list[TenantInfo], options: dict[str, Any]) -> int:
        behind: dict[str, dict[str, int]] = {}
        for tenant in wanted:
            with tenant_scope(tenant.id):
                behind[tenant.slug] = selectors.projection_lag(_context(tenant))
        ok = all(events <= options["max"] for lags in behind.values() for events in lags.values())
        if options["json"]:
            self.stdout.write(json.dumps({"ok": ok, "max": options["max"], "behind_events": behind}, indent=2))
        else:
            for slug, lags in behind.items():
                self.stdout.write(
                    f"{slug}: " + ", ".join(f"{name} {events} events behind" for name, events in lags.items())
                )
        return 0 if ok else 1

    def _check(self, wanted: list[TenantInfo], options: dict[str, Any]) -> int:
        neo4j = projecting.configured() if projecting.is_configured() else None
        found: dict[str, dict[str, dict[str, int]]] = {}
        for tenant in wanted:
            with tenant_scope(tenant.id):
                entities, edges = selectors.stored_counts(_context(tenant))
                summary = selectors.graph_summary(_context(tenant))
            held = {
                "postgresql": {"entities": entities, "edges": edges},
                counting.NAME: {"entities": summary.entity_count, "edges": summary.edge_count},
            }
            if neo4j is not None:
                held[projecting.NAME] = dict(zip(("entities", "edges"), neo4j.held(tenant.id), strict=True))
            found[tenant.slug] = held
        ok = all(held == here["postgresql"] for here in found.values() for held in here.values())
        if options["json"]:
            self.stdout.write(json.dumps({"ok": ok, "held": found}, indent=2))
        else:
            for slug, here in found.items():
                words = "; ".join(
                    f"{name} {held['entities']} entities {held['edges']} edges" for name, held in here.items()
                )
                self.stdout.write(f"{slug}: {words}")
            self.stdout.write(
                "ok" if ok else "FAILED: they differ (a projection that is behind differs until it caught up)"
            )
        return 0 if ok else 1

    def _rebuild(self, wanted: list[TenantInfo], options: dict[str, Any]) -> int:
        projection = projecting.configured()
        only = [tenant.id for tenant in wanted] if options["tenant"] else None
        started, shown_at, patience = time.monotonic(), 0.0, time.monotonic() + PATIENCE_S
        marked: list[UUID] | None = None
        more = True
        while more:
            try:
                # The cursor is held for one chunk at a time: deliveries go on between them.
                with bus.holding(projection.name) as position:
                    if marked is None:
                        marked = projection.rebuild(position, only)
                    more = projection.tend(position)
                patience = time.monotonic() + PATIENCE_S
            except StoreAway as error:
                if time.monotonic() > patience:
                    raise
                time.sleep(max(0.05, error.retry_after_s))
            if not options["json"] and time.monotonic() - shown_at > SHOW_EVERY_S:
                shown_at = time.monotonic()
                self.stderr.write(f"rebuilding, {shown_at - started:.0f} s: {projection.told()}")
        result = {"ok": True, "tenants": len(marked or ()), "seconds": round(time.monotonic() - started, 1)}
        self.stdout.write(
            json.dumps(result) if options["json"] else f"ok: {result['tenants']} tenants in {result['seconds']} s"
        )
        return 0

    def _recount(self, wanted: list[TenantInfo], options: dict[str, Any]) -> int:
        ctx = service_context("graph")
        wrong = {tenant.slug: counting.recount(ctx, tenant_id=tenant.id) for tenant in wanted}
        told = {
            slug: [{"of": c.ref_kind, "kind": c.kind, "stood": c.stood, "right": c.right} for c in corrections]
            for slug, corrections in wrong.items()
            if corrections
        }
        if options["json"]:
            self.stdout.write(json.dumps({"ok": True, "corrected": told}, indent=2))
        else:
            for slug, corrections in told.items():
                for c in corrections:
                    self.stdout.write(f"{slug}: {c['of']} {c['kind']}: {c['stood']} was wrong, {c['right']} is right")
            self.stdout.write(f"ok: {sum(map(len, told.values()))} counts corrected")
        return 0


def _tenants(name: str | None) -> list[TenantInfo]:
    """Return the tenants meant. Raises NotFound for one that does not exist, InvalidInput for an empty name."""
    if name is None:
        return tenants.everyone()
    if not name.strip():
        raise InvalidInput("--tenant is empty", field="tenant")
    tenant_id = parse_id(name)
    found = tenants.by_id(tenant_id) if tenant_id else tenants.by_slug(name)
    if found is None:
        raise NotFound(f"there is no tenant {name!r}", field="tenant")
    return [found]


def _context(tenant: TenantInfo) -> Context:
    return service_context("graph", tenant_id=tenant.id, tenant_slug=tenant.slug, region=tenant.home_region)
