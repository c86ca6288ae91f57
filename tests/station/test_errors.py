"""Each kind of failure has the exit code that the documentation promises."""

import pytest

from custody.errors import Reason
from station import errors


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.StationError, 1),
        (errors.UsageError, 2),
        (errors.ConfigError, 2),
        (errors.NotDone, 4),
        (errors.TargetVanished, 4),
        (errors.TargetShrunk, 4),
        (errors.TargetChanged, 4),
        (errors.OutcomeUnknown, 5),
        (errors.WaitingToSync, 6),
    ],
)
def test_exit_codes(kind: type[errors.StationError], code: int) -> None:
    assert kind("x").exit_code == code


def test_a_refusal_carries_all_its_reasons() -> None:
    refused = errors.GuardRefused(Reason(code, f"because {code}") for code in ("a", "b"))
    assert refused.exit_code == 3
    assert [reason.code for reason in refused.reasons] == ["a", "b"]
    assert str(refused) == "because a; because b"
