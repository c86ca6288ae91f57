"""The stand-in for nvme-cli answers as the real one does, and nothing that it has not learnt from it."""

import json
from pathlib import Path

import pytest

from station.run import Result
from tests.drives.clock import SimulatedClock
from tests.drives.nvme import Controller
from tests.drives.nvme_identity import Make
from tests.drives.nvme_tools import CAPTURES, NvmeTools, UnknownForm
from tests.drives.test_nvme import MIB, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, Make(serial="S1", model="Model One"))


@pytest.fixture
def tools(bench: Bench) -> NvmeTools:
    return NvmeTools({"nvme0": bench.drive})


def ask(tools: NvmeTools, line: str) -> Result:
    return tools(line.split(), 10)


def test_it_gives_raw_structures(tools: NvmeTools) -> None:
    page = ask(tools, "nvme id-ctrl /dev/nvme0 -o binary").stdout
    assert len(page) == 4096 and page[4:24].strip() == b"S1" and page == ask(tools, "nvme id-ctrl /dev/nvme0 -b").stdout
    second = ask(tools, "nvme id-ns /dev/nvme0 -n 2 -o binary").stdout
    assert second == ask(tools, "nvme id-ns /dev/nvme0n2 --raw-binary").stdout and second[26] == 1
    assert ask(tools, "nvme list-ns /dev/nvme0").text == "[   0]:0x1\n[   1]:0x2\n"
    assert ask(tools, "nvme --version").text.startswith("nvme version 2.3")


def test_a_sanitize_can_be_watched(bench: Bench, tools: NvmeTools) -> None:
    look = "nvme get-log /dev/nvme0 --log-id=0x81 --log-len=512 -b"
    assert ask(tools, look).stdout[:4] == bytes.fromhex("ffff0000")
    assert ask(tools, "nvme sanitize /dev/nvme0 --sanact=2 --ause").ok
    bench.clock.pass_time(5)
    assert ask(tools, look).stdout[:8] == bytes.fromhex("008002000a000000")
    again = ask(tools, "nvme sanitize /dev/nvme0 -a 2 -u")
    assert again.exit == 1 and b"Sanitize In Progress" in again.stderr and b"(0x401d)" in again.stderr
    bench.clock.pass_time(5)
    assert ask(tools, look).stdout[:4] == bytes.fromhex("ffff0101") and bench.all_of(2) == bytes(MIB)


def test_a_format_does_what_it_is_told_and_without_ses_erases_nothing(bench: Bench, tools: NvmeTools) -> None:
    done = ask(tools, "nvme format /dev/nvme0n1 --lbaf=0 --force")
    assert done.text == "Success formatting namespace:1\n" and bench.all_of(1) == bench.content[0]
    assert ask(tools, "nvme format /dev/nvme0n1 --namespace-id=1 --ses=1 --lbaf=0 --force").ok
    assert bench.all_of(1) == bytes(MIB) and bench.all_of(2) == bench.content[1]
    assert ask(tools, "nvme format /dev/nvme0 -n 0xffffffff -s 2 -l 1 --force").ok and bench.chips(2) == bytes(MIB)
    refused = ask(tools, "nvme format /dev/nvme0n1 --ses=1 --lbaf=9 --force")
    assert refused.exit == 1 and b"Invalid Format" in refused.stderr


def test_self_tests_and_health(bench: Bench, tools: NvmeTools) -> None:
    assert ask(tools, "nvme device-self-test /dev/nvme0 -n 1 -s 1").text == "Short Device self-test started\n"
    assert ask(tools, "nvme get-log /dev/nvme0 --log-id=6 --log-len=564 -b").stdout[0] == 1
    bench.drive.health.spare = 7
    smart = json.loads(ask(tools, "smartctl -x -j /dev/nvme0").stdout)
    assert (smart["serial_number"], smart["model_name"]) == ("S1", "Model One")
    assert smart["nvme_smart_health_information_log"]["available_spare"] == 7


def test_a_silent_drive_is_a_timeout_and_a_missing_one_has_no_device_file(bench: Bench, tools: NvmeTools) -> None:
    bench.drive.lie("hangs")
    result = tools(["nvme", "sanitize", "/dev/nvme0", "--sanact=4", "--ause"], 7.5)
    assert result.timed_out and result.seconds == 7.5
    bench.drive.power_cut()
    gone = ask(tools, "nvme id-ctrl /dev/nvme0 -o binary")
    assert gone.exit == 1 and b"No such file or directory" in gone.stderr
    assert len(tools.transcript) == 2


@pytest.mark.parametrize(
    "line",
    [
        "nvme id-ctrl /dev/nvme0 -o json",
        "nvme format /dev/nvme0n1 --ses=1 --lbaf=0",
        "nvme sanitize --sanact=2",
        "nvme sanitize-log /dev/nvme0",
        "nvme fw-download /dev/nvme0",
        "nvme sanitize /dev/nvme0 --no-such-option",
    ],
)
def test_a_form_that_it_has_not_learnt_is_an_error_in_the_test(tools: NvmeTools, line: str) -> None:
    with pytest.raises(UnknownForm):
        ask(tools, line)
    assert ask(tools, "hdparm -I /dev/sda").missing


def recorded(name: str) -> list[Result]:
    """Return what the real tools said to the same drive in the laboratory's guest."""
    return [Result.from_json(each) for each in json.loads((CAPTURES / f"{name}.json").read_text("utf-8"))]


def answered_alike(tools: NvmeTools, real: Result) -> bool:
    """Ask the stand-in the same; tell whether it knows the form. Fails where its answer is another one."""
    try:
        own = tools(real.argv, 30)
    except UnknownForm:
        return False
    assert (own.exit, own.timed_out) == (real.exit, real.timed_out), real.argv
    assert own.stderr == real.stderr, real.argv
    counters = {"0x81", "--log-id=2", "--log-id=0x81"}  # what depends on the clock or on the kernel's own commands
    if not counters & set(real.argv):
        assert own.stdout == real.stdout, real.argv
    return True


SMALL = 8 * MIB


def like_the_recorded(folder: Path, make: Make, clock: SimulatedClock) -> Controller:
    """Build the drive that `nvme_record` plugs in."""
    images = [folder / "1.img", folder / "2.img"]
    for image in images:
        image.write_bytes(b"\x5a" * SMALL)
    return Controller([(images[0], 512), (images[1], 4096)], make, clock=clock.now)


@pytest.mark.parametrize(
    ("name", "make", "expected"),
    [
        ("identity", Make(), 13),
        ("formats", Make(), 11),
        ("station", Make(sanitize_seconds=0), 14),
        ("without-sanitize", Make(sanicap=0, oacs=0, fna=0), 6),
        ("missing", Make(), 10),
    ],
)
def test_it_answers_what_the_real_tools_answered(tmp_path: Path, name: str, make: Make, expected: int) -> None:
    tools = NvmeTools({"nvme0": like_the_recorded(tmp_path, make, SimulatedClock())})
    asked = [real for real in recorded(name) if real.argv[0] == "nvme"]
    assert sum(answered_alike(tools, real) for real in asked) == expected


def test_its_refusals_are_those_of_a_real_sanitize_and_of_its_failures(tmp_path: Path) -> None:
    """The recorded order, with time passing whenever the recording found the sanitize over."""
    for name in ("sanitize", "failure"):
        (tmp_path / name).mkdir()
        clock = SimulatedClock()
        drive = like_the_recorded(tmp_path / name, Make(), clock)
        tools, compared = NvmeTools({"nvme0": drive}), 0
        drive.sanitize.fail_at = 0.5 if name == "failure" else None
        for real in recorded(name):
            if real.argv[:2] == ("nvme", "get-log"):
                if real.stdout[2] != 2:
                    clock.pass_time(10)
                assert ask(tools, " ".join(real.argv)).stdout[:8] == real.stdout[:8] or real.stdout[2] == 2
            elif real.argv[0] == "nvme":
                if real.argv[-1] == "--sanact=2" and compared and drive.sanitize.op.mode == "restricted":
                    drive.sanitize.fail_at = None
                compared += answered_alike(tools, real)
        assert compared >= 7, name


def test_the_health_that_it_makes_up_has_the_shape_and_exit_status_of_the_real_one(bench: Bench) -> None:
    tools = NvmeTools({"nvme0": bench.drive})
    for real in recorded("identity"):
        if real.argv[:3] == ("smartctl", "-x", "-j"):
            own = tools(real.argv, 10)
            theirs = json.loads(real.stdout)
            if real.exit:
                bench.drive.health.warning, bench.drive.health.spare = 5, 3
                own = tools(real.argv, 10)
            assert own.exit == real.exit
            for key, value in json.loads(own.stdout).items():
                assert type(value) is type(theirs[key]), key
                if isinstance(value, dict):
                    assert set(value) <= set(theirs[key]), key
