"""Labels as PDF and ZPL: what is printed is what was asked, and a scanner reads it."""

from pathlib import Path
from random import Random

import pytest

from labels import Label, codes, render, unprintable
from labels.fonts import face
from labels.label import LabelError
from labels.qr import matrix
from labels.sheet import L7160, L7163
from tests.labels.reading import draw_zpl, need_zbar, scan, scan_pdf

HOST = "lend.example.org"
CODE = codes.complete("7K3QX9MDA4")
LABEL = Label(CODE, "Lenovo ThinkPad X230", ("Device Bank", "Please bring me back"), HOST)


def some(count: int) -> list[Label]:
    rng = Random(5)
    return [Label(codes.new(rng), f"Laptop {number}", (), HOST) for number in range(count)]


@pytest.mark.parametrize(("fmt", "count", "pages"), [("pdf:avery-l7160", 21, 1), ("pdf:avery-l7163", 15, 2)])
def test_every_label_of_a_printed_sheet_is_read_as_exactly_its_address(
    fmt: str, count: int, pages: int, tmp_path: Path
) -> None:
    labels = some(count)
    read = scan_pdf(render(labels, fmt), tmp_path, dpi=300)
    assert len(read) == pages
    assert set.union(*read) == {f"HTTPS://LEND.EXAMPLE.ORG/D/{label.code}" for label in labels}


def test_a_part_used_sheet_starts_where_it_is_told(tmp_path: Path) -> None:
    read = scan_pdf(render(some(4), "pdf:avery-l7163", start=12), tmp_path, dpi=300)
    assert [len(page) for page in read] == [3, 1]
    with pytest.raises(LabelError, match="places 1 to 21; the first label cannot go on 22"):
        render(LABEL, "pdf:avery-l7160", start=22)


def test_the_sheets_fill_a4_symmetrically() -> None:
    for stock, places in ((L7160, 21), (L7163, 14)):
        assert stock.places == places
        across = 2 * stock.left + stock.columns * stock.width + (stock.columns - 1) * stock.gap
        assert across == pytest.approx(210)
        assert 2 * stock.top + stock.rows * stock.height == pytest.approx(297)


def test_the_same_labels_give_the_same_bytes() -> None:
    assert render(LABEL, "pdf:avery-l7160") == render(LABEL, "pdf:avery-l7160")


def test_the_qr_is_small_because_it_is_in_capitals() -> None:
    assert len(matrix(LABEL.address)) == 29  # version 3 at level Q
    with pytest.raises(LabelError, match="digits, capitals"):
        matrix("https://lend.example.org")


def test_a_label_for_a_roll_has_the_golden_structure() -> None:
    zpl = render([LABEL, LABEL], "zpl:57x32").decode()
    first = zpl.split("^XZ\n")[0]
    assert zpl.count("^XA") == zpl.count("^XZ") == 2
    assert first.startswith("^XA\n^CI28^PW456^LL256^LH0,0\n^FO33,33^GFA,2755,2755,19,")
    assert first.split("^FS\n", 1)[1].splitlines() == [
        f"^FO12,218^A0N,32,27^FH^FD{codes.pretty(CODE)}^FS",
        "^FO220,24^A0N,30,27^FH^FDLenovo^FS",
        "^FO220,58^A0N,30,27^FH^FDThinkPad X230^FS",
        "^FO220,98^A0N,24,21^FH^FDDevice Bank^FS",
        "^FO220,131^A0N,24,21^FH^FDPlease bring me^FS",
        "^FO220,158^A0N,24,21^FH^FDback^FS",
        "^PQ1",
    ]


def test_a_scanner_reads_the_zpl_label_dot_for_dot(tmp_path: Path) -> None:
    need_zbar()
    slip = Label(CODE, "Return slip", (), HOST, codes.slip_address(HOST, CODE, "ab" * 32))
    for number, label in enumerate((LABEL, slip)):
        draw_zpl(render(label, "zpl:57x32").decode(), tmp_path / f"{number}.png")
        assert scan(tmp_path / f"{number}.png") == {label.address}


def test_zpl_has_no_way_to_be_given_commands_in_a_title() -> None:
    zpl = render(Label(CODE, "^XZ~JR_ \\", (), HOST), "zpl:57x32").decode()
    assert "^FD_5EXZ_7EJR_5F _5C^FS" in zpl


def test_a_slip_and_a_label_of_words_only_are_printed_too(tmp_path: Path) -> None:
    slip = Label(CODE, "Return slip", ("Taken at 14:05",), HOST, codes.slip_address(HOST, CODE, "0f" * 32))
    assert scan_pdf(render(slip, "pdf:slip-a6"), tmp_path) == [{slip.address}]
    assert b"^GFA" not in render(Label("", "Please call staff"), "zpl:57x32")
    assert render(Label("", "Please call staff"), "pdf:slip-a6").startswith(b"%PDF")


def test_a_badge_is_one_card_whose_square_says_the_badge_and_no_name(tmp_path: Path) -> None:
    said = "KB1/S-4K7Q2M/0123456789ABCDEFGHJKMNPQRS"
    card = Label("", "Vera Verifier", ("Kitbank badge S-4K7Q2M",), scan=said)
    assert scan_pdf(render(card, "pdf:badge"), tmp_path) == [{said}]


def test_names_with_accents_print_and_joined_scripts_are_told() -> None:
    polish, arabic = Label(CODE, "Żółć é ß", (), HOST), Label(CODE, "حاسوب 15", (), HOST)
    assert unprintable(polish, "zpl:57x32") == []
    for fmt in ("zpl:57x32", "pdf:avery-l7160"):
        assert unprintable(arabic, fmt) == [
            "“حاسوب 15” cannot be printed with the fonts here and becomes “? 15”: give it in Latin letters as well."
        ]
        assert render(arabic, fmt)


def test_without_a_font_on_the_machine_letters_lose_their_accents_and_are_not_lost(tmp_path: Path) -> None:
    bare = face([tmp_path])
    assert bare.text("Zażółć gęślą jaźń, Čeština, Кириллица") == "Zazółć gesla jazn, Čeština, ?"
    assert bare.text("Garçon Müller Straße") == "Garçon Müller Straße"


def test_what_cannot_be_made_is_said() -> None:
    with pytest.raises(LabelError, match=r"no label format “pdf:a4”; there are: pdf:avery-l7160"):
        render(LABEL, "pdf:a4")
    with pytest.raises(LabelError, match="no label to print"):
        render([], "zpl:57x32")
    with pytest.raises(LabelError, match="start at 1, not 3"):
        render(LABEL, "zpl:57x32", start=3)
    with pytest.raises(LabelError, match="too long for a label"):
        render(Label(CODE, "x", (), "x" * 900), "zpl:57x32")
