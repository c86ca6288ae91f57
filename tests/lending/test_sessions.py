"""Signed-in browsers as their owners see and end them; and the rules about where requests come from."""

from datetime import timedelta

import pytest

from lending import people, sessions
from lending.request_rules import is_known_host, is_own_page, is_own_path, network_of
from tests.lending.house import House

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/141.0.0.0 Safari/537.36"


def test_owners_see_their_own_sessions_and_end_one_or_all(house: House) -> None:
    with house.db.transaction() as tx:
        here = sessions.start(tx, house.desk.account_id, house.tick(), browser=WINDOWS)
        there = sessions.start(tx, house.desk.account_id, house.tick(), method="passkey", strong=True)
        third = sessions.start(tx, house.desk.account_id, house.tick())
        other = sessions.start(tx, house.volunteer.account_id, house.tick())
        lines = sessions.listing(tx, house.desk, here, house.now)
        assert [(one.browser, one.method, one.here) for one in lines] == [
            ("Chrome on Windows", "Password", True), ("Unknown browser", "Password", False),
            ("Unknown browser", "Passkey", False),
        ]  # fmt: skip
        assert here not in repr(lines)
        foreign = sessions.listing(tx, house.volunteer, other, house.now)[0].handle
        for handle in (foreign, "", "%", "0" * sessions.HANDLE, "_" * sessions.HANDLE):
            assert not sessions.end_one(tx, house.desk, handle, house.now)
        assert sessions.end_one(tx, house.desk, lines[2].handle, house.now)
        assert not sessions.end_one(tx, house.desk, lines[2].handle, house.now)
        assert sessions.session(tx, there, house.now) is None
        assert sessions.end_all(tx, house.desk.account_id, house.now, but=here) == 1
        assert sessions.session(tx, third, house.now) is None
        assert sessions.session(tx, here, house.now) is not None
        assert sessions.session(tx, other, house.now) is not None


def test_a_proof_is_recent_for_a_quarter_of_an_hour(house: House) -> None:
    with house.db.transaction() as tx:
        token = sessions.start(tx, house.desk.account_id, house.now)
        for late, recent in ((sessions.RECENT, True), (sessions.RECENT + timedelta(seconds=1), False)):
            found = sessions.session(tx, token, house.now + late)
            assert found is not None
            assert found.is_recent(house.now + late) is recent
        then = house.now + timedelta(hours=1)
        sessions.prove(tx, token, then, strong=True)
        found = sessions.session(tx, token, then)
        assert found is not None
        assert (found.is_recent(then), found.strong) == (True, True)


def test_a_long_used_session_ends_all_the_same(house: House) -> None:
    with house.db.transaction() as tx:
        token, start = sessions.start(tx, house.desk.account_id, house.now), house.now
        for hours in range(1, 13):
            assert sessions.session(tx, token, start + timedelta(hours=hours)) is not None
            sessions.touch(tx, token, start + timedelta(hours=hours))
        assert sessions.session(tx, token, start + sessions.LIFE + timedelta(seconds=1)) is None
        assert people.actor(tx, house.desk.account_id) is not None


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (WINDOWS, "Chrome on Windows"), (WINDOWS + " Edg/141.0", "Edge on Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Version/18.6 Safari/604.1",
         "Safari on iPhone"),
        ("Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/141.0.0.0 Mobile Safari/537.36",
         "Chrome on Android"),
        ("curl/8.9", ""), ("", ""), ("<script>Windows", "A browser on Windows"),
    ],
)  # fmt: skip
def test_a_browser_is_called_what_people_call_it(said: str, words: str) -> None:
    assert sessions.browser_words(said) == words


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("kit.example.org", True), ("KIT.example.org:443", True), ("other.example.org", True), ("localhost:5000", True),
        ("127.0.0.1", True), ("[::1]:80", True), ("evil.example", False), ("kit.example.org.evil.example", False),
        ("evil.example#kit.example.org", False), ("", False), ("192.0.2.1", False),
        ("kit.example.org@evil.example", False),
    ],
)  # fmt: skip
def test_only_our_own_hosts_are_answered(host: str, known: bool) -> None:
    assert is_known_host(host, "https://kit.example.org", frozenset({"other.example.org"})) is known


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({}, True), ({"Origin": "https://kit.example.org"}, True), ({"Origin": "https://KIT.example.org"}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True), ({"Sec-Fetch-Site": "none"}, True),
        ({"Origin": "null"}, False), ({"Origin": "https://evil.example"}, False), ({"Origin": ""}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False), ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "https://kit.example.org", "Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": "https://kit.example.org.evil.example"}, False), ({"Origin": "https://kit.example.org:444"}, False),
    ],
)  # fmt: skip
def test_forms_come_from_our_own_pages(headers: dict[str, str], own: bool) -> None:
    assert is_own_page(headers, "kit.example.org") is own


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("/loans?state=out", True), ("/", True), ("//evil.example", False), ("/\\evil.example", False), ("", False),
        ("https://evil.example", False), ("javascript:alert(1)", False), ("/\t/evil.example", False),
        ("\\\\evil", False),
        ("/ok\r\nSet-Cookie: a=b", False), ("evil.example", False),
    ],
)  # fmt: skip
def test_one_goes_on_to_our_own_pages_only(text: str, own: bool) -> None:
    assert is_own_path(text) is own


def test_tries_are_counted_per_customer_not_per_address_of_theirs() -> None:
    assert network_of("192.0.2.7") == "192.0.2.7"
    assert network_of("2001:db8:1:2:aaaa::1") == network_of("2001:db8:1:2:bbbb::9") == "2001:db8:1:2::/64"
    assert network_of("2001:db8:1:3::1") != network_of("2001:db8:1:2::1")
    assert network_of("") == ""
