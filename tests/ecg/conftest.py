"""Where the real recordings are."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def ecg_data() -> Path:
    """Folder of public ECG records, one archive each."""
    folder = os.environ.get("MAITONG_ECG_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("MAITONG_ECG_DATA names no folder of real ECG records")
    return Path(folder)
