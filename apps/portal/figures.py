"""Numbers, sizes and times in words that people read. Pure."""

from datetime import UTC, datetime

_SIZES = ("B", "kB", "MB", "GB", "TB")
_AGES = (
    (60, 1, "s"),
    (3600, 60, "min"),
    (86_400, 3600, "h"),
    (30 * 86_400, 86_400, "d"),
    (365 * 86_400, 30 * 86_400, "mo"),
)


def grouped(value: float) -> str:
    """Return the number with grouped thousands: `24,138`, `1,204.5`."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def size(size_bytes: float) -> str:
    """Return a size in decimal units with at most one decimal: `52.2 kB`."""
    value = float(size_bytes)
    for unit in _SIZES[:-1]:
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} {_SIZES[-1]}"


def age(moment: datetime, now: datetime) -> str:
    """Return how long ago `moment` was, in one unit: `just now`, `3 min ago`, `in 2 d`. Both are aware."""
    seconds = (now - moment).total_seconds()
    distance = abs(seconds)
    if distance < 5:
        return "just now"
    for below, divisor, unit in _AGES:
        if distance < below:
            words = f"{int(distance // divisor)} {unit}"
            break
    else:
        words = f"{int(distance // (365 * 86_400))} y"
    return f"{words} ago" if seconds > 0 else f"in {words}"


def absolute(moment: datetime) -> str:
    """Return the moment in UTC to the second, with its zone: `2026-11-21 09:30:05 UTC`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def plural(count: int, one: str, many: str = "") -> str:
    """Return the grouped count with the right word: `1 record`, `2 records`."""
    return f"{grouped(count)} {one if count == 1 else many or one + 's'}"
