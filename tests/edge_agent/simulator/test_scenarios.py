import os
import warnings
from pathlib import Path

import numpy as np
import pytest

from ecg.leads import BOX_LEADS
from ecg.simulate import simulate
from edge_agent.drivers.ecg_ads1298 import codec
from edge_agent.simulator import scenarios
from edge_agent.simulator.scenarios import from_record, from_scenario

DATA = os.environ.get("MAITONG_ECG_DATA")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # wfdb, when imported, uses what pandas has deprecated
    import wfdb  # noqa: F401

needs_data = pytest.mark.skipif(
    not DATA or not Path(DATA).is_dir(), reason="MAITONG_ECG_DATA names no folder of real ECG records"
)


def test_the_same_words_as_the_codec():
    assert codec.LEADS == BOX_LEADS
    assert tuple(scenarios._BIT) == codec.ELECTRODES


def test_seeded_and_exact():
    one, again = from_scenario("af", 7, 500, 1.0), from_scenario("af", 7, 500, 1.0)
    np.testing.assert_array_equal(one.counts, again.counts)
    truth = simulate("af", scenarios.STRIP_S, 500, 7).samples
    np.testing.assert_array_equal(one.counts[1], np.rint(truth[1]))
    assert not np.array_equal(one.counts, from_scenario("af", 8, 500, 1.0).counts)


def test_finer_counts_are_the_same_voltage():
    coarse, fine = from_scenario("sinus", 1, 500, 1.0), from_scenario("sinus", 1, 500, 0.047684)
    assert np.abs(fine.counts * 0.047684 - coarse.counts).max() <= 0.55


def test_plays_in_a_loop():
    strip = from_scenario("sinus", 1, 500, 1.0)
    n = strip.counts.shape[1]
    counts, off = strip.cut(n - 10, 25)
    np.testing.assert_array_equal(counts, np.hstack([strip.counts[:, -10:], strip.counts[:, :15]]))
    assert off == frozenset()


def test_lead_off_names_its_electrode():
    assert from_scenario("lead_off", 1, 500, 1.0).cut(0, 25)[1] == {"V2"}


def test_unknown_scenario_is_refused():
    with pytest.raises(ValueError, match="unknown scenario"):
        from_scenario("no_such_heart", 1, 500, 1.0)


def test_a_file_that_is_no_record_is_refused(tmp_path):
    (tmp_path / "x.hea").write_text("no header\n")
    with pytest.raises(ValueError, match=r"x\.hea"):
        from_record(tmp_path / "x.hea", 500, 1.0)


@needs_data
def test_a_record_at_the_rate_of_the_box_is_played_count_for_count():
    from ecg.record import read_any

    path = Path(DATA or "") / "cinc12" / "A0001.tar.xz"
    strip, done = from_record(path, 500, 1.0)
    signals = read_any(path)
    rows = [signals.leads.index(lead) for lead in BOX_LEADS]
    np.testing.assert_array_equal(strip.counts, np.rint(signals.samples[rows]))
    assert (done["resampled_hz"], done["missing_leads"]) == (None, [])
    assert not strip.off.any()


@needs_data
def test_a_two_lead_record_is_resampled_and_says_which_leads_it_lacks():
    path = Path(DATA or "") / "mitdb" / "101.tar.xz"
    strip, done = from_record(path, 500, 1.0)
    assert done["resampled_hz"] == [360.0, 500]
    assert done["missing_leads"] == ["I", "V2", "V3", "V4", "V5", "V6"]
    assert strip.cut(0, 25)[1] == {"LA", "V2", "V3", "V4", "V5", "V6"}
    assert np.ptp(strip.counts[1, :5000]) > 500  # II: beats of more than half a millivolt
