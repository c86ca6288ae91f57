"""What the kiosk's tests may ask for."""

from pathlib import Path

import pytest

from tests.kiosk.kit import Kit, kit_in


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    """Return a fresh practice kiosk."""
    return kit_in(tmp_path)
