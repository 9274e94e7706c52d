"""Starting, ending and finding operating-system processes."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

LAUNCHER = Path(__file__).with_name("launch.py")
# A process with this variable was started by the supervisor of the folder that it names.
MARK = "IG_SUPERVISED"
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Step:
    """One step of ending a process: send `signal`, then wait up to `wait_s`."""

    signal: signal.Signals
    wait_s: float


GENTLE = (Step(signal.SIGTERM, 8.0), Step(signal.SIGKILL, 3.0))


@dataclass(frozen=True, slots=True)
class Identity:
    """As whom a program runs: the present user, a user of a new namespace, or a system account (`uid, gid`)."""

    namespace_uid: int | None = None
    account: tuple[int, int] | None = None


PRESENT_USER = Identity()


def spawn(
    command: Sequence[str | os.PathLike[str]],
    *,
    cwd: Path,
    output: int | IO[bytes],
    environment: Mapping[str, str] | None = None,
    end_signal: signal.Signals = signal.SIGTERM,
    identity: Identity = PRESENT_USER,
    input_from: int = subprocess.DEVNULL,
) -> "subprocess.Popen[bytes]":
    """Start `command` in a process group of its own, so that Ctrl-C in a terminal reaches only who started it.

    The kernel sends it `end_signal` when the starting thread dies (Linux). Both output streams go to `output`.
    """
    options = ["--parent", str(os.getpid()), "--end-signal", str(int(end_signal))]
    if identity.namespace_uid is not None:
        options += ["--namespace", str(identity.namespace_uid)]
    if identity.account is not None:
        options += ["--account", f"{identity.account[0]}:{identity.account[1]}"]
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(LAUNCHER), *options, "--", *(os.fspath(part) for part in command)],
        cwd=cwd,
        env=None if environment is None else dict(environment),
        stdin=input_from,
        stdout=output,
        stderr=subprocess.STDOUT,
        process_group=0,
    )


def run(
    command: Sequence[str | os.PathLike[str]],
    *,
    cwd: Path,
    identity: Identity = PRESENT_USER,
    timeout_s: float = 120.0,
    text_in: str | None = None,
) -> tuple[int, str]:
    """Run a short command to its end and return its exit status and what it printed on both streams."""
    process = spawn(command, cwd=cwd, output=subprocess.PIPE, identity=identity, input_from=subprocess.PIPE)
    try:
        printed, _ = process.communicate((text_in or "").encode(), timeout=timeout_s)
    except BaseException:
        end(process, (Step(signal.SIGKILL, 5.0),))
        raise
    return process.returncode, printed.decode(errors="replace").strip()


def end(process: "subprocess.Popen[bytes]", steps: Iterable[Step] = GENTLE) -> None:
    """End a child by `steps`, whose last is taken for its whole process group, and collect its exit status."""
    steps = list(steps)
    for step in steps:
        if process.poll() is not None:
            break
        try:
            if step.signal == signal.SIGKILL:
                os.killpg(process.pid, step.signal)
            else:
                process.send_signal(step.signal)
            process.wait(step.wait_s)
        except (subprocess.TimeoutExpired, ProcessLookupError):
            continue
    if process.poll() is None:
        process.kill()
        process.wait()
    end_group(process.pid)


def end_group(group: int) -> None:
    """Kill what is left of a process group whose leader has ended."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # nothing is left, or the number already belongs to somebody else's group


def alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return those of `processes` that still run; a zombie has ended."""
    living = []
    for process in processes:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                living.append(process)
        except psutil.NoSuchProcess:
            continue
    return living


def end_strangers(processes: Iterable[psutil.Process], steps: Iterable[Step]) -> list[psutil.Process]:
    """End processes that are no children of this one, and return those that outlived every step."""
    left = alive(processes)
    for step in steps:
        for process in left:
            try:
                process.send_signal(step.signal)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        give_up = time.monotonic() + step.wait_s
        while left and time.monotonic() < give_up:
            time.sleep(0.02)
            left = alive(left)
        if not left:
            break
    return left


def working_in(folder: Path, program: str) -> list[psutil.Process]:
    """Return the running processes named `program` whose working folder is `folder`."""
    found = []
    try:
        wanted = folder.stat()
    except OSError:
        return []
    for process in psutil.process_iter():
        try:
            if process.name() == program and os.path.samestat(Path(process.cwd()).stat(), wanted):
                found.append(process)
        except (psutil.Error, OSError):
            continue  # it has ended, or belongs to somebody else
    return alive(found)


def marked(root: Path) -> list[psutil.Process]:
    """Return the processes that an earlier supervisor of `root` started and left behind, without this one and its parents."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid not in own and process.environ().get(MARK) == str(root):
                found.append(process)
        except (psutil.Error, OSError):
            continue  # it has ended, or belongs to somebody else
    return alive(found)


def adopt_orphans() -> None:
    """Make this process the parent of its descendants' orphans (Linux, prctl(2) PR_SET_CHILD_SUBREAPER), so that none escapes."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def collect_orphans(own: Iterable[int]) -> None:
    """Collect the exit status of adopted orphans that have ended; `own` are the children that others wait for."""
    mine = set(own)
    for child in psutil.Process().children():
        try:
            if child.pid not in mine and child.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(child.pid, os.WNOHANG)
        except (psutil.NoSuchProcess, ChildProcessError):
            continue
