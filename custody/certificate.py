"""A certificate: one signed record in words, for donors and auditors. A view, made afresh when asked for. Pure.

Promises:

- only a wipe that is recorded as DONE, that this code judges no lower, and that nobody disputed or contradicted is ever
  called a certificate; everything else is `NOT_SHOWN`, with every reason;
- a practice record says so in its title;
- names of people come from the register given for printing, never from the event;
- the public form is made of a short list of fields that name neither donor, nor serial number, nor any person.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from custody import certificate_sections as parts
from custody import certificate_words as words
from custody.certificate_people import four_eyes, people_section, strangers, witness_section
from custody.certificate_records import Field, Person, Section, Sources, moment, registered, section
from custody.claims import RULES_VERSION, Claim, Verdict, judge
from custody.events import EventHash, World
from custody.four_eyes import WIPERS, doubt

__all__ = ["Certificate", "Field", "Person", "Section", "Sources", "Standing", "certificate", "public"]

NOT_SHOWN_TITLE = "RECORD OF A WIPE THAT IS NOT SHOWN TO HAVE SUCCEEDED"


class Standing(StrEnum):
    """What a reader must see before anything else."""

    SHOWN = "shown"
    NOT_SHOWN = "not-shown"
    PRACTICE = "practice"


@dataclass(frozen=True)
class Certificate:
    """Everything that is printed. `glance` and `summary` are the first box: four facts, then whole sentences."""

    title: str
    standing: Standing
    outcome: str
    claim: Claim
    glance: tuple[Field, ...]
    summary: tuple[str, ...]
    sections: tuple[Section, ...]
    event: EventHash
    code: str
    address: str
    form: str

    def to_json(self) -> dict[str, Any]:
        """Return the certificate as JSON data."""
        return {
            "title": self.title,
            "standing": str(self.standing),
            "outcome": self.outcome,
            "claim": str(self.claim),
            "glance": [[each.name, each.value] for each in self.glance],
            "summary": list(self.summary),
            "sections": [
                {
                    "title": one.title,
                    "fields": [[each.name, each.value] for each in one.fields],
                    "table": [list(row) for row in one.table],
                }
                for one in self.sections
            ],
            "event": self.event,
            "code": self.code,
            "address": self.address,
            "form": self.form,
        }


def certificate(sources: Sources) -> Certificate:
    """Return the full form. Raises ValueError for an event that is neither a wipe nor a retired medium."""
    if sources.event.kind not in ("medium.wiped", "medium.retired"):
        raise ValueError(f"{sources.event.kind} is no wipe and no destruction; there is no certificate of it")
    doubts, claim = _doubts(sources), _claim(sources)
    claim = Claim.NONE if doubts else claim
    return Certificate(
        title=_title(sources, claim, bool(doubts)),
        standing=_standing(sources, bool(doubts)),
        outcome=_outcome(sources),
        claim=claim,
        glance=_glance(sources, claim, "full"),
        summary=_summary(sources, claim, doubts),
        sections=_sections(sources, claim, doubts),
        event=sources.event.hash,
        code=sources.device,
        address=sources.address,
        form="full",
    )


def public(sources: Sources) -> Certificate:
    """Return the form for anybody: what was done and reached, without donor, serial number or persons."""
    full = certificate(sources)
    evidence, body = sources.evidence, sources.event.body
    technique = words.TECHNIQUES.get(evidence.technique, evidence.technique) if evidence else ""
    read = "; ".join(f"{one.kind}, {words.share(one)}" for one in evidence.readbacks) if evidence else ""
    wiped = sources.event.kind == "medium.wiped"
    told, held_back = _tellable(sources)
    withheld = (f"{held_back} more, which would name the drive or a person: see the full form",) if held_back else ()
    done = section(
        "What was done",
        ("Level achieved", words.level(full.claim)),
        ("Outcome", full.outcome),
        ("Media type", words.MEDIA.get(evidence.media_kind, "") if evidence else ""),
        ("Technique", technique or ("physical destruction" if sources.event.kind == "medium.retired" else "")),
        ("Read back", read),
        ("Wiped and verified by different people", _safe(sources, four_eyes(sources)) if wiped else ""),
        ("Rules by which it was judged", body.get("rules")),
        ("Recorded", moment(sources.event.at)),
    )
    record = section(
        "The signed record",
        ("Computer (label)", sources.device),
        ("Name of the record (SHA-256)", sources.event.hash),
    )
    notes = _numbered("Exceptions", (*told, *withheld))
    sections = (done, notes, record, _limits(sources))
    summary = _summary(sources, full.claim, [_safe(sources, text) for text in _doubts(sources)])
    return replace(
        full, glance=_glance(sources, full.claim, "public"), summary=summary, sections=sections, form="public"
    )


def _claim(sources: Sources) -> Claim:
    body = sources.event.body
    if sources.event.kind == "medium.retired":
        return Claim.DESTROY if body["how"] == "destroyed" else Claim.NONE
    return Claim(body["claim"])


def _outcome(sources: Sources) -> str:
    body = sources.event.body
    if sources.event.kind == "medium.retired":
        return "DONE" if body["how"] == "destroyed" else "NOT_RUN"
    return str(body["outcome"])


def _doubts(sources: Sources) -> list[str]:
    """Return every reason why this record must not look like a certificate; [] only when there is none."""
    return list(dict.fromkeys([*_of_the_record(sources), *_of_the_evidence(sources)]))


def _of_the_record(sources: Sources) -> Iterator[str]:
    event, body = sources.event, sources.event.body
    for reason in sources.refused:
        yield f"The record was refused and counts for nothing: {reason.text}."
    if event.hash in sources.facts.disputed:
        yield f"The record is disputed: {sources.facts.disputed[event.hash].body['reason']}."
    if event.kind == "medium.retired":
        if body["how"] != "destroyed":
            yield "The medium was removed, not destroyed; it holds what it held."
        return
    if body["outcome"] == "NOT_RUN":
        yield "The wipe was never started: the drive holds what it held."
    elif body["outcome"] != "DONE":
        yield "A wipe was begun and its success is not shown: treat the drive as full of somebody's data."
    elif body["claim"] == "none":
        yield "No level was reached."
    if any(not check.body["agreed"] for check in sources.checks):
        yield "Somebody who looked at the drive afterwards did not agree with the record."
    if any(not decision.body["accepted"] for decision in sources.decisions):
        yield "Whoever had to decide did not accept this wipe."


def _of_the_evidence(sources: Sources) -> Iterator[str]:
    evidence, body = sources.evidence, sources.event.body
    if evidence is None or sources.event.kind != "medium.wiped":
        return
    if evidence.medium.id != sources.event.subject:
        yield "The evidence is about another drive than the record."
    verdict = _judged_again(sources)
    if verdict is None or body["outcome"] == "NOT_RUN":
        return
    if body["outcome"] != "DONE":
        yield from (words.sentence(reason.text) for reason in verdict.reasons)
    elif verdict.rules == body["rules"] and (verdict.outcome, verdict.claim) != (body["outcome"], body["claim"]):
        yield f"The evidence supports only {verdict.outcome}, {words.level(verdict.claim)}; the record says more."


def _judged_again(sources: Sources) -> Verdict | None:
    """Judge the evidence by today's rules, where the very profile is at hand that was followed."""
    profile = sources.profile
    if sources.evidence is None or profile is None or profile.digest != sources.event.body.get("profile_digest"):
        return None
    return judge(sources.evidence, profile)


def _standing(sources: Sources, doubtful: bool) -> Standing:
    if doubtful:
        return Standing.NOT_SHOWN
    return Standing.PRACTICE if sources.world is World.PRACTICE else Standing.SHOWN


def _title(sources: Sources, claim: Claim, doubtful: bool) -> str:
    if doubtful and sources.event.kind == "medium.retired":
        return "RECORD OF A MEDIUM THAT IS NOT SHOWN TO BE DESTROYED"
    if doubtful:
        return f"{NOT_SHOWN_TITLE} ({_outcome(sources)})"
    practice = "PRACTICE, no certificate: " if sources.world is World.PRACTICE else ""
    what = "Certificate of destruction" if claim is Claim.DESTROY else "Certificate of data erasure"
    return f"{practice}{what} (DONE)"


_SECOND = {
    "": "No second person has looked at it.",
    "yes": "Another person looked at it and agreed; both were signed in with their badges.",
    "unsure": "A second look agreed, but nothing shows that it was another person.",
}


def _glance(sources: Sources, claim: Claim, form: str) -> tuple[Field, ...]:
    """Return the four facts that a donor looks for first."""
    one = sources.medium
    drive = f"{one.model}, serial {one.serial or words.NOT_RECORDED}" if one else words.NOT_RECORDED
    label = sources.device or words.NOT_RECORDED
    seen = four_eyes(sources) if sources.event.kind == "medium.wiped" else ""
    return (
        Field("Drive", drive) if form == "full" else Field("Computer", label),
        Field("Level reached", words.level(claim)),
        Field("Second person", "yes" if seen == "yes" else "not shown" if seen else "two people say so"),
        Field("Recorded", moment(sources.event.at)[:10]),
    )


def _summary(sources: Sources, claim: Claim, doubts: list[str]) -> tuple[str, ...]:
    practising = sources.world is World.PRACTICE
    practice = ("This is a practice record. It says nothing about any real drive.",) if practising else ()
    if doubts:
        return (*practice, "This paper is NOT proof that the drive was wiped.", *doubts)
    notes = list(practice)
    if claim is Claim.DESTROY:
        notes.append("Two people say that they destroyed this drive. Nothing was measured.")
    else:
        notes.append(_done(sources))
    notes.append(f"Level reached: {words.level(claim)}, {words.MEANS[claim]}.")
    if sources.evidence and sources.evidence.firmware:
        notes.append(words.DRIVES_OWN_WORD)
    if sources.event.kind == "medium.wiped":
        agreed = bool(sources.checks)
        notes.append(_SECOND.get(four_eyes(sources), _SECOND["unsure"]) if agreed else _SECOND[""])
        if sources.evidence is None:
            notes.append("The evidence was not at hand when this was printed, so its figures could not be printed.")
    count = len(_exceptions(sources))
    if count:
        there = "is 1 exception" if count == 1 else f"are {count} exceptions"
        notes.append(f"There {there}; see \u201cExceptions\u201d.")
    return tuple(notes)


def _done(sources: Sources) -> str:
    """Return what happened, as a donor wants to know it at a glance."""
    evidence = sources.evidence
    if evidence is None:
        return "The signed record says that this drive was wiped."
    own = "The drive erased itself by its own command"
    how = own if evidence.firmware else "Everything that can be addressed on this drive was overwritten"
    full = any(one.kind == "full" and one.bytes_read == one.bytes_total for one in evidence.readbacks)
    read = "all of it was read back" if full else "a sample of it was read back"
    return f"{how}. Afterwards {read} by a separate program, and nothing was found that should not be there."


def _exceptions(sources: Sources) -> tuple[str, ...]:
    found = [str(text) for text in sources.event.body.get("exceptions", ())]
    verdict = _judged_again(sources)
    if verdict is not None and sources.event.body["outcome"] == "DONE":
        found += [words.sentence(reason.text) for reason in verdict.reasons]
        said = (sources.event.body["outcome"], sources.event.body["claim"])
        if verdict.rules != sources.event.body["rules"] and (verdict.outcome, verdict.claim) != said:
            today = f"{verdict.outcome}, {verdict.claim}"
            found.append(f"By today's rules ({RULES_VERSION}) the same evidence supports {today}.")
    if sources.event.kind == "medium.retired":
        found += [words.sentence(f"{why}: nothing but a reference says who this was") for why in strangers(sources)]
    unsure = doubt(sources.facts, sources.event, WIPERS) if sources.event.kind == "medium.wiped" else ""
    if unsure:
        found.append(words.sentence(f"{unsure}: nothing but a reference says who did this"))
    return tuple(dict.fromkeys(found))


def _tellable(sources: Sources) -> tuple[list[str], int]:
    """Return the exceptions that name neither the drive nor a person, and how many others there are."""
    found = _exceptions(sources)
    told = [text for text in found if _safe(sources, text) == text]
    return told, len(found) - len(told)


def _safe(sources: Sources, text: str) -> str:
    """Return the text, or a sentence in its place when it holds anything that the public form must not show."""
    flat = "".join(text.casefold().split())
    one, new = sources.medium, registered(sources)
    body = sources.event.body
    who = body.get("who")
    private = [
        sources.event.subject,
        *((one.serial, one.wwn) if one else ()),
        *((new.body["serial"], new.body["donor"]) if new else ()),
        *(each.body["who"]["ref"] for each in (*sources.checks, *sources.decisions)),
        who.get("ref") if isinstance(who, dict) else None,
        body.get("accepted_by"),
        *body.get("names", ()),
    ]
    hidden = ["".join(str(each).casefold().split()) for each in private if each]
    return "(Details are in the full form.)" if any(each in flat for each in hidden if each) else text


def _limits(sources: Sources) -> Section:
    evidence, notes = sources.evidence, []
    if evidence and evidence.firmware:
        notes.append(words.DRIVES_OWN_WORD)
    if evidence and evidence.technique == "overwrite":
        notes.append(words.OVERWRITE_LIMIT)
    if evidence and any(one.kind == "sampled" for one in evidence.readbacks):
        notes.append(words.SAMPLED_LIMIT)
    notes += words.ALWAYS
    return _numbered("What this does not prove", notes)


def _numbered(title: str, texts: Sequence[str]) -> Section:
    return section(title, *([(str(n), text) for n, text in enumerate(texts, 1)] or [("None", "none recorded")]))


def _sections(sources: Sources, claim: Claim, doubts: list[str]) -> tuple[Section, ...]:
    exceptions = [*doubts, *_exceptions(sources)]
    notes = _numbered("Exceptions", exceptions)
    destroyed = sources.event.kind == "medium.retired"
    wiped = (parts.technique_section(sources), parts.proof_section(sources))
    return (
        parts.medium_section(sources),
        parts.source_section(sources),
        parts.level_section(sources, claim),
        *((parts.destruction_section(sources),) if destroyed else wiped),
        notes,
        witness_section(sources) if destroyed else people_section(sources),
        parts.health_section(sources),
        parts.time_section(sources),
        parts.destination_section(sources),
        parts.record_section(sources),
        _limits(sources),
    )
