"""A medium destroyed: what no machine does and two people sign for, with a photograph and a reason.

For drives that are not worth wiping, that lied, or that cannot be wiped well enough (profile `destroy`). What is
recorded is a statement of two different people, never a measurement; the certificate made of it says so. A drive that
no longer answers is named by what is printed on it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import wipe_profiles
from custody.errors import Reason
from custody.events import Event, MediumIdentity
from station.badges import DECIDERS, Operator, Person, reference, same_person, who
from station.bench import EVIDENCE_TYPE, Bench
from station.errors import GuardRefused, UsageError
from station.health import Health

LARGEST_PHOTO = 20 * 1024 * 1024  # bytes
_PICTURES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}  # how such files begin


@dataclass(frozen=True)
class Destruction:
    """What two people say: which medium, who they are, why, how, the photograph's bytes, and the device it was in."""

    medium: MediumIdentity
    people: Sequence[Operator]
    reason: str
    method: str
    photo: bytes
    device: str | None = None
    health: Health | None = None


def destroy(bench: Bench, said: Destruction) -> Event:
    """Record that a medium was destroyed; returns the event. Nothing is done to any drive.

    Raises UsageError when anything of it is missing, GuardRefused when the two are one person, when it is on record as
    destroyed already or, where both signed in with badges, neither may decide it; JournalError.
    """
    names = _two(said.people)
    if not said.reason.strip() or not said.method.strip():
        raise UsageError("say why it was destroyed (--reason) and how (--method: shredded, by which contractor)")
    kind = picture(said.photo)
    if not said.medium.names:
        raise UsageError("a drive is named by its serial number or WWN, as printed on it: --model and --serial")
    _refuse_twice(bench, said.medium)
    profile = wipe_profiles.load("destroy")
    photo = bench.journal.attach(said.photo, kind)
    document = {
        "medium": said.medium.to_json(),
        "method": said.method.strip(),
        "health": said.health.to_json() if said.health else None,
        "photo": photo,
    }
    body = {
        "medium": said.medium.id,
        "device": said.device,
        "how": "destroyed",
        "names": names,
        "identity": said.medium.to_json(),
        "people": [who(one) for one in said.people],
        "reason": said.reason.strip(),
        "method": said.method.strip(),
        "photo": photo,
        "profile": profile.name,
        "profile_digest": profile.digest,
        "evidence": bench.journal.attach(json.dumps(document).encode(), EVIDENCE_TYPE),
        "clock_trusted": bench.journal.clock_trusted(),
    }
    return bench.append("medium.retired", said.medium.id, body)


def _refuse_twice(bench: Bench, medium: MediumIdentity) -> None:
    """Raise GuardRefused when this medium is on record as destroyed already."""
    for row in bench.journal.events(about=medium.id, kind="medium.retired"):
        if not row.refused and row.event.body["how"] == "destroyed":
            since = f"{row.event.at:%Y-%m-%d} (record {row.event.hash[:12]})"
            text = f"it is on record as destroyed since {since}; look at the serial number again"
            raise GuardRefused([Reason("destroyed-already", text, medium.id)])


def picture(data: bytes) -> str:
    """Return the media type of a photograph; raises UsageError when it is none that everybody can look at."""
    kind = next((kind for start, kind in _PICTURES.items() if data.startswith(start)), "")
    if not kind:
        raise UsageError("the photograph must be a JPEG or PNG file: a picture of the destroyed drive with its label")
    if len(data) > LARGEST_PHOTO:
        raise UsageError(f"the photograph has {len(data):,} bytes; at most {LARGEST_PHOTO:,} are kept")
    return kind


def _two(people: Sequence[Operator]) -> list[str]:
    names = [reference(one) for one in people]
    if len(names) != 2 or "" in names:
        raise UsageError("two people sign for a destruction: --by REF --by REF, or both with their badges")
    if same_person(*names):
        raise GuardRefused([Reason("same-person", f"{names[0]} cannot be both witnesses; a second person must look")])
    signed = [one for one in people if isinstance(one, Person)]
    if len(signed) == len(people) and not any(one.roles & set(DECIDERS) for one in signed):
        text = f"neither of them may decide a destruction; that needs a badge for {' or '.join(DECIDERS)}"
        raise GuardRefused([Reason("role", text)])
    return names
