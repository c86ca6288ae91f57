"""IDENTIFY words: every recorded drive is read or refused with a sentence, and a broken answer is never believed."""

import re
from pathlib import Path

import pytest

from station.wipe.ata_identify import from_words, parse_istdout
from tests.drives.ataspec import AtaSpec, Now, words

DATA = Path(__file__).parents[4] / "shared/data/block-tools"
RECORDED = sorted((DATA / "hdparm-rendered").glob("*.identify.hex")) if DATA.is_dir() else []
RENDERED = sorted(path for path in (DATA / "hdparm-rendered").glob("*.txt")) if DATA.is_dir() else []


def text_of(data: bytes) -> str:
    numbers = [int.from_bytes(data[at : at + 2], "little") for at in range(0, 512, 2)]
    lines = [" ".join(f"{word:04x}" for word in numbers[at : at + 8]) for at in range(0, 256, 8)]
    return "\n/dev/sda:\n" + "\n".join(lines) + "\n"


def simulated(**changes: object) -> bytes:
    spec = AtaSpec(sectors=20_480, **changes)  # type: ignore[arg-type]
    return words(spec, Now(spec.serial, spec.wwn, spec.sectors, 0x21))


def with_word(data: bytes, at: int, value: int) -> bytes:
    """Change one word and make the checksum right again."""
    out = bytearray(data)
    out[2 * at : 2 * at + 2] = value.to_bytes(2, "little")
    out[511] = -sum(out[:511]) & 0xFF
    return bytes(out)


def test_a_simulated_ssd_tells_size_name_kind_and_what_it_can_do() -> None:
    identity, why = parse_istdout(text_of(simulated()))
    assert identity is not None, why
    assert (identity.serial, identity.model) == ("SIM0000001", "KITBANK SIMULATED SSD")
    assert (identity.size, identity.turns, identity.checksum) == (20_480 * 512, "flash", "right")
    assert identity.sanitizes == {"sanitize-block", "sanitize-crypto", "sanitize-overwrite"}
    assert identity.security and identity.enhanced and not identity.security_contradicts
    assert not (identity.enabled or identity.locked or identity.frozen or identity.expired)
    assert identity.host_protected_area and identity.configuration_overlay and not identity.accessible_max
    assert identity.erase_seconds(enhanced=True) == 120


def test_every_flipped_byte_is_noticed_by_the_checksum() -> None:
    good = simulated()
    for at in range(0, 510, 7):
        broken = good[:at] + bytes([good[at] ^ 0x40]) + good[at + 1 :]
        identity, why = parse_istdout(text_of(broken))
        assert identity is None and "checksum" in why


@pytest.mark.parametrize("text", ["", "\n/dev/sda:\n", "0040 3fff\n", "zzzz " * 256, text_of(bytes(512))])
def test_no_words_too_few_words_and_zeros_are_refused_with_a_sentence(text: str) -> None:
    identity, why = parse_istdout(text)
    assert identity is None and len(why) > 20


def test_ffffh_everywhere_is_no_drive() -> None:
    assert from_words((0xFFFF,) * 256)[0] is None


def test_words_without_validity_bits_promise_nothing() -> None:
    data = with_word(simulated(), 83, 0xFFFF)
    identity, _ = parse_istdout(text_of(data))
    assert identity is not None
    assert not identity.security and not identity.host_protected_area and identity.security_contradicts


def test_the_long_form_of_the_erase_time_is_understood() -> None:
    identity, _ = parse_istdout(text_of(simulated(erase_word=0x8000 | 300, enhanced_word=0x00FE)))
    assert identity is not None
    assert identity.erase_seconds(enhanced=False) == 300 * 120
    assert identity.erase_seconds(enhanced=True) == 254 * 120


def test_a_password_that_only_one_place_knows_of_is_a_contradiction() -> None:
    identity, _ = parse_istdout(text_of(with_word(simulated(), 128, 0x23)))
    assert identity is not None and identity.security_contradicts and identity.enabled


@pytest.mark.skipif(not RECORDED, reason="no recorded drives beside the project (../shared/data)")
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
def test_every_recorded_drive_is_read_as_hdparm_rendered_it_or_refused(path: Path) -> None:
    identity, why = parse_istdout("\n/dev/sda:\n" + path.read_text())
    if identity is None:
        assert len(why) > 20
        return
    rendered = path.with_name(path.name.replace(".identify.hex", ".txt")).read_text()
    serial = re.search(r"Serial Number:\s+(\S+)", rendered)
    sectors = [int(count) for count in re.findall(r"LBA(?:48)?\s+user addressable sectors:\s*(\d+)", rendered)]
    assert serial is None or serial[1] in identity.serial
    assert not sectors or identity.sectors == max(sectors)
    assert identity.security == bool(re.search(r"^\t\tsupported$", rendered, re.MULTILINE))
    assert identity.frozen == bool(re.search(r"^\t\tfrozen$", rendered, re.MULTILINE))
    assert identity.enhanced == bool(re.search(r"^\t\tsupported: enhanced erase", rendered, re.MULTILINE))


@pytest.mark.skipif(not RENDERED, reason="no recorded drives beside the project (../shared/data)")
def test_what_hdparm_renders_for_people_is_never_taken_for_words() -> None:
    others = [path for folder in ("hdparm", "hdparm-N") for path in sorted((DATA / folder).iterdir())]
    for path in (*RENDERED, *others):
        identity, why = parse_istdout(path.read_text("utf-8", "replace"))
        assert identity is None and "words" in why, path.name
