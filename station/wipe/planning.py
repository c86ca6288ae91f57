"""What will be done to a drive, worked out before anything is: pure, printable, and followed to the letter.

A profile gives the order of preference; what the drive and this version can do decides. A claim lower than
the profile wants is never silent: the plan says what is unavailable, and a supervisor must accept it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from custody.claims import REACH, Claim
from station.media import Medium
from station.wipe.overwrite import Method
from wipe_profiles import Profile


@dataclass(frozen=True)
class Capabilities:
    """What engines can do with a drive: method name -> Method, and what is known of hidden areas."""

    methods: Mapping[str, Method]
    hidden_areas: str = "unknown"


@dataclass(frozen=True)
class Option:
    """One method of the profile for this drive: what it would reach, or why it is not possible."""

    method: str
    reaches: Claim
    why_not: str = ""


@dataclass(frozen=True)
class Plan:
    """What will be done. `method` is "" when nothing can be done; `problems` says why, in sentences.

    `recipe` is the profile's table that is followed; `confirm` what must be typed before it starts.
    """

    medium: Medium
    profile: str
    digest: str
    wants: Claim
    accepts: Claim
    recipe: str
    options: tuple[Option, ...]
    method: str
    technique: str
    passes: tuple[str, ...]
    prove: tuple[str, ...]
    reaches: Claim
    hidden_areas: str
    notes: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def needs_supervisor(self) -> bool:
        """Tell whether less than wanted would be reached, which a supervisor must accept by reference."""
        return bool(self.method) and self.reaches.rank < self.wants.rank

    @property
    def confirm(self) -> str:
        """Return what must be typed to start."""
        return self.medium.confirm

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON data."""
        return {
            "medium": self.medium.to_json(),
            "profile": self.profile,
            "profile_digest": self.digest,
            "wants": self.wants,
            "accepts": self.accepts,
            "recipe": self.recipe,
            "options": [{"method": one.method, "reaches": one.reaches, "why_not": one.why_not} for one in self.options],
            "method": self.method or None,
            "technique": self.technique,
            "passes": list(self.passes),
            "prove": list(self.prove),
            "reaches": self.reaches,
            "needs_supervisor": self.needs_supervisor,
            "hidden_areas": self.hidden_areas,
            "notes": list(self.notes),
            "problems": list(self.problems),
            "bytes_to_write": self.medium.size * len(self.passes),
            "confirm": self.confirm,
        }

    def lines(self) -> list[str]:
        """Return the plan as a person reads it."""
        out = [
            f"{self.medium.path}: {self.medium.name}, {self.medium.size:,} bytes, {self.medium.kind}",
            f"Profile {self.profile} (wants {self.wants}, accepts {self.accepts}).",
        ]
        for one in self.options:
            mark = "->" if one.method == self.method else "  "
            out.append(f" {mark} {one.method}: {one.why_not or f'reaches {one.reaches}'}")
        if self.needs_supervisor:
            out.append(
                f"{self.wants.upper()} UNAVAILABLE: {self.method} would be used, which reaches {self.reaches} only. "
                "A supervisor must accept this: --accept-lower REFERENCE"
            )
        if self.method:
            out.append(f"Passes: {', '.join(self.passes)}. Proof: {', '.join(self.prove)}.")
            out.append(f"To start, type: --confirm {self.confirm}")
        return [*out, *(f"Note: {note}" for note in self.notes), *self.problems]


def plan(profile: Profile, medium: Medium, can: Capabilities) -> Plan:
    """Work out what this profile means for this drive. Pure; never raises for what is not possible."""
    recipe = profile.recipe_for(medium.transport)
    table = medium.transport if medium.transport in profile.recipes else "block"
    options = _options(recipe.methods if recipe else (), medium, can)
    accepts, wants = Claim(profile.accepts), Claim(profile.wants)
    usable = [one for one in options if not one.why_not and one.reaches.rank >= accepts.rank]
    enough = [one for one in usable if one.reaches.rank >= wants.rank]
    chosen = next(iter(enough or usable), None)
    method = can.methods[chosen.method] if chosen else None
    return Plan(
        medium=medium,
        profile=profile.name,
        digest=profile.digest,
        wants=wants,
        accepts=accepts,
        recipe=table if recipe else "",
        options=tuple(options),
        method=method.name if method else "",
        technique=method.technique if method else "",
        passes=method.passes if method else (),
        prove=recipe.prove if recipe else (),
        reaches=chosen.reaches if chosen else Claim.NONE,
        hidden_areas=can.hidden_areas,
        notes=_notes(medium, can, recipe.before if recipe else ()),
        problems=() if chosen else (_problem(profile, medium, options),),
    )


def _options(names: Sequence[str], medium: Medium, can: Capabilities) -> list[Option]:
    options = []
    for name in names:
        method = can.methods.get(name)
        if method is None:
            why = "people do this and sign for it" if name == "destroy" else "not possible with this drive here"
            options.append(Option(name, Claim.NONE, why))
            continue
        reach = REACH.get(method.technique, {}).get(medium.kind, Claim.NONE)
        options.append(Option(name, reach, "" if reach is not Claim.NONE else f"counts for nothing on {medium.kind}"))
    return options


def _notes(medium: Medium, can: Capabilities, before: Sequence[str]) -> tuple[str, ...]:
    notes = list(medium.notes)
    if "unhide" in before and can.hidden_areas == "unknown":
        notes.append("hidden areas cannot be looked for here; the certificate will say that they are not known")
    return tuple(notes)


def _problem(profile: Profile, medium: Medium, options: Sequence[Option]) -> str:
    if medium.transport not in profile.recipes and not options:
        fits = ", ".join(profile.recipes)
        return (
            f"Profile {profile.name} says nothing about {medium.transport} media (only about {fits}); take another one."
        )
    if not options:
        return f"Profile {profile.name} writes nothing; to read a drive again use: kitbank-station verify"
    return (
        f"No method of profile {profile.name} can reach {profile.accepts} on this drive; "
        "take another profile, or destroy it."
    )
