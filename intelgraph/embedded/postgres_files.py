"""Texts of the embedded PostgreSQL's configuration files."""

from collections.abc import Mapping
from pathlib import Path

# What a laptop with a few gigabytes to spare runs well with. Values are PostgreSQL's own notation.
LAPTOP: Mapping[str, str] = {
    "max_connections": "200",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    "wal_level": "logical",
    "max_wal_size": "2GB",
    "min_wal_size": "128MB",
    "checkpoint_timeout": "10min",
    "synchronous_commit": "on",
    "jit": "off",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_lock_waits": "on",
    "lc_messages": "C",
}

HBA = """\
# Written at each start. Everybody proves a password, on the socket as on loopback; nothing else is listened on.
local   all           all                     scram-sha-256
local   replication   postgres                scram-sha-256
host    all           all       127.0.0.1/32  scram-sha-256
host    replication   postgres  127.0.0.1/32  scram-sha-256
"""


def quoted(value: str) -> str:
    """Return `value` as a string of postgresql.conf."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def configuration(*, port: int, sockets: Path, fsync: bool, settings: Mapping[str, str]) -> str:
    """Return the text of the configuration file that postgresql.conf includes; `settings` win over the defaults."""
    fixed = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(sockets),
        "unix_socket_permissions": "0700",
    }
    durability = {} if fsync else {"fsync": "off", "full_page_writes": "off"}
    lines = [
        f"{name} = {quoted(value)}" for name, value in (dict(LAPTOP) | durability | dict(settings) | fixed).items()
    ]
    return "# Written at each start; change nothing here.\n" + "\n".join(lines) + "\n"
