"""The screens, pressed like a person would: plain forms, no script."""

import contextlib
import re
import subprocess
import threading
from pathlib import Path

import pytest

from custody.journal import Journal
from kiosk.config import Config
from labels import codes
from tests.kiosk.kit import CODE, NOW, OTHER, Kit, kit_in
from tests.labels.test_outlets import Printer


def test_a_whole_visit_ends_with_one_signed_return_on_disk_and_then_the_thank_you(kit: Kit) -> None:
    ann = kit.person()
    assert ann.title() == "Bring a device back"
    ann.bring(codes.address("lend.example.org", CODE))
    assert ann.title() == "Now leave it here"
    assert kit.returns() == []
    ann.press("/finish")
    assert ann.title() == "Thank you"
    (event,) = kit.returns()
    assert (event.subject, event.at, event.body["items"]) == (CODE, NOW, {"device": 1, "charger": 1, "case": 0})
    assert event.hash[:8].upper() in ann.page()


def test_pressing_twice_scanning_twice_and_going_back_in_the_browser_make_no_second_event(kit: Kit) -> None:
    ann = kit.person()
    ann.bring()
    for _ in range(3):
        ann.press("/finish")
        ann.press("/scan", text=CODE)
        ann.press("/answer", condition="broken", agreed="no")
        ann.press("/count", device="1")
    assert len(kit.returns()) == 1
    ann.press("/keep")
    assert ann.title() == "Bring a device back"
    ann.bring(OTHER)
    ann.press("/finish")
    assert [event.subject for event in kit.returns()] == [CODE, OTHER]


def test_two_presses_at_the_same_moment_make_one_event(kit: Kit) -> None:
    ann = kit.person()
    ann.bring()
    page = ann.client.get("/").text
    token = re.findall(r'data-token="(\w+)"', page)[0]
    sid = ann.client.get_cookie("kiosk")
    assert sid

    def finish() -> None:
        other = kit.app.test_client()
        other.set_cookie("kiosk", sid.value)
        other.post("/finish", data={"token": token})

    threads = [threading.Thread(target=finish) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kit.returns()) == 1
    assert ann.title() == "Thank you"


def test_a_wrong_character_is_shown_and_the_right_code_offered(kit: Kit) -> None:
    ann = kit.person()
    ann.press("/scan", text=CODE[:5] + "Z" + CODE[6:])
    assert ann.title() == "Did you mean this code?"
    page = ann.page()
    assert codes.pretty(CODE) in page
    assert f"<mark>{CODE[5]}</mark>" in page
    assert "Character number 6 does not fit: Z." in page
    ann.press("/scan", text=CODE)
    assert ann.title() == "What are you bringing back?"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "Nothing arrived"),
        ("7K3Q", "A code has 12 characters"),
        ("HTTPS://SHOP.EXAMPLE/ABOUT", "not one of our labels"),
        ("*" * 12, "More than one character is wrong"),
    ],
)
def test_what_cannot_be_read_is_explained_and_taken_all_the_same(kit: Kit, typed: str, words: str) -> None:
    ann = kit.person()
    ann.press("/scan", text=typed)
    assert ann.title() == "We could not read that"
    assert words in ann.page()
    ann.press("/anyway", typed=typed)
    ann.press("/count", device="1")
    ann.press("/answer", agreed="yes")
    ann.press("/finish")
    (event,) = kit.returns()
    assert event.body["call_staff"] is True
    assert event.body["condition"] == "not-said"
    assert "tell a member of staff" in ann.page()


def test_a_full_disk_thanks_nobody_and_asks_for_staff(kit: Kit) -> None:
    ann = kit.person()
    ann.bring()
    kit.recorder.full = True
    ann.press("/finish")
    assert ann.title() == "Please hand it to a member of staff"
    assert "Thank you" not in ann.page()
    assert kit.returns() == []
    assert "no room left" in kit.person().page("/staff")
    kit.recorder.full = False
    ann.press("/finish")
    assert ann.title() == "Thank you"
    assert len(kit.returns()) == 1


def test_a_disk_that_is_really_full_thanks_nobody(needs_root: None, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"this machine mounts nothing: {mounted.stderr.strip()}")
    try:
        kit = kit_in(small)
        ann = kit.person()
        ann.bring()
        with (small / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(b"x" * 4096)
        ann.press("/finish")
        assert ann.title() == "Please hand it to a member of staff"
        (small / "filler").unlink()
        assert kit.returns() == []
        ann.press("/finish")
        assert ann.title() == "Thank you"
        assert len(kit.returns()) == 1
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_damaged_journal_thanks_nobody(kit: Kit) -> None:
    ann = kit.person()
    ann.bring()
    size = kit.home.journal.stat().st_size
    for path in kit.home.folder.glob("journal.sqlite*"):
        path.write_bytes(b"\xa5" * (size if path == kit.home.journal else 0))
    ann.press("/finish")
    assert ann.title() == "Please hand it to a member of staff"
    staff = kit.person().page("/staff")
    assert "returns are NOT recorded" in staff
    assert f"The return of {CODE} could not be recorded" in staff


def test_a_scan_still_works_while_the_journal_cannot_be_read(kit: Kit) -> None:
    kit.home.journal.unlink()
    ann = kit.person()
    ann.press("/scan", text=CODE)
    assert ann.title() == "What are you bringing back?"


def test_somebody_who_walks_away_is_reset_and_the_device_recorded_with_a_call_for_staff(kit: Kit) -> None:
    ann = kit.person()
    ann.press("/language", to="ar")
    ann.press("/scan", text=CODE)
    kit.seconds += 64
    assert 'dir="rtl"' in ann.page()
    kit.seconds += 2
    assert ann.title() == "Bring a device back"
    assert 'dir="ltr"' in ann.page()
    (event,) = kit.returns()
    assert event.body["call_staff"] is True


def test_a_language_stays_until_the_visit_ends(kit: Kit) -> None:
    ann = kit.person()
    ann.press("/language", to="pl")
    ann.press("/language", to="xx")
    ann.press("/scan", text="7K3Q")
    ann.press("/keep")
    assert ann.title() == "Oddaj urządzenie"
    ann.bring()
    ann.press("/finish")
    assert ann.title() == "Dziękujemy"
    ann.press("/keep")
    assert ann.title() == "Bring a device back"


def test_more_time_is_given_as_often_as_it_is_asked_for(kit: Kit) -> None:
    ann = kit.person()
    ann.press("/scan", text=CODE)
    for _ in range(12):
        kit.seconds += 60
        assert "Are you still there?" in ann.page("/still-there")
        ann.press("/more-time")
    assert ann.title() == "What are you bringing back?"
    assert kit.returns() == []


def test_a_device_left_alone_that_cannot_be_recorded_is_told_to_staff(kit: Kit) -> None:
    kit.person().press("/scan", text=CODE)
    kit.recorder.full = True
    kit.seconds += 100
    assert f"The return of {CODE} could not be recorded, and nobody was there" in kit.person().page("/staff")


def test_the_slip_carries_code_time_and_receipt_and_prints_on_a_real_listener(tmp_path: Path) -> None:
    printer = Printer()
    config = Config(host="lend.example.org", printer=f"tcp://127.0.0.1:{printer.port}")
    kit = kit_in(tmp_path, config=config)
    ann = kit.person()
    assert "Bring a device back" in ann.client.get("/slip", follow_redirects=True).text
    ann.bring()
    ann.press("/finish")
    printer.close()
    assert codes.pretty(CODE).encode() in printer.printed
    assert b"STAFF: please" in printer.printed
    assert "01.03.2026 12:00" in ann.page("/slip")
    assert ann.client.get("/slip.pdf").data.startswith(b"%PDF")


def test_a_printer_that_is_off_stops_no_return_and_is_told_to_staff(tmp_path: Path) -> None:
    kit = kit_in(tmp_path, config=Config(host="h.org", printer="tcp://127.0.0.1:9"))
    ann = kit.person()
    ann.bring()
    ann.press("/finish")
    assert ann.title() == "Thank you"
    assert "was not printed" in ann.page("/staff")


def test_every_answer_is_private_and_every_page_forbids_what_it_does_not_need(kit: Kit) -> None:
    client = kit.app.test_client()
    for path in ("/", "/still-there", "/staff", "/slip"):
        headers = client.get(path).headers
        assert headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
    cookie = client.get_cookie("kiosk")
    assert cookie
    assert (cookie.http_only, cookie.same_site) == (True, "Strict")
    assert not re.search(r"<script(?![^>]*src)|<style|\son\w+=|style=", client.get("/").text)


def test_a_form_that_is_not_ours_changes_nothing(kit: Kit) -> None:
    ann = kit.person()
    ann.page()
    ann.client.post("/scan", data={"text": CODE, "token": "guessed"})
    assert ann.title() == "Bring a device back"


def test_only_this_machine_is_let_in(kit: Kit) -> None:
    client = kit.app.test_client()
    assert client.get("/", environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 403
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400


def test_an_unexpected_failure_says_so_and_never_thanks(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = kit.person()
    ann.bring()

    def breaks(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(Journal, "append", breaks)
    answer = ann.press("/finish")
    assert answer.status_code == 500
    assert "Please hand it to a member of staff" in answer.text
    assert "Thank you" not in ann.page()


def test_an_address_that_is_not_there_leads_back_to_the_beginning(kit: Kit) -> None:
    assert kit.app.test_client().get("/admin").headers["Location"] == "/"


def test_practice_is_said_on_every_screen(kit: Kit, tmp_path: Path) -> None:
    assert "Practice" in kit.person().page()


def test_many_browsers_do_not_fill_the_memory(kit: Kit) -> None:
    first = kit.person()
    first.press("/scan", text=CODE)
    for _ in range(60):
        kit.seconds += 0.1
        kit.app.test_client().get("/")
    assert [event.subject for event in kit.returns()] == [CODE], "a visit that had to make room is recorded"
