"""Numbers, ages, sparklines, icons and policy as people and browsers meet them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.bus.types import Event
from apps.identity import events
from apps.portal import csp, figures, icons, sparklines, wording
from apps.portal.types import Meter, Tone

NOW = datetime(2026, 11, 21, 9, 30, 5, tzinfo=UTC)


def test_every_event_of_identity_has_words_and_an_icon_that_we_carry() -> None:
    kinds = [
        one for one in vars(events).values() if isinstance(one, type) and issubclass(one, Event) and one is not Event
    ]
    assert len(kinds) > 25
    for kind in kinds:
        words, icon = wording.EVENTS[kind.name]
        assert words and icons.body(icon), kind.name


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=2), "just now"),
        (timedelta(seconds=59), "59 s ago"),
        (timedelta(minutes=3, seconds=20), "3 min ago"),
        (timedelta(hours=23), "23 h ago"),
        (timedelta(days=29), "29 d ago"),
        (timedelta(days=70), "2 mo ago"),
        (timedelta(days=800), "2 y ago"),
        (timedelta(days=-2), "in 2 d"),
    ],
)
def test_age_in_one_unit(ago: timedelta, words: str) -> None:
    assert figures.age(NOW - ago, NOW) == words


def test_absolute_times_name_their_zone() -> None:
    assert figures.absolute(datetime.fromisoformat("2026-11-21T10:30:05+01:00")) == "2026-11-21 09:30:05 UTC"


@pytest.mark.parametrize(
    ("bytes_", "words"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (52_200_000, "52.2 MB"), (3e15, "3000.0 TB")]
)
def test_sizes(bytes_: float, words: str) -> None:
    assert figures.size(bytes_) == words


def test_counts_agree_with_their_word() -> None:
    assert figures.plural(1, "entity", "entities") == "1 entity"
    assert figures.plural(24_138, "entity", "entities") == "24,138 entities"
    assert figures.plural(0, "record") == "0 records"


@given(st.lists(st.floats(0, 1e9), min_size=2, max_size=60))
def test_sparklines_stay_in_their_box(points: list[float]) -> None:
    drawn = sparklines.draw(points)
    assert drawn is not None
    places = [pair.split() for pair in drawn.line[1:].split("L")]
    assert len(places) == len(points)
    assert all(0 <= float(x) <= sparklines.WIDTH and 0 <= float(y) <= sparklines.HEIGHT for x, y in places)


def test_too_few_samples_draw_nothing() -> None:
    assert sparklines.draw([3.0]) is None


def test_icons_are_hidden_unless_named() -> None:
    assert 'aria-hidden="true"' in icons.drawn("check")
    named = icons.drawn("check", 'a "quoted" <name>')
    assert 'role="img" aria-label="a &quot;quoted&quot; &lt;name&gt;"' in named and "aria-hidden" not in named


def test_an_unknown_icon_is_refused() -> None:
    with pytest.raises(LookupError, match="no icon 'unicorn'"):
        icons.body("unicorn")


@pytest.mark.parametrize(
    ("meter", "tone"),
    [
        (Meter("Live messages", 10, 100, "messages", "now"), Tone.ACCENT),
        (Meter("Live messages", 86, 100, "messages", "now"), Tone.WARN),
        (Meter("Live messages", 50, 100, "messages", "this month", 130), Tone.WARN),
        (Meter("Live messages", 100, 100, "messages", "now"), Tone.DANGER),
        (Meter("Live messages", 0, 0, "messages", "now"), Tone.DANGER),
    ],
)
def test_a_meter_warns_before_its_limit(meter: Meter, tone: Tone) -> None:
    assert meter.tone is tone
    assert 0 <= meter.percent <= 100 and (meter.forecast_percent or 0) <= 100


def test_the_policy_lets_nothing_inline_and_no_other_host() -> None:
    said = csp.policy("n0nce")
    assert "script-src 'nonce-n0nce'" in said and "default-src 'none'" in said
    assert "unsafe" not in said and "http" not in said and "*" not in said
