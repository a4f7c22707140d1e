import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.station import Account, BoxSettings, StationSettings, check_secret, hash_secret

SALT = bytes(range(16))
FIELDS = {
    "station_id": "MT-0001",
    "station_name": "河西村卫生室",
    "organisation": "HX",
    "storage_key_file": "storage.key",
    "broker": {"host": "h", "port": 8883, "ca_file": "a", "cert_file": "b", "key_file": "c"},
}


def test_scrypt_as_in_its_standard():
    """RFC 7914 §12, third vector: pleaseletmein / SodiumChloride, N 16384, r 8, p 1, first 32 bytes."""
    stored = hash_secret("pleaseletmein", b"SodiumChloride")
    assert stored.endswith("$7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2")


@settings(max_examples=4, deadline=None)
@given(st.text(st.characters(), max_size=30))
def test_the_password_and_no_other(secret):
    stored = hash_secret(secret, SALT)
    assert check_secret(secret, stored)
    assert not check_secret(secret + "x", stored)


@pytest.mark.parametrize(
    "stored",
    ["", "scrypt", "scrypt$", "scrypt$zz$00", "scrypt$00$é", "bcrypt$00$00", "scrypt$00$\ud800", "$$$"],
)
def test_a_form_of_another_version_lets_nobody_in(stored):
    assert not check_secret("", stored)
    assert not check_secret("password", stored)


def test_settings_with_their_defaults():
    station = StationSettings.model_validate(FIELDS)
    assert (station.page_host, station.session_minutes, station.boxes) == ("127.0.0.1", 15, ())


@pytest.mark.parametrize(
    "wrong",
    [
        {"station_id": "mt 1"},
        {"statoin_name": "x"},
        {"page_port": 70_000},
        {"broker": FIELDS["broker"] | {"port": 0}},
    ],
)
def test_a_mistake_in_the_file_is_seen(wrong):
    with pytest.raises(ValueError):
        StationSettings.model_validate(FIELDS | wrong)


def test_a_box_runs_at_a_rate_the_arithmetic_knows():
    with pytest.raises(ValueError):
        BoxSettings(driver="ecg_ads1298", address="tcp:h:1", rate_hz=333)


def test_a_cached_account_is_one_of_the_rooms_own():
    with pytest.raises(ValueError):
        Account(username="root", name="x", role="sys_admin", secret="")
