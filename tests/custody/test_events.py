"""Events: what was signed is what is read, and nothing else is."""

import base64
import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.errors import BadEvent, BadSignature, UnknownKey
from custody.events import (
    LARGEST_EVENT,
    NOTHING,
    KeyId,
    MediumIdentity,
    PrivateKey,
    PublicKey,
    Role,
    World,
    meaning,
    mentions,
    open_,
    origin_id,
    seal,
)
from custody.kinds import KINDS
from tests.factories import NOON, Scribe, inventoried, medium, registered, wiped

KEY = PrivateKey(b"k" * 32)


def _keys(*known: PublicKey) -> dict[KeyId, PublicKey]:
    return {key.keyid: key for key in known}


def test_what_was_sealed_is_what_is_opened() -> None:
    scribe = Scribe(Role.STATION)
    event = scribe.say("device.registered", "A", registered("A"))
    assert open_(scribe.envelopes[0], _keys(scribe.key.public).get, World.REAL) == event


@given(position=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_any_changed_byte_of_an_envelope_is_noticed(position: int, flip: int) -> None:
    scribe = Scribe(Role.STATION)
    event = scribe.say("device.registered", "A", registered("A"))
    changed = bytearray(scribe.envelopes[0])
    changed[position % len(changed)] ^= flip
    try:
        opened = open_(bytes(changed), _keys(scribe.key.public).get, World.REAL)
    except BadEvent:
        return
    assert opened == event  # only what does not touch the signed bytes, such as JSON white space, may pass


def test_an_event_by_a_key_nobody_knows_is_refused_as_such() -> None:
    scribe = Scribe(Role.STATION)
    scribe.say("device.registered", "A", registered("A"))
    with pytest.raises(UnknownKey, match="not enrolled"):
        open_(scribe.envelopes[0], _keys(KEY.public).get, World.REAL)


def test_practice_events_never_count_as_real_even_when_the_key_is_known() -> None:
    scribe = Scribe(Role.STATION, world=World.PRACTICE)
    scribe.say("device.registered", "A", registered("A"))
    with pytest.raises(BadSignature, match="practice"):
        open_(scribe.envelopes[0], _keys(scribe.key.public).get, World.REAL)


def test_a_practice_event_relabelled_as_real_has_a_wrong_signature() -> None:
    scribe = Scribe(Role.STATION, world=World.PRACTICE)
    scribe.say("device.registered", "A", registered("A"))
    relabelled = json.loads(scribe.envelopes[0]) | {"payloadType": World.REAL.payload_type}
    with pytest.raises(BadSignature):
        open_(json.dumps(relabelled).encode(), _keys(scribe.key.public).get, World.REAL)


def test_lengths_in_the_signed_text_are_bytes_not_characters() -> None:
    scribe = Scribe(Role.STATION)
    event = scribe.say("device.registered", "A", registered("A") | {"make": "Ünïcødé 株式会社"})
    payload = base64.b64decode(json.loads(scribe.envelopes[0])["payload"])
    kind = World.REAL.payload_type.encode()
    text = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    signature = base64.b64decode(json.loads(scribe.envelopes[0])["signatures"][0]["sig"])
    scribe.key.public.verify(signature, text)
    assert event.body["make"].startswith("Ü")


@pytest.mark.parametrize(
    "junk", [b"", b"{}", b"[]", b"\xff\xfe", b'{"payloadType":1,"payload":"","signatures":[]}', b"[" * 50_000]
)
def test_junk_is_told_as_junk(junk: bytes) -> None:
    with pytest.raises(BadEvent):
        open_(junk, _keys(KEY.public).get, World.REAL)


def test_an_oversized_envelope_is_refused_unread() -> None:
    with pytest.raises(BadEvent, match="too large"):
        open_(b"x" * (LARGEST_EVENT + 1), _keys(KEY.public).get, World.REAL)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "device.sold"}, "unknown kind"),
        ({"at": datetime(2026, 1, 1)}, "time zone"),  # noqa: DTZ001
        ({"seq": 0}, "counted from 1"),
        ({"subject": ""}, "subject is empty"),
        ({"subject": "B"}, "is not the code"),
        ({"body": {}}, "'code' is missing"),
        ({"body": registered("A") | {"make": "\ud800"}}, "cannot be written"),
        ({"body": registered("A") | {"extra": float("nan")}}, "cannot be written"),
        ({"body": registered("A") | {"donor_wants": "shred"}}, "one of none, clear, purge, destroy"),
        ({"subject": "a", "body": registered("a")}, "a label code in capitals"),
        ({"body": registered("A") | {"extra": "\x00"}}, "characters that are no text"),
        ({"body": registered("A") | {"extra": json.loads("[" * 30 + "]" * 30)}}, "nested deeper"),
        ({"at": NOON.replace(year=9999)}, "no clock shows"),
    ],
)
def test_we_never_sign_what_is_wrong(change: dict[str, object], said: str) -> None:
    wanted = {
        "origin": origin_id(Role.STATION, KEY.public),
        "seq": 1,
        "prev": NOTHING,
        "kind": "device.registered",
        "subject": "A",
        "at": NOON,
        "body": registered("A"),
        "key": KEY,
        "world": World.REAL,
    }
    with pytest.raises(BadEvent, match=said):
        seal(**{**wanted, **change})  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["device.inventoried", "device.tested", "medium.wiped", "device.received"])
def test_after_must_be_present_even_when_it_is_null(kind: str) -> None:
    bodies = {
        "device.inventoried": inventoried("A", None, medium()),
        "medium.wiped": wiped(medium(), None),
    }
    body = dict(bodies.get(kind, {"after": None}))
    del body["after"]
    with pytest.raises(BadEvent, match="'after' is missing"):
        Scribe(Role.STATION).say(kind, "A", body)


PERSONAL = ("name_of", "firstname", "surname", "address", "phone", "email", "postcode", "birth", "child", "household")


def test_no_kind_has_a_place_for_a_person() -> None:
    for kind, table in KINDS.items():
        for field in table.fields:
            assert not any(word in field for word in PERSONAL), f"{kind}.{field} looks like a person's data"
    assert "name" not in {f for kind, t in KINDS.items() if not kind.startswith("origin.") for f in t.fields}


def test_a_private_key_never_shows_itself() -> None:
    assert KEY.raw.hex() not in repr(KEY)
    assert KEY.raw.hex() not in str(KEY)


def test_media_that_share_a_serial_are_still_two_media() -> None:
    one = MediumIdentity("nvme", "X", "S", "eui.1", "1", 100)
    assert len({one.id, MediumIdentity("nvme", "X", "S", "eui.1", "2", 100).id}) == 2
    assert MediumIdentity("ab", "c", "", "", "", 1).id != MediumIdentity("a", "bc", "", "", "", 1).id


@pytest.mark.parametrize(
    ("serial", "wwn", "size", "trusted"),
    [("", "", 1, False), (" ", "", 1, False), ("S", "", 0, False), ("S", "", 1, True), ("", "W", 1, True)],
)
def test_a_medium_without_serial_and_wwn_is_not_trusted(serial: str, wwn: str, size: int, trusted: bool) -> None:
    assert MediumIdentity("ata", "m", serial, wwn, "", size).trusted is trusted


def test_an_event_is_found_under_everything_it_speaks_of() -> None:
    scribe = Scribe(Role.STATION)
    event = scribe.say("medium.wiped", medium().id, wiped(medium(), None, device="A"))
    assert mentions(event) == {medium().id, "A", "disk:sn000001"}
    listed = scribe.say("device.inventoried", "A", inventoried("A", None, medium(1), medium(2)))
    assert mentions(listed) == {"A", medium(1).id, medium(2).id, "disk:sn000001", "disk:sn000002"}
    known = scribe.say("device.registered", "A", registered("A", " sn-1 "))
    assert "serial:acme|book|sn-1" in mentions(known)


@pytest.mark.parametrize(
    "body",
    [
        wiped(medium(2), None),
        wiped(medium(1), None) | {"medium": medium(1).to_json() | {"size": 10**20}},
        wiped(medium(1), None) | {"medium": medium(1).to_json() | {"model": "x" * 300}},
    ],
)
def test_a_wipe_is_about_the_medium_that_it_describes(body: dict[str, object]) -> None:
    with pytest.raises(BadEvent, match=r"not the medium that the body describes|not a medium's identity"):
        Scribe(Role.STATION).say("medium.wiped", medium(1).id, body)


@pytest.mark.parametrize("odd", [{"size": 10**20}, {"model": "a\x00b"}, {"serial": "\ud800"}, {"wwn": None}])
def test_an_inventory_with_an_entry_that_nobody_can_read_is_no_inventory(odd: dict[str, object]) -> None:
    body = inventoried("A", None, medium(1))
    body["media"].append(medium(2).to_json() | odd)
    with pytest.raises(BadEvent):
        Scribe(Role.STATION).say("device.inventoried", "A", body)


@pytest.mark.parametrize(
    "body", [{"deep": json.loads("[" * 30 + "]" * 30)}, {"text": "\ud800"}, {"text": "a\x00"}, {"\ud800": 1}]
)
@pytest.mark.parametrize("kind", ["device.locked", "device.blessed", "device.\x00"])
def test_what_no_screen_could_show_is_kept_as_refused_without_its_content(kind: str, body: dict[str, object]) -> None:
    scribe = Scribe(Role.STATION)
    scribe.forge(kind, "A\x00", {"device": "A", "lock": "x", "seen": "y", **body})
    (event,) = scribe.events
    assert [reason.code for reason in meaning(event)] == ["meaning"]
    assert json.dumps(event.to_json(), ensure_ascii=False).encode()
    assert mentions(event) == {"unreadable"}


def test_a_year_that_no_clock_shows_is_refused_and_harms_nobody() -> None:
    scribe = Scribe(Role.STATION)
    scribe.clock = NOON.replace(year=1)
    scribe.forge("device.locked", "A", {"device": "A", "lock": "x", "seen": "y"})
    assert "the year 1" in meaning(scribe.events[0])[0].text
    assert scribe.events[0].at.year == 1970
