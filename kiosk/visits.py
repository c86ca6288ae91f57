"""Visits that are going on: one at a time per browser, kept in memory, nothing about persons in them.

A `Visits` applies `flow.step` under one lock, records the returns it asks for through a `Recorder` and feeds the
answer back before anybody sees the next screen. A visit that is left alone is closed by `sweep`, which records a
device that may be lying there. What could not be recorded without anybody watching becomes an alarm for staff.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from custody import rules
from custody.errors import CustodyError, JournalError
from custody.events import PrivateKey
from custody.journal import Journal
from kiosk import flow
from kiosk.flow import NotRecorded, Recorded, Return, Said, Screen, State

MOST_SESSIONS = 50


class Recorder(Protocol):
    """Who puts a return on disk."""

    def record(self, wanted: Return) -> Recorded:
        """Return what was recorded once it is on disk; raises `CustodyError` when it is not recorded."""

    def known(self, code: str) -> flow.Known | None:
        """Return what our copy of history says of a device, None when it was never heard of."""


class JournalRecorder:
    """Records in the kiosk's journal, opened for each use: a thread never holds another's connection."""

    def __init__(self, path: Path, key: PrivateKey, now: Callable[[], datetime]) -> None:
        """Use the journal at `path` and sign with `key`; `now` is the kiosk's clock."""
        self._path, self._key, self._now = path, key, now

    def record(self, wanted: Return) -> Recorded:
        """Sign and journal the return; it is fsynced when this returns. Raises `CustodyError`."""
        with Journal.open(self._path) as journal:
            event = journal.append("device.returned", wanted.code, wanted.body, key=self._key, at=self._now())
        return Recorded(event.hash, event.at)

    def known(self, code: str) -> flow.Known | None:
        """Look a code up; a journal that cannot be read knows nothing, and the return is taken all the same."""
        try:
            with Journal.open(self._path) as journal:
                facts = journal.facts_about(code)
                state = rules.state_of(facts, code)
        except JournalError:
            return None
        if not state.registered and state.exit is None:
            return None
        if state.exit is None or state.in_hand:
            return flow.Known(None, None)
        return flow.Known(state.exit, state.loan or None)


@dataclass
class Session:
    """One browser at the kiosk: its visit, its language, and when somebody last touched it."""

    token: str
    language: str
    touched: float
    state: State = field(default_factory=State)


class Visits:
    """All sessions of this kiosk; safe to use from several threads."""

    def __init__(
        self,
        recorder: Recorder,
        *,
        host: str,
        language: str,
        patience: float,
        ticks: Callable[[], float],
        fresh: Callable[[], str],
    ) -> None:
        """`patience` is in seconds of `ticks`, a clock that never jumps; `fresh` makes random ids."""
        self._recorder, self._host, self._language = recorder, host, language
        self._patience, self._ticks, self._fresh = patience, ticks, fresh
        self._sessions: dict[str, Session] = {}
        self._lock = threading.RLock()
        self.alarms: list[str] = []  # the last twenty

    def begin(self) -> str:
        """Return the id of a new session; the one untouched for longest goes when there are too many."""
        with self._lock:
            self.sweep()
            if len(self._sessions) >= MOST_SESSIONS:
                oldest = min(self._sessions, key=lambda sid: self._sessions[sid].touched)
                self._leave_alone(self._sessions.pop(oldest))
            sid = self._fresh()
            self._sessions[sid] = Session(self._fresh(), self._language, self._ticks())
            return sid

    def alarm(self, sentence: str) -> None:
        """Tell staff something; the last twenty are kept."""
        with self._lock:
            self.alarms = [*self.alarms[-19:], sentence]

    def session(self, sid: str) -> Session | None:
        """Return a session after closing what was left alone for too long."""
        with self._lock:
            self.sweep()
            return self._sessions.get(sid)

    def touch(self, sid: str) -> None:
        """Somebody is there: start the waiting time anew."""
        with self._lock:
            self._sessions[sid].touched = self._ticks()

    def speak(self, sid: str, language: str) -> None:
        """Change the language of a session until its visit ends."""
        with self._lock:
            self._sessions[sid].language = language

    def scan(self, sid: str, text: str) -> State:
        """Take a scan or a typed code."""
        reading = flow.read(text, self._host, self._recorder.known)
        return self.say(sid, flow.Scanned(reading, self._fresh()))

    def give_anyway(self, sid: str, typed: str) -> State:
        """Take a device whose code nobody can read."""
        return self.say(sid, flow.GivenAnyway(typed, self._fresh()))

    def say(self, sid: str, said: Said) -> State:
        """Take one step; a return it asks for is on disk, or told as not recorded, when this returns."""
        with self._lock:
            session = self._sessions[sid]
            session.touched = self._ticks()
            self._step(session, said, watched=True)
            return session.state

    def sweep(self) -> None:
        """Close what was left alone for longer than the patience, and record the devices in it."""
        with self._lock:
            for session in self._sessions.values():
                if self._ticks() - session.touched >= self._patience:
                    self._leave_alone(session)

    def _leave_alone(self, session: Session) -> None:
        session.touched = self._ticks()
        session.language = self._language
        self._step(session, flow.Waited(), watched=False)

    def _step(self, session: Session, said: Said, *, watched: bool) -> None:
        state, wanted = flow.step(session.state, said)
        if wanted is not None:
            answer: Said
            try:
                answer = self._recorder.record(wanted)
            except CustodyError as error:
                answer = NotRecorded()
                left = "" if watched else ", and nobody was there to be told: look for the device"
                self.alarm(f"The return of {wanted.code} could not be recorded{left}. {error}")
            state, _ = flow.step(state, answer)
        ended = session.state.reading is not None and state.screen is Screen.IDLE
        session.state = state
        if ended:
            session.language = self._language
