"""Claims: whatever is missing or wrong in the evidence, nothing is called wiped."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.claims import (
    BadRange,
    CanaryFigures,
    Claim,
    Command,
    Content,
    Evidence,
    Firmware,
    Outcome,
    PassDone,
    ReadBack,
    judge,
)
from tests.factories import evidence, medium
from wipe_profiles import load

CLEAR, PURGE = load("clear"), load("purge")
SIZE = 64 << 20
PASS, READ, CANARIES = evidence().passes[0], evidence().readbacks[0], evidence().canaries
assert CANARIES is not None


def test_a_full_overwrite_that_was_proved_is_done_and_clear() -> None:
    verdict = judge(evidence(), CLEAR)
    assert (verdict.outcome, verdict.claim, verdict.reasons) == (Outcome.DONE, Claim.CLEAR, ())


def test_a_random_pass_is_read_back_by_its_own_seed() -> None:
    assert CANARIES is not None
    stream = replace(READ, expected="stream", seed=CANARIES.seed)
    assert judge(evidence(passes=(replace(PASS, pattern="random"),), readbacks=(stream,)), CLEAR).claim is Claim.CLEAR


def test_what_never_started_is_not_run_and_not_unknown() -> None:
    verdict = judge(evidence(started=False, stopped="the drive is read-only"), CLEAR)
    assert (verdict.outcome, verdict.claim) == (Outcome.NOT_RUN, Claim.NONE)
    assert verdict.reasons[0].text == "the drive is read-only"


BROKEN: list[tuple[str, dict[str, Any]]] = [
    ("stopped", {"stopped": "the drive vanished"}),
    ("not-seen-after", {"medium_after": None}),
    ("not-seen-after", {"size_after": None}),
    ("another-medium", {"medium_after": medium(2)}),
    ("size-changed", {"size_after": SIZE - 512}),
    ("size-changed", {"medium": medium(size=SIZE * 2), "medium_after": medium(size=SIZE * 2)}),
    ("passes-missing", {"passes": ()}),
    ("passes-missing", {"passes_planned": 3}),
    ("passes-missing", {"passes": (), "passes_planned": 0}),
    ("bad-ranges", {"passes": (replace(PASS, bad=(BadRange(0, 4096),)),)}),
    ("short-pass", {"passes": (replace(PASS, bytes_written=SIZE - 1),)}),
    ("short-pass", {"passes": (replace(PASS, bytes_written=SIZE - 1, bytes_expected=SIZE - 1),)}),
    ("not-flushed", {"passes": (replace(PASS, flushed=False),)}),
    ("no-canaries", {"canaries": None}),
    ("no-canaries", {"canaries": CanaryFigures(0, 0, 0, 0, "aa")}),
    ("writes-not-kept", {"canaries": replace(CANARIES, seen_before=63)}),
    ("canary-survived", {"canaries": replace(CANARIES, surviving=1)}),
    ("canary-unreadable", {"canaries": replace(CANARIES, unreadable=1)}),
    ("not-read-back", {"readbacks": ()}),
    ("not-independent", {"readbacks": (replace(READ, separate_process=False),)}),
    ("not-independent", {"readbacks": (replace(READ, read_only=False),)}),
    ("wrong-bytes", {"readbacks": (replace(READ, bytes_wrong=1, first_wrong=9),)}),
    ("unreadable", {"readbacks": (replace(READ, unreadable=(BadRange(0, 512),)),)}),
    ("reader-size", {"readbacks": (replace(READ, bytes_total=SIZE // 2, bytes_read=SIZE // 2),)}),
    ("read-too-little", {"readbacks": (replace(READ, kind="sampled", bytes_read=SIZE // 100),)}),
    ("read-too-little", {"readbacks": (replace(READ, bytes_read=SIZE - 1),)}),
    ("other-pattern", {"readbacks": (replace(READ, expected="changed"),)}),
    ("other-pattern", {"passes": (replace(PASS, pattern="random"),)}),
    ("other-pattern", {"passes": (replace(PASS, pattern="random"),), "readbacks": (replace(READ, expected="stream"),)}),
    ("smoke-test", {"smoke": False}),
    ("smoke-test", {"smoke": None}),
    ("no-recipe", {"recipe": "paper"}),
    ("no-rule", {"media_kind": "paper"}),
    ("no-status", {"technique": "sanitize-block"}),
]

SAID = Firmware(True, True, "completed", succeeded=True, observed="progress")
ZEROS = Content(blocks=SIZE // 4096, zero=SIZE // 4096, ones=0, repeating=0, random=0, structured=0)


MANY = CanaryFigures(1000, 1000, 0, 0, "aa")
FEW = CanaryFigures(0, 0, 0, 0, "aa", "the drive refused to write any")


def erased(**changed: Any) -> Evidence:
    """Return the evidence of a drive's own erase on which nothing went wrong, with fields changed as asked."""
    good: dict[str, Any] = {
        "technique": "sanitize-block", "media_kind": "ssd", "passes": (), "passes_planned": 0, "firmware": SAID,
        "canaries": MANY,
        "readbacks": (replace(READ, expected="changed", content=ZEROS),),
    }  # fmt: skip
    return evidence(**{**good, **changed})


def seen(**counts: Any) -> dict[str, Any]:
    """Return a read-back that saw these blocks among the zeros."""
    content = replace(ZEROS, zero=ZEROS.blocks - sum(counts.values()), first_structured=8192, **counts)
    return {"readbacks": (replace(READ, expected="changed", content=content),)}


DOUBTFUL: list[tuple[str, dict[str, Any]]] = [
    ("not-accepted", {"firmware": replace(SAID, accepted=False)}),
    ("not-succeeded", {"firmware": replace(SAID, succeeded=False, status="progress 65535, failed")}),
    ("no-transition", {"firmware": replace(SAID, transition_observed=False)}),
    ("no-status", {"firmware": None}),
    ("canary-survived", {"canaries": replace(CANARIES, planted=1000, seen_before=1000, surviving=1)}),
    ("writes-not-kept", {"canaries": replace(CANARIES, planted=1000, seen_before=0)}),
    ("content-not-seen", {"readbacks": (replace(READ, expected="changed"),)}),
    ("content-not-seen", {"readbacks": (READ,)}),
    ("content-not-seen", {"readbacks": (replace(READ, expected="changed", content=replace(ZEROS, blocks=0, zero=0)),)}),
    ("content-miscounted", {"readbacks": (replace(READ, expected="changed", content=replace(ZEROS, zero=1)),)}),
    ("leftovers", seen(structured=1)),
    ("uneven", seen(random=1)),
    ("effect-not-seen", {"technique": "format-user", "media_kind": "nvme", "canaries": FEW}),
    ("effect-not-seen", {"firmware": replace(SAID, observed="content"), "canaries": FEW}),
    ("passes-missing", {"passes_planned": 1}),
    ("other-pattern", {"passes": (PASS,), "passes_planned": 1}),
    ("smoke-test", {"smoke": False}),
    ("size-changed", {"size_after": SIZE - 512}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "change"), DOUBTFUL, ids=[f"{c}-{n}" for n, (c, _) in enumerate(DOUBTFUL)])
def test_each_doubt_alone_makes_a_drives_own_erase_unknown(code: str, change: dict[str, Any]) -> None:
    verdict = judge(erased(**change), PURGE)
    assert (verdict.outcome, verdict.claim) == (Outcome.UNKNOWN, Claim.NONE)
    assert code in {reason.code for reason in verdict.reasons}


@pytest.mark.parametrize("content", [
    ZEROS,
    replace(ZEROS, zero=0, ones=ZEROS.blocks),
    replace(ZEROS, zero=1, repeating=ZEROS.blocks - 1, patterns=("33cc55aa" * 4,)),
    replace(ZEROS, zero=0, random=ZEROS.blocks),
])  # fmt: skip
def test_a_drives_own_erase_need_not_leave_zeros_to_be_a_purge(content: Content) -> None:
    verdict = judge(erased(readbacks=(replace(READ, expected="changed", content=content),)), PURGE)
    assert (verdict.outcome, verdict.claim, verdict.reasons) == (Outcome.DONE, Claim.PURGE, ())


def test_a_cryptographic_erase_may_leave_noise_beside_zeros_but_no_structure() -> None:
    assert judge(erased(technique="sanitize-crypto", **seen(random=7)), PURGE).claim is Claim.PURGE
    assert judge(erased(technique="sanitize-crypto", **seen(structured=7)), PURGE).outcome is Outcome.UNKNOWN


def test_every_erase_of_the_drives_own_says_that_it_rests_on_the_drives_word() -> None:
    for technique in ("sanitize-block", "sanitize-crypto", "secure-erase-enhanced"):
        assert any("own word" in text for text in judge(erased(technique=technique), PURGE).exceptions)
    assert not any("own word" in text for text in judge(evidence(), CLEAR).exceptions)


def test_a_pass_behind_the_erase_counts_with_both_looks() -> None:
    first = replace(READ, expected="changed", content=ZEROS)
    both = erased(passes=(PASS,), passes_planned=1, readbacks=(first, READ))
    assert judge(both, PURGE).claim is Claim.PURGE
    assert judge(replace(both, readbacks=(READ, first)), PURGE).outcome is Outcome.UNKNOWN


def test_what_the_erase_left_must_be_read_in_full_for_a_purge_though_the_pass_behind_it_was() -> None:
    sample = replace(READ, kind="sampled", bytes_read=SIZE // 10, expected="changed", content=ZEROS)
    verdict = judge(erased(passes=(PASS,), passes_planned=1, readbacks=(sample, READ)), PURGE)
    assert verdict.claim is Claim.CLEAR
    assert "sampled" in {reason.code for reason in verdict.reasons}


@pytest.mark.parametrize(("code", "change"), BROKEN, ids=[f"{c}-{n}" for n, (c, _) in enumerate(BROKEN)])
def test_each_missing_or_wrong_piece_alone_makes_it_unknown(code: str, change: dict[str, Any]) -> None:
    verdict = judge(evidence(**change), CLEAR)
    assert (verdict.outcome, verdict.claim) == (Outcome.UNKNOWN, Claim.NONE)
    assert code in {reason.code for reason in verdict.reasons}


def test_an_overwrite_never_reaches_purge_however_it_was_asked_for() -> None:
    for kind in ("hdd", "ssd", "nvme", "emmc", "usb", "file"):
        verdict = judge(evidence(media_kind=kind), PURGE)
        assert verdict.claim is Claim.CLEAR
        assert "lower-than-wanted" in {reason.code for reason in verdict.reasons}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"via_bridge": True}, "bridge"),
        ({"hidden_areas": "unknown"}, "hidden-areas"),
    ],
)
def test_what_hides_the_drive_lowers_a_purge_to_clear(change: dict[str, Any], code: str) -> None:
    assert judge(erased(), PURGE).claim is Claim.PURGE
    verdict = judge(erased(**change), PURGE)
    assert verdict.claim is Claim.CLEAR
    assert code in {reason.code for reason in verdict.reasons}
    assert verdict.exceptions


def test_a_drive_that_keeps_a_part_hidden_is_never_done_by_any_technique() -> None:
    for wiped in (erased(hidden_areas="present"), evidence(hidden_areas="present")):
        for profile in (PURGE, CLEAR):
            verdict = judge(wiped, profile)
            assert (verdict.outcome, verdict.claim) == (Outcome.UNKNOWN, Claim.NONE)
            assert "hidden-areas" in {reason.code for reason in verdict.reasons}
            assert any("hidden areas" in text for text in verdict.exceptions)


def test_a_bridge_a_hidden_area_and_a_cache_are_told_on_the_certificate() -> None:
    told = judge(
        evidence(via_bridge=True, hidden_areas="unknown", passes=(replace(PASS, direct=False),)), CLEAR
    ).exceptions
    assert len(told) == 3


def test_evidence_survives_being_stored() -> None:
    whole = evidence(
        firmware=replace(SAID, argv=("hdparm", "-I"), raw_before="00"),
        commands=(Command(("nvme", "list"), 0, 0.1),),
        health_before={"verdict": "good"},
        passes=(replace(PASS, bad=(BadRange(1, 2),)),),
        readbacks=(replace(READ, unreadable=(BadRange(3, 4),), content=replace(ZEROS, patterns=("aa",))),),
        exceptions=("a",),
    )
    assert Evidence.from_json(whole.to_json()) == whole


_FIGURES = st.fixed_dictionaries(
    {},
    optional={
        "technique": st.sampled_from(["overwrite", "sanitize-block", "format-user", "prayer"]),
        "media_kind": st.sampled_from(["hdd", "ssd", "file", "paper"]),
        "started": st.booleans(),
        "stopped": st.sampled_from(["", "cancelled"]),
        "size_after": st.sampled_from([SIZE, 0, None]),
        "passes": st.lists(
            st.builds(PassDone, st.just("zero"), st.sampled_from([SIZE, 1]), st.sampled_from([SIZE, 0]),
                      st.sampled_from([(), (BadRange(0, 1),)]), st.booleans(), st.just(1.0), st.booleans(),
                      st.just(0), st.just(0)),
            max_size=2,
        ).map(tuple),
        "canaries": st.none() | st.builds(
            CanaryFigures, st.integers(0, 2), st.integers(0, 2), st.integers(0, 1), st.integers(0, 1),
            st.just("aa"), st.sampled_from(["", "read-only"])),
        "readbacks": st.lists(
            st.builds(ReadBack, st.sampled_from(["full", "sampled"]), st.just("zero"), st.just(SIZE),
                      st.sampled_from([SIZE, SIZE // 2, 0]), st.integers(0, 1), st.none(), st.just(()),
                      st.booleans(), st.booleans(), st.booleans(), st.just(1.0), st.just("bb")),
            max_size=2,
        ).map(tuple),
        "firmware": st.none() | st.builds(Firmware, st.booleans(), st.booleans(), st.just("raw"), st.booleans()),
        "smoke": st.sampled_from([True, False, None]),
    },
)  # fmt: skip


@given(change=_FIGURES)
def test_done_is_never_said_unless_everything_was_shown(change: dict[str, Any]) -> None:
    given_ = evidence(**change)
    verdict = judge(given_, CLEAR)
    if verdict.outcome is not Outcome.DONE:
        assert verdict.claim is Claim.NONE
        return
    assert given_.started
    assert not given_.stopped
    assert given_.size_after == given_.size_before
    assert given_.smoke is True
    assert given_.canaries is not None
    assert given_.canaries.surviving == 0
    assert any(one.kind == "full" and one.bytes_read == SIZE for one in given_.readbacks)
    assert not any(one.bytes_wrong for one in given_.readbacks)
    if given_.technique == "overwrite":
        assert [one.bytes_written for one in given_.passes] == [SIZE]
        assert not any(one.bad for one in given_.passes)
    else:
        assert given_.firmware is not None
        assert given_.firmware.transition_observed
        assert given_.firmware.succeeded
