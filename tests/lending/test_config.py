"""The environment makes one configuration, or a sentence that says what is wrong."""

from pathlib import Path

import pytest

from custody.claims import Claim
from custody.events import World
from lending.config import from_environment
from lending.errors import ConfigError


def test_nothing_set_gives_a_working_configuration(tmp_path: Path) -> None:
    config = from_environment({"KITBANK_HOME": str(tmp_path / "home")})
    assert config.database_url == f"sqlite:///{tmp_path / 'home' / 'lending.sqlite'}"
    assert (config.world, config.policy.claim) == (None, Claim.CLEAR)
    assert from_environment({"KITBANK_HOME": str(tmp_path / "home")}).secret_key == config.secret_key
    assert (tmp_path / "home" / "secret.key").stat().st_mode & 0o077 == 0


def test_everything_can_be_set(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    config = from_environment(
        {
            "KITBANK_HOME": str(tmp_path), "KITBANK_WORLD": "practice", "DATABASE_URL": "postgres://u:p@h/d",
            "SECRET_KEY_FILE": str(tmp_path / "secret"), "KITBANK_POLICY_CLAIM": "purge", "KITBANK_POLICY_GRADE": "B",
            "KITBANK_POLICY_TESTS": "electrical, screen", "KITBANK_POLICY_SECOND_CHECK": "yes",
            "KITBANK_POLICY_ACCEPTANCE": "yes", "KITBANK_POLICY_CHECK_SHARE": "35",
            "KITBANK_POLICY_INVENTORY_DAYS": "30", "KITBANK_HOST_ADDRESS": "https://kit.example.org/",
            "KITBANK_STATION_CONFIG": "someone else's", "PATH": "/bin",
        }
    )  # fmt: skip
    assert (config.world, config.secret_key) == (World.PRACTICE, "s3cret")
    assert config.database_url == "postgresql+psycopg://u:p@h/d"
    assert (config.host_address, config.label_host) == ("https://kit.example.org", "kit.example.org")
    policy = config.policy
    assert (policy.claim, policy.grade, policy.tests) == (Claim.PURGE, "B", ("electrical", "screen"))
    assert (policy.second_check, policy.other_station, policy.inventory_days) == (True, False, 30)
    assert (policy.acceptance, policy.check_share) == (True, 35)


def test_a_second_check_may_be_asked_for_at_another_station(tmp_path: Path) -> None:
    asked = {"KITBANK_HOME": str(tmp_path), "KITBANK_POLICY_SECOND_CHECK": "other-station"}
    policy = from_environment(asked).policy
    assert (policy.second_check, policy.other_station) == (True, True)
    plain = from_environment({"KITBANK_HOME": str(tmp_path)}).policy
    assert (plain.second_check, plain.other_station, plain.acceptance, plain.check_share) == (False, False, False, 20)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("KITBANK_HOMEE", "x", "is not a setting"),
        ("KITBANK_WORLD", "toy", "real or practice"),
        ("DATABASE_URL", "mysql://x", "postgresql:// or sqlite:///"),
        ("KITBANK_POLICY_CLAIM", "none", "clear, purge or destroy"),
        ("KITBANK_POLICY_GRADE", "E", "A, B, C or D"),
        ("KITBANK_POLICY_SECOND_CHECK", "maybe", "yes, no or other-station"),
        ("KITBANK_POLICY_ACCEPTANCE", "maybe", "yes or no"),
        ("KITBANK_POLICY_CHECK_SHARE", "19", "20 to 100"),
        ("KITBANK_POLICY_CHECK_SHARE", "some", "20 to 100"),
        ("KITBANK_POLICY_INVENTORY_DAYS", "0", "whole number"),
        ("KITBANK_WORKERS", "two", "whole number"),
        ("SECRET_KEY_FILE", "/nowhere/at/all", "cannot be read"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, name: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        from_environment({"KITBANK_HOME": str(tmp_path), name: value})


def test_a_secret_is_given_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="keep one of them"):
        from_environment({"KITBANK_HOME": str(tmp_path), "SECRET_KEY": "a", "SECRET_KEY_FILE": "b"})
