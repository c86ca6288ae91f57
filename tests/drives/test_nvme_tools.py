"""The stand-in for nvme-cli answers as the real one does, and nothing that it has not learnt from it."""

import json
from pathlib import Path

import pytest

from station.run import Result
from tests.drives.nvme_identity import Make
from tests.drives.nvme_tools import NvmeTools, UnknownForm
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
