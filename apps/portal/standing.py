"""The admin's front page: how the platform stands, in figures that are read when somebody looks."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from apps.bus import selectors as bus
from apps.core.clock import utc_now
from apps.core.transactions import oldest_transaction
from apps.identity import selectors as people
from apps.ledger import selectors as ledger
from apps.portal.figures import grouped
from apps.portal.selectors import open_proposals
from apps.portal.types import Badge, Stat, Tone
from apps.tenants import selectors as tenants

WAITING_WARN_S = 5.0
TRANSACTION_WARN_S = 30.0
LAG_WARN = 1_000
NOW = "now"
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a subscriber is behind."""

    subscriber: str
    behind: int
    moved_at: object
    badge: Badge


@dataclass(frozen=True, slots=True)
class Standing:
    """What the front page shows: figures, tenants by status, subscribers, and troubles with where to look into them."""

    stats: tuple[Stat, ...]
    tenants: tuple[tuple[str, int], ...]
    lags: tuple[Lag, ...]
    troubles: tuple[tuple[str, str], ...]


def _seconds(value: float) -> str:
    return f"{value:.1f}" if value < 100 else grouped(round(value))


def _badge(behind: int, moved_at: object) -> Badge:
    if moved_at is None:
        return Badge("never ran", Tone.WARN, "circle-dashed")
    if behind > LAG_WARN:
        return Badge("behind", Tone.WARN, "triangle-alert")
    return Badge("in step", Tone.OK, "circle-check") if behind == 0 else Badge("catching up", Tone.INFO, "refresh-cw")


def now(address: Callable[[str], str]) -> Standing:
    """Return how the platform stands (system scope). `address` turns `app.model` into the address of its list."""
    sequencer = ledger.sequencer_state()
    waiting = ledger.backlog()
    oldest = oldest_transaction()
    parked = bus.parked_count()
    lags = tuple(Lag(name, behind, moved, _badge(behind, moved)) for name, behind, moved in bus.lags())
    by_status = tenants.count_by_status()
    leads = sequencer.leader_pid is not None
    parked_list = address("bus.parked")
    parked_href = f"{parked_list}?state=parked" if parked_list else ""
    troubles = []
    if not leads:
        text = "No sequencer leads: records are kept, but get no number and reach no subscriber. Start a relay."
        troubles.append((text, address("ledger.sequencer")))
    if waiting.oldest_s > WAITING_WARN_S:
        text = f"The oldest record has waited {_seconds(waiting.oldest_s)} s for its number."
        troubles.append((text, address("ledger.sequencer")))
    if parked:
        text = f"{grouped(parked)} parked {'event waits' if parked == 1 else 'events wait'} for a decision."
        troubles.append((text, parked_href))
    proposals = open_proposals(utc_now())
    if proposals:
        text = f"{grouped(proposals)} {'proposal waits' if proposals == 1 else 'proposals wait'} for a second person."
        troubles.append((text, f"{address('portal.proposal')}?state=open" if address("portal.proposal") else ""))
    if oldest.age_s > TRANSACTION_WARN_S:
        text = f"A transaction has been open for {_seconds(oldest.age_s)} s; vacuum cannot pass it."
        troubles.append((text, ""))
    stats = (
        Stat(
            "Sequencer",
            "leads" if leads else "nobody leads",
            window=NOW,
            icon="shield-check" if leads else "shield-alert",
            note=f"session {sequencer.leader_pid}" if leads else "a relay must run",
            href=address("ledger.sequencer"),
        ),
        Stat(
            "Records numbered",
            grouped(sequencer.position),
            "records",
            "since the start",
            "all tenants",
            icon="scroll-text",
            href=address("ledger.record"),
        ),
        Stat(
            "Records waiting",
            grouped(waiting.count),
            "records",
            NOW,
            f"oldest {_seconds(waiting.oldest_s)} s",
            icon="clock",
            href=address("ledger.record"),
        ),
        Stat(
            "Furthest behind",
            grouped(max((lag.behind for lag in lags), default=0)),
            "events",
            NOW,
            "of all subscribers",
            icon="radio",
            href=address("bus.cursor"),
        ),
        Stat(
            "Parked events",
            grouped(parked),
            "events",
            NOW,
            "to replay or drop",
            icon="inbox",
            href=parked_href,
        ),
        Stat(
            "Open proposals",
            grouped(proposals),
            "proposal" if proposals == 1 else "proposals",
            NOW,
            "for a second person",
            icon="send",
            href=address("portal.proposal"),
        ),
        Stat("Sessions", grouped(people.sessions_open()), "sessions", NOW, "signed in, not ended", icon="monitor"),
        Stat(
            "Sign-ins refused",
            grouped(people.refusals_since(utc_now() - DAY)),
            "attempts",
            "last 24 hours",
            "wrong or locked",
            icon="ban",
        ),
        Stat(
            "Oldest transaction",
            _seconds(oldest.age_s),
            "s",
            NOW,
            "all sessions" if oldest.of_all else "our own sessions only: grant pg_read_all_stats",
            icon="database",
        ),
    )
    return Standing(stats, tuple(by_status.items()), lags, tuple(troubles))
