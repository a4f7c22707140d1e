"""`kill -9` of each process while an ECG is under way: what was saved arrives, once, unchanged.

The oracle stands outside: what the boxes put on their wires (their own log) and what the station said was
saved, against what the hub serves.
"""

import random
import shutil
import time

import numpy as np
import pytest
import wfdb
from county import STATION, until

pytestmark = pytest.mark.faults

PARTS = ("broker", "hub", "MT-0001", "BOX-0001", "analysis-MT-0001")
SHORT = {
    ("broker", "sealing"),
    ("hub", "sealing"),
    ("MT-0001", "recording"),
    ("MT-0001", "sealing"),
    ("BOX-0001", "recording"),
    ("analysis-MT-0001", "recording"),
}
"""What `make test` has time for; the campaign does all of them, many times."""


def pytest_generate_tests(metafunc):
    if "moment" in metafunc.fixturenames:
        every = [(part, moment) for part in PARTS for moment in ("recording", "sealing")]
        chosen = every if metafunc.config.getoption("--campaign", False) else sorted(SHORT)
        metafunc.parametrize(("part", "moment"), chosen)


def test_a_killed_process_loses_and_doubles_nothing(county, rounds, findings, part, moment, tmp_path):
    """In a whole county one process is killed while an ECG is recorded or sealed; samples are compared."""
    findings.kinds = f"{part}, {moment}"
    dice = random.Random(f"{part} {moment}")
    for _ in range(rounds):
        station, reader = county.station(), county.reader()
        station.until_streaming()
        exam_id = station.new_exam()["exam_id"]
        recording_id = station.start_capture(exam_id)
        # Ten seconds are recorded; then the strip is sealed, saved, sent and committed within a second.
        time.sleep(dice.uniform(1, 8) if moment == "recording" else dice.uniform(9.9, 11.2))
        if part.startswith("analysis") and county.process(part) is None:
            pytest.fail("the analysis process does not run during a capture")
        county.kill(part)
        findings.kills += 1
        findings.obligations += 1
        wire = county.home / "BOX-0001.i32"
        if part == "BOX-0001":  # the next box begins its log anew
            wire = shutil.copy(wire, tmp_path / "wire.i32")

        saved = until(lambda: station.received(recording_id), 90, f"{part}: the county has committed it")
        found = committed(reader, exam_id, recording_id)

        assert [r["recording_id"] for r in found] == [recording_id], "exactly one copy at the hub"
        assert len([a for a in station.attempts() if a == recording_id]) == 1
        assert saved["state"] == "received"
        compare_with_the_wire(wire, reader, recording_id, tmp_path)


def committed(reader, exam_id, recording_id):
    return [r for r in reader.exam(exam_id)["recordings"] if r["recording_id"] == recording_id]


def compare_with_the_wire(wire, reader, recording_id, folder):
    """Every sample the hub serves is what the box sent at that place, bit for bit; gaps are gaps."""
    path = reader.files(recording_id, folder / recording_id)
    record = wfdb.rdrecord(str(path), physical=False)
    comments = dict(c.split("=", 1) for c in record.comments if "=" in c)
    first = int(comments["box_first_sample"])
    sent = np.fromfile(wire, dtype="<i4").reshape(-1, 8)
    counts = record.d_signal.astype(np.int64)
    expected = sent[first : first + len(counts)]
    valid = ~np.isin(counts, (-(2**15), -(2**23), -(2**31))).any(axis=1)
    assert len(counts) > 0
    assert len(expected) == len(counts)
    assert valid.sum() > 0.1 * len(counts)
    np.testing.assert_array_equal(counts[valid], expected[valid])


def test_a_report_signed_while_the_station_is_dead_arrives_once(county, rounds, findings):
    """A report is signed while the station it is for is dead."""
    for _ in range(rounds):
        station, reader = county.station(), county.reader()
        station.until_streaming()
        exam_id = station.new_exam()["exam_id"]
        recording_id = station.start_capture(exam_id)
        until(lambda: station.received(recording_id), 60, "the county has it")
        county.kill(STATION)
        findings.kills += 1
        findings.obligations += 1
        signed = reader.sign(exam_id)

        report = until(lambda: station.exam(exam_id)["report"], 60, "the report is at the station")

        assert (report["report_id"], report["version"]) == (signed["report_id"], 1)
        assert report["opened_ns"] is None
        station.post(f"/api/exams/{exam_id}/report/open")
        until(lambda: reader.exam(exam_id)["status"] == "delivered", 30, "the hub knows it was opened")


def test_a_hub_killed_at_the_signature_has_signed_or_has_not(county, rounds, findings):
    """The hub is killed when a report has just been signed."""
    for _ in range(rounds):
        station, reader = county.station(), county.reader()
        station.until_streaming()
        exam_id = station.new_exam()["exam_id"]
        recording_id = station.start_capture(exam_id)
        until(lambda: station.received(recording_id), 60, "the county has it")
        signed = reader.sign(exam_id)
        county.kill("hub")
        findings.kills += 1
        findings.obligations += 1

        report = until(lambda: station.exam(exam_id)["report"], 60, "the report is at the station")

        assert report["report_id"] == signed["report_id"]
        versions = [v["version"] for v in reader.exam(exam_id)["versions"]]
        assert versions.count(1) == 1
