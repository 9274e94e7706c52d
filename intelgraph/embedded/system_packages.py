"""Programs that come from the system's package manager: found, installed where we may, otherwise named."""

import os
import shutil
import subprocess
from dataclasses import dataclass

from intelgraph.embedded.errors import EmbeddedError


@dataclass(frozen=True, slots=True)
class Package:
    """What a missing program is called by apt, dnf and Homebrew."""

    apt: str
    dnf: str
    brew: str


JDK = Package(apt="openjdk-17-jre-headless", dnf="java-17-openjdk-headless", brew="openjdk@17")
MAVEN = Package(apt="maven", dnf="maven", brew="maven")
CHROMIUM = Package(apt="chromium", dnf="chromium", brew="--cask chromium")


def require(programs: tuple[str, ...], package: Package) -> str:
    """Return the path of the first of `programs` that is installed, installing `package` by apt-get when we are root.

    Raises EmbeddedError that says in one line what to install.
    """
    found = _first(programs)
    if found is None and os.getuid() == 0 and shutil.which("apt-get"):
        _apt_install(package.apt)
        found = _first(programs)
    if found is None:
        raise EmbeddedError(
            f"{programs[0]} is missing; install it: apt install {package.apt} | dnf install {package.dnf} | brew install {package.brew}"
        )
    return found


def _first(programs: tuple[str, ...]) -> str | None:
    return next((path for path in map(shutil.which, programs) if path), None)


def _apt_install(name: str) -> None:
    """Install one package; the lists are brought up to date only when the first try fails, since that takes longest."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", name]
    if (
        subprocess.run(
            install, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        ).returncode
        == 0
    ):
        return
    subprocess.run(["apt-get", "update", "-q"], env=environment, stdout=subprocess.DEVNULL, check=False)
    subprocess.run(install, env=environment, stdout=subprocess.DEVNULL, check=False)
