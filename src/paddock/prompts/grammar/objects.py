"""The members of an object, in order, with commas between those that are there.

Each member is there or not, so a comma belongs to a member only if something was written before it. The
first member written is chosen once; behind it every further one brings its comma. Where members are counted
(`minProperties`, `maxProperties`), there is a rule for each pair of a member and how many were written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from paddock.errors import BadSchema
from paddock.prompts.grammar.gbnf import EMPTY, NEVER, Part, either, optional, repeat, seq
from paddock.prompts.grammar.strings import COMMA

_MOST_STATES = 10_000


@dataclass(frozen=True, slots=True)
class Member:
    """A member as it is written, and whether it must be there."""

    part: Part
    required: bool


class Writing:
    """Writes members; `rule` makes a rule of a part that is needed in several places, and refers to it."""

    def __init__(self, rule: Callable[[Part], Part]) -> None:
        self._rule = rule

    def members(
        self, members: Sequence[Member], other: Part, count: tuple[int, int | None], where: str
    ) -> Part:
        """Named members and then any number of `other` ones, `count` in all. Raises BadSchema, about
        `where`, for a count that cannot be held."""
        least, most = count
        if any(member.required and member.part == NEVER for member in members):
            return NEVER
        members = [member for member in members if member.part != NEVER]
        required = sum(member.required for member in members)
        if most is not None and most < max(required, least):
            return NEVER
        counted_above = most is not None and (other != NEVER or most < len(members))
        if least <= required and not counted_above:
            return self._uncounted(members, other)
        if other != NEVER and least > required + 1:
            # Two members of names that we do not know could be the same one.
            raise BadSchema(where, "minProperties", "a grammar cannot hold more than one beyond the required")
        return self._counted(members, other, least, most, where)

    def _uncounted(self, members: Sequence[Member], other: Part) -> Part:
        first = next((place for place, member in enumerate(members) if member.required), len(members))
        after = repeat(seq(COMMA, other), 0, None)
        for member in reversed(members[first + 1 :]):
            after = seq(_following(member), after)
        if first < len(members):
            begun = seq(members[first].part, after)
            after = seq(_following(members[first]), after)
        else:
            begun = optional(seq(other, after))
        for place in range(first - 1, -1, -1):
            rest = after if after == EMPTY or not place else self._rule(after)
            begun = either(seq(members[place].part, rest), begun)
            after = seq(_following(members[place]), rest)
        return begun

    def _counted(
        self, members: Sequence[Member], other: Part, least: int, most: int | None, where: str
    ) -> Part:
        """Backwards over the members: what may follow when so many have been written."""
        cap = min(least if most is None else most, len(members) + 1)  # no more than all are written by name
        if cap * (len(members) + 1) > _MOST_STATES:
            raise BadSchema(where, "maxProperties", "with so many members it is too large for a grammar")
        follows = [self._others(other, written, least, most) for written in range(cap + 1)]
        for member in reversed(members):
            now: list[Part] = []
            for written in range(cap + 1):
                before = COMMA if written else EMPTY
                full = most is not None and written >= most
                there = NEVER if full else seq(before, member.part, follows[min(written + 1, cap)])
                found = there if member.required else either(there, follows[written])
                now.append(found if found in (NEVER, EMPTY) else self._rule(found))
            follows = now
        return follows[0]

    def _others(self, other: Part, written: int, least: int, most: int | None) -> Part:
        """How members end: with others, as many as are missing and as may be."""
        missing = max(least - written, 0)
        if other == NEVER or (most is not None and written >= most):
            return NEVER if missing else EMPTY
        more = None if most is None else most - written
        following = seq(COMMA, other)
        if missing > 1:
            return NEVER
        if written:
            return repeat(following, missing, more)
        some = seq(other, repeat(following, 0, None if more is None else more - 1))
        return some if missing else optional(some)


def _following(member: Member) -> Part:
    part = seq(COMMA, member.part)
    return part if member.required else optional(part)
