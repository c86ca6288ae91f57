"""The page that checks certificates: opened from a file, without a network, by keyboard, enlarged, and not fooled."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page
from pypdf import PdfReader

from custody.checkpage import page as make_page
from custody.events import PrivateKey, World
from custody.pdfsign import make_document_key, read_document_key, signed
from labels.certificate import Paper, render
from station.certificate import export
from station.home import open_journal
from tests.browser.test_pages import NARROW, tab_to
from tests.conftest import REPOSITORY
from tests.custody.papers import DONOR, SERIAL, by_overwriting, unfinished
from tests.factories import medium
from tests.station.printing import Station, said_later, station

pytestmark = pytest.mark.browser

Open = Callable[..., Page]


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Open]:
    """Return a function that opens a page from a file, with no network, and demands that nothing complains."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def start(file: Path, width: int = 1000, *, before: str = "") -> Page:
        context = chromium.new_context(viewport={"width": width, "height": 800}, offline=True)
        contexts.append(context)
        page = context.new_page()
        if before:
            page.add_init_script(before)
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("request", lambda asked: complaints.append(asked.url) if not asked.url.startswith("file:") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(file.as_uri())
        return page

    yield start
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    """Return the page as a stranger has it: no key, no record."""
    file = tmp_path / "check.html"
    file.write_bytes(make_page({}))
    return file


@dataclass(frozen=True)
class Case:
    """A station's wipe with its certificate in every form, printed once by the program itself."""

    made: Station
    files: Mapping[str, Path]

    @property
    def key(self) -> str:
        """Return the station's public key."""
        return self.made.key


def case(made: Station, folder: Path) -> Case:
    """Print the certificate of a station's wipe, by the program, as a person does."""
    files = {kind: folder / f"certificate.{kind}" for kind in ("pdf", "json", "html", "public.pdf")}
    argv = [sys.executable, "-m", "station.cli", "certificate", made.wipe, "--home", str(made.config.home)]
    full = ("--pdf", str(files["pdf"]), "--html", str(files["html"]), "--record", str(files["json"]))
    for words in (full, ("--public", "--pdf", str(files["public.pdf"]))):
        subprocess.run([*argv, *words], cwd=REPOSITORY, check=True, capture_output=True, timeout=120)
    return Case(made, files)


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Return a wipe that went well."""
    folder = tmp_path_factory.mktemp("good")
    return case(station(folder), folder)


@pytest.fixture(scope="session")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Return a wipe that was begun and not finished."""
    folder = tmp_path_factory.mktemp("bad")
    return case(station(folder, unfinished(), "clear"), folder)


def give(page: Page, file: Path, key: str = "") -> None:
    """Paste a key, then choose a file; wait for the answer."""
    if key:
        page.fill("#keys", key)
    page.set_input_files("#file", str(file))
    page.wait_for_selector(".verdict")


def verdict(page: Page) -> str:
    return page.inner_text(".verdict h2")


@pytest.mark.parametrize("kind", ["pdf", "json"])
def test_a_certificate_and_the_stations_key_are_enough(kind: str, good: Case, blank: Path, opened: Open) -> None:
    page = opened(blank)
    give(page, good.files[kind], good.key)
    assert verdict(page) == "Genuine. It says: DONE, level Purge"
    said = page.inner_text("#answer")
    assert "DOES NOT HOLD" not in said
    assert good.made.wipe in said
    assert SERIAL in said
    assert "rests on the drive's own word" in said
    checks = page.eval_on_selector_all(".checks li", "all => all.map(e => e.textContent)")
    wanted = ["Record", "Certificate", "Evidence", "Plan", "Name"]
    wanted += ["PDF", "PDF's key", "Attached evidence"] if kind == "pdf" else []
    assert [name for name in wanted if not any(f"holds {name}:" in each for each in checks)] == []


@pytest.mark.parametrize("kind", ["pdf", "json", "public.pdf"])
def test_a_key_that_only_the_file_brings_along_proves_nothing(kind: str, good: Case, blank: Path, opened: Open) -> None:
    page = opened(blank)
    give(page, good.files[kind], PrivateKey.generate().public.hex)
    assert verdict(page) == "Signed, but by nobody you trust"
    assert "Genuine" not in page.inner_text("#answer")


def altered(data: bytes, place: int) -> bytes:
    """Change one byte to another that could stand there."""
    other = b"7" if data[place : place + 1] != b"7" else b"8"
    return data[:place] + other + data[place + 1 :]


def test_one_changed_byte_anywhere_in_the_pdf_is_noticed(good: Case, tmp_path: Path, blank: Path, opened: Open) -> None:
    data, file = good.files["pdf"].read_bytes(), tmp_path / "altered.pdf"
    page = opened(blank)
    page.fill("#keys", good.key)
    hole = data.index(b"/Contents <") + 11
    places = [*range(700, len(data), len(data) // 20), *range(hole, hole + 90, 6), hole + 2340, len(data) - 20]
    for place in places:
        file.write_bytes(altered(data, place))
        give(page, file)
        assert verdict(page) == "DO NOT TRUST THIS", f"byte {place}"
        page.evaluate("document.getElementById('answer').replaceChildren(); document.getElementById('file').value = ''")


def test_other_pages_around_true_attachments_are_noticed(
    good: Case, tmp_path: Path, blank: Path, opened: Open
) -> None:
    attached = {name: files[0] for name, files in PdfReader(good.files["pdf"]).attachments.items()}
    make_document_key(tmp_path / "forger.pem", "Kitbank")
    said = Paper("Certificate", "good", "Kitbank", (("Level", "Purge"),), ("All is well.",), (), "A", "a", "foot")
    file = tmp_path / "forged.pdf"
    file.write_bytes(signed(render(said), attached, read_document_key(tmp_path / "forger.pem"), "forged"))
    page = opened(blank)
    give(page, file, good.key)
    assert verdict(page) == "DO NOT TRUST THIS"
    assert "PDF's key" in page.inner_text(".verdict")


@pytest.mark.parametrize("tail", [b"\n", b"% nothing\n", b"\n1 0 obj\n<<>>\nendobj\nstartxref\n0\n%%EOF\n"])
def test_what_is_added_to_the_pdf_is_noticed(
    tail: bytes, good: Case, tmp_path: Path, blank: Path, opened: Open
) -> None:
    file = tmp_path / "longer.pdf"
    file.write_bytes(good.files["pdf"].read_bytes() + tail)
    page = opened(blank)
    give(page, file, good.key)
    assert verdict(page) == "DO NOT TRUST THIS"
    assert "added" in page.inner_text(".verdict")


@pytest.mark.parametrize("part", ["envelope", "statement", "evidence"])
def test_a_changed_part_of_the_json_is_noticed(
    part: str, good: Case, tmp_path: Path, blank: Path, opened: Open
) -> None:
    record, file = json.loads(good.files["json"].read_bytes()), tmp_path / "altered.json"
    if part == "evidence":
        name = next(n for n, text in record["attachments"].items() if b"media_kind" in base64.b64decode(text))
        inside = base64.b64decode(record["attachments"][name]).replace(b'"surviving": 0', b'"surviving": 1')
        record["attachments"][name] = base64.b64encode(inside).decode()
    else:
        envelope = json.loads(base64.b64decode(record[part]))
        payload = base64.b64decode(envelope["payload"]).replace(b"purge", b"clear", 1)
        envelope["payload"] = base64.b64encode(payload).decode()
        record[part] = base64.b64encode(json.dumps(envelope).encode()).decode()
    file.write_text(json.dumps(record))
    page = opened(blank)
    give(page, file, good.key)
    assert verdict(page) == "DO NOT TRUST THIS"


def test_a_certificate_around_another_record_is_noticed(
    good: Case, bad: Case, tmp_path: Path, blank: Path, opened: Open
) -> None:
    one, other = (json.loads(each.files["json"].read_bytes()) for each in (good, bad))
    file = tmp_path / "mixed.json"
    file.write_text(json.dumps({**other, "statement": one["statement"], "keys": [one["key"], other["key"]]}))
    page = opened(blank)
    give(page, file, f"{good.key} one bench\n{bad.key} another bench")
    assert verdict(page) == "DO NOT TRUST THIS"
    assert "Certificate: this does not hold" in page.inner_text(".verdict")


@pytest.mark.parametrize("kind", ["pdf", "public.pdf"])
def test_a_genuine_record_of_a_failed_wipe_is_red(kind: str, bad: Case, blank: Path, opened: Open) -> None:
    page = opened(blank)
    give(page, bad.files[kind], bad.key)
    assert verdict(page) == "Genuine, and it says: NOT shown to be wiped"
    assert "bad" in (page.get_attribute(".verdict", "class") or "")
    assert "RECORD OF A WIPE THAT IS NOT SHOWN TO HAVE SUCCEEDED" in page.inner_text("#answer")


def test_a_plain_record_with_a_second_look_that_did_not_agree_is_red(tmp_path: Path, blank: Path, opened: Open) -> None:
    made, file = station(tmp_path, by_overwriting(), "clear"), tmp_path / "record.json"
    who = {"ref": "v-3", "authenticated": False}
    body = {"wipe": made.wipe, "medium": medium().id, "agreed": False, "method": "hexdump", "who": who}
    said_later(made, "medium.checked", medium().id, body)
    with open_journal(made.config) as journal:
        file.write_bytes(export(journal, made.wipe))
    page = opened(blank)
    give(page, file, made.key)
    assert verdict(page) == "Genuine, and it says: NOT shown to be wiped"


def test_a_practice_certificate_is_never_green(tmp_path: Path, blank: Path, opened: Open) -> None:
    made = station(tmp_path, world=World.PRACTICE)
    page = opened(blank)
    give(page, case(made, tmp_path).files["pdf"], made.key)
    assert verdict(page).startswith("PRACTICE")
    assert page.query_selector(".verdict.good") is None


def test_the_public_form_is_checked_and_names_no_drive(good: Case, blank: Path, opened: Open) -> None:
    page = opened(blank)
    give(page, good.files["public.pdf"], good.key)
    assert verdict(page) == "Genuine. It says: DONE, level Purge"
    assert SERIAL not in page.content()
    assert DONOR not in page.content()


def test_the_name_on_the_paper_is_compared(good: Case, blank: Path, opened: Open) -> None:
    page = opened(blank)
    page.fill("#printed", good.made.wipe[:16].upper())
    give(page, good.files["json"], good.key)
    assert verdict(page).startswith("Genuine")
    page.fill("#printed", "0123456789ab")
    page.click("button")
    page.wait_for_selector(".verdict.bad")
    assert "Your paper" in page.inner_text(".verdict")


def test_everything_is_done_with_the_keyboard_alone(good: Case, blank: Path, opened: Open) -> None:
    page = opened(blank)
    tab_to(page, "file")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(str(good.files["pdf"]))
    page.wait_for_selector(".verdict.unsure")
    tab_to(page, "keys")
    page.keyboard.type(good.key)
    tab_to(page, "Check")
    page.keyboard.press("Enter")
    page.wait_for_selector(".verdict.good")
    assert page.evaluate("document.activeElement.id") == "answer", "the answer has the focus, and is read out"


def test_a_file_is_dropped_onto_the_page(good: Case, blank: Path, opened: Open) -> None:
    data = base64.b64encode(good.files["pdf"].read_bytes()).decode()
    page = opened(blank)
    page.fill("#keys", good.key)
    page.evaluate(
        """(data) => { const given = new DataTransfer();
            given.items.add(new File([Uint8Array.from(atob(data), c => c.charCodeAt(0))], 'c.pdf'));
            document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: given, bubbles: true})); }""",
        data,
    )
    page.wait_for_selector(".verdict.good")


@pytest.mark.parametrize("width", [1000, NARROW])
@pytest.mark.parametrize("which", ["good", "bad", "a stranger's"])
def test_the_page_is_accessible_and_reflows_at_400_percent(
    which: str, width: int, good: Case, bad: Case, blank: Path, opened: Open
) -> None:
    shown, page = bad if which == "bad" else good, opened(blank, width)
    give(page, shown.files["json"], shown.key if which in ("good", "bad") else "")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelectorAll('h1').length") == 1
    small = (
        "[...document.querySelectorAll('button, input, textarea')].filter(e => e.getBoundingClientRect().height < 24)"
    )
    assert page.evaluate(f"{small}.length") == 0


def test_the_page_that_the_station_prints_checks_itself_at_once(good: Case, opened: Open) -> None:
    page = opened(good.files["html"])
    page.wait_for_selector(".verdict.good")
    assert "this station" in page.input_value("#keys")


def test_a_browser_without_ed25519_says_that_nothing_was_checked(good: Case, blank: Path, opened: Open) -> None:
    without = "crypto.subtle.generateKey = () => Promise.reject(new DOMException('no', 'NotSupportedError'));"
    page = opened(blank, before=without)
    give(page, good.files["pdf"])
    assert verdict(page) == "Nothing was checked"
    assert "kitbank-station verify-record" in page.inner_text(".verdict")


def test_the_page_can_neither_load_nor_send_anything(blank: Path) -> None:
    text = blank.read_text("utf-8")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.search(r"""(?:src|href)\s*=|https?://|\bfetch\(|XMLHttp|import\(|WebSocket""", text)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"%PDF-1.4\n", b"[1]", b'{"format":"kitbank-record-1"}', bytes(range(256))]
)
def test_what_is_no_certificate_is_said_to_be_none(data: bytes, tmp_path: Path, blank: Path, opened: Open) -> None:
    file = tmp_path / "odd.json"
    file.write_bytes(data)
    page = opened(blank)
    give(page, file)
    assert verdict(page) == "DO NOT TRUST THIS"
