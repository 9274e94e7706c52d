"""Media types of GraphQL over HTTP: what a client may send and which form of answer it gets.

Source: GraphQL over HTTP, working draft, sections "Media Types" and "Accept"; RFC 9110 sections 8.3 and 12.5.1.
Pure: no Django.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class MediaType(StrEnum):
    """The two forms in which an answer can be given."""

    JSON = "application/json"
    GRAPHQL = "application/graphql-response+json"

    @property
    def header(self) -> str:
        """The value of the answer's Content-Type."""
        return f"{self.value}; charset=utf-8"


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One element of an Accept header: a range such as `application/*`, its weight, and its charset if given."""

    name: str
    weight: float
    charset: str | None


def split_parameters(element: str) -> tuple[str, dict[str, str]]:
    """Return a media type's name in lower case and its parameters, values unquoted."""
    name, *rest = element.split(";")
    parameters: dict[str, str] = {}
    for part in rest:
        key, _, value = part.partition("=")
        parameters[key.strip().lower()] = value.strip().strip('"')
    return name.strip().lower(), parameters


def parse_accept(header: str) -> list[MediaRange]:
    """Return the ranges of an Accept header in their order. An unreadable weight counts as 0: never as a wish."""
    ranges = []
    for element in header.split(","):
        name, parameters = split_parameters(element)
        if not name:
            continue
        try:
            weight = float(parameters.get("q", "1"))
        except ValueError:
            weight = 0.0
        ranges.append(MediaRange(name, weight if 0.0 <= weight <= 1.0 else 0.0, parameters.get("charset")))
    return ranges


def _weight(ranges: list[MediaRange], media_type: MediaType) -> tuple[float, int]:
    """Return (weight, how exactly it was named: 2 by name, 1 or 0 by wildcard) that the ranges give a media type."""
    best = (0.0, -1)
    for exactness, name in ((2, media_type.value), (1, "application/*"), (0, "*/*")):
        found = [r.weight for r in ranges if r.name == name and (r.charset or "utf-8").lower() in {"utf-8", "utf8"}]
        if found:
            # The most specific range that names the type decides (RFC 9110 section 12.5.1).
            return max(found), exactness
    return best


@lru_cache(maxsize=256)
def choose(accept: str | None) -> MediaType | None:
    """Return the form of the answer for an Accept header, or None when nothing that we speak is acceptable (406).

    Without a header, and for wildcards, it is `application/json`: a client that has not named
    `application/graphql-response+json` may be an older one that reads status codes in the older way.
    """
    if accept is None or not accept.strip():
        return MediaType.JSON
    ranges = parse_accept(accept)
    json_weight, _ = _weight(ranges, MediaType.JSON)
    graphql_weight, graphql_exactness = _weight(ranges, MediaType.GRAPHQL)
    if json_weight <= 0 and graphql_weight <= 0:
        return None
    if graphql_exactness == 2 and graphql_weight > 0:
        # Named: it wins unless the client weighs JSON above it.
        return MediaType.GRAPHQL if graphql_weight >= json_weight else MediaType.JSON
    if json_weight > 0:
        return MediaType.JSON
    return MediaType.GRAPHQL


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not read: the status to answer with, and the reason in words."""

    status: int
    message: str


@lru_cache(maxsize=256)
def check_content(content_type: str | None, content_encoding: str | None) -> Refusal | None:
    """Return why a body of this type and encoding is refused (415), or None when it is JSON in UTF-8."""
    if content_encoding and content_encoding.strip().lower() != "identity":
        return Refusal(415, f"Content-Encoding {content_encoding!r} is not read here; send the body uncompressed")
    if not content_type:
        return Refusal(415, "Content-Type is missing; send application/json")
    name, parameters = split_parameters(content_type)
    if name != MediaType.JSON.value:
        return Refusal(415, f"Content-Type {name!r} is not read here; send application/json")
    charset = parameters.get("charset", "utf-8").lower()
    if charset not in {"utf-8", "utf8"}:
        return Refusal(415, f"charset {charset!r} is not read here; send UTF-8")
    return None
