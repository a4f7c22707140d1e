import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning import inventory
from provisioning.errors import InventoryError

HOSPITAL = inventory.Organisation(code="H", name="示例县人民医院", kind="county_hospital")
CLINIC = inventory.Organisation(code="V1", name="河西村卫生室", kind="village_clinic", parent="H")
EMPTY = inventory.Inventory(county="示例县")


def test_what_was_saved_is_loaded(tmp_path):
    county = inventory.add(inventory.add(EMPTY, organisation=HOSPITAL), organisation=CLINIC)
    county = inventory.add(county, station=inventory.Station(id="MT-0001", name="河西村", organisation="V1"))

    inventory.save(tmp_path, county)

    assert inventory.load(tmp_path) == county


def test_adding_again_changes_the_row_instead_of_doubling_it():
    county = inventory.add(EMPTY, organisation=HOSPITAL)
    county = inventory.add(county, organisation=HOSPITAL.model_copy(update={"name": "新名"}))

    assert [o.name for o in county.organisations] == ["新名"]


@pytest.mark.parametrize(
    ("station", "word"),
    [
        (inventory.Station(id="MT-0001", name="x", organisation="nowhere"), "not in the inventory"),
        (inventory.Station(id="hub", name="x", organisation="H"), "does not fit"),
    ],
)
def test_a_station_that_cannot_be_is_refused(station, word):
    county = inventory.add(EMPTY, organisation=HOSPITAL)

    with pytest.raises(InventoryError, match=word):
        inventory.add(county, station=station)


def test_no_inventory_says_to_run_init(tmp_path):
    with pytest.raises(InventoryError, match="run `init` first"):
        inventory.load(tmp_path)


@given(st.binary(max_size=200))
def test_any_bytes_as_inventory_are_an_error_not_a_crash(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("county")
    (folder / inventory.FILE_NAME).write_bytes(data)

    with pytest.raises(InventoryError):
        inventory.load(folder)
