"""One TOML file, one frozen dataclass; what is wrong is named."""

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from custody.events import World
from station.config import Config, at_home, load
from station.errors import ConfigError


def written(folder: Path, text: str) -> Path:
    file = folder / "station.toml"
    file.write_text(text, "utf-8")
    return file


def test_a_home_without_a_file_gives_the_defaults(tmp_path: Path) -> None:
    config = at_home(tmp_path)
    assert config == Config(tmp_path)
    assert config.world is World.PRACTICE
    assert not config.allow_loop
    assert config.journal == tmp_path / "journal.sqlite"
    assert config.ours == (tmp_path,)


def test_a_file_sets_everything_and_paths_are_taken_from_where_it_lies(tmp_path: Path) -> None:
    text = """
    name = "Bench 1"
    world = "real"
    home = "state"
    profile = "clear"
    bays = ["pci-0000:00:14.0-usb-0:2:1.0-scsi-0:0:0:0"]
    protect = ["/srv/archive", "more"]
    second_opinion = false
    """
    config = load(written(tmp_path, text))
    assert (config.name, config.world, config.profile) == ("Bench 1", World.REAL, "clear")
    assert config.home == tmp_path / "state"
    assert config.ours == (tmp_path / "state", Path("/srv/archive"), tmp_path / "more")
    assert config.worklogs == tmp_path / "state/worklogs"
    assert (config.event_key.parent, config.transport_key.parent) == (config.home, config.home)
    assert at_home(tmp_path) == config


def test_bays_have_names_and_the_bench_its_patience(tmp_path: Path) -> None:
    text = """
    [[bays]]
    name = "Dock A, left"
    id_path = "pci-0000:00:17.0-ata-1"
    [[bays]]
    name = "Practice"
    id_path = "/dev/loop3"
    [bench]
    stuck_after = 60
    """
    config = load(written(tmp_path, text))
    assert [(bay.name, bay.place) for bay in config.stalls] == [
        ("Dock A, left", "pci-0000:00:17.0-ata-1"),
        ("Practice", "/dev/loop3"),
    ]
    assert config.bays == ("pci-0000:00:17.0-ata-1",), "the guard hears of real sockets only"
    assert (config.bench.stuck_after, config.bench.hot_ssd) == (60.0, 70.0)


def test_what_screens_may_see_can_lie_outside_the_home(tmp_path: Path) -> None:
    config = load(written(tmp_path, 'home = "state"\n[bench]\nscreen_folder = "screen"\nscreen_group = "screens"'))
    assert config.orders == tmp_path / "screen/orders/orders.sqlite"
    assert config.bays_state == tmp_path / "screen/bays.json"
    assert config.bays_folder == tmp_path / "state/bays"
    assert Config(tmp_path).bays_state == tmp_path / "screen/bays.json"


def test_bays_without_names_are_counted(tmp_path: Path) -> None:
    config = load(written(tmp_path, 'bays = ["pci-1", "pci-2"]'))
    assert [bay.name for bay in config.stalls] == ["Bay 1", "Bay 2"]
    assert config.bays == ("pci-1", "pci-2")


def test_it_cannot_be_changed_later(tmp_path: Path) -> None:
    with pytest.raises(FrozenInstanceError):
        at_home(tmp_path).allow_loop = True  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("protct = []", ["protct", "unknown key", "protect"]),
        ('allow_loop = "yes"', ["allow_loop", "true or false", "'yes'"]),
        ("bays = 3", ["bays", "list of texts", "3"]),
        ("bays = [3]", ["bays", "list of texts"]),
        ('bays = [""]', ["bays", "list of texts"]),
        ("name = 1", ["name", "a text"]),
        ('world = "test"', ["world", "'test'", "real, practice"]),
        ('profile = "prge"', ["profile", "'prge'", "purge"]),
        ('world = "real"\nallow_loop = true', ["allow_loop", "practice only"]),
        ("name = ", ["not valid TOML"]),
        ('[[bays]]\nname = "A"', ["bays", "name and id_path"]),
        ('bays = ["pci-1", "pci-1"]', ["bays", "'pci-1'", "twice"]),
        ('[[bays]]\nname = "A"\nid_path = "x"\n[[bays]]\nname = "A"\nid_path = "y"', ["'A'", "twice"]),
        ('world = "real"\nbays = ["/dev/loop3"]', ["/dev/loop3", "practice only"]),
        ('world = "real"\nbays = ["file:/srv/x.img"]', ["file:/srv/x.img", "practice only"]),
        ("[bench]\nstuck = 3", ["bench.stuck", "unknown key", "stuck_after"]),
        ("[bench]\nhot_hdd = 20", ["bench.hot_hdd", "30 to 90"]),
        ("[bench]\nstagger = true", ["bench.stagger", "number"]),
        ("bench = 3", ["bench", "a table"]),
    ],
)
def test_what_is_wrong_is_named_with_the_file_the_key_and_what_is_allowed(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    file = written(tmp_path, text)
    with pytest.raises(ConfigError) as wrong:
        load(file)
    assert wrong.value.exit_code == 2
    assert all(word in str(wrong.value) for word in [str(file), *words])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml cannot be read"):
        load(tmp_path / "nowhere.toml")
