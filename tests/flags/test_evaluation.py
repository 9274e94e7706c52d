"""Who gets what: rules in their order, shares that are stable and only grow, kill switches that win."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core.ids import new_id
from apps.flags.definition import parse
from apps.flags.evaluation import bucket, compile_flag
from apps.flags.types import ErrorCode, Reason, State, Subject
from tests.flags.documents import document, flag

ALPHA = Subject(tenant_id=new_id(), tenant_slug="alpha", region="eu-west-1")
BETA = Subject(tenant_id=new_id(), tenant_slug="beta", region="us-east-1")


def test_without_rules_it_is_static() -> None:
    found = flag(default="on").evaluate(ALPHA)
    assert (found.value, found.variant, found.reason, found.error) == (True, "on", Reason.STATIC, None)


@pytest.mark.parametrize("named", [["alpha"], [str(ALPHA.tenant_id)], ["gamma", "alpha"]])
def test_a_tenant_is_targeted_by_slug_or_id(named: list[str]) -> None:
    targeted = flag(rules=[{"when": {"tenants": named}, "serve": "on"}])
    assert (targeted.evaluate(ALPHA).value, targeted.evaluate(ALPHA).reason) == (True, Reason.TARGETING_MATCH)
    assert (targeted.evaluate(BETA).value, targeted.evaluate(BETA).reason) == (False, Reason.DEFAULT)
    assert targeted.evaluate(Subject()).value is False


def test_a_region_is_targeted() -> None:
    targeted = flag(scope="global", rules=[{"when": {"regions": ["eu-west-1", "eu-central-1"]}, "serve": "on"}])
    assert [targeted.evaluate(one).value for one in (ALPHA, BETA)] == [True, False]


@pytest.mark.parametrize(
    ("wanted", "said", "fits"),
    [
        ("pro", "pro", True),
        ("pro", "Pro", False),
        (1, 1, True),
        (1, 1.0, True),
        (1, True, False),
        (True, 1, False),
        (1, "1", False),
        ({"in": ["a", 2]}, 2, True),
        ({"in": ["a", 2]}, "b", False),
        ("pro", None, False),
        ("pro", ["pro"], False),
        ("pro", {"pro": 1}, False),
    ],
)
def test_attributes_are_equal_as_in_json(wanted: Any, said: Any, fits: bool) -> None:
    targeted = flag(rules=[{"when": {"attributes": {"plan": wanted}}, "serve": "on"}])
    assert targeted.evaluate(Subject(attributes={"plan": said})).value is fits


def test_what_a_client_says_is_no_tenant_and_no_region() -> None:
    targeted = flag(rules=[{"when": {"tenants": ["alpha"], "regions": ["eu-west-1"]}, "serve": "on"}])
    claims = {
        "tenant": "alpha",
        "tenants": "alpha",
        "tenant_slug": "alpha",
        "region": "eu-west-1",
        "regions": "eu-west-1",
    }
    assert targeted.evaluate(Subject(tenant_slug="beta", region="us-east-1", attributes=claims)).value is False


def test_rules_go_in_their_order_and_all_conditions_must_fit() -> None:
    rules = [
        {"when": {"tenants": ["alpha"], "regions": ["us-east-1"]}, "serve": "b"},
        {"when": {"tenants": ["alpha"]}, "serve": "c"},
        {"serve": "a"},
    ]
    ordered = flag(type="string", variants={"a": "A", "b": "B", "c": "C"}, default="a", rules=rules)
    assert [ordered.evaluate(one).value for one in (ALPHA, BETA)] == ["C", "A"]


def test_a_share_that_misses_goes_on_to_the_next_rule() -> None:
    rules = [{"split": {"on": 0}}, {"when": {"tenants": ["alpha"]}, "serve": "on"}]
    found = flag(rules=rules).evaluate(ALPHA)
    assert (found.value, found.reason) == (True, Reason.TARGETING_MATCH)


def test_a_tenants_own_setting_goes_before_the_rules() -> None:
    definition = parse(document(rules=[{"serve": "off"}]))
    own = compile_flag(definition, tenants={ALPHA.tenant_id: "on"})  # type: ignore[dict-item]
    assert (own.evaluate(ALPHA).value, own.evaluate(ALPHA).reason) == (True, Reason.TARGETING_MATCH)
    assert own.evaluate(BETA).value is False


def test_a_killed_flag_is_off_for_everyone() -> None:
    definition = parse(document(default="on", rules=[{"serve": "on"}]))
    killed = compile_flag(definition, state=State.KILLED, tenants={ALPHA.tenant_id: "on"})  # type: ignore[dict-item]
    for one in (ALPHA, BETA, Subject()):
        assert (killed.evaluate(one).value, killed.evaluate(one).reason) == (False, Reason.DISABLED)


def test_an_archived_flag_is_not_there() -> None:
    archived = compile_flag(parse(document(default="on")), state=State.ARCHIVED)
    assert archived.evaluate(ALPHA).error is ErrorCode.FLAG_NOT_FOUND


def test_a_share_needs_something_to_tell_by() -> None:
    by_person = flag(scope="global", rules=[{"split": {"on": 50}}])
    assert by_person.evaluate(ALPHA).error is ErrorCode.TARGETING_KEY_MISSING
    assert by_person.evaluate(Subject(targeting_key="p1")).error is None
    assert flag(rules=[{"split": {"on": 50}, "by": "team"}]).evaluate(ALPHA).error is ErrorCode.TARGETING_KEY_MISSING


def test_a_bucket_never_changes() -> None:
    """Written down once: another release, machine or language that computes it must find the same."""
    assert [bucket("checkout", name) for name in ("alpha", "beta", "", "Zürich", "\U0001f600")] == BUCKETS


BUCKETS = [9391, 2574, 1465, 3860, 2130]

KEYS = st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=60, unique=True)
SHARES = st.integers(min_value=0, max_value=10_000)


def _served(share: int, keys: list[str], **more: Any) -> set[str]:
    split = flag(scope="global", key="test.growing", rules=[{"split": {"on": share / 100}, **more}])
    return {key for key in keys if split.evaluate(Subject(targeting_key=key)).value}


@given(KEYS, SHARES, SHARES)
@settings(max_examples=200)
def test_a_growing_share_keeps_whom_it_has(keys: list[str], one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert _served(low, keys) <= _served(high, keys)
    assert _served(0, keys) == set()
    assert _served(10_000, keys) == set(keys)


@given(KEYS, SHARES)
def test_a_share_is_the_same_each_time_and_for_everything_else_said(keys: list[str], share: int) -> None:
    split = flag(scope="global", key="test.stable", rules=[{"split": {"on": share / 100}}])
    for key in keys:
        first = split.evaluate(Subject(targeting_key=key))
        again = split.evaluate(Subject(tenant_slug="other", region="x", targeting_key=key, attributes={"a": 1}))
        assert first.variant == again.variant
        assert 0 <= bucket("test.stable", key) < 10_000


@given(KEYS, SHARES)
def test_a_named_salt_is_a_population(keys: list[str], share: int) -> None:
    """Two flags of one salt serve the same ones."""
    one = flag(scope="global", key="test.one", rules=[{"split": {"on": share / 100}, "salt": "pilot"}])
    two = flag(scope="global", key="test.two", rules=[{"split": {"on": share / 100}, "salt": "pilot"}])
    for key in keys:
        assert one.evaluate(Subject(targeting_key=key)).value == two.evaluate(Subject(targeting_key=key)).value


@pytest.mark.parametrize("share", [1, 10, 25, 50, 90])
def test_a_share_is_as_large_as_it_says(share: int) -> None:
    keys = [f"person-{number}" for number in range(20_000)]
    served = len(_served(share * 100, keys)) / len(keys) * 100
    assert abs(served - share) < 4.5 * (share * (100 - share) / len(keys)) ** 0.5


def test_flags_draw_their_shares_apart() -> None:
    """Who is in one flag's half says nothing of another's: about a quarter is in both."""
    keys = [f"person-{number}" for number in range(10_000)]
    rules = [{"split": {"on": 50}}]
    one, two = (flag(scope="global", key=key, rules=rules) for key in ("test.left", "test.right"))
    both = sum(
        one.evaluate(Subject(targeting_key=key)).value and two.evaluate(Subject(targeting_key=key)).value
        for key in keys
    )
    assert 2_300 < both < 2_700


def test_several_variants_share_one_population() -> None:
    split = flag(
        scope="global", type="string", variants={"a": "A", "b": "B", "c": "C"}, default="c",
        rules=[{"split": {"a": 30, "b": 30}}],
    )  # fmt: skip
    found = [split.evaluate(Subject(targeting_key=str(number))) for number in range(6_000)]
    counted = {name: sum(one.variant == name for one in found) for name in "abc"}
    assert all(abs(counted[name] - want) < 200 for name, want in (("a", 1_800), ("b", 1_800), ("c", 2_400)))
    assert {one.reason for one in found} == {Reason.SPLIT, Reason.DEFAULT}
