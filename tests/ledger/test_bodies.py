"""The bodies that are hashed: the short way writes what canonical encoding does."""

from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from apps.ledger import canonical
from apps.ledger.bodies import item_body
from apps.ledger.types import Item

WORDS = (
    st.sampled_from(["Person", "attack-pattern", "x.y:z_1", ""])
    | st.text(max_size=12).filter(lambda text: text.isascii())
    | st.just("ü")
)


@given(WORDS, WORDS, WORDS, st.integers(-5, 2**31), st.binary(min_size=32, max_size=32))
def test_an_items_body_is_its_canonical_json(ref: str, op: str, kind: str, version: int, commitment: bytes) -> None:
    item = Item(ref, uuid4(), op, version, kind, commitment)
    assert item_body(item) == canonical.encode(
        {"commitment": commitment.hex(), "id": str(item.ref_id), "kind": kind, "op": op, "ref": ref, "version": version}
    )
