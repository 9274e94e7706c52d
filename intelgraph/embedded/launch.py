"""Prepare this process, then become the given command. Runs alone: `python -I -S launch.py [OPTIONS] -- COMMAND...`

--parent PID       end at once if the parent is no longer PID
--end-signal N     have the kernel send signal N when the parent dies (Linux, prctl(2) PR_SET_PDEATHSIG)
--namespace UID    become user UID of a new user namespace that maps it to the present user (user_namespaces(7)): for
                   programs that refuse to run as root, without a system account and without a change of any file's owner
--account UID:GID  become this system account

Exits with 96 when the namespace is refused, 97 when the command cannot be run.
"""

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
NAMESPACE_REFUSED, NOT_RUN = 96, 97


def enter_namespace(uid: int) -> None:
    """Map user and group `uid` of a new user namespace to the present ones."""
    outer_uid, outer_gid = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    for name, line in (("setgroups", "deny"), ("uid_map", f"{uid} {outer_uid} 1"), ("gid_map", f"{uid} {outer_gid} 1")):
        Path(f"/proc/self/{name}").write_text(line, encoding="ascii")


def main(arguments: list[str]) -> int:
    """Do what the options say, in an order in which none undoes another; returns only on failure."""
    cut = arguments.index("--")
    options = dict(zip(arguments[:cut:2], arguments[1:cut:2], strict=True))
    command = arguments[cut + 1 :]
    if "--account" in options:
        uid, gid = (int(part) for part in options["--account"].split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if "--namespace" in options:
        try:
            enter_namespace(int(options["--namespace"]))
        except (OSError, AttributeError) as error:
            sys.stderr.write(f"user namespace refused: {error}\n")
            return NAMESPACE_REFUSED
    # Last: a change of credentials clears the signal (prctl(2)).
    if "--end-signal" in options and sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(options["--end-signal"]), 0, 0, 0)
    if "--parent" in options and os.getppid() != int(options["--parent"]):
        return 0
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror}\n")
    return NOT_RUN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
