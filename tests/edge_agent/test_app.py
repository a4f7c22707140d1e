"""The agent as a real process beside a simulated box: it records, it is killed, its box misbehaves."""

import asyncio
import itertools
import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
import websockets
from agent import OPS, PASSWORD, ROOT, Agent, Simulator, emergency, saved, streaming, until

from ecg import record
from edge_agent import app
from edge_agent.app import keep_alive
from edge_agent.errors import DriverError, StoreCorrupt
from edge_agent.outbox import FILES, Outbox
from edge_agent.queue_commands import ls
from edge_agent.store import Store
from fakes import FakeClock
from protocols import envelope, live
from protocols.messages import RecordingClosed


async def owed(agent: Agent) -> list[RecordingClosed]:
    """The recordings in the outbox of an agent that has ended."""
    from agent import KEY

    from edge_agent.outbox import FILE_NAME, MIGRATIONS, URGENT_FILE_NAME

    found = []
    async with (
        Store.open(agent.data / FILE_NAME, KEY, MIGRATIONS) as bulk,
        Store.open(agent.data / URGENT_FILE_NAME, KEY, MIGRATIONS) as urgent,
    ):
        outbox = Outbox(bulk, FakeClock(), "MT-0001", urgent)
        for row in await outbox.rows():
            body = b"".join(envelope.decode(frame).body for _, frame in await outbox.frames(row))
            message = envelope.decode_body(row.type, body)
            assert isinstance(message, RecordingClosed)
            found.append(message)
    return found


def assert_is_what_the_box_sent(closed: RecordingClosed, simulator: Simulator) -> None:
    """Sample for sample, by the box's own numbering."""
    kept = record.read_files({file.name: file.data for file in closed.recording.files})
    sent = np.fromfile(simulator.sent_log, dtype="<i4").reshape(-1, 8)
    first = closed.recording.box_first_sample
    assert kept.counts.shape == (8, closed.recording.samples)
    assert np.array_equal(kept.counts.T, sent[first : first + closed.recording.samples])


def state(page: httpx.Client) -> dict[str, Any]:
    answer: dict[str, Any] = page.get("/api/state").json()
    return answer


def begin(page: httpx.Client, exam_id: str) -> str:
    answer = page.post(f"/api/exams/{exam_id}/capture", json={})
    assert answer.status_code == 202, answer.text
    recording_id: str = answer.json()["recording_id"]
    return recording_id


def refusal(page: httpx.Client) -> tuple[str, dict[str, Any]]:
    answer = page.post(f"/api/exams/{emergency(page)}/capture", json={})
    assert answer.status_code == 409, answer.text
    return answer.json()["code"], answer.json()["detail"]


def test_with_no_broker_at_all_an_ecg_is_recorded_measured_and_kept(tmp_path: Path) -> None:
    with (
        Simulator(tmp_path, "--scenario", "sinus:70", "--seed", "7") as box,
        Agent(tmp_path, box.port) as agent,
    ):
        with agent.page() as page:
            streaming(page)
            exam_id = emergency(page, symptoms=["chest_pain"])
            recording_id = begin(page, exam_id)
            until(lambda: (state(page)["recording"] or {}).get("elapsed_s", 0) > 1, 10, "progress")
            exam = saved(page, exam_id)
            assert exam["status"] == "queued"
            (attempt,) = exam["attempts"]
            assert attempt["analysis"]["measurements"]["heart_rate"] == pytest.approx(70, abs=1)
            assert abs(until(lambda: state(page)["heart_rate"], 10, "heart rate") - 70) <= 1
            path = f"/api/exams/{exam_id}/recordings/{recording_id}/waveform"
            assert live.unpack(page.get(path).content).counts.shape == (12, 5000)
            assert not state(page)["link"]["online"]
        agent.kill()
        (closed,) = asyncio.run(owed(agent))
        assert_is_what_the_box_sent(closed, box)
    assert PASSWORD not in agent.log


def test_killed_in_the_middle_what_was_spooled_is_sealed_and_owed_once(tmp_path: Path) -> None:
    with Simulator(tmp_path, "--scenario", "sinus", "--seed", "3") as box, Agent(tmp_path, box.port) as agent:
        with agent.page() as page:
            streaming(page)
            exam_id = emergency(page)
            begin(page, exam_id)
            until(
                lambda: (state(page)["recording"] or {}).get("elapsed_s", 0) > 2, 10, "two seconds recorded"
            )
        agent.kill()
        agent.start()
        with agent.page() as page:
            exam = saved(page, exam_id)
            assert exam["attempts"][0]["interrupted"] is True
            assert exam["attempts"][0]["duration_s"] >= 2
        agent.kill()  # after the seal
        agent.start()
        with agent.page() as page:
            assert len(saved(page, exam_id)["attempts"]) == 1
            streaming(page)
            begin(page, exam_id)  # 重新采集
            assert len(saved(page, exam_id, attempts=2)["attempts"]) == 2
        agent.kill()
        first, second = asyncio.run(owed(agent))
        for closed in (first, second):
            assert_is_what_the_box_sent(closed, box)
        assert (first.recording.interrupted, second.recording.interrupted) == (True, False)
        assert (first.attempt, second.attempt) == (1, 2)
        assert list((agent.data / "spool").iterdir()) == []


def test_a_cut_cable_a_wrong_box_and_the_right_one_again(tmp_path: Path) -> None:
    with (
        Simulator(tmp_path) as box,
        Agent(tmp_path, box.port, serial="BOX-0001") as agent,
        agent.page() as page,
    ):
        streaming(page)
        exam_id = emergency(page)
        begin(page, exam_id)
        until(lambda: (state(page)["recording"] or {}).get("elapsed_s", 0) > 1, 10, "a second recorded")
        box.stop()
        until(lambda: state(page)["box"]["state"] == "gone", 10, "the box is gone")
        exam = saved(page, exam_id)
        assert exam["attempts"][0]["interrupted"] is True
        assert refusal(page)[0] == "box_gone"
        assert state(page)["heart_rate"] is None

        box.start("--serial", "BOX-0002")
        until(lambda: state(page)["box"]["state"] == "wrong_serial", 15, "another box is noticed")
        assert "BOX-0002" in state(page)["box"]["detail"]
        assert refusal(page)[0] == "wrong_serial"
        box.stop()

        box.start("--rates", "1000")
        until(lambda: state(page)["box"]["state"] == "wrong_rate", 15, "the wrong rate is noticed")
        assert refusal(page)[0] == "wrong_rate"
        box.stop()

        box.start("--serial", "BOX-0001")
        streaming(page)


def test_garbage_on_the_wire_is_counted_and_what_is_sound_is_kept(tmp_path: Path) -> None:
    with Simulator(tmp_path, "--fault", "garbage") as box, Agent(tmp_path, box.port) as agent:
        with agent.page() as page:
            until(lambda: state(page)["box"]["bad_frames"] > 0, 20, "bad frames are counted")
            until(lambda: state(page)["box"]["state"] == "streaming", 20, "the box streams through it")
            exam_id = emergency(page)
            begin(page, exam_id)
            saved(page, exam_id)
        agent.kill()
        for closed in asyncio.run(owed(agent)):
            kept = record.read_files({file.name: file.data for file in closed.recording.files})
            sent = np.fromfile(box.sent_log, dtype="<i4").reshape(-1, 8)
            there = ~kept.missing.any(axis=0)
            places = closed.recording.box_first_sample + np.flatnonzero(there)
            assert np.array_equal(kept.counts.T[there], sent[places])


def test_lines_of_pure_garbage_are_a_fault(tmp_path: Path) -> None:
    """Another device, or the wrong speed: bytes that are never a frame."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        with Agent(tmp_path, port) as agent, agent.page() as page:
            stranger.settimeout(10)
            line, _ = stranger.accept()
            with line:
                line.sendall(bytes(range(256)) * 40)
                until(lambda: state(page)["box"]["state"] in ("gone", "faulted"), 15, "it is noticed")
            code, detail = refusal(page)
            assert code == "box_gone"
            assert detail["state"] in ("gone", "faulted")


async def _watch(agent: Agent, cookie: str, seconds: float, band: str) -> tuple[list[Any], list[live.Block]]:
    states, blocks = [], []
    url = f"ws://127.0.0.1:{agent.port}/api/live?band={band}"
    async with websockets.connect(url, additional_headers={"Cookie": cookie}) as page:
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            said = await page.recv()
            if isinstance(said, str):
                states.append(json.loads(said))
            else:
                blocks.append(live.unpack(said))
    return states, blocks


async def _close_code(agent: Agent, headers: dict[str, str]) -> int | None:
    async with websockets.connect(
        f"ws://127.0.0.1:{agent.port}/api/live", additional_headers=headers
    ) as page:
        await page.wait_closed()
        return page.close_code


def test_the_live_socket(tmp_path: Path) -> None:
    with Simulator(tmp_path) as box, Agent(tmp_path, box.port) as agent:
        with agent.page() as page:
            streaming(page)
            cookie = f"maitong_session={page.cookies['maitong_session']}"
            states, blocks = asyncio.run(_watch(agent, cookie, 3, "diagnostic"))
            assert len(states) >= 3
            assert all(said["type"] == "state" for said in states)
            assert set(states[0]) == {"type", *state(page)}
            assert 25 <= len(blocks) <= 40
            firsts = [block.first_sample for block in blocks]
            assert {b - a for a, b in itertools.pairwise(firsts)} == {50}
            assert all(block.counts.shape == (12, 50) for block in blocks)
            _, monitor = asyncio.run(_watch(agent, cookie, 1, "monitor"))
            assert {block.flags for block in monitor} == {live.MONITORING}
            assert asyncio.run(_close_code(agent, {"Cookie": cookie, "Origin": "http://evil"})) == 4403
            page.post("/api/logout")
            assert asyncio.run(_close_code(agent, {"Cookie": cookie})) == 4401
        with agent.page(OPS) as page:
            cookie = f"maitong_session={page.cookies['maitong_session']}"
            states, blocks = asyncio.run(_watch(agent, cookie, 1.5, "diagnostic"))
            assert states
            assert not blocks  # the heart is a patient's


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "edge_agent", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_commands_and_starts_that_cannot_be(tmp_path: Path) -> None:
    agent = Agent(tmp_path, None)
    settings = str(agent.settings)
    assert run("queue", "--settings", settings).returncode == 1
    wrong = run("check-config", "--settings", settings)
    assert wrong.returncode == 2  # the certificates are not there
    assert "broker" in wrong.stderr
    for name in ("c", "k"):
        (tmp_path / name).write_text("")
    fine = run("check-config", "--settings", settings)
    assert (fine.returncode, fine.stdout) == (0, "MT-0001: settings can be used\n")
    assert run("check-config", "--settings", str(tmp_path / "none.toml")).returncode == 2
    with agent:
        second = run("run", "--settings", settings)
        assert second.returncode == 1
        assert "another agent works in" in second.stderr
        other = tmp_path / "other"
        other.mkdir()
        taken = Agent(other, None)
        text = taken.settings.read_text().replace(f"page_port = {taken.port}", f"page_port = {agent.port}")
        taken.settings.write_text(text)
        refused = run("run", "--settings", str(taken.settings))
        assert refused.returncode == 1
        assert "cannot listen on" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert run("queue", "stat", "--settings", settings).returncode == 0
        assert ls(agent.data / name for name in FILES) == []
    assert agent.process is not None
    assert agent.process.returncode == 0
    assert "Traceback" not in agent.log


async def test_keep_alive_waits_longer_each_time_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    ends: list[Exception | None] = [DriverError("x"), ZeroDivisionError(), None, DriverError("y")]

    async def fails() -> None:
        if (end := ends.pop(0)) is not None:
            raise end

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        if not ends:
            raise asyncio.CancelledError

    monkeypatch.setattr(app.asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await keep_alive("box", fails, FakeClock(), first_s=1, most_s=3)
    assert waited == [1, 2, 3, 3]


@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_damaged_file_is_not_survived(wrapped: bool) -> None:
    damaged = StoreCorrupt(Path("outbox.db"), "a page")

    async def fails() -> None:
        raise ExceptionGroup("tasks", [damaged]) if wrapped else damaged

    with pytest.raises(ExceptionGroup if wrapped else StoreCorrupt):
        await keep_alive("link", fails, FakeClock())
