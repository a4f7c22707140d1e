"""The analysis process: seals and measures; and what happens when it fails, dies or hangs."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from ecg import electrodes, record, simulate
from ecg.leads import BOX_LEADS, LEADS
from edge_agent.analysis import Analyser, Job, SealFailed, work
from protocols import live
from protocols.messages import Analysis

RATE = 500


@pytest.fixture
def job(tmp_path: Path) -> Job:
    heart = simulate.simulate("sinus", 10, RATE, 7)
    rows = [LEADS.index(lead) for lead in BOX_LEADS]
    counts = np.rint(heart.samples[rows]).astype("<i4")
    counts[:, 100:150] = record.MISSING
    path = tmp_path / "samples.i32"
    path.write_bytes(np.ascontiguousarray(counts.T).tobytes())
    return Job("r1", str(path), str(tmp_path), counts.shape[1], RATE, BOX_LEADS, 1.0, 1_763_769_600 * 10**9)


async def test_a_job(job: Job) -> None:
    async with Analyser() as analyser:
        await analyser.warm()
        answer = await analyser.seal(job)
    found = record.read(answer.files[0].parent, "r1")
    raw = np.fromfile(job.samples, dtype="<i4").reshape(-1, 8).T
    assert np.array_equal(found.counts, raw)
    assert found.start_ns == job.start_ns
    assert record.digest(record.contents(answer.files)) == answer.sha256
    assert answer.missing_samples == 50
    assert answer.error is None
    analysis = Analysis.model_validate(answer.analysis)
    assert analysis.measurements["heart_rate"] == pytest.approx(72, abs=2)
    assert set(analysis.lead_quality) == set(LEADS)
    for band in ("diagnostic", "muscle"):
        block = live.unpack(answer.blocks[band].read_bytes())
        assert (block.leads, block.counts.shape) == (LEADS, (12, 5000))
        assert (block.counts[:, 100:150] == live.MISSING).all()
        assert (block.counts[:, 200:] != live.MISSING).all()
    assert b"cunyi" not in answer.files[0].read_bytes()


def test_statements_from_swapped_leads_say_so(job: Job) -> None:
    heart = simulate.simulate("inferior_stemi", 10, RATE, 7)
    swapped = electrodes.swapped(heart.samples, LEADS, "RA/LA")[[LEADS.index(lead) for lead in BOX_LEADS]]
    Path(job.samples).write_bytes(np.ascontiguousarray(np.rint(swapped).astype("<i4").T).tobytes())
    analysis = work(job)["analysis"]
    assert "RA/LA" in analysis["swaps"]
    numbers = {each["code"]: each["numbers"] for each in analysis["statements"]}
    assert any("leads_swapped" in own for own in numbers.values())
    assert not any("leads_swapped" in numbers[code] for code in numbers if code.startswith("sinus"))


async def test_a_fragment_is_sealed(job: Job) -> None:
    for n in (1, 40, 700):
        fragment = Job(**{**_fields(job), "name": f"r{n}", "n": n})
        async with Analyser() as analyser:
            answer = await analyser.seal(fragment)
        assert record.read(answer.files[0].parent, f"r{n}").counts.shape == (8, n)


def test_failing_arithmetic_does_not_hold_up_the_record(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    from ecg import study

    def fails(*_: object) -> None:
        raise ZeroDivisionError

    # The arithmetic answers whatever it is given; only a fault in it can fail.
    monkeypatch.setattr(study, "study", fails)
    answer = work(job)
    assert answer["analysis"] is None
    assert answer["error"] == "ZeroDivisionError in the analysis"
    assert len(answer["files"]) == 2
    assert set(answer["blocks"]) == {"diagnostic", "muscle"}


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("os._exit(9)", "ended"),
        ("os.kill(os.getpid(), 9)", "ended"),
        ("time.sleep(60)", "gave no answer"),
        ("print('nonsense', flush=True)", "ended"),
        ("print(json.dumps({'failed': 'no space'}), flush=True)", "no space"),
    ],
)
async def test_a_process_that_dies_or_hangs_is_tried_without_arithmetic(
    job: Job, tmp_path: Path, behaviour: str, reason: str
) -> None:
    """A process that misbehaves whenever it is asked to analyse, and else is the real one."""
    program = tmp_path / "process.py"
    program.write_text(
        textwrap.dedent(f"""
            import json, os, sys, time
            line = sys.stdin.readline()
            if json.loads(line)["analyse"]:
                {behaviour}
                sys.exit(1)
            from edge_agent.analysis import _answer
            print(json.dumps(_answer(line.encode())), flush=True)
            sys.stdin.readline()
        """)
    )
    async with Analyser(timeout_s=15, command=(sys.executable, str(program))) as analyser:
        answer = await analyser.seal(job)
    assert answer.analysis is None
    assert answer.error is not None
    assert reason in answer.error
    assert record.read(answer.files[0].parent, "r1").counts.shape == (8, 5000)


async def test_a_record_that_cannot_be_written_is_an_error(job: Job, tmp_path: Path) -> None:
    gone = Job(**{**_fields(job), "folder": str(tmp_path / "gone")})
    async with Analyser() as analyser:
        with pytest.raises(SealFailed):
            await analyser.seal(gone)
        assert (await analyser.seal(job)).error is None  # and the next one is done


async def test_a_process_that_left_idle_is_replaced(job: Job) -> None:
    code = "from edge_agent.analysis import serve; serve(0.2)"
    async with Analyser(command=(sys.executable, "-c", code)) as analyser:
        assert (await analyser.seal(job)).error is None
        process = analyser._process
        assert process is not None
        assert await process.wait() == 0
        assert (await analyser.seal(Job(**{**_fields(job), "name": "r2"}))).error is None


def test_the_core_never_loads_scipy_wfdb_or_pandas() -> None:
    code = """
import sys
import edge_agent.__main__, edge_agent.app
from edge_agent import drivers
for name in drivers.DRIVERS:
    drivers.load(name)
import json
loaded = {name.partition(".")[0] for name in sys.modules}
print(json.dumps(sorted(loaded & {"scipy", "wfdb", "pandas", "soundfile"})))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def _fields(job: Job) -> dict[str, object]:
    return {name: getattr(job, name) for name in Job.__dataclass_fields__}
