"""The form of recovery codes."""

from hypothesis import given
from hypothesis import strategies as st

from apps.core.ids import new_id
from apps.identity import recovery


def test_codes_differ_and_have_eighty_bits() -> None:
    codes = {recovery.generate() for _ in range(500)}
    assert len(codes) == 500 and all(len(recovery.plain(code)) == 16 for code in codes)


def test_a_code_is_read_as_people_type_it() -> None:
    user, code = new_id(), "OLB2-ABCD-EFGH-JKMN"
    for typed in (
        code,
        code.lower(),
        code.replace("-", " "),
        code.replace("O", "0").replace("L", "1").replace("B2", "82"),
    ):
        assert recovery.digest(user, typed) == recovery.digest(user, code)
    assert recovery.digest(new_id(), code) != recovery.digest(user, code)


@given(st.text(max_size=80))
def test_any_text_has_a_digest(text: str) -> None:
    assert len(recovery.digest(new_id(), text)) == 32
