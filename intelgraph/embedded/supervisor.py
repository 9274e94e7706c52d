"""Runs the whole product on one machine: servers, migrations, demo and processes, from one terminal.

Start: PostgreSQL and Redis side by side; migrations when there are any; web and relay; the rest when the web process
answers. Whatever dies is started again. The end, in order: what takes work in, what does the work, the servers.
"""

import asyncio
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import psutil

from intelgraph.embedded import addresses, demo_file, migrations, options, ports, process, readiness
from intelgraph.embedded.console import Console
from intelgraph.embedded.errors import EmbeddedError
from intelgraph.embedded.layout import Layout
from intelgraph.embedded.locks import FileLock
from intelgraph.embedded.postgres import EmbeddedPostgres
from intelgraph.embedded.redis import EmbeddedRedis
from intelgraph.embedded.specs import PROJECT, Plan, ProcessSpec, product
from intelgraph.embedded.units import ProcessUnit, ServerUnit, Unit

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LEFTOVER_STEPS = (process.Step(signal.SIGTERM, 3.0), process.Step(signal.SIGKILL, 3.0))
ONCE_STEPS = (process.Step(signal.SIGTERM, 2.0), process.Step(signal.SIGKILL, 1.0))
UPKEEP_EVERY_S = 2.0
NOT_INHERITED = ("PORT", "VAR", "DEMO", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")


class Supervisor:
    """One run of the product, from start to end."""

    def __init__(self, chosen: options.Options, console: Console, plan: Plan) -> None:
        self.options = chosen
        self.plan = plan
        self.layout = chosen.layout
        self.console = console
        self.base_url = os.environ.get("IG_BASE_URL") or f"http://127.0.0.1:{chosen.port}"
        self.began = time.monotonic()
        self.postgres = None if chosen.outside_database else EmbeddedPostgres(self.layout.root)
        self.redis = None if chosen.outside_redis else EmbeddedRedis(self.layout.root)
        self.servers = [ServerUnit(server) for server in (self.postgres, self.redis) if server is not None]
        self.processes = [ProcessUnit(spec, console, self.environment) for spec in plan.processes]
        self.once: list[ProcessUnit] = []
        self.stop_asked = asyncio.Event()
        self.failure: str | None = None
        self.child_ended = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []
        self.neo4j_url: str | None = None

    async def run(self) -> int:
        """Bring everything up, keep it up until a signal or a hopeless failure, end it; return the exit status."""
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup's wish stands
                loop.add_signal_handler(number, self.stop_asked.set)
        loop.add_signal_handler(signal.SIGCHLD, self._wake)
        try:
            self._background(self.bring_up())
            await self.stop_asked.wait()
        finally:
            await self.shut_down()
        if self.failure:
            self.console.say(self.failure)
        return 1 if self.failure else 0

    async def bring_up(self) -> None:
        """Start everything in order and report when it is of use."""
        await asyncio.gather(*(unit.start() for unit in self.servers))
        for server in self.servers:
            self._background(self.keep(server))
        if self.redis is not None and self.redis.mended:
            self.console.say(self.redis.mended)
        self.neo4j_url = addresses.neo4j_url(self.layout)
        self.console.say(f"servers are up ({self._elapsed()})")
        await self.migrate()
        demo = demo_file.refresh(self.layout, self._addresses())
        for unit in self.processes:
            if not unit.spec.after_web:
                await self.launch(unit)
        self._background(self.launch_after_web())
        if self.options.demo and not demo:
            await self.run_once("demo", self.plan.load_demo)
            demo = demo_file.refresh(self.layout, self._addresses())
        await readiness.wait_until(f"http://127.0.0.1:{self.options.port}/readyz", readiness.is_ready)
        for text in (
            f"ready after {self._elapsed()}: {self.base_url}",
            *demo_file.sign_ins(demo),
            "Ctrl-C stops everything",
        ):
            self.console.say(text)
        self._background(self.upkeep())

    async def migrate(self) -> None:
        """Apply migrations, unless the last start applied these very ones to this very database."""
        owner = self.environment()["DATABASE_OWNER_URL"]
        if await asyncio.to_thread(migrations.are_applied, self.layout, PROJECT, owner):
            return
        await self.run_once("migrate", self.plan.migrate)
        await asyncio.to_thread(migrations.record, self.layout, PROJECT, owner)

    async def launch_after_web(self) -> None:
        """Start the remaining processes when the web process answers, or does not for long."""
        await readiness.wait_until(f"http://127.0.0.1:{self.options.port}/healthz", readiness.answers, limit_s=20.0)
        for unit in self.processes:
            if unit.spec.after_web:
                await self.launch(unit)

    async def launch(self, unit: Unit) -> None:
        """Start a unit and see to it that it stays."""
        await unit.start()
        self._background(self.keep(unit))

    async def keep(self, unit: Unit) -> None:
        """Start a unit again whenever its process ends."""
        while True:
            status = await self.exit_status(unit)
            if unit.expected:
                await unit.start()
                continue
            delay_s = unit.patience.after(unit.lived_s())
            if unit.patience.hopeless:
                raise EmbeddedError(
                    f"{unit.name} ended {unit.patience.failures} times at its start; the lines above say why"
                )
            self.console.say(f"{unit.name} ended ({describe(status)}); starting it again in {delay_s:.1f} s")
            await asyncio.sleep(delay_s)
            try:
                await unit.start()
            except EmbeddedError as error:
                self.console.say(str(error))

    async def run_once(self, name: str, command: tuple[str, ...]) -> None:
        """Run a command to its end. Raises EmbeddedError when it fails."""
        unit = ProcessUnit(ProcessSpec(name, command, ONCE_STEPS), self.console, self.environment)
        self.once.append(unit)
        began = time.monotonic()
        await unit.start()
        status = await self.exit_status(unit)
        if status != 0:
            raise EmbeddedError(f"{name} failed ({describe(status)}); the lines above say why")
        self.console.say(f"{name} done ({time.monotonic() - began:.1f} s)")

    async def exit_status(self, unit: Unit) -> int:
        """Wait for the end of a unit's process and return its exit status."""
        while True:
            child_ended = self.child_ended
            status = 0 if unit.process is None else unit.process.poll()
            if status is not None:
                return status
            try:
                await asyncio.wait_for(child_ended.wait(), timeout=1.0)
            except TimeoutError:
                continue

    async def upkeep(self) -> None:
        """Collect adopted orphans, and restart the processes when a Neo4j has come or gone."""
        while True:
            await asyncio.sleep(UPKEEP_EVERY_S)
            process.collect_orphans(unit.process.pid for unit in self._units() if unit.process is not None)
            url = addresses.neo4j_url(self.layout)
            if url != self.neo4j_url:
                self.neo4j_url = url
                demo_file.refresh(self.layout, self._addresses())
                self.console.say(
                    "Neo4j has come up; restarting the processes with it"
                    if url
                    else "Neo4j is gone; restarting the processes without it"
                )
                for unit in self.processes:
                    unit.expected = True
                    await asyncio.to_thread(unit.end)

    async def shut_down(self) -> None:
        """End everything, in order, and make sure that nothing is left."""
        self.console.say("stopping")
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self._end_all(self.once)
        for stage in sorted({unit.spec.stage for unit in self.processes}):
            await self._end_all([unit for unit in self.processes if unit.spec.stage == stage])
        await self._end_all(self.servers)
        left = psutil.Process().children(recursive=True)
        if left:
            await asyncio.to_thread(process.end_strangers, left, LEFTOVER_STEPS)
            process.collect_orphans(())
        self.console.say("stopped")

    def environment(self) -> dict[str, str]:
        """Return the environment of the product's processes."""
        settings = {
            "IG_BASE_URL": self.base_url,
            "DJANGO_SETTINGS_MODULE": "intelgraph.settings",
            "PYTHONUNBUFFERED": "1",
        }
        if self.console.watched:
            settings["IG_LOG_FORMAT"] = "console"  # for eyes; files get JSON
        own = addresses.environment(self.layout, postgres=self.postgres is not None, redis=self.redis is not None)
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in NOT_INHERITED and (value or name not in own)
        }
        # What people set themselves wins, except for what says which copy this is.
        fixed = {"IG_MODE": "embedded", "IG_VAR": str(self.layout.root), process.MARK: str(self.layout.root)}
        return settings | own | inherited | fixed

    def _addresses(self) -> dict[str, str | None]:
        found = self.environment()
        if self.postgres is not None:
            urls = self.postgres.urls(tcp=True)
            found |= {"DATABASE_URL": urls.app, "DATABASE_OWNER_URL": urls.owner}
        return {
            "base_url": self.base_url,
            "database_url": found["DATABASE_URL"],
            "database_owner_url": found["DATABASE_OWNER_URL"],
            "redis_url": found["REDIS_URL"],
            "neo4j_url": found.get("NEO4J_URL"),
        }

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` beside the rest; if it fails, everything ends with its message."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._note_failure)
        self.tasks.append(task)

    def _note_failure(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        if not isinstance(error, EmbeddedError):
            self.console.raw("".join(traceback.format_exception(error)))
        self.failure = self.failure or str(error) or type(error).__name__
        self.stop_asked.set()

    async def _end_all(self, units: Sequence[Unit]) -> None:
        await asyncio.gather(*(asyncio.to_thread(unit.end) for unit in units))

    def _units(self) -> list[Unit]:
        return [*self.servers, *self.processes, *self.once]

    def _wake(self) -> None:
        """Let everybody who waits for the end of a process look again."""
        self.child_ended.set()
        self.child_ended = asyncio.Event()

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self.began:.1f} s"


def describe(status: int) -> str:
    """Return an exit status in words."""
    return f"exit {status}" if status >= 0 else signal.Signals(-status).name


def prepare(chosen: options.Options, lock: FileLock) -> None:
    """Take the folder for this run and end what an earlier run left in it.

    Raises EmbeddedError when the folder or the port is in use.
    """
    lock.acquire(what=f"IntelGraph in {chosen.layout.root}", wait_s=1.0)
    left = process.end_strangers(process.marked(chosen.layout.root), LEFTOVER_STEPS)
    if left:
        raise EmbeddedError(f"processes of an earlier run cannot be ended: {', '.join(str(item.pid) for item in left)}")
    if not ports.is_free(chosen.port):
        raise EmbeddedError(
            f"port {chosen.port} is taken by another program; stop it, or choose another: make run PORT={ports.free_port()}"
        )
    ports.reserve(chosen.layout.services, "web", chosen.port)
    process.adopt_orphans()


def main(arguments: Sequence[str] | None = None, *, plan: Callable[[Layout, int], Plan] = product) -> int:
    """Run the product until it is told to stop. Returns 0 then, 1 after a failure, 2 when it could not begin.

    `plan` gives what is run for a folder and a port.
    """
    lock: FileLock | None = None
    try:
        chosen = options.read(sys.argv[1:] if arguments is None else arguments, os.environ)
        chosen.layout.create()
        lock = FileLock(chosen.layout.lock)
        prepare(chosen, lock)
    except EmbeddedError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        return asyncio.run(_run(chosen, plan(chosen.layout, chosen.port)))
    finally:
        lock.release()


async def _run(chosen: options.Options, plan: Plan) -> int:
    return await Supervisor(chosen, Console(), plan).run()
