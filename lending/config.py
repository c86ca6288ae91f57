"""The environment, read once into one frozen record.

Every variable that this program reads is a line of `VARIABLES`; any other name that begins with `KITBANK_` is an
error, so that a misspelt setting is never silently ignored. A secret may be given by file: `SECRET_KEY_FILE`.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from custody.claims import Claim
from custody.events import World
from custody.rules import Policy
from lending import access_config, region
from lending.access_config import AccessConfig
from lending.errors import ConfigError
from lending.region import Region

VARIABLES: Mapping[str, str] = {
    "KITBANK_HOME": "folder with the server's key and, by default, its SQLite database",
    "KITBANK_WORLD": "real or practice; must agree with what `init` made",
    "KITBANK_HOST_ADDRESS": "address that labels and links show, for example https://kit.example.org",
    "KITBANK_LISTEN": "host:port to serve on (default 127.0.0.1:8000)",
    "KITBANK_WORKERS": "number of serving processes (default 2)",
    "KITBANK_API_PER_MINUTE": "requests per minute of one token at one serving process (default 600)",
    "KITBANK_WEBHOOKS_PRIVATE": "yes: webhooks may go to addresses of this network and over http (default no)",
    "KITBANK_POLICY_CLAIM": "least claim of a wipe that may be lent: clear, purge or destroy (default clear)",
    "KITBANK_POLICY_GRADE": "worst grade that may be lent, A to D (default C)",
    "KITBANK_POLICY_TESTS": "names of tests that must have passed, comma between (default electrical)",
    "KITBANK_POLICY_SECOND_CHECK": "yes: a second person checks every wipe; other-station: elsewhere (default no)",
    "KITBANK_POLICY_ACCEPTANCE": "yes when a supervisor who did not wipe must accept every wipe (default no)",
    "KITBANK_POLICY_CHECK_SHARE": "per cent of each day's wipes that another person looks at (default 20)",
    "KITBANK_POLICY_INVENTORY_DAYS": "greatest age of the last inventory in days (default: no limit)",
    "KITBANK_ORGANISATION": "name of the charity, as the privacy notice shows it",
    "KITBANK_PRIVACY_CONTACT": "how people reach whoever leads data protection: e-mail, number or address",
    "KITBANK_CONTACT_KEYS_FILE": "file with the keys of contact data (default: contact.keys in KITBANK_HOME)",
    **access_config.VARIABLES,
    "KITBANK_MESSAGES": "file (TOML) that says how messages leave, see docs/messages.md (default: none are sent)",
    "KITBANK_REGION_FILE": "file with the authorities that are served (default: Liverpool City Region)",
    "KITBANK_EXIT_SITE": "neutral address that 'Exit this page' opens (default https://www.bbc.co.uk/weather)",
    "KITBANK_ARMED_PAUSE_MINUTES": "minutes without a scan after which armed scanning pauses (default 5)",
    "KITBANK_GIFTS": "yes: a loan may end as a gift, a supervisor decides (default no)",
    "DATABASE_URL": "SQLAlchemy address of the database (default: SQLite in KITBANK_HOME)",
    "SECRET_KEY": "secret for signing cookies and forms (default: a file in KITBANK_HOME)",
}
EXIT_SITE = "https://www.bbc.co.uk/weather"
OTHERS = ("KITBANK_STATION_", "KITBANK_KIOSK_", "KITBANK_LABELS_")
SECRETS = frozenset({"SECRET_KEY", "DATABASE_URL"})


@dataclass(frozen=True)
class Config:
    """How this installation is set up. Paths are absolute."""

    home: Path
    database_url: str
    world: World | None
    host_address: str
    secret_key: str
    listen: str = "127.0.0.1:8000"
    workers: int = 2
    api_per_minute: int = 600
    webhooks_private: bool = False
    gifts: bool = False
    policy: Policy = field(default_factory=Policy)
    access: AccessConfig = field(default_factory=AccessConfig)
    contact_keys: Path | None = None
    messages: Path | None = None
    organisation: str = ""
    privacy_contact: str = ""
    armed_pause: int = 5
    region: Region = field(default_factory=region.default)
    exit_site: str = EXIT_SITE

    @property
    def label_host(self) -> str:
        """What labels show as the host: the address without its scheme."""
        return self.host_address.split("://", 1)[-1]

    @property
    def key_file(self) -> Path:
        """Where the server's private key lies."""
        return self.home / "server.key"

    @property
    def contact_keys_file(self) -> Path:
        """Where the keys lie that open households' contact data."""
        return self.contact_keys or self.home / "contact.keys"


def from_environment(environ: Mapping[str, str]) -> Config:
    """Build the configuration from the environment.

    Raises:
        ConfigError: an unknown or unusable variable, named, with what is allowed.
    """
    _refuse_unknown(environ)
    values = {name: _value(environ, name) for name in VARIABLES}
    home = Path(values["KITBANK_HOME"] or "home").expanduser().absolute()
    return Config(
        home=home,
        database_url=_database_url(values["DATABASE_URL"] or f"sqlite:///{home / 'lending.sqlite'}"),
        world=_world(values["KITBANK_WORLD"]),
        host_address=(values["KITBANK_HOST_ADDRESS"] or "http://127.0.0.1:8000").rstrip("/"),
        secret_key=values["SECRET_KEY"] or _kept_secret(home / "secret.key"),
        listen=values["KITBANK_LISTEN"] or "127.0.0.1:8000",
        workers=_whole("KITBANK_WORKERS", values["KITBANK_WORKERS"], 2),
        api_per_minute=_whole("KITBANK_API_PER_MINUTE", values["KITBANK_API_PER_MINUTE"], 600),
        webhooks_private=values["KITBANK_WEBHOOKS_PRIVATE"] == "yes",
        gifts=_yes("KITBANK_GIFTS", values["KITBANK_GIFTS"]),
        policy=_policy(values),
        access=access_config.from_values(values),
        contact_keys=_path(values["KITBANK_CONTACT_KEYS_FILE"]),
        messages=_path(values["KITBANK_MESSAGES"]),
        organisation=values["KITBANK_ORGANISATION"],
        privacy_contact=values["KITBANK_PRIVACY_CONTACT"],
        armed_pause=_whole("KITBANK_ARMED_PAUSE_MINUTES", values["KITBANK_ARMED_PAUSE_MINUTES"], 5),
        region=region.load(_path(values["KITBANK_REGION_FILE"])),
        exit_site=_site(values["KITBANK_EXIT_SITE"]),
    )


def _yes(name: str, text: str) -> bool:
    if text not in ("", "yes", "no"):
        raise ConfigError(f"{name} is {text!r}; it must be yes or no")
    return text == "yes"


def _path(text: str) -> Path | None:
    return Path(text).expanduser().absolute() if text else None


def _site(text: str) -> str:
    if text and not text.startswith("https://"):
        raise ConfigError(f"KITBANK_EXIT_SITE is {text!r}; it must be an https:// address that anybody might look at")
    return text or EXIT_SITE


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    allowed = set(VARIABLES) | {f"{name}_FILE" for name in SECRETS}
    for name in sorted(environ):
        if name.startswith("KITBANK_") and name not in allowed and not name.startswith(OTHERS):
            known = ", ".join(sorted(n for n in VARIABLES if n.startswith("KITBANK_")))
            raise ConfigError(f"{name} is not a setting of this program; the settings are {known}")


def _value(environ: Mapping[str, str], name: str) -> str:
    text = environ.get(name, "").strip()
    path = environ.get(f"{name}_FILE", "") if name in SECRETS else ""
    if text and path:
        raise ConfigError(f"{name} and {name}_FILE are both set; keep one of them")
    if not path:
        return text
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{name}_FILE names {path}, which cannot be read ({error.strerror})") from error


def _database_url(text: str) -> str:
    if text.startswith(("postgres://", "postgresql://")):
        return "postgresql+psycopg://" + text.split("://", 1)[1]
    if text.startswith(("postgresql+psycopg://", "sqlite:///")):
        return text
    raise ConfigError(f"DATABASE_URL begins with {text.split(':', 1)[0]!r}; use postgresql:// or sqlite:///")


def _world(text: str) -> World | None:
    if not text:
        return None
    try:
        return World(text)
    except ValueError:
        raise ConfigError(f"KITBANK_WORLD is {text!r}; it must be real or practice") from None


def _whole(name: str, text: str, default: int) -> int:
    if not text:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"{name} is {text!r}; it must be a whole number from 1 up")
    return int(text)


def _policy(values: Mapping[str, str]) -> Policy:
    claim = values["KITBANK_POLICY_CLAIM"] or Claim.CLEAR.value
    grade = values["KITBANK_POLICY_GRADE"] or "C"
    second, accept = (values[f"KITBANK_POLICY_{name}"] or "no" for name in ("SECOND_CHECK", "ACCEPTANCE"))
    days = values["KITBANK_POLICY_INVENTORY_DAYS"]
    if claim not in ("clear", "purge", "destroy"):
        raise ConfigError(f"KITBANK_POLICY_CLAIM is {claim!r}; it must be clear, purge or destroy")
    if grade not in ("A", "B", "C", "D"):
        raise ConfigError(f"KITBANK_POLICY_GRADE is {grade!r}; it must be A, B, C or D")
    if second not in ("yes", "no", "other-station"):
        raise ConfigError(f"KITBANK_POLICY_SECOND_CHECK is {second!r}; it must be yes, no or other-station")
    if accept not in ("yes", "no"):
        raise ConfigError(f"KITBANK_POLICY_ACCEPTANCE is {accept!r}; it must be yes or no")
    names = (values["KITBANK_POLICY_TESTS"] or "electrical").split(",")
    return Policy(
        claim=Claim(claim),
        second_check=second != "no",
        other_station=second == "other-station",
        tests=tuple(name.strip() for name in names if name.strip()),
        grade=grade,
        inventory_days=_whole("KITBANK_POLICY_INVENTORY_DAYS", days, 1) if days else None,
        acceptance=accept == "yes",
        check_share=_share(values["KITBANK_POLICY_CHECK_SHARE"]),
    )


def _share(text: str) -> int:
    if not text:
        return 20
    if not (text.isascii() and text.isdecimal() and 20 <= int(text) <= 100):
        raise ConfigError(f"KITBANK_POLICY_CHECK_SHARE is {text!r}; it must be a whole number from 20 to 100")
    return int(text)


def _kept_secret(path: Path) -> str:
    """Return the secret kept in `path`, making one (0600) the first time."""
    try:
        if path.exists():
            return path.read_text(encoding="utf-8").strip()
        path.parent.mkdir(parents=True, exist_ok=True)
        text = secrets.token_hex(32)
        path.touch(mode=0o600)
        path.write_text(text + "\n", encoding="utf-8")
        return text
    except OSError as error:
        raise ConfigError(f"{path} cannot be used for the secret key ({error.strerror})") from error
