"""The kinds of event: who may sign each, and what its body must hold. Data and checks of data, nothing else.

Every field named here is required; further fields are kept and ignored. There is no field for a person's
name, address or telephone number in any kind, and a test walks the table to keep it so.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from custody.errors import BadEvent
from custody.media import LARGEST_NUMBER, MediumIdentity

Check = Callable[[object], str]
"""Looks at a value and returns what it should have been, or "" when it is right."""

CLAIMS = ("none", "clear", "purge", "destroy")
OUTCOMES = ("DONE", "NOT_RUN", "UNKNOWN")
RESULTS = ("pass", "fail", "not-tested")
GRADES = ("A", "B", "C", "D")
REASONS_TO_LEAVE = ("loan", "gift", "repair", "recycling")
WAYS_TO_CLOSE = ("returned", "lost", "given", "written-off")
WAYS_TO_RETIRE = ("removed", "destroyed")
DESTINATIONS = ("reuse", "parts", "recycler")


@dataclass(frozen=True)
class Kind:
    """One kind: the roles that may sign it, its fields, and the body field its subject must equal (or "")."""

    signers: frozenset[str]
    fields: Mapping[str, Check]
    subject: str
    about: str


def what_is_wrong(kind: str, subject: str, body: Mapping[str, Any]) -> list[str]:
    """Return every way in which a body fails its kind, each as a sentence part; [] when it fits."""
    table = KINDS[kind]
    wrong = []
    for name, check in table.fields.items():
        if name not in body:
            wrong.append(f"the field {name!r} is missing (null must be written where nothing is known)")
            continue
        expected = check(body[name])
        if expected:
            wrong.append(f"{name} is {str(body[name])[:60]!r}, which is not {expected}")
    if not subject:
        wrong.append("the subject is empty")
    elif kind == "medium.wiped" and not wrong and MediumIdentity.from_json(body["medium"]).id != subject:
        wrong.append(f"the subject {subject!r} is not the medium that the body describes")
    elif table.subject and isinstance(body.get(table.subject), str) and body[table.subject] != subject:
        wrong.append(f"the subject {subject!r} is not the {table.subject} {body[table.subject]!r}")
    return wrong


def agrees_with_oneself(check: Mapping[str, Any], wiper: object) -> bool:
    """Tell whether a `medium.checked` agrees with a wipe by the very person who wiped and signed in to say so.

    Disagreeing with oneself is always heard: it keeps the gate closed.
    """
    who = check.get("who")
    if not (isinstance(who, Mapping) and isinstance(wiper, Mapping)):
        return False
    same = who.get("ref") is not None and who.get("ref") == wiper.get("ref")
    return same and who.get("authenticated") is True and check.get("agreed") is True


def _text(value: object) -> str:
    return "" if isinstance(value, str) and value.strip() else "a text"


def _any_text(value: object) -> str:
    return "" if isinstance(value, str) else "a text"


def _short(value: object) -> str:
    return "" if isinstance(value, str) and len(value) <= 100 else "a text of at most 100 characters"


def _truth(value: object) -> str:
    return "" if isinstance(value, bool) else "true or false"


def _count(value: object) -> str:
    right = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_NUMBER
    return "" if right else "a whole number"


def _code(value: object) -> str:
    """Accept a label code in its one canonical form, so that no record hides under another spelling."""
    return "" if isinstance(value, str) and re.fullmatch(r"[0-9A-Z]{1,40}", value) else "a label code in capitals"


def _map(value: object) -> str:
    return "" if isinstance(value, dict) else "a table of names and values"


def _counts(value: object) -> str:
    right = isinstance(value, dict) and all(_text(k) == "" and _count(v) == "" for k, v in value.items())
    return "" if right else "a table of names and whole numbers"


def _hash(value: object) -> str:
    return "" if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) else "64 hexadecimal digits"


def _or_null(check: Check) -> Check:
    return lambda value: "" if value is None or not check(value) else f"{check(value)} or null"


def _one_of(*allowed: str) -> Check:
    return lambda value: "" if value in allowed else "one of " + ", ".join(allowed)


def _who(value: object) -> str:
    right = (
        isinstance(value, dict)
        and {"ref", "authenticated"} <= set(value)
        and (value["ref"] is None or not _text(value["ref"]))
        and isinstance(value["authenticated"], bool)
        and not (value["authenticated"] and value["ref"] is None)
    )
    return "" if right else "a reference (or null) and whether it was authenticated"


def _identity(value: object) -> str:
    try:
        MediumIdentity.from_json(value if isinstance(value, dict) else {})
    except BadEvent:
        return "a medium's identity (transport, model, serial, wwn, namespace, size)"
    return ""


def _list_of(check: Check, what: str) -> Check:
    return lambda value: "" if isinstance(value, list) and not any(check(one) for one in value) else f"a list of {what}"


def _two_names(value: object) -> str:
    right = isinstance(value, list) and len(value) == 2 and not any(_text(one) for one in value)
    return "" if right and isinstance(value, list) and value[0] != value[1] else "two different references"


def _results(value: object) -> str:
    right = isinstance(value, dict) and all(result in RESULTS for result in value.values())
    return "" if right else f"a table of tests, each {', '.join(RESULTS)}"


def _roles(value: object) -> str:
    right = isinstance(value, dict) and all(
        _text(ref) == "" and isinstance(roles, list) and not any(_text(role) for role in roles)
        for ref, roles in value.items()
    )
    return "" if right else "a table of references, each with its roles"


def _heads(value: object) -> str:
    right = isinstance(value, dict) and all(
        isinstance(head, dict) and not _count(head.get("seq")) and not _hash(head.get("hash"))
        for head in value.values()
    )
    return "" if right else "a table of origins, each with seq and hash"


def _kind(signers: str, subject: str, about: str, **fields: Check) -> Kind:
    named = {name.rstrip("_"): check for name, check in fields.items()}
    return Kind(frozenset(signers.split()), named, subject, about)


_AFTER = _or_null(_hash)
_CODE = _code
_BOTH = "station server"

KINDS: Mapping[str, Kind] = {
    "origin.enrolled": _kind(
        "server", "origin", "A station, kiosk or the server itself may write from now on.",
        origin=_text, role=_one_of("server", "station", "kiosk"), name=_text, key=_hash,
        transport_key=_or_null(_hash), world=_one_of("real", "practice"),
    ),
    "origin.rekeyed": _kind(
        "server", "origin", "An origin signs with a new key from this number on.",
        origin=_text, key=_hash, transport_key=_or_null(_hash), since=_count,
    ),
    "origin.revoked": _kind(
        "server", "origin", "Nothing after this head counts any more.",
        origin=_text, through=_count, head=_hash, reason=_text,
    ),
    "device.registered": _kind(
        _BOTH, "code", "A device has this label.",
        code=_CODE, make=_short, model=_short, serial=_or_null(_short), donor=_or_null(_text),
        donor_wants=_or_null(_one_of(*CLAIMS)),
    ),
    "device.inventoried": _kind(
        "station", "device", "We looked inside: these media, this hardware.",
        device=_CODE, after=_AFTER, media=_list_of(_identity, "media identities"), hardware=_map, snapshot=_hash,
    ),
    "device.tested": _kind(
        "station", "device", "Its hardware was tested.",
        device=_CODE, after=_AFTER, results=_results, grade=_one_of(*GRADES), who=_who,
    ),
    "medium.wiped": _kind(
        "station", "", "A wipe was tried on a medium, with this outcome and this claim.",
        after=_AFTER, device=_or_null(_CODE), medium=_identity, profile=_text, profile_digest=_hash,
        evidence=_hash, outcome=_one_of(*OUTCOMES), claim=_one_of(*CLAIMS), rules=_text, who=_who,
        exceptions=_list_of(_any_text, "texts"),
    ),
    "medium.checked": _kind(
        "station", "medium", "Another person or tool looked at a wiped medium.",
        wipe=_hash, medium=_text, agreed=_truth, method=_text, who=_who,
    ),
    "medium.accepted": _kind(
        _BOTH, "medium", "Somebody decided whether a wipe is good enough, and where the medium goes.",
        wipe=_hash, medium=_text, accepted=_truth, destination=_one_of(*DESTINATIONS), note=_any_text, who=_who,
    ),
    "medium.retired": _kind(
        _BOTH, "medium", "A medium was removed or destroyed, before two people.",
        medium=_text, device=_or_null(_CODE), how=_one_of(*WAYS_TO_RETIRE), names=_two_names,
    ),
    "device.locked": _kind(
        _BOTH, "device", "An owner's lock was seen.", device=_CODE, lock=_text, seen=_text,
    ),
    "device.unlocked": _kind(
        _BOTH, "device", "The lock that event named is gone.", device=_CODE, lock=_hash, seen=_text,
    ),
    "device.imaged": _kind(
        _BOTH, "device", "An operating system was installed.", device=_CODE, image=_text, digest=_hash,
    ),
    "device.filtered": _kind(
        _BOTH, "device", "A content filter was verified.",
        device=_CODE, filter=_text, verified=_truth, who=_who,
    ),
    "device.sealed": _kind(
        _BOTH, "device", "Closed and sealed after its last inventory.",
        device=_CODE, after=_AFTER, seal=_text, snapshot=_hash,
    ),
    "device.merged": _kind(
        "server", "from", "Two records are one device; the first is from now on the second.",
        from_=_CODE, into=_CODE, reason=_text, who=_who,
    ),
    "device.left": _kind(
        "server", "device", "A device and these media left our custody.",
        device=_CODE, why=_one_of(*REASONS_TO_LEAVE), loan=_or_null(_text), media=_list_of(_text, "media"),
        who=_who,
    ),
    "device.returned": _kind(
        "kiosk server", "code", "Somebody says they brought it back.",
        code=_any_text, loan=_or_null(_text), exit=_or_null(_hash), items=_counts, condition=_any_text,
        call_staff=_truth, visit=_text,
    ),
    "device.received": _kind(
        _BOTH, "device", "Staff or a station have it in hand.",
        device=_CODE, after=_AFTER, loan=_or_null(_text), condition=_any_text, items=_counts, who=_who,
    ),
    "loan.closed": _kind(
        "server", "", "A loan ended.",
        loan=_text, device=_or_null(_CODE), how=_one_of(*WAYS_TO_CLOSE), who=_who,
    ),
    "record.disputed": _kind(
        "server", "", "That event is mistaken; the fold skips it, and both stay.",
        event=_hash, reason=_text, who=_who,
    ),
    "roster.issued": _kind(
        "server", "", "These references may sign in at stations, each in these roles.",
        number=_count, digest=_hash, not_after=_text, roles=_roles,
    ),
    "badge.revoked": _kind(
        "server", "", "A badge ended; perhaps nothing that was signed in with it counts as a second person.",
        ref=_text, through=_count, distrust=_truth, who=_who,
    ),
    "badge.refused": _kind(
        "station", "", "A badge was refused for a while: its PIN was wrong too often.", ref=_text, tries=_count,
    ),
    "checkpoint": _kind("server", "", "The heads of all chains at this moment.", heads=_heads),
}  # fmt: skip
