"""An embedded Neo4j Community 5.26 for development and tests: Bolt on loopback, nothing else listens."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil
from neo4j import Driver, GraphDatabase
from neo4j.exceptions import AuthError, DriverError, Neo4jError

from intelgraph.embedded import neo4j_jars, ports, process, secrets
from intelgraph.embedded.errors import ServiceFailed
from intelgraph.embedded.layout import write_object, write_private
from intelgraph.embedded.service import EmbeddedServer

USER = "neo4j"
FIRST_PASSWORD = USER  # what every new Neo4j has; changed before anybody else learns the port
FOLDERS = ("data", "logs", "plugins", "import", "run", "conf")
OPENED_PACKAGES = ("java.nio", "java.io", "sun.nio.ch", "java.util.concurrent")
CONFIGURATION = """\
# Written at each start; change nothing here.
server.default_listen_address=127.0.0.1
server.bolt.enabled=true
server.bolt.listen_address=127.0.0.1:{port}
server.bolt.advertised_address=127.0.0.1:{port}
server.http.enabled=false
server.https.enabled=false
dbms.usage_report.enabled=false
server.memory.pagecache.size=128m
db.tx_log.rotation.retention_policy=keep_none
# The databases are closed before this wait, which has nothing left to wait for and would take 10 s.
internal.server.bolt.thread_pool_shutdown_wait_time=500ms
"""


class EmbeddedNeo4j(EmbeddedServer):
    """Neo4j under `<var>/neo4j`. Its address is in `<var>/neo4j.json` while it runs."""

    name = "neo4j"
    steps = (process.Step(signal.SIGTERM, 12.0), process.Step(signal.SIGKILL, 3.0))
    ready_within_s = 120.0

    def __init__(self, var: Path, *, heap_mb: int = 512) -> None:
        super().__init__(var)
        self.heap_mb = heap_mb

    @property
    def folder(self) -> Path:
        """Neo4j's home."""
        return self.layout.neo4j

    @property
    def log(self) -> Path:
        """Neo4j writes its log itself; standard output has what Java says before that."""
        return self.layout.logs / "neo4j.log"

    def prepare(self) -> None:
        """Fetch the jars if need be, end what was left, and write the configuration. Raises AlreadyRunning, EmbeddedError."""
        neo4j_jars.java()
        neo4j_jars.fetch_jars()
        self._take_folder()
        left = process.end_strangers(process.working_in(self.folder, "java"), self.steps)
        if left:
            raise ServiceFailed(
                f"Neo4j processes of {self.folder} cannot be ended: {', '.join(str(item.pid) for item in left)}"
            )
        self.layout.neo4j_address.unlink(missing_ok=True)
        for name in FOLDERS:
            (self.folder / name).mkdir(mode=0o700, exist_ok=True)
        port = ports.settle(self.layout.services, "neo4j")
        write_private(self.folder / "conf" / "neo4j.conf", CONFIGURATION.format(port=port))

    def spawn(self) -> None:
        """Start the server."""
        opened = [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in OPENED_PACKAGES]
        command = [
            neo4j_jars.java(),
            f"-Xmx{self.heap_mb}m",
            "-XX:+UseSerialGC",
            *opened,
            "-cp",
            f"{neo4j_jars.fetch_jars()}/*",
        ]
        command += [
            "org.neo4j.server.CommunityEntryPoint",
            f"--home-dir={self.folder}",
            f"--config-dir={self.folder / 'conf'}",
        ]
        self._spawn(list[str | os.PathLike[str]](command), cwd=self.folder)

    def healthy(self) -> bool:
        """Return whether a query is answered now; sets the password the first time."""
        if ports.is_free(ports.recorded(self.layout.services, "neo4j")):
            time.sleep(0.1)
            return False
        try:
            # A session's own `run` is tried once; execute_query would try again for half a minute.
            with (
                self._driver(secrets.load(self.layout).neo4j_password) as driver,
                driver.session(database="neo4j") as session,
            ):
                return session.run("RETURN 1").single() is not None
        except AuthError:
            return self._change_first_password()
        except (DriverError, Neo4jError, OSError):
            time.sleep(0.2)
            return False

    def configure(self) -> None:
        """Write the address where a running product looks for it."""
        if self.process is not None:
            facts = {
                "neo4j_url": self.url(),
                "pid": self.process.pid,
                "started": psutil.Process(self.process.pid).create_time(),
            }
            write_object(self.layout.neo4j_address, facts)

    def stop(self) -> None:
        """End the server and withdraw its address."""
        if self.process is not None:
            self.layout.neo4j_address.unlink(missing_ok=True)
        super().stop()

    def url(self) -> str:
        """Return the Bolt address with user and password."""
        return f"bolt://{USER}:{secrets.load(self.layout).neo4j_password}@127.0.0.1:{ports.recorded(self.layout.services, 'neo4j')}"

    def _driver(self, password: str) -> Driver:
        return GraphDatabase.driver(
            f"bolt://127.0.0.1:{ports.recorded(self.layout.services, 'neo4j')}",
            auth=(USER, password),
            connection_timeout=3,
        )

    def _change_first_password(self) -> bool:
        with (
            suppress(DriverError, Neo4jError),
            self._driver(FIRST_PASSWORD) as driver,
            driver.session(database="system") as session,
        ):
            session.run(
                "ALTER CURRENT USER SET PASSWORD FROM $old TO $new",
                old=FIRST_PASSWORD,
                new=secrets.load(self.layout).neo4j_password,
            ).consume()
            return True
        time.sleep(0.5)  # wrong passwords in a row lock the user out for seconds
        return False
