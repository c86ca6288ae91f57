"""Short slices of killing the worker and the server; `python -m tests.lending.kill_worker` does it fifty times."""

from pathlib import Path

import pytest

from tests.lending import kill_server, kill_worker
from tests.lending.conftest import Cluster

DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


def place(request: pytest.FixtureRequest, database: str) -> Cluster | None:
    """Return the cluster where one is needed."""
    return request.getfixturevalue("cluster") if database == "postgresql" else None


@pytest.mark.slow
@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("transport", kill_worker.TRANSPORTS)
def test_a_worker_killed_at_any_moment_loses_nothing_and_sends_nothing_twice(
    request: pytest.FixtureRequest, tmp_path: Path, database: str, transport: str
) -> None:
    found = kill_worker.run(database, transport, 4, 7, place(request, database), tmp_path)
    assert (found.lost, found.twice, found.unknown) == (0, 0, 0), found
    assert found.states == {"sent": found.messages}


@pytest.mark.slow
@pytest.mark.parametrize("database", DATABASES)
def test_a_server_killed_at_any_moment_keeps_what_it_answered(
    request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    found = kill_server.run(database, 2, 7, place(request, database), tmp_path)
    assert (found.lost, found.twice) == (0, 0), found
    assert found.acknowledged > 0
