"""Where the servers of one `var/` listen: for the supervisor's children, and for other programs on this machine."""

import os
from collections.abc import MutableMapping
from dataclasses import dataclass
from urllib.parse import quote

import psutil

from intelgraph.embedded import ports, secrets
from intelgraph.embedded.layout import Layout, read_object

DATABASE = "intelgraph"
SUPERUSER = "postgres"


@dataclass(frozen=True, slots=True)
class RoleUrls:
    """Addresses of one database, per role, as libpq reads them."""

    owner: str
    app: str
    system: str
    superuser: str

    def __repr__(self) -> str:
        return "RoleUrls(...)"  # the addresses hold passwords


def postgres_urls(layout: Layout, database: str = DATABASE, *, tcp: bool = False) -> RoleUrls:
    """Return the addresses of `database`, over the Unix socket or, with `tcp`, over loopback.

    Raises EmbeddedError when PostgreSQL was never started in `layout`.
    """
    known = secrets.load(layout)
    port = ports.recorded(layout.services, "postgres")

    def url(role: str, password: str) -> str:
        if tcp:
            return f"postgresql://{role}:{password}@127.0.0.1:{port}/{quote(database)}"
        return f"postgresql://{role}:{password}@/{quote(database)}?host={quote(str(layout.socket_path), safe='/')}&port={port}"

    return RoleUrls(
        owner=url("ig_owner", known.owner_password),
        app=url("ig_app", known.app_password),
        system=url("ig_system", known.system_password),
        superuser=url(SUPERUSER, known.postgres_password),
    )


def redis_url(layout: Layout, database: int = 0) -> str:
    """Return Redis's address over loopback, as redis-py, django-redis and Celery read it.

    Raises EmbeddedError when Redis was never started in `layout`.
    """
    return f"redis://:{secrets.load(layout).redis_password}@127.0.0.1:{ports.recorded(layout.services, 'redis')}/{database}"


def neo4j_url(layout: Layout) -> str | None:
    """Return Neo4j's Bolt address with user and password, None when none runs in `layout`."""
    facts = read_object(layout.neo4j_address)
    try:
        if abs(psutil.Process(int(facts["pid"])).create_time() - float(facts["started"])) < 1:
            return str(facts["neo4j_url"])
    except (KeyError, ValueError, psutil.Error):
        return None
    return None


def environment(layout: Layout, *, postgres: bool = True, redis: bool = True) -> dict[str, str]:
    """Return the settings (docs/operate/settings.md) under which a program uses the embedded servers of `layout`.

    `postgres` and `redis` say whether those are embedded; the addresses of outside ones are left out.
    """
    known = secrets.load(layout)
    settings = {
        "IG_MODE": "embedded",
        "IG_VAR": str(layout.root),
        "SECRET_KEY": known.secret_key,
        "IG_KEY_SECRET": known.key_secret,
        "OBJECT_STORE_URL": f"file://{layout.objects}",
    }
    if postgres:
        urls = postgres_urls(layout)
        settings |= {"DATABASE_URL": urls.app, "DATABASE_OWNER_URL": urls.owner, "DATABASE_SYSTEM_URL": urls.system}
    if redis:
        settings["REDIS_URL"] = redis_url(layout)
    neo4j = neo4j_url(layout)
    return settings | ({"NEO4J_URL": neo4j} if neo4j else {})


def adopt(environ: MutableMapping[str, str]) -> None:
    """Fill in the addresses that `environ` leaves open from the embedded copy that was started last in its IG_VAR (or `var`).

    For commands typed beside a running product. Changes nothing in production mode, or when nothing was ever started there.
    """
    layout = Layout.at(environ.get("IG_VAR") or "var")
    if environ.get("IG_MODE", "embedded") != "embedded" or "DATABASE_URL" in environ:
        return
    if (
        layout.secrets.exists()
        and os.access(layout.secrets, os.R_OK)
        and {"postgres", "redis"} <= read_object(layout.services).keys()
    ):
        for name, value in environment(layout).items():
            environ.setdefault(name, value)
