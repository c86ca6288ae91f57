"""Raw bytes of NVMe drives are decoded or refused with a sentence; what is printed text is refused."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.wipe import nvme_decode as decode
from tests.station.wipe import nvme_bytes as build

DATA = Path(__file__).parents[4] / "shared" / "data" / "block-tools"
FILES = sorted([*DATA.glob("nvme/*"), *DATA.glob("nvme-rendered/*")])
WANTED = ("sn", "mn", "fr", "oacs", "fna", "sanicap", "nn", "tnvmcap", "unvmcap", "rpmbs", "sqes", "cqes")
DECODERS = (decode.controller, decode.namespace, decode.sanitize_log, decode.namespace_list, decode.lock)

recorded = pytest.mark.skipif(not FILES, reason="../shared/data is not beside this checkout")


def fields_of(path: Path) -> dict[str, Any]:
    """Return what nvme-cli printed of a controller, JSON or text, as numbers and words; {} when it is none."""
    text = path.read_text("utf-8", "replace")
    if path.suffix == ".json":
        found = json.loads(text)
        return found if isinstance(found, dict) and {"sn", "oacs", "fna"} <= set(found) else {}
    if not text.startswith("NVME Identify Controller"):
        return {}
    words = dict(re.findall(r"^(\w+)\s*: (\S.*?)\s*$", text, re.MULTILINE))
    return {key: _value(key, value) for key, value in words.items() if key in WANTED}


def _value(key: str, value: str) -> str | int:
    return value if key in ("sn", "mn", "fr") else int(value, 0)


CONTROLLERS = [path for path in FILES if "smart-log" not in path.name and fields_of(path)]
LOGS = [path for path in FILES if path.name.startswith("sanitize-log_") and path.suffix == ".json"]


@recorded
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_a_tool_has_printed_is_never_taken_for_what_a_drive_said(path: Path) -> None:
    content = path.read_bytes()
    for decoder in (decode.controller, decode.namespace, decode.sanitize_log, decode.namespace_list):
        for length in (len(content), 512, 4096):
            with pytest.raises(decode.NotThat, match=r"\w+ \w+ \w+"):
                decoder(content[:length].ljust(length, b" "))


@recorded
def test_there_are_recorded_controllers_and_logs_to_decode() -> None:
    assert len(CONTROLLERS) >= 10
    assert len(LOGS) >= 5


@recorded
@pytest.mark.parametrize("path", CONTROLLERS, ids=lambda path: path.name)
def test_every_recorded_controller_is_read_from_its_bytes_as_its_owner_printed_it(path: Path) -> None:
    printed = fields_of(path)
    who = decode.controller(build.controller(**printed))
    assert (who.oacs, who.fna, who.sanicap) == (printed["oacs"], printed["fna"], printed.get("sanicap", 0))
    assert who.serial == " ".join(str(printed["sn"]).split())
    assert who.model == " ".join(str(printed["mn"]).split())
    assert who.formats == bool(printed["oacs"] & 2)
    assert who.crypto_format == bool(printed["fna"] & 4)
    assert who.sanitizes(decode.CRYPTO) == bool(printed.get("sanicap", 0) & 1)


@recorded
@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.name)
def test_every_recorded_sanitize_log_is_read_from_its_bytes(path: Path) -> None:
    printed = build.told(json.loads(path.read_text("utf-8")))
    log = decode.sanitize_log(build.sanitize_log(**printed))
    assert log.status == printed["status"] & 7
    assert log.command == printed["command"]
    assert log.erased_since == bool(printed["status"] & 256)
    names = {"never": decode.NEVER, "done_block": decode.DONE, "done_crypto": decode.DONE, "in_progress_block": 2}
    names |= {"done_no_dealloc": decode.DONE_NO_DEALLOC}
    assert log.status == names[path.stem.removeprefix("sanitize-log_")]


@given(st.sampled_from(DECODERS), st.binary(max_size=600), st.sampled_from([0, 48, 512, 2048, 4096]))
def test_any_bytes_are_decoded_or_refused_with_a_sentence(decoder: Any, data: bytes, length: int) -> None:
    whole = (data * (length // max(1, len(data)) + 1))[:length] if length and data else data
    sentence = ""
    try:
        decoder(whole)
    except decode.NotThat as refused:
        sentence = str(refused)
    assert not sentence or len(sentence.split()) > 4


@pytest.mark.parametrize("data", [bytes(4096), b"\xff" * 4096, b"", bytes(100)])
def test_a_drive_that_answers_with_nothing_is_not_believed(data: bytes) -> None:
    for decoder in (decode.controller, decode.namespace):
        with pytest.raises(decode.NotThat):
            decoder(data)


def test_nothing_but_ones_is_no_sanitize_log() -> None:
    with pytest.raises(decode.NotThat, match="nothing answered"):
        decode.sanitize_log(b"\xff" * 512)


@pytest.mark.parametrize(
    ("flbas", "formats", "lbaf", "lba"),
    [(0, ((0, 9), (0, 12)), 0, 512), (1, ((0, 9), (0, 12)), 1, 4096), (18, ((0, 9),) * 18 + ((8, 12),), 18, 4096)],
)
def test_the_format_in_use_is_found_also_beyond_the_sixteenth(
    flbas: int, formats: tuple[tuple[int, int], ...], lbaf: int, lba: int
) -> None:
    here = decode.namespace(build.namespace(100, flbas, formats))
    assert (here.lbaf, here.lba, here.size) == (lbaf, lba, 100 * lba)


def test_metadata_and_protection_of_a_namespace_are_told() -> None:
    here = decode.namespace(build.namespace(100, 1, ((0, 9), (8, 12)), extended=1, dps=0b1010))
    assert (here.metadata, here.extended, here.protection, here.first) == (8, True, 2, True)


@pytest.mark.parametrize(("status", "done"), [(1, True), (3, False), (0, False), (2, False)])
def test_progress_ffff_alone_says_nothing(status: int, done: bool) -> None:
    log = decode.sanitize_log(build.sanitize_log(0xFFFF, status, 0x0C))
    assert (log.status == decode.DONE) is done


def test_estimates_are_seconds_or_unknown() -> None:
    log = decode.sanitize_log(build.sanitize_log(0xFFFF, 0, 0, 1600, 30, 5, 0xFFFFFFFF, 31, 6))
    assert log.seconds(decode.OVERWRITE) == 1600
    assert log.seconds(decode.CRYPTO) == 5
    assert log.seconds(decode.OVERWRITE, no_deallocate=True) is None
    assert log.seconds(decode.BLOCK, no_deallocate=True) == 31


@pytest.mark.parametrize(("byte", "enabled", "locked"), [(0x09, False, False), (0x0B, True, False), (0x0F, True, True)])
def test_a_lock_is_read_from_level_0_discovery(byte: int, enabled: bool, locked: bool) -> None:
    other = b"\x00\x01\x10\x0c" + bytes(12)
    assert decode.lock(build.discovery(byte, before=other)) == decode.Lock(enabled, locked)


def test_a_drive_without_the_locking_feature_has_no_lock() -> None:
    assert decode.lock(build.discovery(None, before=b"\x00\x01\x10\x0c" + bytes(12))) is None


def test_a_list_of_namespaces_rises_and_ends() -> None:
    data = b"".join(number.to_bytes(4, "little") for number in (1, 2, 9)).ljust(4096, b"\0")
    assert decode.namespace_list(data) == (1, 2, 9)
    for wrong in ((2, 1), (1, 0, 2), (1, 1)):
        with pytest.raises(decode.NotThat):
            decode.namespace_list(b"".join(number.to_bytes(4, "little") for number in wrong).ljust(4096, b"\0"))
