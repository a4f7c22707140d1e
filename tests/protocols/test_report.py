import pytest

from protocols.report import FIELDS, Report, Statement
from protocols.statements import MEASUREMENTS


def test_every_field_says_what_it_is_in_both_languages():
    assert [field.name for field in FIELDS] == list(Report.model_fields)
    for field in FIELDS:
        assert field.zh
        assert field.en
        assert field.since >= 1
    assert len({field.zh for field in FIELDS}) == len(FIELDS)


def test_the_codes_of_the_health_data_dictionary():
    codes = {field.name: field.code for field in FIELDS if field.code}
    assert codes == {"findings": "DE04.50.131.00", "impression": "DE04.50.132.00"}


def test_a_draft_may_be_empty_and_holds_what_it_was_given():
    assert Report() == Report.model_validate({})
    written = {
        "findings": "窦性心律",
        "impression": [{"code": "sinus_rhythm", "text": "窦性心律"}],
        "risk": "normal",
    }
    assert Report.model_validate(Report.model_validate(written).model_dump()).impression == (
        Statement(code="sinus_rhythm", text="窦性心律"),
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"impression": [{"text": ""}]}, {"conclusion": "fine"}, {"risk": "high"}, {"findings": "x" * 4001},
        {"impression": [{"text": "x"}] * 41},
    ],
)  # fmt: skip
def test_what_cannot_be_printed_is_refused(wrong):
    with pytest.raises(ValueError):
        Report.model_validate(wrong)


def test_measurement_ids_are_unique():
    assert len({row.id for row in MEASUREMENTS}) == len(MEASUREMENTS)
