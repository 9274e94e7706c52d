"""Types of fields in the REST contract, each with its bounds, so that clients and fuzzers know what to expect. Pure."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

MAX_INTEGER = 2**53 - 1
"""Largest integer that every JSON reader keeps exact (RFC 8259 section 6)."""
UUID_PATTERN = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
NAME_PATTERN = "^[a-z][a-z0-9-]{0,62}$"
TEXT_PATTERN = "^[^\\x00]*$"


def _text(limit: int, pattern: str = TEXT_PATTERN, **extra: Any) -> Any:
    return Field(max_length=limit, pattern=pattern, json_schema_extra=extra or None)


Uuid = Annotated[str, _text(36, UUID_PATTERN, format="uuid")]
Moment = Annotated[str, _text(40, "^[0-9T:.+Z-]+$", format="date-time")]
Word = Annotated[str, _text(100, "^[A-Za-z0-9_.:/-]*$")]
Name = Annotated[str, _text(63, NAME_PATTERN)]
Sha256 = Annotated[str, _text(64, "^[0-9a-f]{64}$")]
Hex = Annotated[str, _text(128, "^[0-9a-f]*$")]
Base64 = Annotated[str, _text(1_000, "^[A-Za-z0-9+/=]*$")]
Path = Annotated[str, _text(500, "^/[!-~]*$", format="uri-reference")]
Text = Annotated[str, _text(10_000)]
LongText = Annotated[str, _text(10_000_000)]
Cursor = Annotated[str, _text(200, "^[A-Za-z0-9._~-]+$")]
Count = Annotated[int, Field(ge=0, le=MAX_INTEGER, json_schema_extra={"format": "int64"})]
Share = Annotated[float, Field(ge=0, le=1, json_schema_extra={"format": "double"})]


class Model(BaseModel):
    """Base of the contract's objects: they have the members named and no others."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
