"""A station's configuration: one TOML file, or only a home folder, into one frozen dataclass built once.

    name = "Bench 1"
    world = "practice"              # practice or real; must be that of the journal
    home = "/var/lib/kitbank"       # journal, keys and work logs; default: the folder of this file
    profile = "purge"               # for drives, when none is named
    bays = []                       # udev ID_PATH of the sockets that are offered; empty: all. With names, and the
                                    # table [bench]: see station/bays_config.py
    allow_loop = false              # offer loop devices; practice only
    protect = []                    # further paths whose disks are never offered
    second_opinion = true           # ask pySMART as well
    may_suspend = false             # suspend the whole machine once to thaw a drive that its firmware froze

Unknown keys are errors, because a misspelt `protect` would protect nothing.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import wipe_profiles
from custody.events import World
from station.bays_config import Bay, BenchSettings, read_bays, read_settings
from station.errors import ConfigError


@dataclass(frozen=True)
class Config:
    """One station's settings. All paths are absolute."""

    home: Path
    name: str = "station"
    world: World = World.PRACTICE
    profile: str = "purge"
    bays: tuple[str, ...] = ()
    allow_loop: bool = False
    protect: tuple[Path, ...] = ()
    second_opinion: bool = True
    may_suspend: bool = False
    stalls: tuple[Bay, ...] = ()  # all bays with their names; `bays` are those of them that the guard knows
    bench: BenchSettings = field(default_factory=BenchSettings)

    @property
    def screen(self) -> Path:
        """Return the folder that the bench shares with screens."""
        return Path(self.bench.screen_folder) if self.bench.screen_folder else self.home / "screen"

    @property
    def orders(self) -> Path:
        """Return the file in which the screen leaves orders; its folder is the only one the screen may write in."""
        return self.screen / "orders" / "orders.sqlite"

    @property
    def bays_state(self) -> Path:
        """Return the file in which the bench says how its bays are."""
        return self.screen / "bays.json"

    @property
    def bays_folder(self) -> Path:
        """Return the bench's own folder: what it must not forget, and what its children tell."""
        return self.home / "bays"

    @property
    def journal(self) -> Path:
        """Return the journal's file."""
        return self.home / "journal.sqlite"

    @property
    def event_key(self) -> Path:
        """Return the file of the key that signs events (mode 0600, root's)."""
        return self.home / "event.key"

    @property
    def transport_key(self) -> Path:
        """Return the file of the key that signs requests to the server; it cannot sign events."""
        return self.home / "transport.key"

    @property
    def worklogs(self) -> Path:
        """Return the folder of the per-drive work logs."""
        return self.home / "worklogs"

    @property
    def ours(self) -> tuple[Path, ...]:
        """Return every path whose disk must never be offered."""
        return (self.home, *self.protect)


_KINDS: Mapping[str, type] = {
    "home": str,
    "name": str,
    "world": str,
    "profile": str,
    "bays": list,
    "allow_loop": bool,
    "protect": list,
    "second_opinion": bool,
    "may_suspend": bool,
    "bench": dict,
}


def at_home(home: Path) -> Config:
    """Return the configuration of a home folder: its `station.toml` when there is one, else the defaults.

    Raises `ConfigError` when that file is wrong.
    """
    home = home.absolute()
    file = home / "station.toml"
    return load(file) if file.exists() else Config(home)


def load(file: Path) -> Config:
    """Read a configuration file. Raises `ConfigError` naming the file, the key and what is allowed."""
    try:
        data = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read ({error.strerror}); name another with --config") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file} is not valid TOML ({error})") from error
    return parse(data, file)


def parse(data: Mapping[str, Any], file: Path) -> Config:
    """Check the values of a configuration file. Raises `ConfigError`."""
    allowed = list(_KINDS)
    for key, value in data.items():
        if key not in allowed:
            raise ConfigError(f"{file}: {key} is an unknown key; allowed: {', '.join(allowed)}")
        if not isinstance(value, _KINDS[key]):
            raise ConfigError(f"{file}: {key} must be {_WORDS[_KINDS[key]]}, not {value!r}")
        if isinstance(value, list) and key != "bays" and not all(isinstance(item, str) and item for item in value):
            raise ConfigError(f"{file}: {key} must be a list of texts, not {value!r}")
    base = file.absolute().parent
    world = _one_of("world", data.get("world", World.PRACTICE.value), [w.value for w in World], file)
    practice = world == World.PRACTICE.value
    stalls = read_bays(data.get("bays", ()), file, loops=practice)
    config = Config(
        home=base / data.get("home", "."),
        name=data.get("name", "station"),
        world=World(world),
        profile=_one_of("profile", data.get("profile", "purge"), wipe_profiles.names(), file),
        bays=tuple(bay.place for bay in stalls if not bay.practice),
        allow_loop=data.get("allow_loop", False),
        protect=tuple(base / path for path in data.get("protect", ())),
        second_opinion=data.get("second_opinion", True),
        may_suspend=data.get("may_suspend", False),
        stalls=stalls,
        bench=read_settings(data.get("bench", {}), file),
    )
    if config.allow_loop and config.world is not World.PRACTICE:
        raise ConfigError(f"{file}: allow_loop = true is for practice only, and world = {world!r}; allowed: false")
    return config


_WORDS: Mapping[type, str] = {str: "a text", list: "a list of texts", bool: "true or false", dict: "a table"}


def _one_of(key: str, value: str, allowed: list[str], file: Path) -> str:
    """Return a value that is one of a few. Raises `ConfigError`."""
    if value not in allowed:
        raise ConfigError(f"{file}: {key} = {value!r} is not known; allowed: {', '.join(allowed)}")
    return value
