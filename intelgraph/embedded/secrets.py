"""Passwords and keys of one `var/`: made at the first start, kept in `secrets.json`, readable by the owner only."""

import secrets
from dataclasses import asdict, dataclass, fields

from intelgraph.embedded.errors import EmbeddedError
from intelgraph.embedded.layout import Layout, read_object, write_object
from intelgraph.embedded.locks import held


@dataclass(frozen=True, slots=True)
class Secrets:
    """Every generated secret. Values are URL-safe text, so that they go into addresses unquoted."""

    secret_key: str
    key_secret: str
    postgres_password: str
    owner_password: str
    app_password: str
    system_password: str
    redis_password: str
    neo4j_password: str

    def __repr__(self) -> str:
        return "Secrets(...)"  # never into a log or a traceback


def load(layout: Layout) -> Secrets:
    """Return the secrets of `layout`, making those that are missing.

    Raises EmbeddedError when the file is damaged: new ones would lock the owner out of the databases and of what was encrypted.
    """
    with held(layout.root / ".secrets.lock"):
        known = read_object(layout.secrets)
        wanted = {field.name: known.get(field.name) or secrets.token_urlsafe(48) for field in fields(Secrets)}
        if not all(isinstance(value, str) for value in wanted.values()):
            raise EmbeddedError(
                f"{layout.secrets} holds something that is no text; restore it, or remove {layout.root} to begin anew"
            )
        made = Secrets(**wanted)
        if known != known | asdict(made):
            write_object(layout.secrets, known | asdict(made))
        elif layout.secrets.stat().st_mode & 0o077:
            layout.secrets.chmod(0o600)
        return made
