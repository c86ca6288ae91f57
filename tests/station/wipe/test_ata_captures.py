"""What the real hdparm and smartctl printed over simulated drives (tests/captures/ata-sim) is read, and both agree."""

import json
from pathlib import Path

import pytest

from station.media import Medium
from station.probe_smart import parse_smart
from station.run import Replay, Result
from station.wipe.ata_ask import registers
from station.wipe.ata_hidden import native_max, real_max
from station.wipe.ata_identify import Identity, parse_istdout
from tests.station.test_thaw import medium

CAPTURES = sorted((Path(__file__).parents[2] / "captures/ata-sim").glob("*.json"))


def results(path: Path) -> list[Result]:
    return [Result.from_json(entry) for entry in json.loads(path.read_text("utf-8"))]


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_every_answer_is_read_or_refused_and_the_two_tools_agree(path: Path) -> None:
    identity: Identity | None = None
    for result in results(path):
        if "--Istdout" in result.argv:
            identity, why = parse_istdout(result.text)
            assert identity is not None or len(why) > 20
        elif result.argv[:3] == ("smartctl", "-x", "-j") and identity is not None:
            report, _ = parse_smart(result.text, result.argv[-1])
            state = report.figure("security_state") if report else None
            assert state in (None, identity.security_word)
        elif "-N" in result.argv and identity is not None and len(result.argv) == 3:
            native, why = native_max(Replay([result]), _at(result), identity)
            assert bool(native) != bool(why)
        elif "--dco-identify" in result.argv and identity is not None:
            real, why = real_max(Replay([result]), _at(result), identity)
            assert bool(real) != bool(why)
        elif "--sanitize-status" in result.argv and "--verbose" not in result.argv:
            assert registers(result.stderr.decode(), 0xB4) is None  # words alone are never believed


def _at(result: Result) -> Medium:
    assert result.argv[-1] == medium().path
    return medium()


def test_the_captures_are_there_and_show_both_directions() -> None:
    assert len(CAPTURES) > 20
    said = {path.stem: parse_istdout(r.text)[0] for path in CAPTURES for r in results(path) if "--Istdout" in r.argv}
    assert len(said) > 20
    frozen, bridge = said["frozen"], said["bridge-without-pass-through"]
    assert frozen is not None and bridge is None
