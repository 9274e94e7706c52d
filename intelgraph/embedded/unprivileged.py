"""As whom PostgreSQL runs when the present user is root, which it refuses to be."""

import os
import pwd
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from intelgraph.embedded.errors import EmbeddedError
from intelgraph.embedded.process import PRESENT_USER, Identity, run

NAMESPACE_UID = 1000
ACCOUNT = "intelgraph"


@cache
def namespace_works() -> bool:
    """Return whether this machine lets us make a user namespace."""
    if sys.platform != "linux":
        return False
    true = shutil.which("true") or "/bin/true"
    status, _ = run([true], cwd=Path("/"), identity=Identity(namespace_uid=NAMESPACE_UID), timeout_s=10.0)
    return status == 0


def identity() -> Identity:
    """Return the identity for programs that refuse root: the present user when that is not root.

    Root runs them in a user namespace of their own; where the machine refuses that, as the system account `intelgraph`,
    which is created when it is missing. Raises EmbeddedError when neither can be had.
    """
    if os.getuid() != 0:
        return PRESENT_USER
    if namespace_works():
        return Identity(namespace_uid=NAMESPACE_UID)
    return Identity(account=system_account())


def system_account() -> tuple[int, int]:
    """Return user and group id of the system account, creating it when it is missing.

    Raises EmbeddedError when it cannot be created.
    """
    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        tool = shutil.which("useradd")
        made = (
            tool is not None
            and subprocess.run(
                [
                    tool,
                    "--system",
                    "--user-group",
                    "--no-create-home",
                    "--shell",
                    shutil.which("false") or "/bin/false",
                    ACCOUNT,
                ],
                capture_output=True,
                check=False,
            ).returncode
            == 0
        )
        if not made:
            raise EmbeddedError(
                f"PostgreSQL refuses to run as root, user namespaces are off here and the account {ACCOUNT} cannot be created; run this as another user"
            ) from None
        entry = pwd.getpwnam(ACCOUNT)
    return entry.pw_uid, entry.pw_gid


def require_access(paths: list[Path], who: Identity) -> None:
    """Check that the system account reaches `paths`; folders are never opened for it silently.

    Raises EmbeddedError naming the first folder that keeps it out.
    """
    if who.account is None:
        return
    tool = shutil.which("test") or "/usr/bin/test"
    for path in paths:
        for folder in [*reversed(path.parents), path]:
            status, _ = run([tool, "-x", str(folder)], cwd=Path("/"), identity=who, timeout_s=10.0)
            if status != 0:
                raise EmbeddedError(
                    f"PostgreSQL runs as the account {ACCOUNT} because root may not and user namespaces are off here, "
                    f"but {folder} keeps it out; move the project to a folder that others may enter, or run this as another user"
                )
