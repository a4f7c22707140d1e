"""The simulator as a program: what it prints, how it ends."""

import json
import signal
import subprocess
import sys

COMMAND = [sys.executable, "-m", "edge_agent.simulator", "ecg_ads1298", "--listen", "tcp:127.0.0.1:0"]


def test_says_where_it_listens_and_ends_when_told():
    with subprocess.Popen([*COMMAND, "--serial", "BOX-0042"], stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        said = json.loads(program.stdout.readline())
        program.send_signal(signal.SIGTERM)
        assert program.wait(10) == 0
    assert said["event"] == "listening"
    assert said["serial"] == "BOX-0042"
    assert said["address"].startswith("tcp:127.0.0.1:")


def test_what_cannot_be_played_is_said_in_one_line():
    done = subprocess.run([*COMMAND, "--scenario", "nonsense"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert done.stderr.startswith("simulator: unknown scenario")
    assert len(done.stderr.splitlines()) == 1
