"""What will be done to a drive, worked out before anything is: pure, printable, and followed to the letter.

A profile gives the order of preference; what the drive really offers decides. A claim lower than the profile wants is
never silent: the plan says what is unavailable and why, and a supervisor must accept it. What is known of the drive's
health is said before hours are spent on it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from custody.claims import REACH, Claim
from station.health import Health
from station.media import Medium
from station.wipe.methods import Capabilities, Method
from wipe_profiles import PATTERNS, Profile, Recipe

__all__ = ["Capabilities", "Method", "Option", "Plan", "plan"]


@dataclass(frozen=True)
class Option:
    """One method of the profile for this drive: what it would reach, or why it is not possible."""

    method: str
    reaches: Claim
    why_not: str = ""


@dataclass(frozen=True)
class Plan:
    """What will be done. `method` is "" when nothing can be done; `problems` says why, in sentences.

    `recipe` is the profile's table that is followed; `passes` what is overwritten (after a command of the drive's
    own, where the profile asks for that); `unhide` whether hidden areas are looked for and removed first; `confirm`
    what must be typed before it starts.
    """

    medium: Medium
    profile: str
    digest: str
    wants: Claim
    accepts: Claim
    recipe: str
    options: tuple[Option, ...]
    how: Method | None
    passes: tuple[str, ...]
    prove: tuple[str, ...]
    reaches: Claim
    can: Capabilities
    unhide: bool
    health: Health | None
    notes: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def method(self) -> str:
        """Return the name of what will be done, "" for nothing."""
        return self.how.name if self.how else ""

    @property
    def technique(self) -> str:
        """Return the technique under which the evidence is judged."""
        return self.how.technique if self.how else ""

    @property
    def by_firmware(self) -> bool:
        """Tell whether the drive does it itself."""
        return self.how is not None and self.how.by_firmware

    @property
    def hidden_areas(self) -> str:
        """Return what is known of hidden areas."""
        return self.can.hidden_areas

    @property
    def needs_supervisor(self) -> bool:
        """Tell whether less than wanted would be reached, which a supervisor must accept by reference."""
        return bool(self.method) and self.reaches.rank < self.wants.rank

    @property
    def not_worth_it(self) -> tuple[str, ...]:
        """Return why this drive is not worth wiping; () when it is, or when nobody knows."""
        return self.health.reasons if self.health and self.health.verdict == "bad" else ()

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
            "by_firmware": self.by_firmware,
            "reach": self.how.reach if self.how else None,
            "also_hits": list(self.can.siblings) if self.how and self.how.reach != "namespace" else [],
            "cancel": self.how.cancel if self.how else None,
            "passes": list(self.passes),
            "prove": list(self.prove),
            "reaches": self.reaches,
            "needs_supervisor": self.needs_supervisor,
            "unhide": self.unhide,
            "hidden_areas": self.hidden_areas,
            "hidden": dict(self.can.hidden),
            "lock": self.can.lock,
            "seconds": self.can.seconds.get(self.method),
            "capabilities": dict(self.can.facts),
            "health": self.health.to_json() if self.health else None,
            "not_worth_it": list(self.not_worth_it),
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
        if self.not_worth_it:
            out.append(f"NOT WORTH WIPING, destroy it: {'; '.join(self.not_worth_it)}")
            out.append("A supervisor may have it wiped all the same: --despite-health REFERENCE")
        if self.needs_supervisor:
            out.append(
                f"{self.wants.upper()} UNAVAILABLE: {self.method} would be used, which reaches {self.reaches} only. "
                "A supervisor must accept this: --accept-lower REFERENCE"
            )
        if self.how:
            out += self._steps(self.how)
            out.append(f"To start, type: --confirm {self.confirm}")
        return [*out, *(f"Note: {note}" for note in self.notes), *self.problems]

    def _steps(self, how: Method) -> list[str]:
        steps = ["look for hidden areas and remove them"] if self.unhide else []
        if how.by_firmware:
            estimate = self.can.seconds.get(how.name)
            steps.append(f"{how.name} by the drive itself" + (f", about {_duration(estimate)}" if estimate else ""))
        steps += [f"pass: {name}" for name in self.passes]
        out = [f"Steps: {'; '.join(steps)}. Proof: {', '.join(self.prove)}."]
        if how.reach != "namespace" and self.can.siblings:
            out.append(f"THIS ALSO ERASES {', '.join(self.can.siblings)}: they are on the same drive.")
        return [*out, f"Cancelling: {how.cancel}"]


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


_STAYS_HIDDEN = "part of the drive is hidden, and this profile does not have it given back first"


def plan(
    profile: Profile,
    medium: Medium,
    can: Capabilities,
    *,
    health: Health | None = None,
    without: Collection[str] = (),
    begun: str = "",
) -> Plan:
    """Work out what this profile means for this drive. Pure; never raises for what is not possible.

    `without` names methods that the drive has refused already, `begun` one that was interrupted and must be gone on
    with, if the profile still has it.
    """
    recipe = profile.recipe_for(medium.transport)
    table = medium.transport if medium.transport in profile.recipes else "block"
    unhide = bool(recipe and "unhide" in recipe.before and can.hidden_areas == "present")
    options = _options(recipe.methods if recipe else (), medium, can, without)
    if can.hidden_areas == "present" and not unhide:
        options = [replace(one, reaches=Claim.NONE, why_not=one.why_not or _STAYS_HIDDEN) for one in options]
    accepts, wants = Claim(profile.accepts), Claim(profile.wants)
    usable = [one for one in options if not one.why_not and one.reaches.rank >= accepts.rank]
    enough = [one for one in usable if one.reaches.rank >= wants.rank]
    gone_on_with = [one for one in usable if one.method == begun]
    chosen = next(iter(gone_on_with or enough or usable), None)
    method = can.methods[chosen.method] if chosen else None
    return Plan(
        medium=medium,
        profile=profile.name,
        digest=profile.digest,
        wants=wants,
        accepts=accepts,
        recipe=table if recipe else "",
        options=tuple(options),
        how=method,
        passes=_passes(method, recipe),
        prove=recipe.prove if recipe else (),
        reaches=chosen.reaches if chosen else Claim.NONE,
        can=can,
        unhide=unhide,
        health=health,
        notes=_notes(medium, can, recipe.before if recipe else ()),
        problems=() if chosen else (_problem(profile, medium, options),),
    )


def _passes(method: Method | None, recipe: Recipe | None) -> tuple[str, ...]:
    if method is None or recipe is None:
        return ()
    return method.passes or tuple(name for after in recipe.after for name in PATTERNS[after])


def _options(names: Sequence[str], medium: Medium, can: Capabilities, without: Collection[str]) -> list[Option]:
    options = []
    for name in names:
        method = can.methods.get(name)
        if name in without:
            options.append(Option(name, Claim.NONE, "the drive refused it"))
            continue
        if method is None:
            why = "people do this and sign for it" if name == "destroy" else _why_not(name, can)
            options.append(Option(name, Claim.NONE, why))
            continue
        reach = _reach(method, medium, can)
        options.append(Option(name, reach, "" if reach is not Claim.NONE else f"counts for nothing on {medium.kind}"))
    return options


def _why_not(name: str, can: Capabilities) -> str:
    return can.refused.get(name, "not possible with this drive here")


def _reach(method: Method, medium: Medium, can: Capabilities) -> Claim:
    """Return what a method can reach at best here: never more than the rules will grant when it is judged."""
    reach = REACH.get(method.technique, {}).get(medium.kind, Claim.NONE)
    hidden = can.hidden_areas == "unknown" or medium.via_bridge
    return Claim.CLEAR if hidden and reach.rank > Claim.CLEAR.rank else reach


def _notes(medium: Medium, can: Capabilities, before: Sequence[str]) -> tuple[str, ...]:
    notes = [*medium.notes, *can.notes]
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
