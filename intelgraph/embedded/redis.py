"""An embedded Redis 6.2: wake-ups, fan-out, cache and task queue, kept in an append-only file."""

import shutil
import signal
import socket
import time
from pathlib import Path

from intelgraph.embedded import ports, process, secrets
from intelgraph.embedded.addresses import redis_url
from intelgraph.embedded.errors import ServiceFailed
from intelgraph.embedded.layout import write_private
from intelgraph.embedded.programs import redis_server
from intelgraph.embedded.service import EmbeddedServer

APPEND_ONLY_FILE = "appendonly.aof"
DAMAGED = "Bad file format reading the append only file"
RETRIED = ("Address already in use",)
CONFIGURATION = """\
# Written at each start; change nothing here.
bind 127.0.0.1
port {port}
unixsocket {socket}
unixsocketperm 700
requirepass {password}
dir {folder}
daemonize no
supervised no
databases 16
tcp-keepalive 60
# Every write is in the operating system at once and on the disk within a second.
save ""
appendonly yes
appendfilename {file}
appendfsync everysec
aof-load-truncated yes
aof-use-rdb-preamble yes
# The queue must not lose tasks to make room for the cache.
maxmemory-policy noeviction
# A slow subscriber is cut off late: it reads the gap from PostgreSQL then, which costs more than memory here.
client-output-buffer-limit pubsub 256mb 64mb 60
"""


class EmbeddedRedis(EmbeddedServer):
    """Redis under `<var>/redis`, on a Unix socket and on a loopback port, with a password that is on no command line.

    `fsync=False` leaves writing to the operating system, for tests.
    """

    name = "redis"
    steps = (process.Step(signal.SIGTERM, 5.0), process.Step(signal.SIGKILL, 3.0))
    ready_within_s = 180.0  # a long append-only file is read first

    def __init__(self, var: Path, *, fsync: bool = True) -> None:
        super().__init__(var)
        self.fsync = fsync
        self.mended = ""  # says what was done to a damaged file, "" when there was none

    @property
    def folder(self) -> Path:
        """Redis's folder."""
        return self.layout.redis

    @property
    def socket(self) -> Path:
        """The Unix socket."""
        return self.layout.socket_folder() / "redis.sock"

    @property
    def append_only_file(self) -> Path:
        """The file that the contents are read from at the next start."""
        return self.folder / APPEND_ONLY_FILE

    def prepare(self) -> None:
        """End what a dead supervisor left and write the configuration. Raises AlreadyRunning."""
        self._take_folder()
        self._end_leftovers()
        self._write_configuration()

    def spawn(self) -> None:
        """Start the server."""
        self._spawn([redis_server(), self.folder / "redis.conf"], cwd=self.folder)

    def wait_ready(self) -> None:
        """Return when commands are answered; a file damaged in its middle is cut before the damage, a copy is kept."""
        for attempt in range(3):
            try:
                super().wait_ready()
                return
            except ServiceFailed:
                text = self.log_end(12)
                if self._stopping or self.running or attempt == 2:
                    raise
                if DAMAGED in text:
                    self._mend()
                elif any(sign in text for sign in RETRIED):
                    self._write_configuration()
                else:
                    raise
            self.spawn()

    def healthy(self) -> bool:
        """Return whether PING is answered now; false while the file is still being read."""
        password = secrets.load(self.layout).redis_password
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(3)
                connection.connect(str(self.socket))
                connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2:
                    part = connection.recv(1024)
                    if not part:
                        return False
                    answer += part
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"

    def configure(self) -> None:
        """Say what was done to a damaged file; the contents need nothing."""
        if self.mended:
            with self.log.open("a", encoding="utf-8") as log:
                log.write(self.mended + "\n")

    def url(self, database: int = 0) -> str:
        """Return the address over loopback, as redis-py, django-redis and Celery read it."""
        return redis_url(self.layout, database)

    def socket_url(self, database: int = 0) -> str:
        """Return the address over the Unix socket, as redis-py and django-redis read it."""
        return f"unix://:{secrets.load(self.layout).redis_password}@{self.socket}?db={database}"

    def _write_configuration(self) -> None:
        text = CONFIGURATION.format(
            port=ports.settle(self.layout.services, "redis"),
            socket=_quoted(self.socket),
            password=secrets.load(self.layout).redis_password,
            folder=_quoted(self.folder),
            file=APPEND_ONLY_FILE,
        )
        write_private(self.folder / "redis.conf", text if self.fsync else text.replace("everysec", "no"))

    def _end_leftovers(self) -> None:
        left = process.end_strangers(process.working_in(self.folder, "redis-server"), self.steps)
        if left:
            raise ServiceFailed(
                f"Redis processes of {self.folder} cannot be ended: {', '.join(str(item.pid) for item in left)}"
            )

    def _mend(self) -> None:
        """Cut the append-only file before its first unreadable entry, as `redis-check-aof --fix` does, and keep a copy of it."""
        kept = self.append_only_file.with_name(f"{APPEND_ONLY_FILE}.damaged-{time.time_ns()}")
        shutil.copy2(self.append_only_file, kept)
        # redis-server is also the checking program, under that name.
        checker = self.folder / "redis-check-aof"
        checker.unlink(missing_ok=True)
        checker.symlink_to(redis_server())
        try:
            status, _ = process.run([checker, "--fix", self.append_only_file], cwd=self.folder, text_in="y\n")
        finally:
            checker.unlink()
        if status != 0:
            # Nothing in it is the only copy of anything: PostgreSQL holds the truth, tasks are asked for again.
            self.append_only_file.unlink()
        outcome = "cut before the damage" if status == 0 else "beyond mending, Redis starts empty"
        self.mended = f"{APPEND_ONLY_FILE} was damaged: {outcome}; the old file is {kept}"


def _quoted(path: Path) -> str:
    """Return a path as an argument of redis.conf."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
