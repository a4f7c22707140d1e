import stat
from datetime import UTC, datetime, timedelta

import pytest

from provisioning import certificates
from provisioning.errors import CertificateError

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def test_a_leaf_is_its_countys_and_names_its_holder(tmp_path):
    certificates.make_ca(tmp_path / "ca", "示例县", NOW)
    certificates.make_leaf(tmp_path / "ca", tmp_path, "station", "MT-0001", NOW)

    assert certificates.check_leaf(tmp_path / "ca", tmp_path / "station.crt", NOW) == "MT-0001"
    assert stat.S_IMODE((tmp_path / "station.key").stat().st_mode) == 0o600


def test_making_it_again_keeps_key_and_certificate(tmp_path):
    for _ in range(2):
        certificates.make_ca(tmp_path / "ca", "示例县", NOW)
        certificates.make_leaf(tmp_path / "ca", tmp_path, "station", "MT-0001", NOW)
        files = {p.name: p.read_bytes() for p in sorted(tmp_path.rglob("*.*")) if p.is_file()}
        before = locals().get("before", files)
    assert files == before


def test_a_key_left_by_a_cut_gets_its_certificate(tmp_path):
    certificates.make_ca(tmp_path / "ca", "示例县", NOW)
    certificates.make_leaf(tmp_path / "ca", tmp_path, "station", "MT-0001", NOW)
    key = (tmp_path / "station.key").read_bytes()
    (tmp_path / "station.crt").unlink()

    certificates.make_leaf(tmp_path / "ca", tmp_path, "station", "MT-0001", NOW)

    assert (tmp_path / "station.key").read_bytes() == key
    assert certificates.check_leaf(tmp_path / "ca", tmp_path / "station.crt", NOW) == "MT-0001"


@pytest.mark.parametrize("when", [NOW - timedelta(days=3), NOW + timedelta(days=400)])
def test_outside_its_time_it_says_what_to_do(tmp_path, when):
    certificates.make_ca(tmp_path / "ca", "示例县", NOW)
    certificates.make_leaf(tmp_path / "ca", tmp_path, "station", "MT-0001", NOW)

    with pytest.raises(CertificateError, match="make a new one, or set the clock"):
        certificates.check_leaf(tmp_path / "ca", tmp_path / "station.crt", when)


def test_another_countys_certificate_is_refused(tmp_path):
    for county in ("甲", "乙"):
        certificates.make_ca(tmp_path / county, county, NOW)
    certificates.make_leaf(tmp_path / "乙", tmp_path, "station", "MT-0001", NOW)

    with pytest.raises(CertificateError, match="not signed by this county"):
        certificates.check_leaf(tmp_path / "甲", tmp_path / "station.crt", NOW)


def test_a_broken_file_is_an_error_with_its_name(tmp_path):
    certificates.make_ca(tmp_path / "ca", "示例县", NOW)
    (tmp_path / "station.crt").write_bytes(b"no certificate")

    with pytest.raises(CertificateError, match=r"station\.crt"):
        certificates.check_leaf(tmp_path / "ca", tmp_path / "station.crt", NOW)
