"""A few real records, fixed: the rhythm, the alarm, and the absence of one. Floors under the benchmark's
figures."""

import tarfile
from functools import cache
from pathlib import Path

import pytest
import wfdb

from ecg import foreign, record, study
from ecg.leads import derive
from ecg.rules import morphology, rhythm, triage
from ecg.study import Person
from ecg.tools import annotate, unseen, validate

ALARMS = {
    "ludb/7": "mi_anterior_acute",
    "ludb/64": "mi_anteroseptal_acute",
    "ludb/111": "av_block_3",
    "cinc12/JS45544": "ventricular_tachycardia",
    "cinc12/JS45546": "ventricular_tachycardia",
    "cinc12/JS45548": "ventricular_tachycardia",
}
FIBRILLATING = ("ludb/96", "ludb/112", "cinc12/A0003", "cinc12/E09657", "cinc12/JS00007", "cinc12/Q0048")
IN_STEP = (
    "ludb/2",
    "ludb/61",
    "ludb/99",
    "ludb/116",
    "ludb/175",
    "ludb/184",
    "cinc12/A0001",
    "cinc12/E09141",
    "cinc12/E05526",
    "cinc12/JS03291",
    "cinc12/HR09764",
    "cinc12/HR20715",
)


@pytest.fixture(scope="module")
def said(ecg_data: Path, tmp_path_factory: pytest.TempPathFactory):
    """Name → codes and level, from the first ten seconds."""
    folder = tmp_path_factory.mktemp("records")

    @cache
    def of(name: str) -> tuple[frozenset[str], int | None]:
        source, record = name.split("/")
        with tarfile.open(ecg_data / source / f"{record}.tar.xz") as packed:
            packed.extractall(folder, filter="data")
        # LUDB's headers have a gain for each lead; its counts are microvolts, as Einthoven's law shows.
        raw = source == "ludb"
        read = wfdb.rdrecord(str(folder / record), physical=not raw)
        samples = derive(read.d_signal.T.astype(float) if raw else 1e3 * read.p_signal.T, read.sig_name)
        seen = study.study(samples[:, : 10 * read.fs], read.fs)
        found = rhythm.statements(seen)
        found += morphology.statements(seen, None, found)
        return frozenset(f.code for f in found), triage.judge(seen, found, Person()).level

    return of


@pytest.mark.parametrize("name", ALARMS)
def test_what_must_alarm_alarms(said, name: str) -> None:
    codes, level = said(name)
    assert level == 0
    assert ALARMS[name] in codes


@pytest.mark.parametrize("name", FIBRILLATING)
def test_fibrillation_is_named(said, name: str) -> None:
    assert "atrial_fibrillation" in said(name)[0]


def test_a_pacemaker_s_beats_do_not_make_fibrillation(said) -> None:
    """Paced, conducted and ventricular beats by turns: their intervals are irregular, the atria are not."""
    codes, _ = said("cinc12/JS23463")
    assert "paced_rhythm" in codes
    assert "atrial_fibrillation" not in codes


def test_fibrillation_in_time_outlasts_ventricular_beats(ecg_data: Path) -> None:
    """Half an hour of fibrillation with 440 ventricular beats, read with weights that have not seen it."""
    bench = Path(__file__).resolve().parents[1] / "bench"
    known = unseen.folds(bench / "beat_folds", bench / "wave_folds")
    with foreign.headers([ecg_data / "mitdb" / "203.tar.xz"]) as headers:
        of = foreign.look(next(iter(headers)))
        with unseen.read_unseen(known, "mitdb/203") as held_out:
            found = annotate.annotate(of)
        assert held_out == {"beats", "waves"}
        marks = record.read_annotations(of.folder, of.name, "atr")
        seconds = validate.fibrillating(marks, found)
    assert seconds[True, True] >= 0.99 * (seconds[True, True] + seconds[False, True])


@pytest.mark.parametrize("name", IN_STEP)
def test_what_is_in_step_is_no_fibrillation_and_no_alarm(said, name: str) -> None:
    codes, level = said(name)
    assert not codes & {"atrial_fibrillation", "atrial_flutter", "av_block_3"}
    assert level != 0


def test_a_two_to_one_block_is_found_where_the_label_says_bradycardia(said) -> None:
    assert "av_block_2_1" in said("cinc12/Q0077")[0]


@pytest.mark.parametrize("name", ["ludb/19", "ludb/37", "ludb/139", "cinc12/E05526", "cinc12/HR09739"])
def test_a_qrs_at_the_limit_is_no_delay(said, name: str) -> None:
    """Readers saw no slow conduction: all leads together are a little longer than each."""
    assert "intraventricular_conduction_delay" not in said(name)[0]


@pytest.mark.parametrize("name", ["ludb/35", "ludb/103", "cinc12/JS09740"])
def test_flutter_is_named(said, name: str) -> None:
    assert "atrial_flutter" in said(name)[0]
