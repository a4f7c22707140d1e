import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.patient import (
    CHECK_CHARACTERS,
    WEIGHTS,
    IdNumberError,
    Patient,
    birth_date_of,
    check_id_number,
    sex_of,
)

EXAMPLE = "11010519491231002X"
"""The example printed in GB 11643-1999."""


def with_check(first17: str) -> str:
    return first17 + CHECK_CHARACTERS[sum(int(d) * w for d, w in zip(first17, WEIGHTS, strict=True)) % 11]


id_numbers = st.builds(
    lambda area, day, order: with_check(f"{area}{day.isoformat().replace('-', '')}{order:03d}"),
    st.integers(110000, 659999),
    st.dates(),
    st.integers(0, 999),
)


def test_the_example_of_the_standard():
    assert check_id_number(" 11010519491231002x ") == EXAMPLE
    assert (birth_date_of(EXAMPLE), sex_of(EXAMPLE)) == ("1949-12-31", "female")


def test_the_other_example_of_the_standard():
    assert check_id_number("440524188001010014") == "440524188001010014"
    assert sex_of("440524188001010014") == "male"


@given(id_numbers)
def test_a_right_number_is_right(number):
    assert check_id_number(number) == number


@given(id_numbers, st.integers(0, 17), st.sampled_from("0123456789X"))
def test_any_single_wrong_character_is_seen(number, place, character):
    """MOD 11-2 finds every single substitution."""
    wrong = number[:place] + character + number[place + 1 :]
    if wrong != number:
        with pytest.raises(IdNumberError):
            check_id_number(wrong)


@given(id_numbers, st.integers(0, 16))
def test_any_two_neighbours_swapped_are_seen(number, place):
    wrong = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    if wrong != number:
        with pytest.raises(IdNumberError):
            check_id_number(wrong)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("", "length"), ("1101051949123100", "length"), ("1101051949123100２X", "digits"),
        ("1101051949123l002X", "digits"), ("11010519491231002Y", "digits"),
        (with_check("11010519490231002"), "birth_date"),
        (with_check("11010500000101002"), "birth_date"), ("110105194912310021", "check_digit"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_by_a_code(number, code):
    with pytest.raises(IdNumberError) as caught:
        check_id_number(number)
    assert caught.value.code == code


@given(st.text(max_size=20))
def test_any_text_is_a_number_or_an_id_number_error(text):
    with contextlib.suppress(IdNumberError):
        assert len(check_id_number(text)) == 18


def test_a_number_is_kept_in_its_canonical_form():
    kept = Patient(patient_id="p", name="张三", id_type="resident_id", id_number=EXAMPLE.lower())
    assert kept.id_number == EXAMPLE


@pytest.mark.parametrize(
    "fields",
    [
        {"temporary": True},
        {"name": "张三", "no_id_reason": "未带证件"},
        {"name": "张三", "id_type": "resident_id", "id_number": EXAMPLE},
        {"name": "张三", "no_id_reason": "新生儿", "birth_date": "2024-02-29", "sex": "female"},
    ],
)
def test_a_patient_that_may_be(fields):
    assert Patient(patient_id="p", **fields).patient_id == "p"


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "张三"},
        {"no_id_reason": "未带证件"},
        {"name": "张三", "id_type": "resident_id"},
        {"name": "张三", "id_number": EXAMPLE},
        {"name": "张三", "id_type": "resident_id", "id_number": "110105194912310021"},
        {"temporary": True, "birth_date": "2024-02-30"},
        {"temporary": True, "birth_date": "２０２４-０２-２８"},
        {"temporary": True, "birth_date": "20240228"},
        {"temporary": True, "age_years": 131},
    ],
)
def test_a_patient_that_may_not_be(fields):
    with pytest.raises(ValueError):
        Patient(patient_id="p", **fields)
