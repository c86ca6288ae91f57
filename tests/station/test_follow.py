"""Following one of our own programs: what it says, its silence, its death."""

import sys
from collections.abc import Mapping
from typing import Any

from station.follow import follow


def heard(script: str, given: bytes = b"", patience: float = 20.0) -> tuple[list[Mapping[str, Any]], Any]:
    said: list[Mapping[str, Any]] = []
    done = follow((sys.executable, "-I", "-c", script), given, patience, said.append)
    return said, done


def test_its_task_arrives_and_each_json_line_is_heard() -> None:
    said, done = heard("import sys; print(sys.stdin.read()); print('{\"b\": 2}')", b'{"a": 1}')
    assert said == [{"a": 1}, {"b": 2}]
    assert done.ok


def test_lines_that_are_no_objects_are_ignored() -> None:
    said, done = heard("print('hello'); print('[1]'); print('{\"a\": 1}')")
    assert said == [{"a": 1}]
    assert done.exit == 0


def test_silence_ends_it() -> None:
    said, done = heard("import time; print('{\"a\": 1}', flush=True); time.sleep(60)", patience=0.5)
    assert said == [{"a": 1}]
    assert done.timed_out
    assert done.seconds < 15


def test_a_program_that_dies_says_why() -> None:
    _, done = heard("raise ValueError('out of paper')")
    assert done.exit == 1
    assert b"out of paper" in done.stderr


def test_a_program_that_is_not_there_is_a_result() -> None:
    done = follow(("/nonexistent/reader",), b"", 1.0, lambda line: None)
    assert done.missing
