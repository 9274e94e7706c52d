"""What a definition may be; everything else is refused with the path of what is wrong."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.flags.definition import parse
from apps.flags.errors import FlagInvalid
from apps.flags.registry import declared, load
from apps.flags.types import FlagType, Risk, Scope
from tests.flags.documents import document

SEED = b"""
flags:
  - key: subs.optimizedBuffer
    owner: platform-eng
    scope: tenant
    expires: 2026-03-31
    killswitch: true
    risk: low
"""


def test_the_registry_shape_alone_is_a_switch_that_is_off() -> None:
    found = load(SEED)["subs.optimizedBuffer"]
    assert (found.owner, found.scope, found.risk) == ("platform-eng", Scope.TENANT, Risk.LOW)
    assert (found.expires, found.killswitch, found.type) == (date(2026, 3, 31), True, FlagType.BOOLEAN)
    assert (dict(found.variants), found.default, found.off) == ({"on": True, "off": False}, "off", "off")


def test_our_own_registry_holds_the_seed() -> None:
    ours = declared()["subs.optimizedBuffer"]
    assert dict(ours.document) == dict(load(SEED)["subs.optimizedBuffer"].document)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"key": "no spaces"}, "flags[0].key"),
    ({"key": 7}, "flags[0].key"),
    ({"owner": ""}, "flags[0].owner"),
    ({"scope": "planet"}, "flags[0].scope"),
    ({"expires": "2026-02-30"}, "flags[0].expires"),
    ({"expires": "soon"}, "flags[0].expires"),
    ({"killswitch": "yes"}, "flags[0].killswitch"),
    ({"risk": "none"}, "flags[0].risk"),
    ({"colour": "red"}, "flags[0]"),
    ({"type": "string"}, "flags[0].variants"),
    ({"type": "string", "variants": {"a": 1}, "default": "a"}, "flags[0].variants.a"),
    ({"type": "string", "variants": {"a": "x"}}, "flags[0].default"),
    ({"type": "integer", "variants": {"a": True}, "default": "a"}, "flags[0].variants.a"),
    ({"type": "integer", "variants": {"a": 2**60}, "default": "a"}, "flags[0].variants.a"),
    ({"type": "float", "variants": {"a": float("nan")}, "default": "a"}, "flags[0].variants.a"),
    ({"type": "object", "variants": {"a": [1]}, "default": "a"}, "flags[0].variants.a"),
    ({"type": "object", "variants": {"a": {"x": "y" * 9_000}}, "default": "a"}, "flags[0].variants.a"),
    ({"default": "maybe"}, "flags[0].default"),
    ({"rules": [{}]}, "flags[0].rules[0]"),
    ({"rules": [{"serve": "on", "split": {"on": 1}}]}, "flags[0].rules[0]"),
    ({"rules": [{"serve": "maybe"}]}, "flags[0].rules[0]"),
    ({"rules": [{"split": {"on": 60, "off": 41}}]}, "flags[0].rules[0].split"),
    ({"rules": [{"split": {"on": 0.001}}]}, "flags[0].rules[0].split.on"),
    ({"rules": [{"split": {"on": 101}}]}, "flags[0].rules[0].split.on"),
    ({"rules": [{"serve": "on", "by": "tenant"}]}, "flags[0].rules[0]"),
    ({"rules": [{"when": {"tenants": []}, "serve": "on"}]}, "flags[0].rules[0].when.tenants"),
    ({"scope": "global", "rules": [{"when": {"tenants": ["alpha"]}, "serve": "on"}]}, "flags[0].rules[0]"),
    ({"scope": "global", "rules": [{"split": {"on": 5}, "by": "tenant"}]}, "flags[0].rules[0]"),
]


@pytest.mark.parametrize(("more", "field"), WRONG)
def test_what_is_wrong_is_named(more: dict[str, Any], field: str) -> None:
    with pytest.raises(FlagInvalid) as refused:
        parse(document(**more), "flags[0]")
    assert refused.value.field == field
    assert refused.value.message.startswith(field)


@pytest.mark.parametrize(
    "text",
    [
        b"flags: {}",
        b"[]",
        b"flags: []\nmore: 1",
        b"\xff\xfe\x00",
        b"flags: [",
        b"a: &a [1]\nflags: *a",
        b"flags:\n  - &x {key: a}\n  - *x",
        b"flags: !!python/object/apply:os.system ['true']",
        SEED + SEED.replace(b"flags:\n", b"").lstrip(b"\n"),
        SEED.replace(b"risk: low", b"risk: low\n    risk: high"),
        b"flags: []\n#" + b"x" * (1 << 20),
        b"[" * 5_000,
    ],
)
def test_a_registry_that_is_none_is_refused(text: bytes) -> None:
    with pytest.raises(FlagInvalid):
        load(text)


def test_on_and_off_are_words() -> None:
    text = SEED + b"    variants: {on: true, off: false}\n    default: on\n    off: off\n"
    assert dict(load(text)["subs.optimizedBuffer"].variants) == {"on": True, "off": False}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = (
    "key",
    "owner",
    "scope",
    "expires",
    "killswitch",
    "risk",
    "about",
    "type",
    "variants",
    "default",
    "off",
    "rules",
)


@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), JSON, max_size=6))
def test_whatever_is_given_is_taken_or_refused(more: dict[str, Any]) -> None:
    try:
        found = parse({**document(), **more})
    except FlagInvalid as refused:
        assert refused.message
    else:
        assert found.default in found.variants
        assert found.off in found.variants
