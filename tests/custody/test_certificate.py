"""A certificate: every field, nothing called a certificate that is none, nobody's name where it must not be."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from custody.certificate import NOT_SHOWN_TITLE, Certificate, Sources, Standing, certificate, public
from custody.certificate_words import DRIVES_OWN_WORD, NOT_RECORDED, commands, raw, share
from custody.claims import Claim
from custody.errors import Reason
from custody.events import Event, World
from custody.evidence import CanaryFigures, Command, Evidence, ReadBack
from tests.custody.papers import (
    COMPUTER_SERIAL,
    DEVICE,
    DONOR,
    NAMES,
    SERIAL,
    Bench,
    by_firmware,
    by_overwriting,
    certified,
    half_read,
    unfinished,
)
from tests.factories import NOBODY, WIPER, medium

FIELDS = {
    "Manufacturer, model, serial": ("Manufacturer", "Model", "Serial number"),
    "Organisational property no.": ("Organisational property number",),
    "Media type": ("Media type",),
    "Media source (computer/person it came from)": ("Media source: computer", "Media source: donor (reference only)"),
    "Pre-sanitisation classification": ("Classification before",),
    "Data backed up? + location": ("Data backed up", "Location of the backup"),
    "Method type requested and achieved": ("Level requested by the profile", "Level achieved"),
    "Technique / method details": ("Technique", "Command given to the drive", "Raw status before", "Raw status after"),
    "Tool + version": ("Tools and versions", "Kernel", "Drive firmware"),
    "Verification method": ("Verification method", "Seed of the read-back", "Coverage", "Expected pattern"),
    "Post-sanitisation classification": ("Classification after",),
    "Notes/anomalies": ("1",),
    "Media destination": ("Media destination",),
    "Validation block": ("Validation: decision to accept",),
}
"""STATION.md section 4, "Certificate fields": each row of that table, with our fields for it; people are below."""

PERSON = ("Name", "Title", "Organisation", "Location", "Contact", "Signature", "Date")
BESIDES = (
    "Known blocks (canaries)", "Content statistics", "Found", "Hidden areas", "Hidden areas: sector counts", "Locks",
    "Before", "After", "Began", "Ended", "The station's clock", "Rules by which it was judged", "Drive seen at work",
    "Where the profile's rules come from", "Name of the record (SHA-256)", "Place in its chain", "Evidence (SHA-256)",
    "Exit that it answers", "Size of the medium", "Programs that were run on the drive",
)  # fmt: skip


def fields(shown: Certificate) -> dict[str, str]:
    return {each.name: each.value for one in shown.sections for each in one.fields}


def people(shown: Certificate) -> dict[str, dict[str, str]]:
    """Return the table of people: role -> row -> value."""
    (table,) = [one.table for one in shown.sections if one.table]
    return {role: {row[0]: row[place] for row in table[1:]} for place, role in enumerate(table[0]) if place}


def everything(shown: Certificate) -> str:
    return json.dumps(shown.to_json(), ensure_ascii=False)


@pytest.mark.parametrize("row", sorted(FIELDS))
def test_every_row_of_both_revisions_is_there_with_a_value(row: str) -> None:
    found = fields(certificate(certified()))
    values = {name: found[name] for name in FIELDS[row]}
    assert all(values.values())
    unknown = {"Classification after", "Manufacturer"}
    assert not [name for name, value in values.items() if value == NOT_RECORDED and name not in unknown]


@pytest.mark.parametrize("name", BESIDES)
def test_what_a_conforming_record_needs_besides_is_there(name: str) -> None:
    assert fields(certificate(certified()))[name] != NOT_RECORDED


def test_three_roles_have_every_row_of_a_person() -> None:
    found = people(certificate(certified()))
    assert list(found) == ["Sanitised by", "Verified by", "Accepted by (validation)"]
    for role in found.values():
        assert all(role[row] != NOT_RECORDED for row in PERSON)
        assert role["Identity"] == "authenticated by badge"
    assert found["Sanitised by"]["Name"] == "Alice Müller (p-alice)"


NEEDS_EVIDENCE = (
    "Media type", "Drive firmware", "Technique", "Command given to the drive", "Raw status before", "Raw status after",
    "Tools and versions", "Kernel", "Verification method", "Known blocks (canaries)", "Hidden areas", "Before", "After",
    "Began", "Ended", "Locks", "Level requested by the profile", "Organisational property number",
    "Media source: computer",
    "Media source: donor (reference only)", "Media destination", "Validation: decision to accept", "Second look",
    "Where the profile's rules come from", "Classification after",
)  # fmt: skip


@pytest.mark.parametrize("name", NEEDS_EVIDENCE)
def test_what_nobody_recorded_is_printed_as_not_recorded(name: str) -> None:
    bench = Bench()
    event = bench.wipe(by_overwriting(), device=None, who=NOBODY)
    shown = certificate(bench.sources(event, evidence=None, plan=None, profile=None, names={}))
    assert fields(shown)[name] == NOT_RECORDED
    assert set(people(shown)["Verified by"].values()) == {NOT_RECORDED}


def test_no_field_is_ever_empty() -> None:
    bench = Bench()
    event = bench.wipe(by_overwriting(), device=None, who=NOBODY)
    for sources in (bench.sources(event, evidence=None, plan=None, profile=None), certified(), certified(unfinished())):
        for one in certificate(sources).sections:
            assert one.fields or one.table, one.title
            assert all(each.name.strip() and each.value.strip() for each in one.fields), one.title
            assert all(cell.strip() for row in one.table for cell in row[1:]), one.title


def test_a_firmware_wipe_with_three_people_is_a_certificate_and_says_on_whose_word() -> None:
    shown = certificate(certified())
    assert (shown.title, shown.standing, shown.claim) == (
        "Certificate of data erasure (DONE)", Standing.SHOWN, Claim.PURGE,
    )  # fmt: skip
    assert DRIVES_OWN_WORD in shown.summary
    found = fields(shown)
    assert found["Command given to the drive"] == "nvme sanitize /dev/nvme0n1 --sanact=2 --ause"
    assert found["Raw status after"] == "ffff0101" * 5
    assert found["Wiped and verified by different people"] == "yes"
    assert found["Media destination"].startswith("reuse, by decision")
    assert "No conformity is claimed" in everything(shown)


def not_run() -> Evidence:
    return by_overwriting(started=False, passes=(), readbacks=(), canaries=None, smoke=None, stopped="it was locked")


def lying() -> Evidence:
    firmware = by_firmware().firmware
    assert firmware is not None
    return by_firmware(firmware=replace(firmware, transition_observed=False))


def said(what: Callable[[Bench, Event], object]) -> Sources:
    bench = Bench()
    wipe = bench.wipe(by_firmware())
    what(bench, wipe)
    return bench.sources(wipe)


def overstated() -> Sources:
    bench = Bench()
    return bench.sources(bench.wipe(half_read(), "clear", outcome="DONE", claim="clear"))


BAD: dict[str, Callable[[], Sources]] = {
    "unknown": lambda: certified(unfinished(), "clear"),
    "unread": lambda: certified(half_read(), "clear"),
    "not run": lambda: certified(not_run(), "clear"),
    "a canary survived": lambda: certified(by_overwriting(canaries=CanaryFigures(64, 64, 1, 0, "aa")), "clear"),
    "the drive was never seen at work": lambda: certified(lying()),
    "disputed": lambda: said(lambda bench, wipe: bench.dispute(wipe)),
    "the second look did not agree": lambda: said(lambda bench, wipe: bench.check(wipe, agreed=False)),
    "nobody accepts it": lambda: said(lambda bench, wipe: bench.accept(wipe, yes=False)),
    "refused": lambda: certified(refused=(Reason("role", "a kiosk may not say this", ""),)),
    "says more than its evidence": overstated,
    "evidence of another drive": lambda: certified(evidence=by_overwriting(medium=medium(7), medium_after=medium(7))),
}


@pytest.mark.parametrize("case", sorted(BAD))
@pytest.mark.parametrize("form", [certificate, public])
def test_what_is_not_shown_never_looks_like_a_certificate(case: str, form: Callable[[Sources], Certificate]) -> None:
    shown = form(BAD[case]())
    assert shown.standing is Standing.NOT_SHOWN
    assert shown.title.startswith(NOT_SHOWN_TITLE)
    assert shown.claim is Claim.NONE
    assert "This paper is NOT proof that the drive was wiped." in shown.summary
    assert len(shown.summary) >= 2, "it says why"
    assert "Certificate of" not in shown.title


@pytest.mark.parametrize("case", sorted(set(BAD) - {"refused"}))
def test_the_reason_for_a_doubt_is_among_the_exceptions_too(case: str) -> None:
    shown = certificate(BAD[case]())
    (notes,) = [one for one in shown.sections if one.title == "Exceptions"]
    assert {each.value for each in notes.fields} >= set(shown.summary[1:])


@pytest.mark.parametrize("found", [by_overwriting(), by_overwriting(via_bridge=True), unfinished(), half_read()])
@pytest.mark.parametrize("form", [certificate, public])
def test_the_word_purge_is_not_written_unless_it_was_reached(
    found: Evidence, form: Callable[[Sources], Certificate]
) -> None:
    shown = form(certified(found, "purge"))
    assert shown.claim is not Claim.PURGE
    assert "Purge" not in everything(shown)


def test_a_lower_level_than_asked_for_says_so_and_who_accepted_it() -> None:
    bench = Bench()
    shown = fields(certificate(bench.sources(bench.wipe(by_overwriting(), "purge", accepted_by="p-bob"))))
    assert "NOT reached" in shown["Level requested by the profile"]
    assert shown["Level achieved"] == "Clear"
    assert shown["Lower level accepted by"].endswith("(p-bob) (supervisor)")


def test_a_practice_record_says_so_in_its_title_and_first_of_all() -> None:
    bench = Bench(World.PRACTICE)
    shown = certificate(bench.sources(bench.wipe(by_firmware())))
    assert shown.standing is Standing.PRACTICE
    assert shown.title.startswith("PRACTICE, no certificate")
    assert "practice" in shown.summary[0]


def test_an_operator_without_a_badge_is_called_not_authenticated() -> None:
    bench = Bench()
    wipe = bench.wipe(by_overwriting(), "clear", who={"ref": "p-alice", "authenticated": False})
    bench.check(wipe, {"ref": "p-bob", "authenticated": False})
    shown = certificate(bench.sources(wipe))
    found = people(shown)
    assert found["Sanitised by"]["Identity"] == found["Verified by"]["Identity"] == "operator not authenticated"
    assert found["Sanitised by"]["Signature"] == NOT_RECORDED
    assert fields(shown)["Wiped and verified by different people"].startswith("NOT SHOWN")
    assert any("not authenticated" in text for text in fields(shown).values())


def test_a_badge_of_a_roster_that_was_never_issued_is_no_authentication() -> None:
    bench = Bench()
    wipe = bench.wipe(by_overwriting(), "clear", who={**WIPER, "roster": 99})
    assert "never issued" in people(certificate(bench.sources(wipe)))["Sanitised by"]["Identity"]


def test_the_same_person_twice_are_not_four_eyes() -> None:
    bench = Bench()
    wipe = bench.wipe(by_overwriting(), "clear")
    bench.check(wipe, WIPER)
    shown = certificate(bench.sources(wipe))
    assert fields(shown)["Wiped and verified by different people"] != "yes"
    assert {f.name: f.value for f in shown.glance}["Second person"] == "not shown"


def test_a_look_by_nobody_in_particular_takes_nothing_from_a_second_persons_look() -> None:
    for nobody_first in (True, False):
        bench = Bench()
        wipe = bench.wipe(by_overwriting(), "clear")
        looks = [{"ref": "p-somebody", "authenticated": False}, None]
        for look in looks if nobody_first else reversed(looks):
            bench.check(wipe, look) if look else bench.check(wipe)
        shown = certificate(bench.sources(wipe))
        assert fields(shown)["Wiped and verified by different people"] == "yes"
        assert people(shown)["Verified by"]["Identity"] == "authenticated by badge"
        bench.check(wipe, {"ref": "p-somebody", "authenticated": False}, agreed=False)
        assert "did not agree" in fields(certificate(bench.sources(wipe)))["Wiped and verified by different people"]


def test_names_come_from_the_register_and_never_from_the_event() -> None:
    sources = certified()
    assert "Alice Müller" in everything(certificate(sources))
    assert "Alice" not in everything(certificate(replace(sources, names={})))
    embedded = json.dumps(sources.event.to_json()) + "".join(json.dumps(e.to_json()) for e in sources.checks)
    for person in NAMES.values():
        assert person.name not in embedded
        assert person.contact not in embedded


def test_the_public_form_shows_neither_donor_nor_serial_nor_anybody() -> None:
    sources = certified(by_firmware(exceptions=(f"The dock called the drive {SERIAL.lower()}.", "It was slow.")))
    shown = public(sources)
    text = everything(shown)
    private = (
        DONOR,
        SERIAL,
        SERIAL.lower(),
        COMPUTER_SERIAL,
        sources.event.subject,
        "p-alice",
        "p-bob",
        "Alice",
        "Bob",
    )
    assert [each for each in private if each in text] == []
    assert DEVICE in text
    assert sources.event.hash in text
    assert "It was slow." in text
    assert "1 more, which would name the drive or a person" in text
    assert shown.claim is Claim.PURGE


def test_the_public_form_keeps_a_doubt_to_itself_no_more_than_its_private_words() -> None:
    bench = Bench()
    wipe = bench.wipe(by_firmware())
    body = {"event": wipe.hash, "reason": f"drive {SERIAL} of {DONOR}", "who": WIPER}
    bench.town.server.say("record.disputed", f"event:{wipe.hash}", body)
    shown = public(bench.sources(wipe))
    assert shown.standing is Standing.NOT_SHOWN
    assert SERIAL not in everything(shown)
    assert "(Details are in the full form.)" in shown.summary


def test_a_destruction_is_what_two_people_say() -> None:
    bench = Bench()
    people_ = [WIPER, {"ref": "p-bob", "authenticated": False}]
    event = bench.destroy(reason="it grows bad sectors", method="shredded", photo="ab" * 32, people=people_,
                          identity=medium().to_json())  # fmt: skip
    shown = certificate(bench.sources(event))
    assert (shown.title, shown.claim) == ("Certificate of destruction (DONE)", Claim.DESTROY)
    found = fields(shown)
    assert (found["Reason"], found["Method"], found["Photograph (SHA-256)"]) == (
        "it grows bad sectors", "shredded", "ab" * 32,
    )  # fmt: skip
    assert found["Serial number"] == SERIAL
    assert "Nothing was measured" in " ".join(shown.summary)
    roles = people(shown)
    assert roles["Destroyed by"]["Identity"] == "authenticated by badge"
    assert roles["Witnessed by"]["Identity"] == "operator not authenticated"
    assert SERIAL not in everything(public(bench.sources(event)))


@pytest.mark.parametrize("odd", [{"people": ["p-alice"]}, {"identity": {"model": 3}}, {"people": 7, "photo": 4}, {}])
def test_a_destruction_with_odd_or_no_extras_is_still_told(odd: dict[str, object]) -> None:
    bench = Bench()
    found = people(certificate(bench.sources(bench.destroy(**odd))))
    assert found["Destroyed by"]["Name"] == "Alice Müller (p-alice)"
    assert found["Destroyed by"]["Identity"] == "operator not authenticated"


def test_a_removed_medium_is_no_certificate() -> None:
    bench = Bench()
    event = bench.town.bench.say(
        "medium.retired", medium().id,
        {"medium": medium().id, "device": None, "how": "removed", "names": ["a", "b"]},
    )  # fmt: skip
    shown = certificate(bench.sources(event))
    assert (shown.standing, shown.claim) == (Standing.NOT_SHOWN, Claim.NONE)
    assert "NOT SHOWN TO BE DESTROYED" in shown.title


def test_the_destination_is_what_happened_after_this_wipe() -> None:
    bench = Bench()
    wipe = bench.wipe(by_overwriting(), "clear")
    assert fields(certificate(bench.sources(wipe)))["Media destination"] == NOT_RECORDED
    gone = bench.lend()
    assert "lent out" in fields(certificate(bench.sources(wipe)))["Media destination"]
    again = bench.wipe(by_overwriting(), "clear", after=gone.hash)
    assert fields(certificate(bench.sources(again)))["Media destination"] == NOT_RECORDED


def test_anything_else_has_no_certificate() -> None:
    bench = Bench()
    with pytest.raises(ValueError, match=r"device\.registered is no wipe"):
        certificate(bench.sources(bench.town.bench.events[0]))


def test_a_sample_says_what_a_sample_shows() -> None:
    size = medium().size
    part = ReadBack("sampled", "zero", size, size // 10, 0, None, (), True, True, True, 1.0, "bb")
    shown = certificate(certified(by_overwriting(readbacks=(part,)), "clear"))
    assert "29 times" in fields(shown)["What a sample shows"]
    assert "(10.00 %)" in fields(shown)["Coverage"]


def test_almost_everything_is_never_printed_as_everything() -> None:
    almost = ReadBack("full", "zero", 10**12, 10**12 - 1, 0, None, (), True, True, True, 1.0, "bb")
    assert "99.99 %" in share(almost)


def test_what_was_run_again_and_again_stands_once_and_long_statuses_are_cut_openly() -> None:
    poll = Command(("nvme", "get-log"), 0, 0.5)
    assert commands((poll,) * 4) == "nvme get-log (exit 0, 4 times, 2.0 s)"
    many = tuple(Command((f"tool{n}",), 0, 0.1) for n in range(20))
    assert commands(many).endswith("and 8 more, in the evidence")
    assert raw("ab" * 512).endswith("(512 bytes; the whole is in the evidence)")
