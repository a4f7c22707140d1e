"""ECGs a second into the hub, committed: our consumer beside a plain script, PostgreSQL's limit and Orthanc.

Real Mosquitto and PostgreSQL with fsync on, one consumer process, everything on this machine; a publisher
with messages already encoded sends from STATIONS stations. An ECG counts when its row is committed. A message
is as long as the median of bench_wire; ours come in the two parts a station on a good link makes of them, and
once in one. ROUNDS rounds, all in turn; a ratio is the median of those of the rounds.

Orthanc stores the same ten seconds as DICOM (120 000 B of samples), by one association with TCP_NODELAY at
both ends, with which it is fastest; its index is not flushed for each object.
"""

import contextlib
import json
import os
import pickle
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import postgres
import psutil
from agent import free_port, until
from bench.figures import say
from wire import NOW_NS, Sender, recording_closed
from workers import ingest_process

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
ECGS = int(os.environ.get("BENCH_ECGS", "1000"))
"""Of each round."""
BURST = int(os.environ.get("BENCH_BURST", "6000"))
OBJECTS = 200
STATIONS = 40
SIGNAL_BYTES = 22_256
BATCH = 32
TWO_PARTS, ONE_PART = 16 * 1024, 60_000
HERE = Path(__file__).parent

Frames = list[tuple[str, bytes]]


def inventory() -> str:
    stations = [{"id": f"MT-{i:04d}", "name": f"{i}号卫生室", "organisation": "V1"} for i in range(STATIONS)]
    return json.dumps(
        {
            "county": "测试县",
            "organisations": [
                {"code": "H1", "name": "县人民医院", "kind": "county_hospital"},
                {"code": "V1", "name": "河西村卫生室", "kind": "village_clinic", "parent": "H1"},
            ],
            "stations": stations,
        }
    )


def analysis() -> Any:
    """As many numbers and statements as an ordinary record has."""
    from ecg.leads import LEADS
    from protocols.messages import Analysis, MachineStatement
    from protocols.statements import MEASUREMENTS

    statements = tuple(
        MachineStatement(
            code=code,
            evidence=" · ".join((rule, *LEADS, "pr_ms 219.5 · limit_ms 200")),
            rule=rule,
            leads=LEADS,
            numbers={"pr_ms": 219.5, "limit_ms": 200.0},
            level=2,
        )
        for code, rule in (
            ("sinus_rhythm", "sinus.rate"),
            ("av_block_1", "av.pr_long"),
            ("left_axis_deviation", "axis.frontal"),
        )
    )
    return Analysis(
        version="0.4.0",
        measurements=dict.fromkeys([row.id for row in MEASUREMENTS][:28], 219.5),
        statements=statements,
        lead_quality=dict.fromkeys(LEADS, "good"),
        level=2,
        profile="maitong 2026-1",
    )


def ecgs(n: int, part_bytes: int) -> Frames:
    """The wire of n recordings of n patients, from all stations in turn."""
    said = analysis()
    senders = [Sender(f"MT-{i:04d}") for i in range(STATIONS)]
    frames = []
    for i in range(n):
        message = recording_closed(SIGNAL_BYTES, analysis=said)
        one = senders[i % STATIONS].say(message, part_bytes=part_bytes)
        frames += [(one.topic(), frame) for frame in one.frames]
    return frames


@contextlib.contextmanager
def mosquitto(folder: Path) -> Iterator[int]:
    """The county's broker settings, without TLS; its port."""
    from provisioning.broker import find_mosquitto

    program, port = find_mosquitto(), free_port()
    assert program is not None
    folder.mkdir()
    settings = ["allow_anonymous true", "max_queued_messages 0", "max_inflight_messages 100"]
    settings += ["set_tcp_nodelay true", "persistence true", f"persistence_location {folder}/", "user root"]
    (folder / "m.conf").write_text("\n".join([f"listener {port} 127.0.0.1", *settings, "log_dest none"]))
    with ended(subprocess.Popen([program, "-c", str(folder / "m.conf")], stderr=subprocess.DEVNULL)):
        until(lambda: answers(port), 10, "mosquitto listens")
        yield port


@contextlib.contextmanager
def ended(process: "subprocess.Popen[Any]") -> Iterator["subprocess.Popen[Any]"]:
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
        return True
    return False


class Road:
    """Broker, database and one consumer; `send` gives ECGs a second and CPU ms of the consumer for each."""

    def __init__(self, folder: Path, port: int, database: Any, table: str, pid: int) -> None:
        self._folder = folder
        self._port = port
        self._database = database
        self._table = table
        self.consumer = psutil.Process(pid)

    def count(self) -> int:
        return int(self._database.execute(f"SELECT count(*) FROM {self._table}").fetchone()[0])

    def send(self, frames: Frames, n: int, *, stalled: bool = False) -> tuple[float, float]:
        """`stalled`: the consumer stands still until the broker has taken all of it."""
        held = self._folder / "frames"
        held.write_bytes(pickle.dumps(frames))
        before, cpu = self.count(), self.consumer.cpu_times()
        command = [sys.executable, str(HERE / "burst_publisher.py"), str(self._port), str(held)]
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with ended(subprocess.Popen(command, **pipes)) as publisher:
            assert publisher.stdout.readline() == "ready\n"
            if stalled:
                self.consumer.suspend()
            begun = time.perf_counter()
            publisher.stdin.write("go\n")
            publisher.stdin.flush()
            if stalled:
                assert int(publisher.stdout.readline()) == len(frames)
                self.consumer.resume()
            self._until(before + n)
            took = time.perf_counter() - begun
        after = self.consumer.cpu_times()
        return n / took, 1e3 * (after.user + after.system - cpu.user - cpu.system) / n

    def _until(self, wanted: int) -> None:
        changed, last = time.perf_counter(), -1
        while (now := self.count()) < wanted:
            if now != last:
                changed, last = time.perf_counter(), now
            assert time.perf_counter() - changed < 30, f"{wanted - now} were lost"
            time.sleep(0.02)


@contextlib.contextmanager
def our_road(folder: Path, cluster: Path) -> Iterator[Road]:
    import psycopg

    from hub import db
    from hub.services import stations

    address = postgres.url(cluster, _new_database(cluster, "ours"))
    engine = db.open_engine(address)
    db.migrate(engine)
    with db.transaction(engine) as session:
        stations.import_inventory(session, inventory(), now_ns=NOW_NS)
    engine.dispose()
    with mosquitto(folder) as port, psycopg.connect(_dsn(cluster, "ours"), autocommit=True) as database:
        worker = ingest_process(address, {"host": "127.0.0.1", "port": port})
        try:
            road = Road(folder, port, database, "recording", worker.pid or 0)
            time.sleep(3)  # it has subscribed by then; it says so nowhere, and the start is not measured
            yield road
        finally:
            worker.kill()
            worker.join()


@contextlib.contextmanager
def plain_road(folder: Path, cluster: Path) -> Iterator[Road]:
    import psycopg

    _new_database(cluster, "plain")
    dsn = _dsn(cluster, "plain")
    with mosquitto(folder) as port, psycopg.connect(dsn, autocommit=True) as database:
        database.execute("CREATE TABLE plain (id bigserial PRIMARY KEY, topic text, body bytea)")
        command = [sys.executable, str(HERE / "plain_consumer.py"), str(port), dsn]
        with ended(subprocess.Popen(command)) as consumer:
            time.sleep(2)  # as above
            yield Road(folder, port, database, "plain", consumer.pid)


def limit(cluster: Path, bodies: list[bytes]) -> float:
    """Rows a second by 32 in a transaction, nothing else."""
    import psycopg

    with psycopg.connect(_dsn(cluster, "plain")) as database, database.cursor() as rows:
        begun = time.perf_counter()
        for start in range(0, len(bodies), BATCH):
            batch = [("t", body) for body in bodies[start : start + BATCH]]
            rows.executemany("INSERT INTO plain (topic, body) VALUES (%s, %b)", batch)
            database.commit()
        return len(bodies) / (time.perf_counter() - begun)


def _new_database(cluster: Path, name: str) -> str:
    import psycopg

    with psycopg.connect(_dsn(cluster, "postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload] - a name of ours, no literal
    return name


def _dsn(cluster: Path, database: str) -> str:
    return f"host={cluster} user={postgres.USER} dbname={database}"


@contextlib.contextmanager
def orthanc(folder: Path) -> Iterator[Callable[[], float] | None]:
    """Stores OBJECTS ECGs in Orthanc when called, for a rate; None where it cannot be had."""
    program = shutil.which("Orthanc", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
    try:
        import pynetdicom
    except ImportError:
        program = None
    if program is None:
        yield None
        return
    folder.mkdir()
    dicom_port, http_port = free_port(), free_port()
    settings = {"StorageDirectory": str(folder), "IndexDirectory": str(folder), "DicomPort": dicom_port}
    settings |= {"HttpPort": http_port, "RemoteAccessAllowed": False, "AuthenticationEnabled": False}
    (folder / "orthanc.json").write_text(json.dumps(settings))
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = os.environ | {"TCP_NODELAY": "1"}
    with ended(subprocess.Popen([program, str(folder / "orthanc.json")], env=environment, **quiet)):
        until(lambda: answers(dicom_port), 30, "Orthanc listens")

        def store() -> float:
            for _ in range(3):  # on a busy machine an association may break: such a run is no figure
                if (rate := once()) is not None:
                    return rate
            raise AssertionError("Orthanc does not keep an association")

        def once() -> float | None:
            objects = [dicom_ecg(i) for i in range(OBJECTS)]
            entity = pynetdicom.AE(ae_title="BENCH")
            entity.add_requested_context(objects[0].SOPClassUID, "1.2.840.10008.1.2.1")
            entity.dimse_timeout = 300  # a disk that stalls for a while is slow, not gone
            link = entity.associate("127.0.0.1", dicom_port, ae_title="ORTHANC")
            if not link.is_established:
                return None
            link.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            begun = time.perf_counter()
            if any(link.send_c_store(one).get("Status") != 0 for one in objects):
                return None
            took = time.perf_counter() - begun
            link.release()
            return OBJECTS / took

        yield store


def dicom_ecg(number: int) -> Any:
    """A 12-Lead ECG Waveform object of 5000 samples."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    from ecg.leads import CODES, LEADS

    group = Dataset()
    group.WaveformOriginality, group.MultiplexGroupTimeOffset = "ORIGINAL", "0"
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = len(LEADS), 5000
    group.SamplingFrequency, group.WaveformBitsAllocated = "500", 16
    group.WaveformSampleInterpretation = "SS"
    channels = []
    for lead in LEADS:
        source, channel = Dataset(), Dataset()
        source.CodeValue, source.CodingSchemeDesignator = CODES[lead].dicom, "MDC"
        source.CodeMeaning = f"Lead {lead}"
        channel.ChannelSourceSequence, channel.WaveformBitsStored = [source], 16
        channels.append(channel)
    group.ChannelDefinitionSequence = channels
    group.WaveformData = os.urandom(2 * 5000 * len(LEADS))
    made = Dataset()
    made.SOPClassUID, made.Modality = "1.2.840.10008.5.1.4.1.1.9.1.1", "ECG"
    made.SOPInstanceUID, made.StudyInstanceUID = generate_uid(), generate_uid()
    made.SeriesInstanceUID, made.PatientID = generate_uid(), f"P{time.time_ns()}-{number}"
    made.PatientName, made.StudyDate, made.StudyTime = "Bench^Peer", "20260101", "080000"
    made.AccessionNumber, made.SeriesNumber, made.InstanceNumber = str(number), 1, 1
    made.AcquisitionDateTime, made.WaveformSequence = "20260101080000", [group]
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


def ratio(own: list[float], other: list[float]) -> float:
    """Median of the rounds' own."""
    return round(statistics.median(a / b for a, b in zip(own, other, strict=True)), 2)


def main() -> None:
    what = "10 s ECGs into the hub, committed"
    reach = "≥ 1.5 × a plain script, ≥ 0.3 of PostgreSQL in batches of 32, ≥ 3 × Orthanc; a burst loses none"
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        say(what, reach, left_out="PostgreSQL is not installed (apt-get install postgresql)")
        return
    seen: defaultdict[str, list[float]] = defaultdict(list)
    cpu: defaultdict[str, list[float]] = defaultdict(list)
    load = os.getloadavg()[0]
    with contextlib.ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        cluster = held.enter_context(postgres.cluster())
        ours = held.enter_context(our_road(folder / "ours", cluster))
        plain = held.enter_context(plain_road(folder / "plain", cluster))
        store = held.enter_context(orthanc(folder / "orthanc"))
        for number in range(-1, ROUNDS):  # the first round warms up
            n = ECGS if number >= 0 else 100
            one_part = ecgs(n, ONE_PART)
            roads = (
                ("ours, two parts", ours, ecgs(n, TWO_PARTS)),
                ("ours, one part", ours, ecgs(n, ONE_PART)),
                ("plain script", plain, one_part),
            )
            rates = {name: road.send(frames, n) for name, road, frames in roads}
            rates["PostgreSQL in batches"] = limit(cluster, [body for _, body in one_part]), 0.0
            if store is not None:
                rates["Orthanc C-STORE"] = store(), 0.0
            for name, (rate, cpu_ms) in rates.items() if number >= 0 else ():
                seen[name].append(rate)
                cpu[name].append(cpu_ms)
        before = ours.count()
        burst_rate, _ = ours.send(ecgs(BURST, TWO_PARTS), BURST, stalled=True)
        burst_rows = ours.count() - before
        resident = ours.consumer.memory_info().rss
    ours_by = [name for name in seen if name.startswith("ours")]
    peers = [name for name in seen if name not in ours_by]
    say(
        what,
        reach,
        rounds=ROUNDS,
        ecgs_per_s={name: round(statistics.median(rates)) for name, rates in seen.items()},
        ratio={own: {peer: ratio(seen[own], seen[peer]) for peer in peers} for own in ours_by},
        consumer_cpu_ms={name: round(statistics.median(ms), 2) for name, ms in cpu.items() if any(ms)},
        burst={"sent": BURST, "rows": burst_rows, "per_s": round(burst_rate)},
        resident_mb=round(resident / 1e6),
        left_out=None if store else "Orthanc: apt-get install orthanc, and pynetdicom (make bench)",
        load_at_start=round(load, 2),
    )
