"""One guest for all lab tests of a run, booted when the first asks for it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import drives, fetch
from tests.lab.drives import Bus, Drive
from tests.lab.fetch import Kit
from tests.lab.vm import Guest

MIB = 1 << 20


@pytest.fixture(scope="session")
def kit() -> Kit:
    """Return what a guest is booted from; skip where it is not fetched, with what is missing."""
    missing = fetch.reason_missing()
    if missing:
        pytest.skip(missing)
    if "KITBANK_NO_LAB" in os.environ:
        pytest.skip("KITBANK_NO_LAB is set")
    return fetch.kit()


@pytest.fixture(scope="session")
def plugged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Drive]:
    """Return the drives of the shared guest by name."""
    folder = tmp_path_factory.mktemp("lab-drives")
    made = [
        drives.make(folder, "flash", Bus.NVME, 64 * MIB, block_size=4096),
        drives.make(folder, "disk", Bus.SATA, 64 * MIB, model="LAB DISK", serial="LAB-0001", rotation=7200),
        drives.make(folder, "volatile", Bus.SCSI, 64 * MIB, volatile=True),
        drives.make(folder, "stick", Bus.USB, 64 * MIB),
    ]
    return {drive.name: drive for drive in made}


@pytest.fixture(scope="session")
def guest(kit: Kit, plugged: dict[str, Drive], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """Return the shared guest. Who changes its drives puts them back; who cuts its power boots it again."""
    home: Path = drives.home_disk(tmp_path_factory.mktemp("lab-home") / "home.img")
    with Guest(kit, tuple(plugged.values()), home=home) as running:
        yield running
