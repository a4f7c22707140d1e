"""Options of the fault tests: a short form runs in `make test`, `--campaign` runs the long one."""

import pytest
from county import County


def pytest_addoption(parser):
    parser.addoption("--campaign", action="store_true", help="many rounds of every fault instead of one")
    parser.addoption("--rounds", type=int, default=0, help="rounds of the campaign")


@pytest.fixture(scope="session")
def rounds(request):
    if request.config.getoption("--campaign"):
        return request.config.getoption("--rounds") or 25
    return 1


@pytest.fixture(scope="session")
def county(tmp_path_factory):
    with County(tmp_path_factory.mktemp("county") / "home", "--sent-log") as running:
        yield running


@pytest.fixture(autouse=True)
def no_open_client(county):
    yield
    county.close_clients()
