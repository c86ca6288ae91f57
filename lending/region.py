"""The area a service is for: configuration, never constants in code. A borough, a region and a country are the same.

Source of the codes in the file that comes with Kitbank: Office for National Statistics, Register of Geographic Codes.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from lending.errors import ConfigError

GSS = re.compile(r"[A-Z][0-9]{8}")
"""A code of the Office for National Statistics: a letter for the country and eight digits."""
AREA = re.compile(r"[A-Z]{1,2}")
KEYS = ("name", "code", "countries", "areas", "elsewhere", "authorities")


@dataclass(frozen=True)
class Region:
    """Which authorities are served. `authorities`: GSS code to name; `areas`: postcode areas that reach into it."""

    name: str
    code: str
    authorities: Mapping[str, str]
    countries: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    elsewhere: str = ""

    def serves(self, authority: str) -> bool:
        """Tell whether an authority (GSS code) is served."""
        return authority in self.authorities or authority.startswith(self.countries or ("-",))

    def reaches(self, area: str) -> bool:
        """Tell whether any postcode of a postcode area (`L`, `CH`) can lie inside."""
        return not self.areas or area in self.areas


@cache
def default() -> Region:
    """Return the region that comes with Kitbank."""
    source = files("lending") / "regions" / "liverpool-city-region.toml"
    return read(source.read_text(encoding="utf-8"), "liverpool-city-region.toml")


def load(path: Path | None) -> Region:
    """Return the region of a file, or the one that comes with Kitbank. Raises `ConfigError`."""
    if path is None:
        return default()
    try:
        return read(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise ConfigError(f"KITBANK_REGION_FILE names {path}, which cannot be read ({error.strerror})") from error


def read(text: str, where: str) -> Region:
    """Read a region from the text of its file. Raises `ConfigError`, naming the key and what it should be."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where} is not TOML: {error}") from error
    unknown = sorted(set(found) - set(KEYS))
    if unknown:
        raise ConfigError(f"{where}: {unknown[0]!r} is not a setting of a region; the settings are {', '.join(KEYS)}")
    authorities = found.get("authorities", {})
    countries, areas = found.get("countries", []), found.get("areas", [])
    for code, name in authorities.items():
        if not GSS.fullmatch(code) or not isinstance(name, str) or not name.strip():
            raise ConfigError(f"{where}: authorities: {code} = {name!r} must be a code like E08000012 and a name")
    if not set(countries) <= set("EWSN"):
        raise ConfigError(f"{where}: countries = {countries!r} must be letters out of E, W, S, N")
    wrong = [area for area in areas if not isinstance(area, str) or not AREA.fullmatch(area)]
    if wrong:
        raise ConfigError(f"{where}: areas: {wrong[0]!r} must be the letters a postcode begins with, for example L")
    if not authorities and not countries:
        raise ConfigError(f"{where}: name at least one authority, or a country")
    for key in ("name", "code", "elsewhere"):
        if not isinstance(found.get(key, ""), str) or (key == "name" and not found.get(key)):
            raise ConfigError(f"{where}: {key} must be a text")
    return Region(
        name=found["name"], code=found.get("code", ""), authorities=dict(authorities), countries=tuple(countries),
        areas=tuple(areas), elsewhere=found.get("elsewhere", ""),
    )  # fmt: skip
