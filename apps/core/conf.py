"""The one place that reads the environment.

`OPTIONS` is the table of every setting; `docs/operate/settings.md` shows the same table and a test compares them.
"""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path


class ConfigurationError(Exception):
    """A setting is missing or dangerous; the message names it."""


@dataclass(frozen=True, slots=True)
class Option:
    """A setting: its name, what it is for, its default in embedded mode, whether production must set it."""

    name: str
    about: str
    default: str = ""
    required: bool = False
    secret: bool = False


OPTIONS: tuple[Option, ...] = (
    Option(
        "IG_MODE", "`embedded` (one machine, demo allowed) or `production` (refuses dangerous settings)", "embedded"
    ),
    Option("IG_REGION", "Region that this installation serves, such as `eu-west-1`", "eu-west-1", required=True),
    Option("IG_BASE_URL", "Address under which people reach the portal", "http://127.0.0.1:8000", required=True),
    Option("IG_VAR", "Folder for what the embedded services keep", "var"),
    Option("SECRET_KEY", "Signs sessions and tokens; at least 50 characters", required=True, secret=True),
    Option(
        "IG_KEY_SECRET",
        "Encrypts private keys and stored secrets at rest; several, comma-separated: the first encrypts, all decrypt",
        required=True,
        secret=True,
    ),
    Option(
        "IG_SIGNING_KEY",
        "PEM file of the ECDSA P-256 signing key, or `command:PROGRAM` in front of one; unset: one is made and kept encrypted",
        secret=True,
    ),
    Option("DATABASE_URL", "PostgreSQL as the application role (`ig_app`)", required=True, secret=True),
    Option("DATABASE_OWNER_URL", "PostgreSQL as the owner role (`ig_owner`), for migrations only", secret=True),
    Option(
        "DATABASE_SYSTEM_URL",
        "PostgreSQL as the system role (`ig_system`), for work across tenants",
        required=True,
        secret=True,
    ),
    Option("REDIS_URL", "Redis: cache, wake-ups, fan-out, task queue", required=True, secret=True),
    Option("NEO4J_URL", "Bolt address of Neo4j 5 with user and password; unset: traversal runs on SQL", secret=True),
    Option(
        "IG_NEO4J_MAX_LAG",
        "Events of a tenant that Neo4j may be behind and still answer its traversals; `0`: none",
        "0",
    ),
    Option(
        "IG_LIVE_BUFFER_MB",
        "MiB of live updates that may wait, in one web process, for clients that do not read; beyond it they are left out and"
        " the clients told so",
        "64",
    ),
    Option("OBJECT_STORE_URL", "Bucket: `file:`, `s3:`, `gs:` or `az:`", "file:var/objects", required=True),
    Option("PROMETHEUS_URL", "Prometheus to read measurements from"),
    Option("OTEL_EXPORTER_OTLP_ENDPOINT", "Collector that traces are sent to; unset: traces stay in the process"),
    Option("OPA_URL", "Open Policy Agent as the second policy engine"),
    Option("OCI_REGISTRY", "Registry that policy packs are published to"),
    Option(
        "EMAIL_URL",
        "Mail server, such as `smtp://user:password@host:587` (STARTTLS) or `smtps://…`; unset: embedded mode writes mail to"
        " `mail` under IG_VAR, production sends none",
        secret=True,
    ),
    Option(
        "IG_MAIL_FROM", "Sender of mail, such as `IntelGraph <no-reply@example.com>`; unset: no-reply at IG_BASE_URL"
    ),
    Option("SLACK_WEBHOOK_URL", "Address that alerts are posted to", secret=True),
    Option("IG_PERSISTED_ONLY", "`1`: only safelisted GraphQL documents run", "0"),
    Option("IG_ALLOWED_ORIGINS", "Origins, comma-separated, besides our own that may open the websocket"),
    Option(
        "IG_DRAIN_S",
        "Seconds over which live connections are told to come back when a web process ends; less than the time it has to end",
        "2",
    ),
    Option("IG_ALLOWED_HOSTS", "Host names, comma-separated, besides the one in IG_BASE_URL"),
    Option("IG_TRUSTED_PROXIES", "Addresses, comma-separated, whose X-Forwarded-* headers are believed"),
    Option(
        "IG_ISSUER_NETWORKS",
        "Private networks, comma-separated, from which keys of tenants' identity providers may be fetched",
    ),
    Option("IG_COUNTRY_HEADER", "Header in which a trusted proxy names the client's country (ISO 3166-1 alpha-2)"),
    Option("IG_DEVICE_HEADER", "Header in which a trusted proxy calls the client's device `trusted` or `untrusted`"),
    Option("IG_RISK_HEADER", "Header in which a trusted proxy calls the session's risk `low`, `medium` or `high`"),
    Option("IG_FLAGS_FILE", "Registry of feature flags; a relative path begins at the project", "contracts/flags.yaml"),
    Option("IG_FLAGS_GRACE_DAYS", "Days after a flag's expiry until `manage.py flags check` fails", "14"),
    Option("IG_FLAGS_STALE_DAYS", "Days without an evaluation after which a flag counts as stale", "30"),
    Option("IG_METRICS_TOKEN", "Bearer token that may read `/metrics`; unset: nobody by token", secret=True),
    Option("IG_METRICS_FROM", "Addresses or networks, comma-separated, that may read `/metrics` without a token"),
    Option(
        "IG_SIDE_LISTEN",
        "Where worker, scheduler and relay answer `/healthz` and `/metrics`, such as `0.0.0.0:9000`; unset: nowhere, the web"
        " process of the same machine shows their figures",
    ),
    Option("IG_LOG_LEVEL", "`DEBUG`, `INFO`, `WARNING` or `ERROR`", "INFO"),
    Option("IG_LOG_FORMAT", "`json` or `console`", "json"),
    Option(
        "IG_DATABASE_POOLING", "`session` (direct) or `transaction` (behind a transaction-pooling proxy)", "session"
    ),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of this process. Values are strings as in the environment; properties give other types."""

    values: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    @property
    def embedded(self) -> bool:
        """True in embedded mode."""
        return self.values["IG_MODE"] == "embedded"

    @property
    def region(self) -> str:
        """The region served here."""
        return self.values["IG_REGION"]

    @property
    def var(self) -> Path:
        """The folder of the embedded services, absolute."""
        return Path(self.values["IG_VAR"]).resolve()

    def flag(self, name: str) -> bool:
        """Return whether the setting is switched on."""
        return self.values[name].lower() in {"1", "true", "yes", "on"}

    def items_of(self, name: str) -> list[str]:
        """Return a comma-separated setting as a list."""
        return [part.strip() for part in self.values[name].split(",") if part.strip()]


def _with_files(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of `environ`, with those that `NAME_FILE` names a file for read from there."""
    given: dict[str, str] = {}
    for option in OPTIONS:
        value, file = environ.get(option.name, ""), environ.get(f"{option.name}_FILE", "")
        if value and file:
            raise ConfigurationError(f"{option.name} and {option.name}_FILE are both set; use one")
        if file:
            try:
                value = Path(file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeError) as error:
                raise ConfigurationError(f"{option.name}_FILE cannot be read: {type(error).__name__}") from None
        given[option.name] = value
    return given


def read(environ: Mapping[str, str]) -> Settings:
    """Return the settings that `environ` gives, each itself or by the file that `NAME_FILE` names.

    Raises ConfigurationError naming the first setting that is missing or out of range.
    """
    given = _with_files(environ)
    values = {option.name: given[option.name] or option.default for option in OPTIONS}
    mode = values["IG_MODE"]
    if mode not in {"embedded", "production"}:
        raise ConfigurationError(f"IG_MODE is {mode!r}; use 'embedded' or 'production'")
    if mode == "production":
        for option in OPTIONS:
            if option.required and not given[option.name]:
                raise ConfigurationError(f"{option.name} is not set; production needs it ({option.about})")
        if len(values["SECRET_KEY"]) < 50:
            raise ConfigurationError("SECRET_KEY is shorter than 50 characters")
        if not values["IG_BASE_URL"].startswith("https://"):
            raise ConfigurationError("IG_BASE_URL must start with https:// in production")
    for name in ("IG_METRICS_FROM", "IG_ISSUER_NETWORKS"):
        for network in values[name].split(","):
            try:
                ipaddress.ip_network(network.strip() or "127.0.0.1", strict=False)
            except ValueError:
                raise ConfigurationError(f"{name}: {network.strip()!r} is not an address or network") from None
    if values["IG_SIDE_LISTEN"]:
        host, _, port = values["IG_SIDE_LISTEN"].rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            raise ConfigurationError("IG_SIDE_LISTEN must be an address and a port, such as 127.0.0.1:9000")
    if values["IG_LOG_FORMAT"] not in {"json", "console"}:
        raise ConfigurationError("IG_LOG_FORMAT must be 'json' or 'console'")
    if values["IG_LOG_LEVEL"] not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ConfigurationError("IG_LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR")
    if values["IG_DATABASE_POOLING"] not in {"session", "transaction"}:
        raise ConfigurationError("IG_DATABASE_POOLING must be 'session' or 'transaction'")
    for name in ("IG_FLAGS_GRACE_DAYS", "IG_FLAGS_STALE_DAYS"):
        if not values[name].isascii() or not values[name].isdigit() or len(values[name]) > 5:
            raise ConfigurationError(f"{name} must be a whole number of days")
    buffer = values["IG_LIVE_BUFFER_MB"]
    if not buffer.isascii() or not buffer.isdigit() or not 1 <= int(buffer[:6]) <= 65_536:
        raise ConfigurationError("IG_LIVE_BUFFER_MB must be a whole number of MiB, 1 to 65536")
    drain = values["IG_DRAIN_S"]
    if not drain.isascii() or not drain.isdigit() or int(drain[:5]) > 3_600:
        raise ConfigurationError("IG_DRAIN_S must be a whole number of seconds, 0 to 3600")
    if not values["IG_NEO4J_MAX_LAG"].isascii() or not values["IG_NEO4J_MAX_LAG"].isdigit():
        raise ConfigurationError("IG_NEO4J_MAX_LAG must be a whole number of events, 0 or more")
    return Settings(values)


@cache
def get() -> Settings:
    """Return this process's settings, read once."""
    return read(os.environ)
