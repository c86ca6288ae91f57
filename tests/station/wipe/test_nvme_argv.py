"""No command line for an NVMe drive can be built that erases nothing, changes its format, or waits for a person."""

import inspect
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.wipe import nvme_argv as argv
from station.wipe import nvme_decode as decode
from tests.station.wipe import nvme_bytes as build

anything = st.one_of(st.integers(), st.booleans(), st.none(), st.text(max_size=4), st.floats(allow_nan=False))
namespaces = st.builds(
    decode.Namespace,
    blocks=st.integers(-1, 1 << 40),
    lbaf=st.integers(-1, 70),
    lba=st.sampled_from([512, 4096]),
    metadata=st.sampled_from([0, 8]),
    extended=st.booleans(),
    protection=st.integers(0, 3),
    first=st.booleans(),
    eui64=st.just(""),
    nguid=st.just(""),
)


@given(device=st.one_of(st.just("/dev/nvme0n1"), st.text(max_size=5)), ses=anything, nsid=anything, now=namespaces)
def test_a_format_says_what_it_erases_and_keeps_the_format_or_is_not_built(
    device: str, ses: Any, nsid: Any, now: decode.Namespace
) -> None:
    try:
        words = argv.format_argv(device, ses=ses, nsid=nsid, now=now)
    except (ValueError, TypeError):
        return
    given = dict(word.partition("=")[::2] for word in words[3:])
    assert words[:3] == ("nvme", "format", device)
    assert device.startswith("/")
    assert given["--ses"] in ("1", "2")
    assert given["--lbaf"] == str(now.lbaf)
    assert 0 <= int(given["--lbaf"]) <= 63
    assert 0 < int(given["--namespace-id"]) < 0xFFFFFFFF
    assert given["--ms"] == str(int(now.extended))
    assert given["--pi"] == str(now.protection)
    assert ("--pil" in given) == now.first
    assert "--force" in given
    assert int(given["--timeout"]) >= 3600 * 1000


@pytest.mark.parametrize("ses", [0, 3, -1, True, False, None, "1"])
def test_a_format_that_erases_nothing_cannot_be_built(ses: Any) -> None:
    now = decode.namespace(build.namespace())
    with pytest.raises(ValueError, match="secure erase setting"):
        argv.format_argv("/dev/nvme0n1", ses=ses, nsid=1, now=now)


@pytest.mark.parametrize("nsid", [0, 0xFFFFFFFF, True, -1])
def test_a_format_of_all_namespaces_at_once_cannot_be_built(nsid: int) -> None:
    now = decode.namespace(build.namespace())
    with pytest.raises(ValueError, match="not one namespace"):
        argv.format_argv("/dev/nvme0n1", ses=1, nsid=nsid, now=now)


def test_nothing_of_a_format_has_a_default() -> None:
    parameters = inspect.signature(argv.format_argv).parameters.values()
    assert all(one.default is inspect.Parameter.empty for one in parameters)


@given(action=anything, no_deallocate=st.booleans())
def test_a_sanitize_erases_and_may_be_recovered_from_or_is_not_built(action: Any, no_deallocate: bool) -> None:
    try:
        words = argv.sanitize("/dev/nvme0", action, no_deallocate=no_deallocate)
    except (ValueError, TypeError):
        return
    assert f"--sanact={action}" in words
    assert action in (2, 3, 4)
    assert "--ause" in words
    assert ("--no-dealloc" in words) == no_deallocate
    assert ("--owpass=1" in words) == (action == 3)


@pytest.mark.parametrize(
    ("action", "no_deallocate", "dword"),
    [(4, False, 0x00C), (2, False, 0x00A), (3, False, 0x01B), (4, True, 0x20C), (3, True, 0x21B)],
)
def test_the_dword_that_the_log_will_repeat_is_known_beforehand(action: int, no_deallocate: bool, dword: int) -> None:
    assert argv.dword10(argv.sanitize("/dev/nvme0", action, no_deallocate=no_deallocate)) == dword


def test_only_a_sanitize_has_that_dword() -> None:
    with pytest.raises(ValueError, match="no sanitize"):
        argv.dword10(("nvme", "format", "/dev/nvme0n1"))


def test_every_question_asks_for_raw_bytes() -> None:
    questions = [
        argv.id_ctrl("/dev/nvme0"),
        argv.id_ns("/dev/nvme0", 1),
        argv.list_ns("/dev/nvme0"),
        argv.list_ns("/dev/nvme0", unattached=True),
        argv.sanitize_log("/dev/nvme0"),
        argv.discover_lock("/dev/nvme0"),
    ]
    for words in questions:
        assert "--raw-binary" in words or "--output-format=binary" in words
        assert not any("json" in word for word in words)
