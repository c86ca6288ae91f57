"""The fields of a certificate, section by section, from what is recorded. Pure.

Which fields: both revisions of NIST SP 800-88 as secondary sources list them (STATION.md section 4, "Certificate
fields": revision 1 appendix G, revision 2 section 4.6 and appendix C; the texts themselves were not read), and what an
auditor needs besides to do the judgement again. A field that nobody recorded says so; none is left out.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from custody import certificate_words as words
from custody.certificate_people import name_of
from custody.certificate_records import Section, Sources, moment, registered, section
from custody.certificate_words import NOT_RECORDED
from custody.claims import Claim
from custody.evidence import ReadBack

ASSUMED = "personal data assumed (every donated drive is treated so)"
NO_BACKUP = "no; nothing is ever copied from a donated drive"


def medium_section(sources: Sources) -> Section:
    """Return what names the medium."""
    one, kind = sources.medium, sources.evidence.media_kind if sources.evidence else ""
    planned = sources.planned.get("medium")
    on_plan = planned if isinstance(planned, Mapping) else {}
    firmware = (sources.evidence.drive_firmware if sources.evidence else "") or on_plan.get("firmware")
    return section(
        "The storage medium",
        ("Manufacturer", "not recorded apart from the model" if one and one.model else ""),
        ("Model", one.model if one else ""),
        ("Serial number", one.serial if one else ""),
        ("World wide name, namespace", " ".join(part for part in (one.wwn, one.namespace) if part) if one else ""),
        ("Media type", words.MEDIA.get(kind or str(on_plan.get("kind", "")), kind)),
        ("Connected by", f"{one.transport}{', through an adapter' if _bridged(sources) else ''}" if one else ""),
        ("Size", words.size(one.size) if one and one.size else ""),
        ("Drive firmware", firmware),
        ("Identifier in the record", sources.event.subject),
    )


def _bridged(sources: Sources) -> bool:
    return bool(sources.evidence and sources.evidence.via_bridge)


def source_section(sources: Sources) -> Section:
    """Return which computer and which donor (a reference) the medium came from."""
    new = registered(sources)
    body: Mapping[str, Any] = new.body if new else {}
    computer = " ".join(str(body[name]) for name in ("make", "model") if body.get(name))
    return section(
        "Where it came from",
        ("Organisational property number", sources.device),
        ("Media source: computer", computer),
        ("Media source: serial number of the computer", body.get("serial")),
        ("Media source: donor (reference only)", body.get("donor")),
        ("Classification before", ASSUMED),
        ("Data backed up", NO_BACKUP),
        ("Location of the backup", "none"),
    )


def level_section(sources: Sources, claim: Claim) -> Section:
    """Return what was asked for and what was reached."""
    new, profile, body = registered(sources), sources.profile, sources.event.body
    wants = str(sources.planned.get("wants", "") or (profile.wants if profile else ""))
    donor = str((new.body.get("donor_wants") if new else "") or "")
    accepted = body.get("accepted_by")
    return section(
        "What was asked for and what was reached",
        ("Level requested by the profile", words.asked(wants, claim)),
        ("Level requested by the donor", words.asked(donor, claim)),
        ("Level achieved", words.level(claim)),
        ("Outcome", body.get("outcome") or ("DONE" if claim is Claim.DESTROY else "")),
        ("Lower level accepted by", f"{name_of(sources, accepted)} (supervisor)" if accepted else "nobody; not needed"),
        (
            "Profile followed",
            f"\u201c{body['profile']}\u201d, digest {body['profile_digest']}" if "profile" in body else "",
        ),
        ("Where the profile's rules come from", profile.basis if profile else ""),
        ("Rules by which it was judged", body.get("rules")),
        (
            "Conformity",
            "to no standard: the rules follow descriptions of the standards named; their texts were not read",
        ),
        ("Classification after", ""),
    )


def technique_section(sources: Sources) -> Section:
    """Return what was done to the medium, with which programs, and what the drive answered."""
    evidence = sources.evidence
    if evidence is None:
        return section("What was done", *[(name, "") for name in _DONE])
    drive, tools = evidence.firmware, dict(evidence.tools)
    kernel = tools.pop("kernel", "")
    passes = [f"{n}: {words.one_pass(one)}" for n, one in enumerate(evidence.passes, 1)]
    issued = " ".join(drive.argv) if drive else "none: Kitbank itself wrote through the block device"
    values = (
        f"{words.TECHNIQUES.get(evidence.technique, evidence.technique)} ({evidence.technique})",
        "; ".join(passes) if evidence.passes else "none (the drive's firmware did the work)" if drive else "",
        issued,
        words.commands(evidence.commands) or ("none" if not drive else ""),
        words.table(tools),
        kernel,
        drive.status if drive else "none: no command of the drive's own was used",
        words.raw(drive.raw_before) if drive else "none",
        words.raw(drive.raw_after) if drive else "none",
        _transition(sources),
        words.HIDDEN.get(evidence.hidden_areas, evidence.hidden_areas),
        words.table(evidence.hidden),
        _locks(sources),
    )
    return section("What was done", *zip(_DONE, values, strict=True))


_DONE = (
    "Technique",
    "Passes",
    "Command given to the drive",
    "Programs that were run on the drive",
    "Tools and versions",
    "Kernel",
    "Drive's last status",
    "Raw status before",
    "Raw status after",
    "Drive seen at work",
    "Hidden areas",
    "Hidden areas: sector counts",
    "Locks",
)


def _transition(sources: Sources) -> str:
    drive = sources.evidence.firmware if sources.evidence else None
    if drive is None:
        return "not applicable"
    seen = f"yes, by {drive.observed or 'its status'}" if drive.transition_observed else "NO"
    accepted = "accepted" if drive.accepted else "NOT accepted"
    ended = "reported success" if drive.succeeded else "reported NO success"
    return f"{seen}; command {accepted}, {ended}, reach: {drive.reach}, {words.seconds(drive.seconds)}"


def _locks(sources: Sources) -> str:
    if not sources.device:
        return NOT_RECORDED
    gone = {e.body["lock"] for e in sources.facts.about_device("device.unlocked", sources.device)}
    locks = sources.facts.about_device("device.locked", sources.device)
    said = [f"{e.body['lock']} ({'removed' if e.hash in gone else 'STANDING'})" for e in locks]
    return "; ".join(said) or "no owner's lock on record"


def proof_section(sources: Sources) -> Section:
    """Return how it was verified, in enough detail to do it again."""
    evidence = sources.evidence
    names = ("Known blocks (canaries)", "Size of the medium", "Write and read test afterwards")
    if evidence is None:
        return section("How it was verified", ("Verification method", ""), *[(name, "") for name in names])
    fields: list[tuple[str, object]] = []
    for one in evidence.readbacks:
        fields += _readback(one.kind, one)
    smoke = {True: "passed", False: "FAILED", None: ""}[evidence.smoke]
    values = (words.canaries(evidence.canaries), words.sizes(evidence), smoke)
    fields = fields or [("Verification method", "NONE: nothing was read back")]
    return section("How it was verified", *fields, *zip(names, values, strict=True))


def _readback(kind: str, one: ReadBack) -> list[tuple[str, object]]:
    own = "a separate program that can only read" if one.separate_process and one.read_only else "NOT independent"
    cache = "past the machine's cache" if one.direct else "through the machine's cache"
    name = {"full": "full: everything was read back", "sampled": "sampled: a part was read back"}.get(kind, kind)
    return [
        ("Verification method", f"{name}, by {own}, {cache}, in {words.seconds(one.seconds)}"),
        ("Coverage", words.share(one)),
        ("Seed of the read-back", one.seed),
        ("Expected pattern", words.expected(one)),
        ("Found", words.wrong(one)),
        ("Content statistics", words.content(one.content)),
        *([("What a sample shows", words.SAMPLED_LIMIT)] if kind == "sampled" else []),
    ]


def health_section(sources: Sources) -> Section:
    """Return what the drive said of its health."""
    evidence, said = sources.evidence, (sources.destruction or {}).get("health")
    before = evidence.health_before if evidence else said if isinstance(said, Mapping) else None
    return section(
        "Health of the drive",
        ("Before", words.table(before)),
        ("After", words.table(evidence.health_after) if evidence else ""),
    )


def time_section(sources: Sources) -> Section:
    """Return when, by whose clock, and whether anybody vouched for that clock."""
    evidence, trusted = sources.evidence, sources.event.body.get("clock_trusted")
    clock = {
        True: "compared with the server's, within its tolerance",
        False: "NOT TRUSTED: never compared with a server's clock, or it differed",
    }
    return section(
        "Times",
        ("Began", evidence.began if evidence else ""),
        ("Ended", evidence.ended if evidence else ""),
        ("Recorded", moment(sources.event.at)),
        ("The station's clock", clock.get(trusted) if isinstance(trusted, bool) else ""),
        ("What proves the order", "the chain of signed records and the exit named below, not any clock"),
    )


def destruction_section(sources: Sources) -> Section:
    """Return what is recorded of a destruction: reason and photograph where somebody added them."""
    body = sources.event.body
    return section(
        "What was done",
        ("Technique", "physical destruction by people"),
        ("Method", body.get("method")),
        ("Reason", body.get("reason")),
        ("Photograph (SHA-256)", body.get("photo")),
        ("Verification method", "two people say so; a photograph where one is named above; nothing was measured"),
    )


def destination_section(sources: Sources) -> Section:
    """Return where the medium went, as far as that is recorded."""
    return section("What becomes of it", ("Media destination", "; ".join(_destinations(sources))))


def _destinations(sources: Sources) -> Iterator[str]:
    ways = {
        "loan": "reuse: lent out",
        "gift": "reuse: given away",
        "repair": "sent out for repair",
        "recycling": "recycler",
    }
    for event in sources.decisions:
        yield f"{event.body['destination']}, by decision ({moment(event.at)})"
    same = sources.facts.same_drive(sources.event.subject)
    exits = [e for e in sources.facts.of("device.left") if same.intersection(e.body["media"])]
    before = next((e.seq for e in exits if e.hash == sources.event.body.get("after")), 0)
    for event in exits:
        if event.seq > before:  # exits are one chain, the server's: its numbers are their order
            yield f"{ways[event.body['why']]} ({moment(event.at)})"
    for event in sources.facts.of("medium.retired"):
        if event.body["medium"] == sources.event.subject:
            yield f"{event.body['how']} ({moment(event.at)})"


def record_section(sources: Sources) -> Section:
    """Return what names and proves the record itself."""
    event, body = sources.event, sources.event.body
    return section(
        "The signed record",
        ("Name of the record (SHA-256)", event.hash),
        ("Station", f"{sources.station or NOT_RECORDED} ({event.origin})"),
        ("Signed with the key", sources.signed_by),
        ("Place in its chain", f"number {event.seq}, after {event.prev}"),
        ("Evidence (SHA-256)", body.get("evidence")),
        ("Exit that it answers", body.get("after") or "none: never out of our custody as far as this record knows"),
        ("Kind", event.kind),
    )
