"""How messages leave this installation: one TOML file, read into frozen records. `KITBANK_MESSAGES` names it.

A key that is not listed here is an error. Secrets stand in files of their own (`secret_file`). A practice
installation may write messages into a folder and nothing else: nobody real is ever written to from there.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from custody.events import World
from lending.errors import ConfigError

CHANNELS = ("sms", "email", "letter")
"""What a transport can carry. The fourth channel of a policy, `partner`, is an e-mail to the referring worker."""
UNITS_PER_PENNY = 100


@dataclass(frozen=True)
class FileSpec:
    """A folder that messages are written into: for practice, for tests, and for letters to be printed."""

    name: str
    folder: Path


@dataclass(frozen=True)
class SmtpSpec:
    """A mail server. `starttls` false is for a server on this machine only. Times in seconds."""

    name: str
    host: str
    sender: str
    port: int = 587
    starttls: bool = True
    user: str = ""
    secret: str = ""
    timeout: float = 30.0


@dataclass(frozen=True)
class HttpSpec:
    """A text-message house with an HTTP interface.

    `fields` and `headers` may hold `{to}`, `{body}`, `{ref}` and `{secret}`. `idempotency_header` names the header
    with which the house itself refuses a second message of one key. `status_url` holds `{ref}` and is asked whether
    a message is there; `settle` is how many seconds after a broken hand-over its answer is final.
    """

    name: str
    url: str
    fields: Mapping[str, str]
    method: str = "POST"
    encoding: str = "json"
    headers: Mapping[str, str] = field(default_factory=dict)
    secret: str = ""
    idempotency_header: str = ""
    id_field: str = ""
    status_url: str = ""
    status_field: str = "status"
    status_failed: tuple[str, ...] = ("failed", "rejected", "undelivered")
    settle: float = 120.0
    timeout: float = 30.0


@dataclass(frozen=True)
class NotifySpec:
    """GOV.UK Notify, which only public bodies may use. A template per channel takes `((body))`, e-mail `((subject))`.

    Notify keeps a message's reference but does not refuse a second one; it is asked, after `settle` seconds.
    """

    name: str
    secret: str
    sms_template: str = ""
    email_template: str = ""
    letter_template: str = ""
    url: str = "https://api.notifications.service.gov.uk"
    settle: float = 600.0
    timeout: float = 30.0


Spec = FileSpec | SmtpSpec | HttpSpec | NotifySpec
KINDS: Mapping[str, type[FileSpec | SmtpSpec | HttpSpec | NotifySpec]] = {
    "file": FileSpec, "smtp": SmtpSpec, "http": HttpSpec, "notify": NotifySpec,
}  # fmt: skip
CARRIES: Mapping[str, tuple[str, ...]] = {
    "file": CHANNELS, "smtp": ("email",), "http": ("sms",), "notify": CHANNELS,
}  # fmt: skip


@dataclass(frozen=True)
class MessageConfig:
    """Which transport carries which channel, what it costs (hundredths of a penny) and the name at the front.

    `inbound_secret` opens the address at which a text-message house delivers answers; empty: closed.
    """

    sender: str = "Kitbank"
    channels: Mapping[str, Spec] = field(default_factory=dict)
    prices: Mapping[str, int] = field(default_factory=dict)
    inbound_secret: str = ""
    inbound_fields: Mapping[str, str] = field(default_factory=lambda: {"from": "from", "text": "text", "id": "id"})

    def carries(self, channel: str) -> bool:
        """Tell whether a channel of a policy leads anywhere; `partner` goes by e-mail."""
        return ("email" if channel == "partner" else channel) in self.channels

    def cost(self, channel: str, parts: int) -> int:
        """Return the estimated cost of one message in hundredths of a penny; 0 where no price is configured."""
        return self.prices.get("email" if channel == "partner" else channel, 0) * (parts if channel == "sms" else 1)


def load(path: Path | None, world: World, home: Path) -> MessageConfig:
    """Read the file; without one, practice writes into `home`/messages and the real world sends nothing.

    Raises:
        ConfigError: a missing file, an unknown key, a value that cannot be; with the name of the place.
    """
    if path is None:
        folder = FileSpec("folder", home / "messages")
        return MessageConfig(channels=dict.fromkeys(CHANNELS, folder) if world is World.PRACTICE else {})
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"KITBANK_MESSAGES names {path}, which cannot be read ({error})") from error
    _known(found, {"sender", "channels", "transports", "prices", "inbound"}, str(path))
    specs = {name: _spec(name, dict(table), path.parent) for name, table in found.get("transports", {}).items()}
    made = MessageConfig(
        sender=str(found.get("sender", "Kitbank")),
        channels=_channels(found.get("channels", {}), specs, world),
        prices=_prices(found.get("prices", {})),
        **_inbound(dict(found.get("inbound", {})), path.parent),
    )
    if not 2 <= len(made.sender) <= 20:
        raise ConfigError(f"sender is {made.sender!r}; it must have 2 to 20 characters: every text begins with it")
    return made


def _known(table: Mapping[str, Any], allowed: set[str], where: str) -> None:
    for name in table:
        if name not in allowed:
            raise ConfigError(f"{where}: {name!r} is not known there; known are {', '.join(sorted(allowed))}")


def _spec(name: str, table: dict[str, Any], folder: Path) -> Spec:
    kind, where = table.pop("kind", ""), f"transport {name!r}"
    if kind not in KINDS:
        raise ConfigError(f"{where}: kind is {kind!r}; it must be one of {', '.join(KINDS)}")
    made = KINDS[kind]
    names = {one.name for one in fields(made)} - {"name"}
    _known(table, names - {"secret"} | ({"secret_file"} if "secret" in names else set()), where)
    if "secret_file" in table:
        table["secret"] = _secret(folder / table.pop("secret_file"), where)
    if "folder" in table:
        table["folder"] = (folder / table["folder"]).absolute()
    if "status_failed" in table:
        table["status_failed"] = tuple(table["status_failed"])
    try:
        spec = made(name=name, **table)
    except TypeError as error:
        missing = sorted(one.name for one in fields(made) if one.name not in {"name", *table} and _needed(one))
        raise ConfigError(f"{where} lacks {', '.join(missing)}") from error
    _sane(spec, where)
    return spec


def _needed(one: Any) -> bool:
    return one.default is one.default_factory  # both are MISSING


def _sane(spec: Spec, where: str) -> None:
    if isinstance(spec, HttpSpec | NotifySpec):
        for url in (spec.url, spec.status_url if isinstance(spec, HttpSpec) else spec.url):
            parts = urlsplit(url)
            safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost"))
            if url and not safe:
                raise ConfigError(f"{where}: {url!r} must begin with https:// since it carries telephone numbers")
    if isinstance(spec, HttpSpec) and spec.encoding not in ("json", "form"):
        raise ConfigError(f"{where}: encoding is {spec.encoding!r}; it must be json or form")
    if isinstance(spec, SmtpSpec) and not spec.starttls and spec.host not in ("127.0.0.1", "localhost"):
        raise ConfigError(f"{where}: starttls may be false only for a mail server on this machine")
    if not isinstance(spec, FileSpec) and spec.timeout <= 0:
        raise ConfigError(f"{where}: timeout is {spec.timeout}; it must be some seconds")


def _secret(path: Path, where: str) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{where}: secret_file names {path}, which cannot be read ({error.strerror})") from error


def _channels(table: Mapping[str, Any], specs: Mapping[str, Spec], world: World) -> dict[str, Spec]:
    _known(table, set(CHANNELS), "[channels]")
    found = {}
    for channel, name in table.items():
        if name not in specs:
            raise ConfigError(f"[channels] {channel} is {name!r}; there is no [transports.{name}]")
        kind = next(kind for kind, made in KINDS.items() if isinstance(specs[name], made))
        if channel not in CARRIES[kind]:
            raise ConfigError(f"[channels] {channel} is {name!r}; a transport of kind {kind} cannot carry that")
        if world is World.PRACTICE and kind != "file":
            raise ConfigError(f"[channels] {channel} is {name!r}: a practice server writes messages into a folder only")
        found[channel] = specs[name]
    return found


def _prices(table: Mapping[str, Any]) -> dict[str, int]:
    _known(table, set(CHANNELS), "[prices]")
    found = {}
    for channel, pence in table.items():
        try:
            found[channel] = int((Decimal(str(pence)) * UNITS_PER_PENNY).to_integral_value())
        except InvalidOperation:
            raise ConfigError(f"[prices] {channel} is {pence!r}; it must be a number of pence, such as 2.5") from None
    return found


def _inbound(table: dict[str, Any], folder: Path) -> dict[str, Any]:
    _known(table, {"secret_file", "from", "text", "id"}, "[inbound]")
    if not table:
        return {}
    secret = _secret(folder / str(table.pop("secret_file", "")), "[inbound]")
    if len(secret) < 20:
        raise ConfigError("[inbound]: the secret must have at least 20 characters")
    return {"inbound_secret": secret, "inbound_fields": {"from": "from", "text": "text", "id": "id", **table}}
