"""Declarative wipe methods: what to try, in what order, and how it is proved.

A profile is one TOML file. It names no result: which claim a wipe reaches is computed from evidence. The
loader is strict, because a misspelt key here would quietly weaken a wipe: every unknown table, key or value is
a `ProfileError` that names the file, the place and what is allowed. `Profile.digest` is the SHA-256 of the
file's bytes and goes into the record of every wipe.

    >>> load("clear").wants
    'clear'
"""

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

CLAIMS = ("none", "clear", "purge", "destroy")  # weakest first
TRANSPORTS = ("nvme", "ata", "scsi", "mmc", "usb", "block", "file")
PATTERNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "overwrite-zero": ("zero",),
        "overwrite-random": ("random",),
        "overwrite3": ("zero", "byte:ff", "random"),
    }
)  # the passes of each overwriting method, in order
METHODS = (
    *PATTERNS,
    "sanitize-crypto",
    "sanitize-block",
    "sanitize-overwrite",
    "secure-erase",
    "secure-erase-enhanced",
    "format-crypto",
    "format-user",
    "erase-sanitize",
    "destroy",
)
BEFORE = ("unhide",)  # remove hidden areas (HPA, DCO, AMA) first
PROOFS = ("canaries", "read-all", "read-sampled", "witnesses")  # witnesses: two names, for destruction
_TEXTS = ("title", "wants", "accepts", "basis")


class ProfileError(ValueError):
    """A profile is missing or wrong; says the file, the table, the key, the value and what is allowed."""

    def __init__(
        self, file: str, table: str, key: str, value: object, problem: str, allowed: Sequence[str] = ()
    ) -> None:
        """Make the sentence out of the parts, which stay readable as attributes."""
        self.file, self.table, self.key, self.value, self.allowed = file, table, key, value, tuple(allowed)
        place = f"{file}: " + (f"[{table}] " if table else "") + (f"{key}: " if key else "")
        hint = f"; allowed: {', '.join(self.allowed)}" if self.allowed else ""
        super().__init__(f"{place}{problem}{hint}")


@dataclass(frozen=True)
class Recipe:
    """What to do with one kind of medium: methods in order of preference, steps before, proofs.

    `after` is an overwriting method that follows a command of the drive's own, where policy does not rest on the
    drive's word alone; () means none.
    """

    methods: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    prove: tuple[str, ...]


@dataclass(frozen=True)
class Profile:
    """One wipe profile. `wants` is the claim aimed at, `accepts` the least that is any use."""

    name: str
    title: str
    wants: str
    accepts: str
    basis: str
    recipes: Mapping[str, Recipe]
    digest: str

    def recipe_for(self, transport: str) -> Recipe | None:
        """Return the recipe for a transport, else that for any block device, else None (never for files)."""
        if transport == "file":
            return self.recipes.get("file")
        return self.recipes.get(transport) or self.recipes.get("block")


def names() -> list[str]:
    """Return the names of the profiles that come with the package, sorted."""
    found = (entry.name for entry in files(__package__).iterdir())
    return sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml"))


def load(name_or_path: str | Path) -> Profile:
    """Read a profile by its name, or from a path (anything with a slash or ending in `.toml`).

    Raises `ProfileError` when there is no such profile or anything in it is not exactly as expected.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or "/" in text or text.endswith(".toml"):
        path = Path(name_or_path)
        try:
            return parse(path.read_bytes(), path.stem, text)
        except OSError as error:
            raise ProfileError(text, "", "", text, f"cannot be read ({error.strerror})") from error
    if text not in names():
        raise ProfileError("wipe profiles", "", "", text, f"there is no profile {text!r}", names())
    return parse(files(__package__).joinpath(f"{text}.toml").read_bytes(), text, f"{text}.toml")


def parse(data: bytes, name: str, file: str) -> Profile:
    """Read a profile from bytes; `file` is only for messages. Raises `ProfileError`."""
    try:
        top = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ProfileError(file, "", "", None, f"is not valid TOML ({error})") from error
    for key, value in top.items():
        if key not in (*_TEXTS, *TRANSPORTS):
            kind = "table" if isinstance(value, dict) else "key"
            allowed = TRANSPORTS if kind == "table" else _TEXTS
            raise ProfileError(file, "", key, value, f"unknown {kind}", allowed)
    title, wants, accepts, basis = (_text(top, key, file) for key in _TEXTS)
    for key, claim in (("wants", wants), ("accepts", accepts)):
        if claim not in CLAIMS:
            raise ProfileError(file, "", key, claim, f"{claim!r} is not a claim", CLAIMS)
    if CLAIMS.index(accepts) > CLAIMS.index(wants):
        fits = CLAIMS[: CLAIMS.index(wants) + 1]
        raise ProfileError(file, "", "accepts", accepts, f"{accepts!r} is more than wants = {wants!r}", fits)
    recipes = {table: _recipe(top[table], table, wants, file) for table in TRANSPORTS if table in top}
    if not recipes:
        raise ProfileError(file, "", "", None, "has no recipe; at least one table is needed", TRANSPORTS)
    digest = hashlib.sha256(data).hexdigest()
    return Profile(name, title, wants, accepts, basis, MappingProxyType(recipes), digest)


def _text(top: Mapping[str, Any], key: str, file: str) -> str:
    """Return a required, non-empty text."""
    value = top.get(key)
    if not isinstance(value, str) or not value.strip():
        problem = "is missing" if key not in top else f"must be a text that says something, not {value!r}"
        raise ProfileError(file, "", key, value, problem, CLAIMS if key in ("wants", "accepts") else ())
    return value


def _recipe(table: object, name: str, wants: str, file: str) -> Recipe:
    """Read one transport's table."""
    allowed = {"methods": METHODS, "before": BEFORE, "after": tuple(PATTERNS), "prove": PROOFS}
    if not isinstance(table, dict):
        raise ProfileError(file, "", name, table, f"must be a table, not {table!r}", TRANSPORTS)
    for key, value in table.items():
        if key not in allowed:
            raise ProfileError(file, name, key, value, "unknown key", tuple(allowed))
    for key in ("methods", "prove"):
        if key not in table:
            raise ProfileError(file, name, key, None, "is missing", allowed[key])
    lists = {key: _list(table.get(key, []), key, name, file, allowed[key]) for key in allowed}
    recipe = Recipe(**lists)
    if not recipe.methods and wants != "none":
        problem = f"must not be empty when wants = {wants!r}: nothing would be wiped"
        raise ProfileError(file, name, "methods", [], problem, METHODS)
    if len(recipe.after) > 1:
        raise ProfileError(file, name, "after", table["after"], "takes one overwriting method", tuple(PATTERNS))
    if not recipe.prove:
        raise ProfileError(file, name, "prove", [], "must not be empty: an unproved wipe is no wipe", PROOFS)
    return recipe


def _list(value: object, key: str, table: str, file: str, allowed: Sequence[str]) -> tuple[str, ...]:
    """Return a list of allowed words without repetition."""
    if not isinstance(value, list):
        raise ProfileError(file, table, key, value, f"must be a list, not {value!r}", allowed)
    for word in value:
        if word not in allowed:
            raise ProfileError(file, table, key, word, f"unknown value {word!r}", allowed)
        if value.count(word) > 1:
            raise ProfileError(file, table, key, word, f"{word!r} is there twice", allowed)
    return tuple(value)
