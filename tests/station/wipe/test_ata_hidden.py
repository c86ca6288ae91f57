"""Hidden sectors are found by comparing numbers, given back, and never called none for want of an answer."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from station.errors import NotDone
from station.guard import claim
from station.media import medium_at
from station.run import Replay, Result
from station.wipe import ata
from station.wipe.ata_hidden import look, native_max, real_max, remove, rescan_kernel
from station.wipe.ata_identify import Identity, parse_istdout
from station.wipe.methods import Act, Unhidden
from tests.drives.ata_bench import MINUTES, SECTORS, AtaBench
from tests.drives.ataspec import AtaSpec
from tests.drives.lies import Lie

DATA = Path(__file__).parents[4] / "shared/data/block-tools/hdparm-N"
HALF = SECTORS // 2


def bench_with(folder: Path, *lies: str, **spec: object) -> AtaBench:
    return AtaBench(folder, lies, spec=AtaSpec(SECTORS, seconds=MINUTES, **spec))  # type: ignore[arg-type]


def unheard(kind: str, /, **fields: Any) -> None:
    """Be a work log that keeps nothing."""


def unhidden(bench: AtaBench) -> Unhidden:
    """Give the hidden sectors back; the file plays the kernel's view."""
    with claim(medium_at(bench.path)) as target:
        act = Act(
            ata.METHODS["sanitize-block"], bench.medium(), target, bench.tools, unheard,
            clock=bench.clock.now, sleep=bench.clock.pass_time,
        )  # fmt: skip
        return remove(act, lambda medium: bench.path.stat().st_size)


@pytest.mark.parametrize(
    ("spec", "sectors"),
    [
        ({"hpa_sectors": HALF}, {"visible": HALF, "native": SECTORS, "real": SECTORS}),
        ({"hpa_sectors": HALF, "hidden": "ama"}, {"visible": HALF, "native": SECTORS, "real": SECTORS}),
        ({"dco_sectors": HALF}, {"visible": HALF, "native": HALF, "real": SECTORS}),
        ({"dco_sectors": HALF, "hpa_sectors": HALF // 2}, {"visible": HALF // 2, "native": HALF, "real": SECTORS}),
        ({"hpa_sectors": SECTORS - 1}, {"visible": SECTORS - 1, "native": SECTORS, "real": SECTORS}),
    ],
)
def test_hidden_sectors_are_counted_given_back_and_the_drive_is_whole(
    tmp_path: Path, spec: dict[str, object], sectors: dict[str, int]
) -> None:
    bench = bench_with(tmp_path, **spec)
    can = bench.read()
    assert can.hidden_areas == "present"
    assert {name: can.hidden[name] for name in sectors} == sectors
    done = unhidden(bench)
    if spec.get("dco_sectors") and spec.get("hpa_sectors"):  # one lasting SET MAX after each power-on
        assert done.state == "removed" or done.power_cycle
    else:
        assert (done.state, done.size, done.power_cycle) == ("removed", SECTORS * 512, False)
        assert bench.read().hidden_areas == "none"


def test_a_drive_that_hides_nothing_says_none_and_is_not_written_to(tmp_path: Path) -> None:
    bench = bench_with(tmp_path)
    assert unhidden(bench).state == "none"
    assert not [result for result in bench.tools.transcript if "--yes-i-know-what-i-am-doing" in result.argv]


def test_a_second_lasting_change_needs_the_drive_off_and_on(tmp_path: Path) -> None:
    bench = bench_with(tmp_path, hpa_sectors=HALF)
    bench.drive.drive.hidden.set_once = True
    done = unhidden(bench)
    assert done.state == "present" and done.power_cycle
    bench.power_cycle()
    assert unhidden(bench).state == "removed"


def test_a_frozen_configuration_is_unknown_and_never_none(tmp_path: Path) -> None:
    can = bench_with(tmp_path, Lie.DCO_FROZEN, dco_sectors=HALF).read()
    assert can.hidden_areas == "unknown" and "configuration could not be read" in " ".join(can.notes)


def test_a_configuration_frozen_between_looking_and_restoring_is_told(tmp_path: Path) -> None:
    bench = bench_with(tmp_path, dco_sectors=HALF)
    tools = bench.tools

    class Freezing:
        transcript = ()

        def __call__(self, argv: tuple[str, ...], deadline: float) -> Result:
            if "--dco-restore" in argv:
                bench.drive.drive.hidden.dco_frozen = True
            return tools(argv, deadline)

    bench.tools = Freezing()  # type: ignore[assignment]
    with pytest.raises(NotDone, match="dock"):
        unhidden(bench)


def test_an_area_that_comes_back_at_power_on_is_present_again(tmp_path: Path) -> None:
    bench = bench_with(tmp_path, Lie.HPA_RETURNS)
    assert bench.read().hidden_areas == "present"
    assert unhidden(bench).state == "removed"
    bench.power_cycle()
    assert bench.read().hidden_areas == "present"


def test_a_kernel_that_sees_less_than_the_drive_shows_is_told_to_look_again(tmp_path: Path) -> None:
    bench = bench_with(tmp_path)
    medium = bench.medium()
    short = replace(medium, size=medium.size - 4096)
    assert ata.read(bench.tools, short).hidden_areas == "present"


def answered(text: str, argv: tuple[str, ...], stderr: str = "") -> Replay:
    return Replay([Result(argv, 0, text.encode(), stderr.encode(), 0.0)])


@pytest.mark.parametrize(
    "text",
    [
        " max sectors   = 0/1, HPA is enabled\n",
        " max sectors   = 18446744073321613488/1, HPA setting seems invalid (buggy kernel device driver?)\n",
        " max sectors   = 16384/1, HPA is disabled\n",
        " max sectors   = 16384/16383, HPA is disabled\n",
        " max sectors   = 16383/16384, HPA is disabled\n",
        " max sectors   = 16384/999999999999999999, HPA is disabled\n",
        "SG_IO: bad/missing sense data\n",
        "",
    ],
)
def test_garbage_from_bridges_is_no_answer(tmp_path: Path, text: str) -> None:
    bench = bench_with(tmp_path)
    identity, _ = parse_istdout(bench.tools(("hdparm", "--Istdout", str(bench.path)), 1).text)
    assert identity is not None
    native, why = native_max(answered(text, ("hdparm", "-N", str(bench.path))), bench.medium(), identity)
    assert native == 0 and len(why) > 20


@pytest.mark.parametrize(
    "text",
    ["", "\tReal max sectors: 1\n", "DCO Checksum FAILED!\n\tReal max sectors: 16384\n", "DCO Checksum verified.\n"],
)
def test_a_configuration_without_its_checksum_or_with_too_little_is_no_answer(tmp_path: Path, text: str) -> None:
    bench = bench_with(tmp_path)
    identity, _ = parse_istdout(bench.tools(("hdparm", "--Istdout", str(bench.path)), 1).text)
    assert identity is not None
    real, why = real_max(answered(text, ("hdparm", "--dco-identify", str(bench.path))), bench.medium(), identity)
    assert real == 0 and len(why) > 20


def test_a_drive_whose_feature_words_are_not_valid_is_unknown(tmp_path: Path) -> None:
    bench = bench_with(tmp_path)
    identity, _ = parse_istdout(bench.tools(("hdparm", "--Istdout", str(bench.path)), 1).text)
    assert identity is not None
    words = list(identity.words)
    words[83] = 0
    assert look(bench.tools, bench.medium(), Identity(tuple(words))).state == "unknown"


@pytest.mark.skipif(not DATA.is_dir(), reason="no recorded answers beside the project (../shared/data)")
def test_every_recorded_answer_is_read_by_its_numbers_or_refused(tmp_path: Path) -> None:
    bench = bench_with(tmp_path)
    identity, _ = parse_istdout(bench.tools(("hdparm", "--Istdout", str(bench.path)), 1).text)
    assert identity is not None
    words = list(identity.words)
    for at in range(4):
        words[100 + at] = 7814037168 >> 16 * at & 0xFFFF
    big = Identity(tuple(words))
    for path in sorted(DATA.iterdir()):
        text = path.read_text("utf-8", "replace")
        native, why = native_max(answered(text, ("hdparm", "-N", str(bench.path))), bench.medium(), big)
        assert native == (7814037168 if "max sectors" in text else 0) and bool(why) != bool(native), path.name
        real, why = real_max(answered(text, ("hdparm", "--dco-identify", str(bench.path))), bench.medium(), big)
        assert real == 0 and why


def test_the_kernel_is_asked_to_look_again_through_sysfs(tmp_path: Path) -> None:
    folder = tmp_path / "devices/pci0000:00/ata3/host2/target2:0:0/2:0:0:0/block/sdq"
    (folder / "device").mkdir(parents=True)
    (folder / "device/rescan").touch()
    (folder / "size").write_text("100")
    (tmp_path / "class/block").mkdir(parents=True)
    (tmp_path / "class/block/sdq").symlink_to(folder)
    (tmp_path / "class/scsi_host/host2").mkdir(parents=True)
    (tmp_path / "class/scsi_host/host2/scan").touch()
    assert rescan_kernel(replace(bench_with(tmp_path).medium(), path="/dev/sdq"), tmp_path) == 51200
    assert (folder / "device/rescan").read_text() == "1"
    assert (tmp_path / "class/scsi_host/host2/scan").read_text() == "0 0 0"
