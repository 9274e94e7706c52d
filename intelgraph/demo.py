"""The demo: two tenants with people, keys and real data, made through the product's own verbs.

Everything is idempotent, so a load that was killed goes on where it stopped; `demo.json` is written last.
"""

import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.core import conf
from apps.core.context import Context, service_context
from apps.core.scope import tenant_scope
from apps.flags import selectors as flag_reads
from apps.flags import services as flags
from apps.identity import selectors as people
from apps.identity import services as identity
from apps.identity.types import KeyScope, Role
from apps.tenants import selectors as tenants
from apps.tenants import services as tenancy
from apps.tenants.types import TenantInfo

FLAGS = Path(__file__).resolve().parent.parent / "fixtures/demo/flags.yaml"


@dataclass(frozen=True, slots=True)
class DemoTenant:
    """A tenant of the demo."""

    slug: str
    name: str
    region: str
    plan: str


TENANTS = (
    DemoTenant("alpha", "Alpha Threat Intelligence", "eu-west-1", "pro"),
    DemoTenant("beta", "Beta Due Diligence", "us-east-1", "starter"),
)
MEMBERS: dict[str, frozenset[str]] = {
    "owner": frozenset({Role.OWNER.value}),
    "analyst": frozenset({Role.ANALYST.value}),
    "developer": frozenset({Role.DEVELOPER.value}),
    "dpo": frozenset({Role.DPO.value}),
    "auditor": frozenset({Role.AUDITOR_TENANT.value}),
}


def _write_private(path: Path, content: dict[str, Any]) -> None:
    """Write JSON that only its owner may read, all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump(content, stream, indent=2)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)


def _account(ctx: Context, notes: dict[str, Any], email: str, name: str, platform_roles: tuple[str, ...] = ()) -> Any:
    user = people.user_by_email(email)
    if user is None:
        user = identity.create_user(
            ctx, email=email, password=notes["password"], name=name, platform_roles=platform_roles
        )
    if email not in notes["users"]:
        notes["users"][email] = {"totp_secret": identity.enrol_second_factor(ctx, user=user)}
    return user


def _tenant(ctx: Context, wanted: DemoTenant) -> TenantInfo:
    return tenants.by_slug(wanted.slug) or tenancy.create_tenant(
        ctx, slug=wanted.slug, name=wanted.name, home_region=wanted.region, plan=wanted.plan
    )


def _flags(ctx: Context) -> None:
    """Take the product's flags in, and make those of the demo."""
    flags.declare(ctx)
    known = {flag.definition.key for flag in flag_reads.everything()}
    for key, found in flag_reads.in_text(FLAGS.read_bytes()).items():
        if key not in known:
            flags.create_flag(ctx, document=found.document, reason="the demo")


def load(bring_data: Callable[[Context, str], object], say: Callable[[str], None]) -> Path:
    """Make the demo and return the path of `demo.json`. `bring_data(ctx, slug)` ingests a tenant's data."""
    settings = conf.get()
    draft = settings.var / "demo.draft.json"
    done = settings.var / "demo.json"
    notes: dict[str, Any] = json.loads(draft.read_text()) if draft.exists() else {}
    notes.setdefault("password", secrets.token_urlsafe(15))
    notes.setdefault("users", {})
    notes.setdefault("tenants", {})
    _write_private(draft, notes)
    ctx = service_context("demo", region=settings.region)
    org_auditor = _account(ctx, notes, "auditor@org.example", "Organisation auditor")
    _account(ctx, notes, "operator@intelgraph.example", "Operator", ("operator",))
    _write_private(draft, notes)
    _flags(ctx)
    for wanted in TENANTS:
        tenant = _tenant(ctx, wanted)
        inside = ctx.but(
            tenant_id=tenant.id,
            tenant_slug=tenant.slug,
            region=tenant.home_region,
            purpose="investigation",
            roles=frozenset({Role.OWNER.value}),
        )
        with tenant_scope(tenant.id):
            for role, roles in MEMBERS.items():
                user = _account(inside, notes, f"{role}@{tenant.slug}.example", role.capitalize())
                if people.membership(user.id, tenant.id) is None:
                    identity.add_member(inside, user_id=user.id, roles=roles)
            if people.membership(org_auditor.id, tenant.id) is None:
                identity.add_member(inside, user_id=org_auditor.id, roles=frozenset({Role.AUDITOR_ORG.value}))
            known = notes["tenants"].setdefault(tenant.slug, {"id": str(tenant.id), "api_keys": {}})
            for scope in KeyScope:
                if scope.value not in known["api_keys"]:
                    made = identity.create_api_key(inside, name=f"Demo {scope.value}", scope=scope.value)
                    known["api_keys"][scope.value] = made.token
            _write_private(draft, notes)
            say(f"bringing in the data of {tenant.name}")
            bring_data(inside, tenant.slug)
    _write_private(done, {"base_url": settings["IG_BASE_URL"], **notes, **_addresses()})
    draft.unlink(missing_ok=True)
    return done


def _addresses() -> dict[str, str | None]:
    """Return the services' addresses as `make run` hands them down for outside tools (by port where there is one)."""
    settings = conf.get()
    return {
        "database_url": os.environ.get("IG_DEMO_DATABASE_URL") or settings["DATABASE_URL"],
        "database_owner_url": os.environ.get("IG_DEMO_DATABASE_OWNER_URL") or settings["DATABASE_OWNER_URL"],
        "redis_url": os.environ.get("IG_DEMO_REDIS_URL") or settings["REDIS_URL"],
        "neo4j_url": settings["NEO4J_URL"] or None,
    }
