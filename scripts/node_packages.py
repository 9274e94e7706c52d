"""Packages of Node that tests need, as their lock file has them. Needs only the standard library."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from intelgraph.embedded.errors import EmbeddedError
from intelgraph.embedded.neo4j_jars import tools_home

INSTALL_S = 300
CLIENTS = Path(__file__).resolve().parent.parent / "tests" / "conformance" / "clients"
"""GraphQL clients of others, for the tests of the protocols."""


def missing() -> str:
    """Return why nothing can be installed here, or an empty text."""
    absent = [name for name in ("node", "npm") if shutil.which(name) is None]
    return (
        f"no {' and no '.join(absent)}: apt install nodejs npm | dnf install nodejs | brew install node"
        if absent
        else ""
    )


def install(folder: Path) -> Path:
    """Return a folder with the packages of `folder`'s lock file in it, installed there once and checked by their hashes.

    No package runs a script of its own. Raises EmbeddedError where Node is missing or npm refuses.
    """
    if why := missing():
        raise EmbeddedError(why)
    lock = folder / "package-lock.json"
    home = tools_home() / f"{folder.name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    home.mkdir(parents=True, exist_ok=True)
    handle = os.open(str(home), os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # workers of one run come at once: the second finds everything there
        done = home / "installed"
        if not done.exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(folder / name, home / name)
            _npm_ci(home)
            done.touch()
    finally:
        os.close(handle)
    return home


def _npm_ci(home: Path) -> None:
    command = ["npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        ended = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False, timeout=INSTALL_S)
    except subprocess.TimeoutExpired:
        raise EmbeddedError(f"npm did not install {home.name} within {INSTALL_S} s") from None
    if ended.returncode:
        raise EmbeddedError(f"npm cannot install {home.name}: {(ended.stderr or ended.stdout).strip()[-300:]}")
