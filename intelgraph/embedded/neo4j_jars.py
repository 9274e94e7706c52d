"""Neo4j Community's jars: fetched once by Maven into a cache outside the clone."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from intelgraph.embedded import system_packages
from intelgraph.embedded.errors import EmbeddedError
from intelgraph.embedded.locks import held

POM = Path(__file__).with_name("neo4j_pom.xml")
OLDEST_JAVA = 17


def tools_home() -> Path:
    """Return the folder for fetched tools: IG_TOOLS_HOME, by default in the user's cache folder."""
    named = os.environ.get("IG_TOOLS_HOME")
    if named:
        return Path(named).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "intelgraph-tools"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "intelgraph-tools"


def java() -> str:
    """Return a Java of version 17 or later. Raises EmbeddedError that says what to install."""
    home = os.environ.get("JAVA_HOME")
    program = (
        str(Path(home) / "bin" / "java")
        if home and (Path(home) / "bin" / "java").exists()
        else system_packages.require(("java",), system_packages.JDK)
    )
    answered = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', answered)
    if version is None or int(version[1]) < OLDEST_JAVA:
        jdk = system_packages.JDK
        raise EmbeddedError(
            f"{program} is not Java {OLDEST_JAVA} or later; install one: apt install {jdk.apt} | dnf install {jdk.dnf} | brew install {jdk.brew}"
        )
    return program


def cached_jars() -> Path | None:
    """Return the folder of the jars when they have been fetched."""
    folder = _folder()
    return folder if folder.exists() else None


def fetch_jars() -> Path:
    """Return the folder of the jars, fetching them if need be (some 120 MB; Maven checks their sums).

    Raises EmbeddedError when Maven is missing or fails.
    """
    folder = _folder()
    if folder.exists():
        return folder
    maven = system_packages.require(("mvn",), system_packages.MAVEN)
    folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with held(folder.parent / ".neo4j.lock"):
        if folder.exists():  # another process fetched them while we waited
            return folder
        work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".neo4j-"))
        try:
            command = [
                maven,
                "-q",
                "-B",
                "-C",
                "-f",
                str(POM),
                "dependency:copy-dependencies",
                f"-DoutputDirectory={work / 'lib'}",
            ]
            done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
            if done.returncode != 0 or not any((work / "lib").glob("neo4j-server-*.jar")):
                errors = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
                raise EmbeddedError(f"Maven could not fetch Neo4j's jars: {errors[0] if errors else 'no reason given'}")
            (work / "lib").replace(folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return folder


def _folder() -> Path:
    """The pom's digest is in the name, so that a new version is fetched beside the old one."""
    return tools_home() / f"neo4j-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
