"""Where the embedded services keep what they keep: every path under `var/`."""

import hashlib
import json
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intelgraph.embedded.errors import EmbeddedError

# sockaddr_un.sun_path holds 104 bytes on BSD and macOS, 108 on Linux, with the closing zero (unix(7)).
SOCKET_PATH_LIMIT_BYTES = 100
# "/.s.PGSQL." and five digits: the longest name that is put into the socket folder.
LONGEST_SOCKET_NAME_BYTES = 16


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders and files below one `var/`. `root` is absolute."""

    root: Path

    @classmethod
    def at(cls, var: str | os.PathLike[str]) -> "Layout":
        """Return the layout of `var`, which may be relative to the working folder or begin with `~`."""
        return cls(Path(var).expanduser().resolve())

    def create(self) -> "Layout":
        """Create the folders, readable by their owner only, and return the layout.

        Raises EmbeddedError when a folder cannot be made or written.
        """
        try:
            for folder in (self.root, self.postgres, self.redis, self.logs, self.run, self.sockets, self.objects):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise EmbeddedError(
                f"cannot create {error.filename}: {error.strerror}; set VAR to a folder that you may write"
            ) from error
        if not os.access(self.root, os.W_OK | os.X_OK):
            raise EmbeddedError(f"{self.root} is not writable; set VAR to a folder that you may write")
        return self

    @property
    def postgres(self) -> Path:
        """PostgreSQL's data folder and what belongs to it."""
        return self.root / "postgres"

    @property
    def redis(self) -> Path:
        """Redis's append-only file and configuration."""
        return self.root / "redis"

    @property
    def neo4j(self) -> Path:
        """Neo4j's home."""
        return self.root / "neo4j"

    @property
    def objects(self) -> Path:
        """The object store's folder."""
        return self.root / "objects"

    @property
    def logs(self) -> Path:
        """Logs of the servers."""
        return self.root / "log"

    @property
    def run(self) -> Path:
        """Locks and stamps."""
        return self.root / "run"

    @property
    def sockets(self) -> Path:
        """Unix sockets, when the path is short enough for them."""
        return self.root / "sock"

    @property
    def lock(self) -> Path:
        """Held by the one supervisor of this folder."""
        return self.run / "up.lock"

    @property
    def migrated(self) -> Path:
        """Fingerprint of the migrations that were applied last."""
        return self.run / "migrated.json"

    @property
    def secrets(self) -> Path:
        """Generated passwords and keys."""
        return self.root / "secrets.json"

    @property
    def services(self) -> Path:
        """Ports that the servers listen on."""
        return self.root / "services.json"

    @property
    def demo(self) -> Path:
        """Sign-ins of the demo, written when it is loaded."""
        return self.root / "demo.json"

    @property
    def neo4j_address(self) -> Path:
        """Where a running Neo4j listens."""
        return self.root / "neo4j.json"

    def socket_folder(self, owner: int | None = None) -> Path:
        """Return the folder for Unix sockets: `sock/` when its path is short enough, else a private one in the temporary folder.

        `owner` is the user id that the folder belongs to, the present user's when not given. Raises EmbeddedError when the
        one in the temporary folder belongs to somebody else or is open to others.
        """
        folder = self.socket_path
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except FileExistsError as error:
            raise EmbeddedError(f"{folder} is needed for sockets but is not a folder; remove it") from error
        facts = folder.lstat()
        trusted = {os.getuid(), os.getuid() if owner is None else owner}
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid not in trusted or stat.S_IMODE(facts.st_mode) & 0o077:
            raise EmbeddedError(
                f"{folder} is needed for sockets but belongs to another user or is open to others; remove it"
            )
        if owner is not None and facts.st_uid != owner:
            os.chown(folder, owner, -1)
        return folder

    def remove_temporary_sockets(self) -> None:
        """Remove the socket folder if it is the one in the temporary folder and nobody has a socket in it."""
        folder = self.socket_path
        if folder != self.sockets and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()

    @property
    def socket_path(self) -> Path:
        """Where the folder for Unix sockets is, whether it exists or not."""
        if len(os.fsencode(self.sockets)) + LONGEST_SOCKET_NAME_BYTES <= SOCKET_PATH_LIMIT_BYTES:
            return self.sockets
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"ig-{os.getuid()}-{digest}"


def write_private(path: Path, text: str) -> None:
    """Replace `path` by `text` at once, readable by the owner only: a reader or a crash sees the old or the new, never a part."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in `path`, `{}` when there is no such file.

    Raises EmbeddedError when the file holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise EmbeddedError(
            f"{path} cannot be read ({error}); restore it, or remove {path.parent} to begin anew"
        ) from error
    if not isinstance(value, dict):
        raise EmbeddedError(f"{path} does not hold a JSON object; restore it, or remove {path.parent} to begin anew")
    return value


def write_object(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON object to `path` as `write_private` does."""
    write_private(path, json.dumps(value, indent=2, sort_keys=True) + "\n")
