"""Certificates as pictures of themselves: read back as text, scanned, and never mistaken for what they are not."""

import io
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pypdf import PdfReader

from custody.certificate import Certificate, Sources, certificate, public
from custody.events import World
from labels import scripts
from labels.certificate import UNPRINTABLE, Paper, printed, render
from labels.fonts import face
from station.forms import paper_of
from tests.custody.papers import Bench, by_firmware, by_overwriting, certified, unfinished
from tests.labels.reading import scan_pdf

RED, GREEN = (163, 18, 31), (11, 93, 59)


def paper(sources: Sources, form: Callable[[Sources], Certificate] = certificate) -> Paper:
    return paper_of(form(sources), "Riverside Kitbank")


def text(pdf: bytes) -> list[str]:
    """Return the text of each page."""
    return [page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages]


def picture(pdf: bytes, folder: Path) -> list[Image.Image]:
    """Return the pages as pictures, one dot for each 72nd of an inch."""
    if shutil.which("pdftoppm") is None:
        pytest.skip("pdftoppm is missing: Debian package poppler-utils")
    (folder / "c.pdf").write_bytes(pdf)
    subprocess.run(["pdftoppm", "-r", "72", "-png", str(folder / "c.pdf"), str(folder / "c")], check=True, timeout=60)
    return [Image.open(file).convert("RGB") for file in sorted(folder.glob("c-*.png"))]


def test_every_field_is_on_the_paper_and_the_pages_are_counted() -> None:
    shown = certificate(certified())
    pages = text(render(paper_of(shown, "Riverside Kitbank")))
    whole = " ".join(" ".join(pages).split())
    for section in shown.sections:
        assert section.title in whole
        for one in section.fields:
            assert one.name in whole
            assert "".join(one.value.split())[:40] in whole.replace(" ", "")
    assert 1 <= len(pages) <= 3
    assert all(f"page {number} of {len(pages)}" in page for number, page in enumerate(pages, 1))
    assert all(shown.event in page for page in pages)


@pytest.mark.parametrize(
    "sources", [certified(), certified(by_overwriting(), "clear"), certified(unfinished(), "clear")]
)
def test_no_certificate_is_longer_than_three_pages_and_the_public_form_than_one(sources: Sources) -> None:
    assert len(text(render(paper(sources)))) <= 3
    assert len(text(render(paper(sources, public)))) == 1


def test_what_is_not_shown_is_red_on_every_page_and_says_so_on_every_page(tmp_path: Path) -> None:
    pdf = render(paper(certified(unfinished(), "clear")))
    for page in text(pdf):
        assert "RECORD OF A WIPE THAT IS NOT SHOWN TO HAVE SUCCEEDED" in page
        assert "NOT A CERTIFICATE" in page
    for seen in picture(pdf, tmp_path):
        assert seen.getpixel((20, 10)) == RED
        assert seen.getpixel((17, 400)) == RED, "the frame"


def test_what_is_shown_is_green_and_never_red(tmp_path: Path) -> None:
    for page in picture(render(paper(certified())), tmp_path):
        assert page.getpixel((20, 10)) == GREEN
        colours = page.getcolors(1 << 20)
        assert colours is not None
        assert RED not in {colour for _, colour in colours}


def test_practice_says_so_on_every_page() -> None:
    bench = Bench(World.PRACTICE)
    for page in text(render(paper(bench.sources(bench.wipe(by_firmware()))))):
        assert page.count("PRACTICE") >= 3
        assert "no certificate" in page


def test_the_qr_leads_to_the_record(tmp_path: Path) -> None:
    sources = certified()
    found = scan_pdf(render(paper(sources)), tmp_path)
    assert sources.address in found[0]


def test_title_and_language_are_said_to_screen_readers() -> None:
    reader = PdfReader(io.BytesIO(render(paper(certified()))))
    root: Any = reader.trailer["/Root"]
    assert reader.metadata is not None
    assert reader.metadata.title == "Certificate of data erasure (DONE)"
    assert root["/Lang"] == "en-GB"
    assert root["/ViewerPreferences"]["/DisplayDocTitle"] in ("true", "/true", True)


def test_the_same_words_give_the_same_bytes() -> None:
    assert render(paper(certified())) == render(paper(certified()))


@pytest.mark.parametrize("name", ["Zoë Łęcka", "Олександр Шевченко", "Νίκος", "Nguyễn Thị Hoa"])
def test_names_in_letters_that_the_fonts_have_are_printed_as_they_are(name: str) -> None:
    letters = face()
    if not all(one == " " or letters.has(one) for one in name):
        pytest.skip("neither Noto Sans nor DejaVu Sans is on this machine")
    assert printed(name, letters) == name


def test_arabic_is_joined_and_stands_from_the_right() -> None:
    # Forms by the tables of Unicode: meem initial, hah medial, meem medial, dal final; on paper the last stands first.
    assert scripts.visual("محمد") == "\ufeaa\ufee4\ufea4\ufee3"
    assert scripts.visual("لا") == "\ufefb", "lam with alef is one letter on paper"
    assert scripts.visual("دار") == "\ufead\ufe8d\ufea9", "letters that do not join to the next stand alone"
    assert scripts.visual("محمد (v-12)") == "\ufeaa\ufee4\ufea4\ufee3 (v-12)"
    assert scripts.visual("סג 12 אב") == "בא 12 גס", "numbers keep their order"
    assert scripts.visual("Ann Example") == "Ann Example"


def test_a_name_that_cannot_be_printed_is_said_to_be_so_and_never_a_question_mark() -> None:
    letters = face()
    for name in ("王伟", "अमित कुमार"):
        said = printed(f"{name} (v-13)", letters)
        assert "(v-13)" in said
        assert UNPRINTABLE in said
        assert "?" not in said
    assert printed("What?", letters) == "What?"


def test_a_value_without_any_space_is_broken_and_not_cut_off() -> None:
    shown = paper(certified())
    long = "x" * 700
    first = replace(shown.parts[0], rows=(("Long", long),))
    whole = "".join(text(render(replace(shown, parts=(first,)))))
    assert whole.count("x") >= 700


def test_markup_in_a_value_is_printed_and_never_obeyed() -> None:
    shown = paper(certified())
    first = replace(shown.parts[0], rows=(("Odd <b>", "<font size=40>& </para>"),))
    assert "<font size=40>& </para>" in "".join(text(render(replace(shown, parts=(first,)))))
