"""What passes write and canaries hold, against published vectors and against the reader's own implementation."""

import itertools

from hypothesis import given
from hypothesis import strategies as some

from station.wipe import patterns, proof
from station.wipe.patterns import Pattern, canary, canary_key, canary_offsets, pattern

SEED = bytes(range(32))


def test_the_stream_is_aes_256_ctr_as_published() -> None:
    # NIST SP 800-38A, F.5.5 CTR-AES256.Encrypt: output blocks of the counter f0f1…ff under the published key
    key = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
    start = int("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", 16) * 16
    expected = "0bdf7df1591716335e9a8b15c860c502" + "5a6e699d536119065433863c8f657b94"
    assert Pattern("random", key=key).block(start, 32).hex() == expected


@given(some.integers(0, 2**20), some.integers(1, 5000))
def test_any_extent_of_the_stream_can_be_made_alone(block: int, length: int) -> None:
    what = pattern("random", SEED, 0)
    whole = what.block(block * 16, length + 64)
    assert what.block(block * 16 + 64, length) == whole[64:]


@given(some.integers(0, 2**40).map(lambda n: n * 512), some.integers(1, 600))
def test_the_reader_works_out_the_same_stream_by_itself(offset: int, length: int) -> None:
    spec = {"expected": "stream", "seed": SEED.hex(), "pass": 2}
    expectation = proof.Expectation(spec)
    expectation._regenerate(length, offset)
    assert bytes(expectation._view[:length]) == pattern("random", SEED, 2).block(offset, length)


@given(some.integers(0, 2**50))
def test_the_reader_works_out_the_same_canary_by_itself(offset: int) -> None:
    assert proof.expected_canary(SEED, offset) == canary(canary_key(SEED), offset)


def test_passes_of_one_run_have_different_streams() -> None:
    assert pattern("random", SEED, 0).block(0, 64) != pattern("random", SEED, 2).block(0, 64)


@given(some.integers(4096, 2**44).map(lambda n: n // 512 * 512), some.sampled_from([512, 4096]), some.integers(1, 64))
def test_canaries_lie_inside_without_overlap_and_at_both_ends(size: int, sector: int, count: int) -> None:
    places = canary_offsets(canary_key(SEED), size, sector, count)
    assert places[0] == 0
    assert places[-1] + patterns.CANARY_BYTES <= size
    assert size < 12288 or size - sector < places[-1] + patterns.CANARY_BYTES
    assert all(
        after - before >= patterns.CANARY_BYTES or after == places[-1] for before, after in itertools.pairwise(places)
    )
    assert len(places) <= count + 2
    assert all(place % sector == 0 for place in places)


def test_every_stratum_of_a_large_drive_gets_a_canary() -> None:
    size = 2**40
    places = canary_offsets(canary_key(SEED), size, 512, 64)
    assert {place * 64 // size for place in places} == set(range(64))


def test_a_drive_smaller_than_one_canary_gets_none() -> None:
    assert canary_offsets(canary_key(SEED), 2048, 512, 64) == ()
