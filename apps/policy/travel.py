"""Whether somebody can have come from one country to another in a given time. No Django.

`places.json` holds, by country, its largest city and up to 47 more that lie farthest from each other (degrees north and east, to
a tenth), of GeoNames' cities with 15,000 people or more: https://www.geonames.org, CC BY 4.0. Distance is that of the
two cities that lie closest, so the doubt is in the traveller's favour but for a few kilometres.
"""

import json
from functools import lru_cache
from math import asin, cos, radians, sin, sqrt
from pathlib import Path

SAID = "travel"
"""What a signal says that asks for a second factor because of two places."""
EARTH_KM = 6371.0
FASTEST_KM_H = 1000.0
"""An airliner with the wind behind it."""
NEAR_KM = 500.0
"""So far apart places may be wrong: phones at a border, and addresses that a provider moves about."""


@lru_cache(maxsize=1)
def _places() -> dict[str, list[tuple[float, float]]]:
    table = json.loads(Path(__file__).with_name("places.json").read_text(encoding="utf-8"))
    return {country: [(radians(lat), radians(lon)) for lat, lon in cities] for country, cities in table.items()}


def _between(one: tuple[float, float], other: tuple[float, float]) -> float:
    half = sin((other[0] - one[0]) / 2) ** 2 + cos(one[0]) * cos(other[0]) * sin((other[1] - one[1]) / 2) ** 2
    return 2 * EARTH_KM * asin(min(1.0, sqrt(half)))


@lru_cache(maxsize=4096)
def distance_km(one: str, other: str) -> float | None:
    """Return how many kilometres two countries (ISO 3166-1 alpha-2) lie apart; None for a country without cities."""
    places = _places()
    if one == other:
        return 0.0
    if one not in places or other not in places:
        return None
    return min(_between(here, there) for here in places[one] for there in places[other])


def possible(one: str, other: str, seconds: float) -> bool:
    """Return whether a traveller can have come from `one` to `other` in so many seconds. What is unknown is possible."""
    apart = distance_km(one, other)
    if apart is None or apart <= NEAR_KM:
        return True
    return apart <= FASTEST_KM_H * max(0.0, seconds) / 3600
