"""Signed PDFs: an ordinary reader can check them, and not one byte may change or be added."""

import asyncio
import random
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from custody.errors import BadEvent
from custody.keyfile import KeyFileError
from custody.pdfsign import DocumentKey, Opened, make_document_key, opened, read_document_key, signed
from labels.certificate import Paper, Part, render

ATTACHED = {"b.json": b'{"b": 1}', "a.json": b'{"stored": "as it is"}' * 100}


def pages() -> bytes:
    part = Part("A part", (("A name", "a value"),))
    return render(
        Paper("A title", "good", "Somebody", (("One", "1"),), ("In words.",), (part,), "ABC", "abc", "At the foot.")
    )


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> DocumentKey:
    path = tmp_path_factory.mktemp("keys") / "document.pem"
    make_document_key(path, "Kitbank test bench")
    assert path.stat().st_mode & 0o777 == 0o600
    return read_document_key(path)


@pytest.fixture(scope="module")
def pdf(key: DocumentKey) -> bytes:
    return signed(pages(), ATTACHED, key, "a test")


def pdfsig(data: bytes, folder: Path) -> str:
    """Return what poppler says of the signatures in a PDF."""
    if shutil.which("pdfsig") is None:
        pytest.skip("pdfsig is missing: Debian package poppler-utils")
    file = folder / "signed.pdf"
    file.write_bytes(data)
    return subprocess.run(["pdfsig", str(file)], capture_output=True, text=True, timeout=60, check=False).stdout


def test_what_was_attached_comes_back_with_the_name_of_the_key(pdf: bytes, key: DocumentKey) -> None:
    assert opened(pdf) == Opened(ATTACHED, key.fingerprint)


def test_an_ordinary_reader_finds_the_signature_valid_and_total(pdf: bytes, tmp_path: Path) -> None:
    said = pdfsig(pdf, tmp_path)
    assert "Signature is Valid" in said
    assert "Total document signed" in said
    assert "Signer Certificate Common Name: Kitbank test bench" in said
    assert said.count("Signature #") == 1


def test_no_byte_can_be_changed_without_our_noticing(pdf: bytes) -> None:
    chance = random.Random(7)
    for place in chance.sample(range(len(pdf)), 150):
        changed = pdf[:place] + bytes([pdf[place] ^ chance.randrange(1, 256)]) + pdf[place + 1 :]
        with pytest.raises(BadEvent):
            opened(changed)


def test_a_byte_changed_on_the_page_or_in_an_attachment_fails_in_an_ordinary_reader_too(
    pdf: bytes, tmp_path: Path
) -> None:
    for place in (pdf.index(b"stream\n") + 40, pdf.index(b"as it is"), pdf.index(b"as it is", len(pdf) // 2)):
        said = pdfsig(pdf[:place] + b"7" + pdf[place + 1 :], tmp_path)
        assert "Signature is Valid" not in said


@pytest.mark.parametrize("tail", [b"\n", b"%", b"\n1 0 obj\n<<>>\nendobj\nstartxref\n0\n%%EOF\n"])
def test_nothing_can_be_added(pdf: bytes, tail: bytes) -> None:
    with pytest.raises(BadEvent):
        opened(pdf + tail)


def test_a_second_signature_over_a_changed_document_is_not_ours(pdf: bytes, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    make_document_key(other, "Somebody else")
    with pytest.raises((BadEvent, ValueError)):
        opened(signed(pdf, {}, read_document_key(other), "over it"))


def test_an_unsigned_pdf_and_no_pdf_at_all_are_refused() -> None:
    for data in (pages(), b"%PDF-1.7\n", b"", b"{}"):
        with pytest.raises(BadEvent, match="no PDF that Kitbank signed"):
            opened(data)


def test_every_byte_of_the_signature_itself_has_one_value_only(pdf: bytes) -> None:
    """A CMS has bytes that are not signed and that readers pass over: versions, names of algorithms (RFC 5652, 5.1)."""
    start = pdf.index(b"/Contents <") + 11
    end = pdf.index(b">", start)
    for place in [*range(start, start + 130), *range(end - 1200, end, 7)]:
        other = b"7" if pdf[place : place + 1] != b"7" else b"8"
        with pytest.raises(BadEvent):
            opened(pdf[:place] + other + pdf[place + 1 :])
    with pytest.raises(BadEvent):
        opened(pdf[:start] + pdf[start:end].lower() + pdf[end:])


def test_a_document_key_is_never_overwritten_and_never_read_when_others_can(tmp_path: Path) -> None:
    path = tmp_path / "document.pem"
    make_document_key(path, "One")
    with pytest.raises(KeyFileError, match="never overwritten"):
        make_document_key(path, "Two")
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match="read or changed by others"):
        read_document_key(path)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(KeyFileError, match="damaged"):
        read_document_key(path)


def test_it_works_where_an_event_loop_is_running(key: DocumentKey) -> None:
    async def somewhere() -> Opened:
        return opened(signed(pages(), ATTACHED, key, "within a loop"))

    with ThreadPoolExecutor(1) as pool:  # this thread may have a loop already, from the browser's tests
        assert pool.submit(lambda: asyncio.run(somewhere())).result().attachments == ATTACHED
