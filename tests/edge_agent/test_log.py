"""JSON lines, and the net that keeps patient data out of them."""

import io
import json
import logging

import pytest

from edge_agent import log
from protocols.patient import Patient

ID_NUMBER = "11010519491231002X"
PATIENT = Patient(
    patient_id="p1",
    name="王芳",
    sex="female",
    id_type="resident_id",
    id_number=ID_NUMBER,
    phone="13800138000",
)


@pytest.fixture
def lines():
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    log.configure("MT-0001", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)


def test_one_record_is_one_line(lines):
    logging.getLogger("edge_agent.test").warning(
        "box %s: %s\nsecond", "ecg", "失联", extra={"exam": "e1", "n": 3}
    )
    (line,) = lines()
    assert line["station"] == "MT-0001"
    assert line["level"] == "WARNING"
    assert line["text"] == "box ecg: 失联\nsecond"
    assert (line["exam"], line["n"]) == ("e1", 3)
    assert line["at"].endswith("+00:00")


@pytest.mark.parametrize(
    "say",
    [
        lambda logger: logger.info("patient %s", PATIENT),
        lambda logger: logger.info("patient %s", PATIENT.model_dump()),
        lambda logger: logger.info("patient %(name)s", {"name": PATIENT}),
        lambda logger: logger.info("body %r", b"\xa1dname\xe7\x8e\x8b\xe8\x8a\xb3" + ID_NUMBER.encode()),
        lambda logger: logger.info("number %s, call %s", ID_NUMBER, "13800138000"),
        lambda logger: logger.info(f"number {ID_NUMBER}, call +86 13800138000"),  # noqa: G004
        lambda logger: logger.info("done", extra={"patient": "王芳", "phone": "13800138000"}),
        lambda logger: logger.info("done", extra={"who": PATIENT, "reference": ID_NUMBER}),
    ],
)
def test_patient_data_is_withheld(lines, say):
    say(logging.getLogger("edge_agent.test"))
    (line,) = lines()
    text = json.dumps(line, ensure_ascii=False)
    assert log.WITHHELD in text
    assert not any(secret in text for secret in ("王芳", ID_NUMBER, "13800138000"))


def test_a_refused_value_does_not_come_back_in_a_traceback(lines):
    try:
        try:
            Patient(patient_id="p1", name="王芳", id_type="resident_id", id_number="11010519491231002")
        except ValueError as error:
            raise RuntimeError("registering failed") from error
    except RuntimeError:
        logging.getLogger("edge_agent.test").exception("refused")
    (line,) = lines()
    assert "王芳" not in line["error"]
    assert "1101051949" not in line["error"]
    assert "Patient" in line["error"]


def test_an_ordinary_traceback_is_kept(lines):
    try:
        raise OSError("no such port")
    except OSError:
        logging.getLogger("edge_agent.test").exception("box lost")
    assert "no such port" in lines()[0]["error"]


def test_nanoseconds_are_no_id_number():
    assert log.withhold("at 1763769600000000000, box 1234") == "at 1763769600000000000, box 1234"
