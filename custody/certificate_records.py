"""What a certificate is made from and of: the sources, and the small records that hold its fields. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from custody.certificate_words import NOT_RECORDED
from custody.errors import BadEvent, Reason
from custody.events import Event, KeyId, MediumIdentity, World
from custody.evidence import Evidence
from custody.facts import Facts
from wipe_profiles import Profile


@dataclass(frozen=True)
class Person:
    """Who stands behind a reference: from a register that is erasable and no part of any event."""

    name: str = NOT_RECORDED
    title: str = NOT_RECORDED
    organisation: str = NOT_RECORDED
    location: str = NOT_RECORDED
    contact: str = NOT_RECORDED


@dataclass(frozen=True)
class Sources:
    """What a certificate is made from. `event` is the signed statement, `facts` everything else known of its subject.

    `evidence`, `plan`, `profile` (the very one that was followed) and `destruction` (what two people said of one) are
    None where they are not at hand; `names` is the register (reference -> Person), used for printing only.
    """

    event: Event
    signed_by: KeyId
    world: World
    facts: Facts
    evidence: Evidence | None = None
    plan: Mapping[str, Any] | None = None
    profile: Profile | None = None
    destruction: Mapping[str, Any] | None = None
    refused: tuple[Reason, ...] = ()
    names: Mapping[str, Person] = field(default_factory=dict)
    station: str = ""
    address: str = ""

    @property
    def device(self) -> str:
        """Return the label of the computer that the medium belongs to, or ""."""
        return str(self.event.body.get("device") or "")

    @property
    def medium(self) -> MediumIdentity | None:
        """Return the medium's identity: as the event says it, else as an earlier event did."""
        said = self.event.body.get("medium")
        said = said if isinstance(said, Mapping) else self.event.body.get("identity")
        try:
            return MediumIdentity.from_json(said) if isinstance(said, Mapping) else self._described
        except BadEvent:  # `identity` is a field that no kind checks
            return self._described

    @property
    def _described(self) -> MediumIdentity | None:
        return self.facts.described(self.event.subject)

    @property
    def checks(self) -> list[Event]:
        """Return every second look at this wipe, disagreeing ones first."""
        found = [e for e in self.facts.of("medium.checked") if e.body["wipe"] == self.event.hash]
        return sorted(found, key=lambda e: e.body["agreed"])

    @property
    def decisions(self) -> list[Event]:
        """Return every decision whether this wipe is good enough, refusals first."""
        found = [e for e in self.facts.of("medium.accepted") if e.body["wipe"] == self.event.hash]
        return sorted(found, key=lambda e: e.body["accepted"])

    @property
    def planned(self) -> Mapping[str, Any]:
        """Return the plan that was shown before the wipe; empty when it is not at hand."""
        inner = (self.plan or {}).get("plan")
        return inner if isinstance(inner, Mapping) else {}


@dataclass(frozen=True)
class Field:
    """One line of a certificate."""

    name: str
    value: str


@dataclass(frozen=True)
class Section:
    """A headed part: fields, and where it has one a table whose first row is its heading."""

    title: str
    fields: tuple[Field, ...]
    table: tuple[tuple[str, ...], ...] = ()


def section(title: str, *fields: tuple[str, object], table: tuple[tuple[str, ...], ...] = ()) -> Section:
    """Make a section; an empty or missing value becomes "not recorded"."""
    return Section(title, tuple(Field(name, _said(value)) for name, value in fields), table)


def _said(value: object) -> str:
    text = "" if value is None else str(value).strip()
    return text or NOT_RECORDED


def registered(sources: Sources) -> Event | None:
    """Return the registration of the computer, None where it is not known here."""
    found = sources.facts.about_device("device.registered", sources.device) if sources.device else []
    return found[0] if found else None


def moment(at: datetime) -> str:
    """Return a time as it is printed."""
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")
