"""Trees and proofs of RFC 9162, against published vectors, a literal reading of the text, and a second program."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.ledger import merkle, proofs, verifier

# Leaves and roots published with the reference implementation of certificate transparency (same tree as RFC 9162).
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
VECTOR = [merkle.leaf_hash(bytes.fromhex(text)) for text in INPUTS]
SIZES = st.integers(1, 300)


def leaves_of(size: int) -> list[bytes]:
    return [merkle.leaf_hash(str(n).encode()) for n in range(size)]


def rfc_root(leaves: list[bytes]) -> bytes:
    """MTH as RFC 9162 section 2.1.1 words it, by recursion."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return merkle.node_hash(rfc_root(leaves[:k]), rfc_root(leaves[k:]))


def subtrees(leaves: list[bytes]) -> proofs.Subtrees:
    return proofs.Subtrees(lambda first, last: leaves[first - 1 : last])


def test_published_roots() -> None:
    assert merkle.root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert [merkle.root(VECTOR[: n + 1]).hex() for n in range(8)] == ROOTS


def test_published_paths() -> None:
    tree = subtrees(VECTOR)
    assert [step.hex()[:8] for step in proofs.inclusion_path(tree, 0, 8)] == ["96a296d2", "5f083f0a", "6b47aaf2"]
    assert [step.hex()[:8] for step in proofs.inclusion_path(tree, 5, 8)] == ["bc1a0643", "ca854ea1", "d37ee418"]
    assert proofs.inclusion_path(tree, 2, 3) == [merkle.root(VECTOR[:2])]
    assert [step.hex()[:8] for step in proofs.consistency_path(tree, 6, 8)] == ["0ebc5d34", "ca854ea1", "d37ee418"]


@given(st.integers(0, 300))
def test_every_way_to_a_root_agrees(size: int) -> None:
    leaves = leaves_of(size)
    frontier, tree = merkle.Frontier(), verifier.Tree()
    frontier.extend(leaves)
    for leaf in leaves:
        tree.append(leaf)
    assert merkle.root(leaves) == rfc_root(leaves) == frontier.root() == tree.root()


@given(SIZES, st.data())
def test_a_stored_frontier_goes_on_where_it_stopped(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    cut = data.draw(st.integers(0, size))
    first = merkle.Frontier()
    first.extend(leaves[:cut])
    later = merkle.Frontier.from_bytes(first.to_bytes())
    later.extend(leaves[cut:])
    assert (later.size, later.root()) == (size, merkle.root(leaves))
    rest = proofs.Subtrees.from_frontier(lambda low, high: leaves[low - 1 : high] if low > cut else [], first)
    assert rest.root(0, size) == merkle.root(leaves)


@pytest.mark.parametrize("stored", [b"", b"\0" * 7, b"\0" * 8 + b"x", (3).to_bytes(8, "big") + b"\0" * 32])
def test_a_damaged_frontier_is_refused(stored: bytes) -> None:
    with pytest.raises(ValueError, match="frontier"):
        merkle.Frontier.from_bytes(stored)


@given(SIZES, st.data())
def test_inclusion_holds_for_the_leaf_its_place_and_its_tree_only(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    index = data.draw(st.integers(0, size - 1))
    root, path = merkle.root(leaves), proofs.inclusion_path(subtrees(leaves), index, size)
    assert verifier.inclusion_holds(leaves[index], index, size, path, root)
    assert not verifier.inclusion_holds(merkle.leaf_hash(b"other"), index, size, path, root)
    assert not verifier.inclusion_holds(leaves[index], index, size, [*path, root], root)
    assert not verifier.inclusion_holds(leaves[index], size, size, path, root)
    if size > 1:
        assert not verifier.inclusion_holds(leaves[index], index, size, path[:-1], root)
        assert not verifier.inclusion_holds(leaves[index], (index + 1) % size, size, path, root)
        place = data.draw(st.integers(0, len(path) - 1))
        bent = [*path[:place], bytes(32), *path[place + 1 :]]
        assert not verifier.inclusion_holds(leaves[index], index, size, bent, root)


@given(SIZES, st.data())
def test_consistency_holds_for_a_true_extension_only(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    old = data.draw(st.integers(1, size))
    old_root, root = merkle.root(leaves[:old]), merkle.root(leaves)
    path = proofs.consistency_path(subtrees(leaves), old, size)
    assert verifier.consistency_holds(old, old_root, size, root, path)
    assert not verifier.consistency_holds(old, bytes(32), size, root, path)
    assert not verifier.consistency_holds(old, old_root, size, bytes(32), path)
    assert not verifier.consistency_holds(old, old_root, size, root, [*path, root])
    rewritten = [merkle.leaf_hash(b"other"), *leaves[1:]]
    other = proofs.consistency_path(subtrees(rewritten), old, size)
    assert not verifier.consistency_holds(old, old_root, size, merkle.root(rewritten), other)


def test_complete_subtrees_are_read_once() -> None:
    leaves = leaves_of(3 * proofs.TILE + 5)
    reads: list[tuple[int, int]] = []

    def read(first: int, last: int) -> list[bytes]:
        reads.append((first, last))
        return leaves[first - 1 : last]

    known: dict[tuple[int, int], bytes] = {}
    size = len(leaves)
    for index in (0, 9000, size - 1):
        path = proofs.inclusion_path(proofs.Subtrees(read, known=known), index, size)
        assert verifier.inclusion_holds(leaves[index], index, size, path, merkle.root(leaves))
    whole = (1, proofs.TILE)
    assert reads.count(whole) <= 1
    before = len(reads)
    proofs.Subtrees(read, known=known).root(0, 2 * proofs.TILE)
    assert len(reads) == before


def test_missing_leaves_are_named_and_never_guessed() -> None:
    with pytest.raises(LookupError, match="11 is not among the first 10"):
        proofs.inclusion_path(subtrees(leaves_of(10)), 10, 10)
    with pytest.raises(LookupError, match="asked for"):
        proofs.inclusion_path(subtrees(leaves_of(9)), 0, 10)
    with pytest.raises(LookupError, match="does not extend"):
        proofs.consistency_path(subtrees(leaves_of(9)), 9, 8)
