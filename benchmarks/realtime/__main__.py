"""What a pushed update costs the server: `python -m benchmarks.realtime --json`.

Our web process with all stages, metrics and logs on, and the seed's own design (graphql-ws, ws, ioredis) as it stands
(`literal`: a Redis connection per subscriber) and repaired (`shared`: one per process), in turn on the same Redis, with the
same client, 300-byte frames and pace; the server has a core for itself, but from end to end. Needs a C compiler; without Node
there are no peers and no ratios.

- `us`: the server process's CPU per delivery, 200 subscribers of one asset, 1,000 updates/s; medians over the rounds.
  `cpu_vs_seed`, `cpu_vs_seed_shared`: the peer's divided by ours. `p95_ms`, `loss`: of ours in these runs.
- `p95_ms_1000`, `loss_1000`, `us_1000`: the same with 1,000 subscribers.
- `saturation`: the most deliveries/s of a ladder of runs that kept p95 at 250 ms with nothing lost;
  `saturation_vs_seed_shared`: ours divided by the repaired design's.
- `spread_us`: 100 topics with a subscriber each, 1,000 updates/s together; `spread_vs_seed_shared`: the peer's divided by it.
- `dead_p95_of_without`: p95 of 30 readers beside 10 clients that never read, with frames of 2 kB, divided by that without
  them; `dead_kb_each`: memory that each of these took; `dead_closed`: the share of them that were closed with a code.
- `end_to_end_p95_ms`: from the commit of `upsert_entities`, 1,000 changes/s, to 200 clients of two web processes, by way
  of sequencer and relay. `idle_kb`: memory of each of 5,000 connections that have introduced themselves and wait.
"""

import argparse
import os
import resource
import tempfile
from pathlib import Path
from typing import Any

import redis

from benchmarks import harness
from benchmarks.load import compiled
from benchmarks.realtime import contenders
from benchmarks.realtime.contenders import Contender
from benchmarks.realtime.journey import end_to_end, neighbour
from benchmarks.realtime.runs import (
    LADDERS,
    RATE,
    SUBSCRIBERS,
    Bench,
    Load,
    beside_the_dead,
    idle_kb,
    middle,
    pushed,
    saturation,
    spread,
)
from benchmarks.servers import keep_to, node_home, running

PARTS = ("push", "spread", "dead", "idle", "end", "neighbour")
SEEDS = {"literal": "seed", "shared": "seed_shared"}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.realtime")
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: JSON is all it prints")
    parser.add_argument("--events", type=int, default=3_000, help="updates of a run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; may be given more than once")
    return parser.parse_args()


class Report:
    """What has been measured so far."""

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}
        self.ratios: dict[str, float] = {}
        self.peers: dict[str, Any] = {}


def _pushes(bench: Bench, all_: list[Contender], given: argparse.Namespace, into: Report) -> None:
    """Measure a hot topic: ours and, where Node is, the peers, in turn."""
    ours = all_[0]
    found: dict[str, list[dict[str, float]]] = {each.server.name: [] for each in all_}
    wide: list[dict[str, float]] = []
    most: dict[str, float] = {}
    for turn in range(given.rounds):
        for each in all_:
            with running(each.server, bench.server_core) as process:
                pushed(bench, each, process, Load(20, 500))  # warm
                found[each.server.name].append(pushed(bench, each, process, Load(SUBSCRIBERS, given.events)))
                if each is ours:
                    wide.append(pushed(bench, each, process, Load(1_000, given.events)))
                if turn == 0 and each.server.name in LADDERS:
                    most[each.server.name] = saturation(bench, each, process)
    medians = {name: middle(runs) for name, runs in found.items()}
    mine, widely = medians.pop("intelgraph"), middle(wide)
    into.figures |= {key: mine[key] for key in ("us", "p50_ms", "p95_ms", "loss")}
    into.figures |= {f"{key}_1000": widely[key] for key in ("us", "p95_ms", "loss")}
    into.figures["saturation"] = most["intelgraph"]
    for design, figures in medians.items():
        name = SEEDS[design]
        into.ratios[f"cpu_vs_{name}"] = figures["us"] / mine["us"]
        into.peers[name] = {key: round(value, 2) for key, value in figures.items()}
    if "shared" in most:
        into.peers["seed_shared"]["saturation"] = most["shared"]
        into.ratios["saturation_vs_seed_shared"] = most["intelgraph"] / max(most["shared"], float(RATE))


def _spread(bench: Bench, all_: list[Contender], given: argparse.Namespace, into: Report) -> None:
    """Measure many topics with one subscriber each."""
    found = spread(bench, [each for each in all_ if each.server.name != "literal"], given.rounds, given.events)
    mine = found["intelgraph"]
    into.figures |= {f"spread_{key}": mine[key] for key in ("us", "p95_ms", "loss")}
    if "shared" in found:
        into.ratios["spread_vs_seed_shared"] = found["shared"]["us"] / mine["us"]


def main() -> int:
    """Measure and print. Exits 1 only when it could not measure."""
    given = _arguments()
    parts = given.only or PARTS
    load = harness.foreign_load()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 20_000), most))
    into = Report()
    cores = os.sched_getaffinity(0)
    of_servers = {min(cores)} if len(cores) > 1 else None
    keep_to(cores - (of_servers or set()))
    with harness.services(), tempfile.TemporaryDirectory(prefix="ig-bench-") as folder:
        import django

        django.setup()
        client = redis.Redis.from_url(os.environ["REDIS_URL"])
        # A peer that lags is not to be cut off by Redis: its backlog is part of what is measured.
        client.config_set("client-output-buffer-limit", "pubsub 512mb 512mb 600")
        bench, party = Bench(client, compiled(Path(folder)), of_servers), contenders.make_party("bench")
        ours, home = contenders.ours(party), node_home()
        all_ = [ours] + ([contenders.peer(design, home) for design in SEEDS] if home else [])
        if "push" in parts:
            _pushes(bench, all_, given, into)
        if "spread" in parts:
            _spread(bench, all_, given, into)
        if "dead" in parts:
            into.figures |= beside_the_dead(bench, ours)
        if "idle" in parts:
            with running(ours.server, bench.server_core) as process:
                pushed(bench, ours, process, Load(20, 200))  # warm
                into.figures["idle_kb"] = idle_kb(bench, ours.target, process)
        keep_to(cores)
        if "end" in parts:
            into.figures |= end_to_end(bench.program, party)
        if "neighbour" in parts:
            into.figures |= neighbour(bench.program, contenders.make_party("loud", RATE / 10), party)
    harness.report("realtime", into.figures, into.ratios, into.peers, load)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
