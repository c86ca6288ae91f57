"""The three roles on a certificate: who wiped, who verified, who accepts. Pure.

People are references; a name is looked up in the register given for printing, and is in no event.
"""

from collections.abc import Sequence
from dataclasses import replace

from custody.certificate_records import Person, Section, Sources, moment, section
from custody.certificate_words import NOT_RECORDED
from custody.events import Event
from custody.four_eyes import CHECKERS, DECIDERS, WIPERS, doubt, second_person


def witness_section(sources: Sources) -> Section:
    """Return the two people of a destruction, and the third role."""
    people = [_said(sources, one, ANYBODY) for one in _witnesses(sources)]
    columns = (*people, _said(sources, None, ()))
    return section(
        "People",
        ("Validation: decision to accept", ""),
        table=_roles(("Destroyed by", "Witnessed by", "Accepted by (validation)"), columns),
    )


def strangers(sources: Sources) -> list[str]:
    """Return for each of the two people of a destruction why nothing but a reference says who it was."""
    return [why for one in _witnesses(sources) if (why := doubt(sources.facts, one, ANYBODY))]


def _witnesses(sources: Sources) -> list[Event]:
    """Return the event once for each of its two people, as if that person alone had said it."""
    event, body = sources.event, sources.event.body
    said = body.get("people")
    if not isinstance(said, list) or [one.get("ref") for one in said if isinstance(one, dict)] != body["names"]:
        said = [{"ref": ref, "authenticated": False} for ref in body["names"]]
    return [replace(event, body={**body, "who": one}) for one in said]


def people_section(sources: Sources) -> Section:
    """Return the three roles: who wiped, who verified, who accepts."""
    wipe, decision = sources.event, next(iter(sources.decisions), None)
    against = next((one for one in sources.checks if not one.body["agreed"]), None)
    check = against or _second_look(sources) or next(iter(sources.checks), None)
    looked = f"{check.body['method']}: {'agreed' if check.body['agreed'] else 'DID NOT AGREE'}" if check else ""
    decided = ""
    if decision:
        decided = "accepted" if decision.body["accepted"] else "NOT ACCEPTED"
        decided += f", for {decision.body['destination']}" + (
            f": {decision.body['note']}" if decision.body["note"] else ""
        )
    columns = (_said(sources, wipe, WIPERS), _said(sources, check, CHECKERS), _said(sources, decision, DECIDERS))
    return section(
        "People",
        ("Second look", looked),
        ("Wiped and verified by different people", four_eyes(sources)),
        ("Validation: decision to accept", decided),
        table=_roles(("Sanitised by", "Verified by", "Accepted by (validation)"), columns),
    )


def four_eyes(sources: Sources) -> str:
    """Return whether two people who are known to be two have wiped and looked, in words."""
    if not sources.checks:
        return "NO second person has verified this"
    if not all(check.body["agreed"] for check in sources.checks):
        return "NO: the second look did not agree"
    why = doubt(sources.facts, sources.event, WIPERS)
    if why:
        return f"NOT SHOWN: {why}"
    if _second_look(sources) is not None:
        return "yes"
    why = next(filter(None, (doubt(sources.facts, check, CHECKERS) for check in sources.checks)), "")
    return f"NOT SHOWN: {why}" if why else "NO: the same person"


def _second_look(sources: Sources) -> Event | None:
    """Return the first look that shows two people; looks by nobody in particular before it take nothing away."""
    looks = (one for one in sources.checks if second_person(sources.facts, sources.event, one, CHECKERS))
    return next(looks, None)


ANYBODY = (*WIPERS, *CHECKERS, *DECIDERS)
ROLE_ROWS = ("Name", "Title", "Organisation", "Location", "Contact", "Identity", "Signature", "Date")


def _roles(heads: tuple[str, ...], columns: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    return (("", *heads), *((name, *row) for name, *row in zip(ROLE_ROWS, *columns, strict=True)))


def _said(sources: Sources, event: Event | None, roles: Sequence[str]) -> tuple[str, ...]:
    """Return the column of whoever said this, in a role that may."""
    if event is None:
        return (NOT_RECORDED,) * len(ROLE_ROWS)
    why = doubt(sources.facts, event, roles)
    return _role(sources, event.body["who"].get("ref"), why, moment(event.at))


def _role(sources: Sources, ref: object, why_unsure: str, date: str) -> tuple[str, ...]:
    """Return one column of the table of people."""
    person = sources.names.get(str(ref), Person()) if ref else Person()
    name = name_of(sources, ref) if ref else NOT_RECORDED
    identity = why_unsure or "authenticated by badge"
    signed = NOT_RECORDED if why_unsure else "by badge, in the signed record"
    return (name, person.title, person.organisation, person.location, person.contact, identity, signed, date)


def name_of(sources: Sources, ref: object) -> str:
    """Return whom a reference stands for, with the reference; without a register, the reference alone."""
    person = sources.names.get(str(ref))
    return f"{person.name} ({ref})" if person and person.name != NOT_RECORDED else f"reference {ref}"
