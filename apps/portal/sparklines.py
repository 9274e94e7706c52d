"""The geometry of a sparkline. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 100.0
HEIGHT = 24.0


@dataclass(frozen=True, slots=True)
class Spark:
    """SVG path data in a box of 100 by 24: the line, and the area under it."""

    line: str
    area: str


def draw(points: Sequence[float]) -> Spark | None:
    """Return the paths for equally spaced samples, from zero at the bottom; None for fewer than two samples."""
    if len(points) < 2:
        return None
    top = max(max(points), 1e-9)
    step = WIDTH / (len(points) - 1)
    places = [(i * step, HEIGHT - (HEIGHT - 2) * max(0.0, point) / top - 1) for i, point in enumerate(points)]
    line = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    return Spark(line=line, area=f"{line}L{WIDTH:.0f} {HEIGHT:.0f}L0 {HEIGHT:.0f}Z")
