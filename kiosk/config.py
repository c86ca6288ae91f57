"""One kiosk's home folder and its settings: `kiosk.toml`, read once into a frozen record; unknown keys are errors."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any


class ConfigError(Exception):
    """A setting is wrong; the message says which file, key and value, and what is allowed."""


@dataclass(frozen=True)
class Home:
    """Where a kiosk keeps its things."""

    folder: Path

    @property
    def journal(self) -> Path:
        """The signed history, ours and what we know of others'."""
        return self.folder / "journal.sqlite"

    @property
    def event_key(self) -> Path:
        """The key that signs returns and nothing else."""
        return self.folder / "event.key"

    @property
    def transport_key(self) -> Path:
        """The key that signs requests to the server."""
        return self.folder / "transport.key"

    @property
    def settings(self) -> Path:
        """The settings."""
        return self.folder / "kiosk.toml"


@dataclass(frozen=True)
class Config:
    """A kiosk's settings. Times are in seconds."""

    name: str = "Return kiosk"
    place: str = ""
    host: str = ""
    language: str = "en"
    languages: tuple[str, ...] = ("en", "ar", "pl")
    port: int = 8090
    printer: str = ""
    slip: str = "zpl:57x32"
    warn_after: float = 45.0
    reset_after: float = 20.0
    sync_every: float = 60.0


_ALLOWED: Mapping[str, tuple[type, str]] = {
    "name": (str, "a text"),
    "place": (str, "a text"),
    "host": (str, "the host that labels name, such as lend.example.org"),
    "language": (str, "a language code such as en"),
    "languages": (list, "a list of language codes"),
    "port": (int, "a number from 1 to 65535"),
    "printer": (str, "an outlet such as tcp://printer:9100, or empty"),
    "slip": (str, "a label format such as zpl:57x32"),
    "warn_after": (float, "seconds, at least 20"),
    "reset_after": (float, "seconds, at least 20 (WCAG 2.2.1)"),
    "sync_every": (float, "seconds, at least 5"),
}
_LEAST = {"port": 1, "warn_after": 20, "reset_after": 20, "sync_every": 5}


def load(path: Path) -> Config:
    """Return the settings of a file; a missing file means the defaults. Raises `ConfigError`."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Config()
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    values = {key: _checked(path, key, value) for key, value in data.items()}
    config = Config(**values)
    if config.language not in config.languages:
        raise ConfigError(f"{path}: language is {config.language!r}, which is not one of languages")
    return config


def template(config: Config) -> str:
    """Return a settings file that says what there is to set."""
    lines = ["# Settings of one return kiosk; see docs/kiosk.md. Remove a line to get its default.", ""]
    for field in fields(config):
        value = getattr(config, field.name)
        lines += [f"# {_ALLOWED[field.name][1]}", f"{field.name} = {_toml(value)}", ""]
    return "\n".join(lines)


def _checked(path: Path, key: str, value: object) -> Any:
    if key not in _ALLOWED:
        raise ConfigError(f"{path}: there is no setting {key!r}; there are: {', '.join(_ALLOWED)}")
    kind, said = _ALLOWED[key]
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    right = isinstance(value, kind) and not isinstance(value, bool)
    if isinstance(value, list):
        right = bool(value) and all(isinstance(one, str) for one in value)
        value = tuple(value)
    if isinstance(value, int | float) and right:
        right = _LEAST.get(key, 0) <= value <= 65535
    if not right:
        raise ConfigError(f"{path}: {key} is {value!r}, which is not {said}")
    return value


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)
