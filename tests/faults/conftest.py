"""Options of the fault tests: a short form runs in `make test`, `--campaign` runs the long one."""

import contextlib
import secrets
import sqlite3
import time

import postgres
import pytest
from county import County
from sqlalchemy import NullPool, create_engine, text

from tests.faults import results
from tests.faults.network import Kinds, Network, make_county

LONGEST_S = 3600
"""Of one scenario of the campaign; each is bounded by its own counts, this by the clock."""
CAMPAIGN_S = 5 * 3600
"""No scenario is begun later than this: the campaign ends within six hours. The next run does the rest."""
COMBINATIONS = (Kinds("mosquitto", "postgresql"), Kinds("embedded", "sqlite"))
"""What the campaign runs each scenario with."""
NAMES = [f"MT-{n:04d}" for n in range(1, 31)]


def pytest_addoption(parser):
    parser.addoption("--campaign", action="store_true", help="many rounds of every fault instead of one")
    parser.addoption("--rounds", type=int, default=0, help="rounds of the campaign")
    parser.addoption("--again", action="store_true", help="also what has a result at this commit already")


def is_campaign(config):
    return config.getoption("--campaign", False)


def pytest_generate_tests(metafunc):
    if "kinds" in metafunc.fixturenames:
        short = getattr(metafunc.function, "short_kinds", (Kinds(),))
        chosen = COMBINATIONS if is_campaign(metafunc.config) else short
        metafunc.parametrize("kinds", chosen, ids="-".join)


def pytest_collection_modifyitems(config, items):
    """The campaign does what has no result yet, by number, each with time enough."""
    if not is_campaign(config):
        return
    at, left, done = results.commit(), [], []
    for item in items:
        item.add_marker(pytest.mark.timeout(LONGEST_S))
        is_old = not config.getoption("--again") and results.is_done(item.name, at)
        (done if is_old else left).append(item)
    config.hook.pytest_deselected(items=done)
    items[:] = left
    items.sort(key=lambda item: results.number(item.name.removeprefix("test_")))
    print(f"\n{len(left)} scenarios to do, {len(done)} have a result at {at} already")


def pytest_runtest_setup(item):
    began = item.config.stash.setdefault(BEGAN, time.monotonic())
    if is_campaign(item.config) and time.monotonic() - began > CAMPAIGN_S:
        pytest.skip("the time of one campaign is up: run `make faults` again for the rest")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call":
        item.stash[OUTCOME] = outcome.get_result()


def pytest_sessionfinish(session):
    if is_campaign(session.config) and results.FOLDER.is_dir():
        results.write_page()


OUTCOME = pytest.StashKey[pytest.TestReport]()
BEGAN = pytest.StashKey[float]()


class Findings(results.Result):
    """What a scenario has to say; `settle` judges a network."""

    def settle(self, network: Network, within_s: float = 60) -> None:
        verdict = network.settle(within_s)
        self.obligations = verdict.obligations  # the last judgement covers the earlier ones
        self.lost, self.doubled = len(verdict.lost), len(verdict.doubled)
        self.altered = len(verdict.altered)
        assert verdict.sound, f"{verdict}\n{network.oracle.quarantined()}\n{network.hub.log[-1500:]}"


@pytest.fixture
def findings(request):
    """Filled by the scenario; the campaign keeps it in a file of its own."""
    name = request.node.name
    kinds = request.node.callspec.params.get("kinds", "") if hasattr(request.node, "callspec") else ""
    scenario = request.function.__name__.removeprefix("test_").replace("_", " ")
    done = " ".join((request.function.__doc__ or "").split())
    found = Findings(scenario, done, kinds=" + ".join(kinds))
    began = time.monotonic()
    yield found
    found.seconds, found.commit = round(time.monotonic() - began, 1), results.commit()
    report = request.node.stash.get(OUTCOME, None)
    if report is None or (report.skipped and not hasattr(report, "wasxfail")):
        return
    found.outcome = getattr(report, "wasxfail", "") or report.outcome
    if is_campaign(request.config):
        results.save(name, found)


@pytest.fixture
def scale(request):
    """`scale(short, long)`: which of the two this run wants."""
    return (lambda short, long: long) if is_campaign(request.config) else (lambda short, long: short)


@pytest.fixture(scope="session")
def certificates_of_all(tmp_path_factory):
    return make_county(tmp_path_factory.mktemp("faults") / "county", NAMES)


@pytest.fixture(scope="session")
def durable_cluster():
    """A PostgreSQL that keeps what it has committed when it is killed."""
    with postgres.cluster() as folder:
        yield folder


@pytest.fixture
def fresh_database(request, tmp_path):
    """Makes an empty database of a kind; its address."""
    with contextlib.ExitStack() as stack:

        def make(kind):
            if kind == "sqlite":
                return f"sqlite:///{tmp_path / f'{secrets.token_hex(3)}.db'}"
            folder, name = request.getfixturevalue("durable_cluster"), f"hub_{secrets.token_hex(6)}"
            admin = create_engine(postgres.url(folder), isolation_level="AUTOCOMMIT", poolclass=NullPool)
            with admin.connect() as connection:
                connection.execute(text(f"CREATE DATABASE {name}"))
            stack.callback(_drop, admin, name)
            return postgres.url(folder, name)

        yield make


def _drop(admin, name):
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def database_away(request):
    """`with database_away(network):` PostgreSQL is stopped as by a power cut, an SQLite file is held."""

    @contextlib.contextmanager
    def away(network):
        if network.kinds.database == "postgresql":
            cluster = request.getfixturevalue("durable_cluster")
            postgres.stop(cluster)
            try:
                yield
            finally:
                postgres.start(cluster)
            return
        with contextlib.closing(sqlite3.connect(network.database_url.removeprefix("sqlite:///"))) as holder:
            holder.execute("BEGIN EXCLUSIVE")
            yield
            holder.rollback()

    return away


@pytest.fixture
def network(kinds, fresh_database, certificates_of_all, tmp_path, findings):
    """Makes the scenario's network; its kills are the findings' kills."""
    with contextlib.ExitStack() as stack:

        def make(**more):
            made = Network(tmp_path, certificates_of_all, kinds, fresh_database(kinds.database), **more)
            stack.enter_context(made)
            stack.callback(lambda: _count_kills(findings, made))  # before the network is ended, by kills
            return made

        yield make


def _count_kills(findings, network):
    findings.kills += network.kills


@pytest.fixture(scope="session")
def rounds(request):
    if is_campaign(request.config):
        return request.config.getoption("--rounds") or 12
    return 1


@pytest.fixture(scope="session")
def county(tmp_path_factory):
    with County(tmp_path_factory.mktemp("county") / "home", "--sent-log") as running:
        yield running


@pytest.fixture(autouse=True)
def no_open_client(request):
    yield
    if "county" in request.fixturenames:
        request.getfixturevalue("county").close_clients()
