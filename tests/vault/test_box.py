"""Secrets at rest: sealed for one place and purpose, under a secret that can be changed without a pause."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.vault.box import Box, CannotOpen, secret_id
from apps.vault.errors import SealBroken
from apps.vault.services import open_secret, reseal_secret, seal_secret

OLD, NEW = "an old secret of many characters", "a new secret of many characters"
BOX = Box((NEW,))


@settings(max_examples=50)
@given(plain=st.binary(max_size=500), place=st.text(max_size=20))
def test_what_was_sealed_opens_at_its_place(plain: bytes, place: str) -> None:
    sealed = BOX.seal(plain, purpose="connector", place=place)
    assert BOX.open(sealed, purpose="connector", place=place) == plain
    assert sealed != BOX.seal(plain, purpose="connector", place=place)
    for other in ({"purpose": "webhook", "place": place}, {"purpose": "connector", "place": place + "x"}):
        with pytest.raises(CannotOpen):
            BOX.open(sealed, **other)


@settings(max_examples=50)
@given(data=st.data())
def test_any_changed_character_is_refused(data: st.DataObject) -> None:
    sealed = BOX.seal(b"password", purpose="connector", place="row 1")
    at = data.draw(st.integers(0, len(sealed) - 1))
    other = data.draw(st.sampled_from("abcXYZ019-_.=").filter(lambda c: c != sealed[at]))
    with pytest.raises(CannotOpen):
        BOX.open(sealed[:at] + other + sealed[at + 1 :], purpose="connector", place="row 1")


@pytest.mark.parametrize(
    "text", ["", "ig1", "ig1..", f"ig1.{secret_id(NEW)}.", f"ig1.{secret_id(NEW)}.é", "plain password"]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(CannotOpen):
        BOX.open(text, purpose="connector", place="row 1")


def test_a_new_secret_takes_over_while_the_old_still_opens() -> None:
    sealed = Box((OLD,)).seal(b"password", purpose="connector", place="row 1")
    both = Box((NEW, OLD))
    assert both.open(sealed, purpose="connector", place="row 1") == b"password"
    assert both.stale(sealed)
    assert not both.stale(both.seal(b"password", purpose="connector", place="row 1"))
    with pytest.raises(CannotOpen, match="not configured"):
        BOX.open(sealed, purpose="connector", place="row 1")


def test_the_secret_does_not_show() -> None:
    assert NEW not in repr(BOX)
    with pytest.raises(ValueError, match="needs a secret"):
        Box(())


def test_the_verbs_use_the_installations_secret() -> None:
    sealed = seal_secret("hunter2", purpose="connector", place="connectors_source 7")
    assert "hunter2" not in sealed
    assert open_secret(sealed, purpose="connector", place="connectors_source 7") == "hunter2"
    assert reseal_secret(sealed, purpose="connector", place="connectors_source 7") is None
    with pytest.raises(SealBroken) as caught:
        open_secret(sealed, purpose="connector", place="connectors_source 8")
    assert "hunter2" not in caught.value.message
    foreign = Box((OLD,)).seal(b"hunter2", purpose="secret connector", place="connectors_source 7")
    with pytest.raises(SealBroken):
        reseal_secret(foreign, purpose="connector", place="connectors_source 7")
