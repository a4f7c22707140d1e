"""Log lines are JSON and hold no patient."""

import json
import logging

import pytest

from hub import log


def _line(**extra: object) -> logging.LogRecord:
    record = logging.LogRecord("hub.x", logging.INFO, "f", 1, "exam %s stored", ("e1",), None)
    record.__dict__.update(extra)
    return record


def test_a_line_is_json_with_its_ids() -> None:
    line = json.loads(log._JsonLines().format(_line(exam_id="e1")))
    assert (line["text"], line["exam_id"], line["level"]) == ("exam e1 stored", "e1", "INFO")


def test_an_error_names_its_place_and_never_quotes_its_text() -> None:
    try:
        raise ValueError("张三 11010519491231002X")
    except ValueError as error:
        record = _line()
        record.exc_info = (type(error), error, error.__traceback__)
    text = log._JsonLines().format(record)
    assert "ValueError" in text
    assert "张三" not in text
    assert "test_log.py" in text


@pytest.mark.parametrize("field", ["id_number", "phone", "patient_name"])
def test_a_patients_field_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        log.NoPatientData().filter(_line(**{field: "x"}))
