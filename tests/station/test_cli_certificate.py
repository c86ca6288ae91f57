"""`kitbank-station certificate` and `verify-record` as people type them."""

import base64
import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from pypdf import PdfReader

from custody.events import World
from custody.pdfsign import make_document_key, read_document_key, signed
from custody.statement import payload_type
from labels.certificate import Paper, render
from station.certificate import IN_PDF
from station.cli import main
from tests.custody.papers import COMPUTER_SERIAL, DONOR, SERIAL, by_overwriting, unfinished
from tests.factories import medium
from tests.station.printing import Station, said_later, station


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Station:
    """Return a station that the tests only print from."""
    return station(tmp_path_factory.mktemp("made"))


def types(made: Station, *words: str) -> int:
    return main([*words, "--home", str(made.config.home)])


def printed(made: Station, folder: Path, *words: str) -> dict[str, Path]:
    files = {kind: folder / f"out.{kind}" for kind in ("pdf", "html", "json")}
    forms = ("--pdf", str(files["pdf"]), "--html", str(files["html"]), "--record", str(files["json"]))
    assert types(made, "certificate", made.wipe[:12], *forms, *words) == 0
    return files


def check(file: Path, *keys: str) -> int:
    """Check a file as a stranger does: no home, only keys."""
    named = [part for key in keys for part in ("--key", key)]
    return main(["verify-record", str(file), "--world", "real", *named])


@pytest.mark.parametrize("kind", ["pdf", "json"])
@pytest.mark.parametrize("form", [(), ("--public",)])
def test_every_form_is_checked_with_the_stations_key_alone(
    made: Station, tmp_path: Path, kind: str, form: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    file = printed(made, tmp_path, *form)[kind]
    assert check(file, made.key) == 0
    assert "DONE purge" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["pdf", "json"])
def test_a_strangers_key_is_not_enough(
    made: Station, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    other = station(tmp_path / "other")
    assert check(printed(made, tmp_path)[kind], other.key) == 4
    assert "not a key known here" in capsys.readouterr().out


def test_printing_is_silent_on_success_and_the_document_key_is_made_once(
    made: Station, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed(made, tmp_path)
    key = made.config.home / "document.pem"
    before = key.read_bytes()
    assert key.stat().st_mode & 0o777 == 0o600
    printed(made, tmp_path)
    assert key.read_bytes() == before
    assert capsys.readouterr() == ("", "")


def test_on_the_terminal_it_is_words_and_with_json_the_record(
    made: Station, capsys: pytest.CaptureFixture[str]
) -> None:
    assert types(made, "certificate", made.wipe) == 0
    assert capsys.readouterr().out.startswith("Certificate of data erasure (DONE)\n")
    assert types(made, "certificate", made.wipe, "--json") == 0
    record = json.loads(capsys.readouterr().out)
    payload = json.loads(base64.b64decode(json.loads(base64.b64decode(record["statement"]))["payload"]))
    assert payload["certificate"]["claim"] == "purge"


def test_a_wipe_that_did_not_succeed_is_printed_and_said_to_be_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = station(tmp_path, unfinished(), "clear")
    file = printed(made, tmp_path)["pdf"]
    assert "This is NOT a certificate" in capsys.readouterr().err
    assert check(file, made.key) == 0, "the record of a failure is genuine"
    assert "NOT wiped" in capsys.readouterr().out
    assert check(printed(made, tmp_path, "--public")["pdf"], made.key) == 0
    assert "NOT wiped" in capsys.readouterr().out


def test_names_are_printed_and_are_in_no_event(made: Station, tmp_path: Path) -> None:
    register = tmp_path / "names.json"
    register.write_text(json.dumps({"v-12": {"name": "Amina Rahman", "title": "Technician"}}))
    files = printed(made, tmp_path, "--names", str(register))
    record = json.loads(files["json"].read_bytes())
    assert b"Amina" in base64.b64decode(json.loads(base64.b64decode(record["statement"]))["payload"])
    for envelope in (record["envelope"], *record["related"]):
        assert b"Amina" not in base64.b64decode(json.loads(base64.b64decode(envelope))["payload"])
    assert not any(b"Amina" in base64.b64decode(each) for each in record["attachments"].values())
    assert "Amina Rahman" in "".join(page.extract_text() for page in PdfReader(files["pdf"]).pages)


@pytest.mark.parametrize("text", ["", "[]", '{"v-1": 3}', '{"v-1": {"nickname": "x"}}'])
def test_a_register_that_is_none_is_refused_with_an_example(
    made: Station, tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    register = tmp_path / "names.json"
    register.write_text(text)
    assert types(made, "certificate", made.wipe, "--names", str(register)) == 2
    assert "Ann Example" in capsys.readouterr().err


def everything(data: bytes) -> bytes:
    """Return a file with whatever base 64 in it undone, so that nothing hides."""
    found = [data]
    if data.startswith(b"%PDF-"):
        reader = PdfReader(io.BytesIO(data))
        found += ["".join(page.extract_text() for page in reader.pages).encode()]
        found += [each for files in reader.attachments.values() for each in files]
    for one in list(found):
        try:
            document = json.loads(one)
        except ValueError:
            continue
        if "statement" in document:
            envelope = base64.b64decode(document["statement"])
            found += [envelope, base64.b64decode(json.loads(envelope)["payload"])]
    return b"\n".join(found)


@pytest.mark.parametrize("kind", ["pdf", "json", "html"])
def test_the_public_form_holds_neither_donor_nor_serial_nor_operator(made: Station, tmp_path: Path, kind: str) -> None:
    public = everything(printed(made, tmp_path, "--public")[kind].read_bytes())
    if kind == "html":
        data = json.loads(public.split(b'id="data">')[1].split(b"</script>")[0])
        public += everything(base64.b64decode(data["record"]))
    for private in (SERIAL, COMPUTER_SERIAL, DONOR, "v-12", medium().id):
        assert private.encode() not in public
    assert made.wipe.encode() in public
    full = everything(printed(made, tmp_path)[kind].read_bytes())
    if kind != "html":
        assert SERIAL.encode() in full, "the test looks in the right places"


def test_an_edited_byte_fails_in_ours_and_in_an_ordinary_reader(made: Station, tmp_path: Path) -> None:
    if shutil.which("pdfsig") is None:
        pytest.skip("pdfsig is missing: Debian package poppler-utils")
    file = printed(made, tmp_path)["pdf"]
    data = file.read_bytes()

    def reader() -> str:
        return subprocess.run(["pdfsig", str(file)], capture_output=True, text=True, timeout=60, check=False).stdout

    assert "Signature is Valid" in reader()
    assert "Total document signed" in reader()
    for place in (
        data.index(b"stream\r\n" if b"stream\r\n" in data else b"stream\n") + 60,
        data.index(b"kitbank-record-1") + 3,
    ):
        file.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert check(file, made.key) == 4
        assert "Signature is Valid" not in reader()


def test_a_paper_signed_by_another_document_key_is_noticed(
    made: Station, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The forger has a true certificate and prints other pages around its attachments."""
    true = PdfReader(printed(made, tmp_path)["pdf"])
    attached = {name: files[0] for name, files in true.attachments.items()}
    make_document_key(tmp_path / "forger.pem", "Kitbank")
    said = Paper("Certificate", "good", "Kitbank", (("Level", "Purge"),), ("All is well.",), (), "A", "a", "foot")
    pages = render(said)
    forged = tmp_path / "forged.pdf"
    forged.write_bytes(signed(pages, attached, read_document_key(tmp_path / "forger.pem"), "forged"))
    assert check(forged, made.key) == 4
    assert "another document key" in capsys.readouterr().out


def test_a_paper_without_a_statement_is_not_vouched_for(
    made: Station, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = json.loads(printed(made, tmp_path)["json"].read_bytes())
    del record["statement"]
    make_document_key(tmp_path / "forger.pem", "Kitbank")
    true = printed(made, tmp_path)["pdf"].read_bytes()
    pages = true[: true.index(b"%%EOF") + 6]  # the pages as they were before they were signed
    forged = tmp_path / "forged.pdf"
    forged.write_bytes(
        signed(pages, {IN_PDF: json.dumps(record).encode()}, read_document_key(tmp_path / "forger.pem"), "")
    )
    assert check(forged, made.key) == 4
    assert "vouches" in capsys.readouterr().out


def test_a_certificate_that_says_more_than_its_record_is_noticed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even the station itself cannot put a better statement around a worse record."""
    made = station(tmp_path, by_overwriting(), "clear")
    (tmp_path / "better").mkdir()
    better = station(tmp_path / "better")
    worse = json.loads(printed(made, tmp_path)["json"].read_bytes())
    good = json.loads(printed(better, tmp_path / "better")["json"].read_bytes())
    file = tmp_path / "mixed.json"
    file.write_text(json.dumps({**worse, "statement": good["statement"], "keys": [good["key"]]}))
    assert check(file, made.key, better.key) == 4
    said = capsys.readouterr().out
    assert "speaks of" in said
    assert "says purge, the record only clear" in said


def test_a_practice_certificate_is_refused_by_who_looks_for_real_ones(tmp_path: Path) -> None:
    made = station(tmp_path, world=World.PRACTICE)
    file = printed(made, tmp_path)["json"]
    assert types(made, "verify-record", str(file)) == 0
    assert check(file, made.key) == 4
    assert payload_type(World.PRACTICE) != payload_type(World.REAL)


def test_a_record_without_its_evidence_holds_and_says_that_it_was_not_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = station(tmp_path)
    file = printed(made, tmp_path)["json"]
    file.write_text(json.dumps({**json.loads(file.read_bytes()), "attachments": {}}))
    assert check(file, made.key) == 0
    assert "evidence" in (said := capsys.readouterr().out) and "not compared" in said


def test_what_was_said_later_is_in_the_file_and_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = station(tmp_path)
    body = {"wipe": made.wipe, "medium": medium().id, "agreed": False, "method": "hexdump", "who": {"ref": "v-3",
            "authenticated": False}}  # fmt: skip
    said_later(made, "medium.checked", medium().id, body)
    file = printed(made, tmp_path)["pdf"]
    first = PdfReader(file).pages[0].extract_text()
    assert "NOT SHOWN TO HAVE SUCCEEDED" in first
    assert "did not agree" in " ".join(first.split())
    capsys.readouterr()
    assert check(file, made.key) == 0, "the record is genuine"
    assert "NOT wiped (medium.checked agreed: false)" in capsys.readouterr().out


def test_a_hash_that_names_nothing_or_no_wipe_is_a_usage_error(tmp_path: Path) -> None:
    made = station(tmp_path)
    assert types(made, "certificate", "0" * 12) == 2
    assert types(made, "certificate", made.wipe[:4]) == 2
    registered = said_later(made, "device.registered", "ZZZZ", {"code": "ZZZZ", "make": "", "model": "", "serial": None,
                            "donor": None, "donor_wants": None})  # fmt: skip
    assert types(made, "certificate", registered) == 2
