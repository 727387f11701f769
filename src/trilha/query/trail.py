"""A lineage as a tree that is read from top to bottom.

The graph is walked depth first from what was asked for; a thing that was told already is only named again.
Each branch says in what role it stands, in words that need no PROV: made by, from, used, the same bytes as.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from trilha.query.lineage import Lineage, Link
    from trilha.query.things import Thing

__all__ = ["Branch", "raw", "results", "trail", "untold"]

_TOGETHER: Final = ("trilha:Package", "trilha:Hyperparameter")
"""Things of these types are told on one line when several stand side by side."""
_LAST: Final = ("within", "perhaps into")
"""Branches that are followed when all others have been: they tell only what is not told elsewhere."""
_LEAVES: Final = 6
"""Of things that say no more, so many are told one by one."""
_ALIKE: Final = 1
"""So many of the same name that inferences made (the predictions of each epoch) are told one by one."""
_NUMBER: Final = re.compile(r"\[\d+\]$")
"""What a name ends with of one prediction of several (those of each batch)."""


class Branch:
    """One line of a trail, and what hangs on it.

    Attributes:
        role: how it stands to the branch above: ``asked``, ``made by``, ``from``, ``used``, ``also used``,
            ``same bytes as``, ``contains``, ``started by``, ``after``, and downstream ``used by``,
            ``made``, ``into``, ``perhaps into``, ``read again as``, ``part of``, ``plan of``, ``within``.
        things: IRIs; more than one where several things are told together: packages, hyperparameters, things
            that one activity made of the same causes, and epochs that each carried on where the one before
            ended.
        link: the link that it stands for, the first where it stands for several.
        told: it was told before, and what hangs on it stands there.
        cut: the search was broken off here.
        more: how many others like it are left out.
        alike: these say the same of other things: the inference of each epoch, say.
        weaker: it, or something above it, was only there too when what stands above was made.
        branches: what hangs on it.
    """

    __slots__ = ("_of", "alike", "branches", "cut", "link", "more", "role", "things", "told", "weaker")

    def __init__(
        self, role: str, things: tuple[str, ...], link: Link | None = None, of: tuple[str, ...] = ()
    ) -> None:
        self.role = role
        self.things = things
        self.link = link
        self._of = of  # of an activity: the entities on whose account it is told
        self.told = False
        self.cut = False
        self.more = 0
        self.alike = False
        self.weaker = role in ("also used", "perhaps into")
        self.branches: list[Branch] = []


def trail(lineage: Lineage, most: int = 0) -> list[Branch]:
    """The trees of a lineage, one for each thing it starts from that has something to tell.

    Args:
        lineage: to tell.
        most: about so many of the nearest things are told, and branches cut behind them; 0 for all.
    """
    walk = _Up(lineage, most) if lineage.direction == "upstream" else _Down(lineage, most)
    starts = list(lineage.starts)
    if lineage.direction == "downstream":
        # Of the many meetings with one content, those that nothing came of tell nothing.
        telling = [
            iri for iri in starts if iri in lineage.links_by_cause or lineage.things[iri].kind == "activity"
        ]
        starts = telling or starts[:1]
    return [walk.tree(iri) for iri in starts]


def untold(lineage: Lineage, trees: list[Branch]) -> int:
    """How many things these trees leave out because there are so many."""
    told: set[str] = set()
    waiting, is_cut = list(trees), False
    for branch in waiting:
        told.update(branch.things)
        is_cut = is_cut or (branch.cut and lineage.cut == ()) or (branch.more > _LEAVES and not branch.alike)
        waiting += branch.branches
    return len(lineage.depths.keys() - told) if is_cut else 0


def raw(lineage: Lineage) -> list[Thing]:
    """The files at which an upstream trail begins: read, and written by no recorded run. In reading order."""
    cut, links = set(lineage.cut), lineage.links_by_effect
    made = ("wasGeneratedBy", "wasDerivedFrom", "sameContent")
    return lineage.things.files(
        iri
        for iri in lineage.depths
        if iri not in cut and not any(link.via in made for link in links.get(iri, ()))
    )


def results(lineage: Lineage) -> list[tuple[Thing, Link]]:
    """The files that a downstream trail leads to, each with its generation; the last version of each path."""
    found: dict[str, tuple[Thing, Link]] = {}
    made = [link for link in lineage.links if link.via == "wasGeneratedBy"]
    files = {thing.iri: thing for thing in lineage.things.files({link.effect: None for link in made})}
    for link in made:
        thing = files.get(link.effect)
        if thing is not None and thing.iri not in lineage.starts:
            place = f"{thing.run} {thing.fact('trilha:path', thing.iri)}"
            other = found.get(place)
            if other is None or (other[1].time or 0) <= (link.time or 0):
                found[place] = (thing, link)
    return list(found.values())


class _Walk:
    """Walks the links of a lineage depth first, without recursion, since a trail may be very long."""

    def __init__(self, lineage: Lineage, most: int = 0) -> None:
        self._lineage = lineage
        self._things = lineage.things
        self._told: set[str] = set()
        self._cut = set(lineage.cut)
        self._most = most
        self._deepest = _deepest(lineage, most) if most else None

    def tree(self, iri: str) -> Branch:
        """All that is to tell from one thing on."""
        root = Branch("asked", (iri,))
        stack = [root]
        while stack:
            branch = stack.pop()
            if branch.role in ("also used", "perhaps into"):
                # By now it may have been told in its proper place.
                branch.things = tuple(iri for iri in branch.things if iri not in self._told)
            if branch.more or not branch.things or self._is_too_far(branch):
                continue
            branch.branches = self._shortened(self._next(branch))
            for one in branch.branches:
                one.weaker = one.weaker or branch.weaker
            stack.extend(one for one in reversed(branch.branches) if one.role not in _LAST)
            stack[:0] = [one for one in branch.branches if one.role in _LAST]
        _prune(root)
        return root

    def _is_too_far(self, branch: Branch) -> bool:
        """Cut a branch if it goes on behind what is to be told."""
        if self._deepest is None:
            return False
        near = any(self._lineage.depths.get(iri, 0) < self._deepest for iri in branch.things)
        told = len(self._told) < self._most and (near or self._things[branch.things[0]].kind == "activity")
        if told or branch.role == "asked":
            return False
        further = [iri for iri in branch.things if iri not in self._told and self._has_more(iri)]
        branch.cut = bool(further)
        branch.told = not further and any(map(self._has_more, branch.things))
        self._told.update(branch.things)
        return True

    def _next(self, branch: Branch) -> list[Branch]:
        raise NotImplementedError

    def _first_time(self, branch: Branch) -> tuple[str, ...]:
        """Those of the branch's things that were not told yet; they are now."""
        new = tuple(iri for iri in branch.things if iri not in self._told)
        self._told.update(new)
        branch.told = not new and any(
            iri in self._lineage.depths and self._has_more(iri) for iri in branch.things
        )
        branch.cut = not self._cut.isdisjoint(new)
        return new

    def _has_more(self, iri: str) -> bool:
        links = (
            self._lineage.links_by_effect
            if self._lineage.direction == "upstream"
            else self._lineage.links_by_cause
        )
        return any(
            link.via not in ("wasAttributedTo", "hadPlan", "wasAssociatedWith") for link in links.get(iri, ())
        )

    def _shortened(self, branches: list[Branch]) -> list[Branch]:
        """What belongs together on one line; of many things that tell no more, the first few."""
        groups: dict[tuple[str, ...], list[Branch]] = {}
        kept: list[Branch] = []
        rest = branches[self._most :] if self._most else []
        branches = branches[: len(branches) - len(rest)]
        self._things.know({iri for branch in branches for iri in branch.things})
        for branch in branches:
            group = self._group(branch)
            members = groups.setdefault(group, []) if group else []
            members.append(branch)
            if len(members) == 1:
                kept.append(branch)
            elif group[0] == "together":
                members[0].things = (*members[0].things, *branch.things)
            elif len(members) <= (most := _ALIKE if group[0] == "alike" else _LEAVES):
                kept.append(branch)
            elif len(members) == most + 1:
                branch.more = 1
                branch.alike = group[0] == "alike"
                kept.append(branch)
            else:
                members[most].more += 1
        if rest:
            rest[0].more = len(rest)
            kept.append(rest[0])
        return kept

    def _group(self, branch: Branch) -> tuple[str, ...]:
        """What a branch has in common with those that it is told together with; empty if it stands alone."""
        thing = self._things[branch.things[0]]
        if thing.kind == "activity" or branch.role == "within":
            return ()
        for type_ in _TOGETHER:
            if type_ in thing.types:
                return "together", branch.role, type_
        if not self._has_more(thing.iri):
            if (content := thing.fact("trilha:sha256")) is not None:
                # Each process of a run meets its script anew.
                return "together", branch.role, str(content), str(thing.fact("trilha:path", thing.iri))
            return "leaf", branch.role, thing.types[-1] if thing.types else ""
        makers = self._makers(thing.iri)
        if makers and all(self._things[maker].is_a("trilha:Inference") for maker in makers):
            return "alike", branch.role, _NUMBER.sub("", thing.label)
        return ("together", branch.role, *makers) if makers else ()

    def _makers(self, iri: str) -> tuple[str, ...]:
        """What those entities have in common that are told together: upstream, who generated them."""
        raise NotImplementedError


class _Up(_Walk):
    """From an effect to its causes."""

    def _next(self, branch: Branch) -> list[Branch]:
        thing = self._things[branch.things[0]]
        if thing.kind == "activity":
            return self._of_activity(branch)
        new = self._first_time(branch)
        if thing.is_a(*_TOGETHER) and branch.role != "asked":
            return []
        makers: dict[str, Link] = {}
        for link in self._from(new, "wasGeneratedBy"):
            makers.setdefault(link.cause, link)
        found = []
        for maker, link in makers.items():
            made = tuple(iri for iri in new if maker in self._makers(iri))
            epochs, last = self._epochs(maker, made)
            found.append(Branch("made by", epochs, link, last))
        for link in self._from(new, "wasDerivedFrom"):
            if not (len(makers) == 1 if link.activity is None else link.activity in makers):
                found.append(Branch("from", (link.cause,), link))
        found += [Branch("same bytes as", (link.cause,), link) for link in self._from(new, "sameContent")]
        if not thing.is_a("trilha:Architecture"):
            # Its layers are told by a question of their own.
            found += [Branch("contains", (link.cause,), link) for link in self._from(new, "hadMember")]
        return found

    def _from(self, effects: tuple[str, ...], via: str) -> list[Link]:
        found = [
            link for iri in effects for link in self._lineage.links_by_effect.get(iri, ()) if link.via == via
        ]
        return list({(link.cause, link.activity): link for link in reversed(found)}.values())[::-1]

    def _makers(self, iri: str) -> tuple[str, ...]:
        links = self._lineage.links_by_effect.get(iri, ())
        return tuple(sorted(link.cause for link in links if link.via == "wasGeneratedBy"))

    def _epochs(self, maker: str, made: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The epochs that led to what `maker` made, the last first, and what the first of them made."""
        epochs = [maker]
        while "trilha:Epoch" in self._things[epochs[-1]].types:
            before = [
                link.cause for link in self._from(made, "wasDerivedFrom") if link.activity == epochs[-1]
            ]
            earlier = {other for iri in before for other in self._makers(iri)}
            if len(before) != 1 or len(earlier) != 1 or before[0] in self._told:
                break
            other = earlier.pop()
            if "trilha:Epoch" not in self._things[other].types or other in epochs:
                break
            made = (before[0],)
            self._told.update(made)
            epochs.append(other)
        return tuple(epochs), made

    def _of_activity(self, branch: Branch) -> list[Branch]:
        found: list[Branch] = []
        named: set[str] = set(branch._of)
        for link in self._from(branch._of, "wasDerivedFrom"):
            if link.activity in (*branch.things, None) and link.cause not in named:
                found.append(Branch("from", (link.cause,), link))
                named.add(link.cause)
        new = self._first_time(branch)
        branch.told = branch.told and not found
        if branch.weaker and self._is_run(branch) and (branch.link is None or branch.link.time is None):
            # Made somewhere in the run: that all else was there too says nothing.
            return found
        role = "also used" if found else "used"
        for activity in new:
            asked = branch.link is None
            for one in self._uses(activity, role, self._bound(branch), named):
                if asked or not self._is_passing(one.things[0], activity):
                    found.append(one)
        return found

    def _bound(self, branch: Branch) -> int | None:
        """When what an activity is told for was there at the latest: made, or used for the first time."""
        if branch.link is None or branch.link.time is not None:
            return branch.link.time if branch.link is not None else None
        firsts = []
        for iri in branch._of:
            links = self._lineage.links_by_cause.get(iri, ())
            times = [link.time for link in links if link.via == "used" and link.time is not None]
            if not times:
                return None
            firsts.append(min(times))
        return max(firsts, default=None)

    def _is_passing(self, iri: str, activity: str) -> bool:
        """Whether an activity made a thing of nothing known: it is told where it went into another.

        A file is told: it may still be there, and is what one looks for.
        """
        if self._things[iri].is_a("trilha:File"):
            return False
        above = self._lineage.links_by_effect.get(iri, ())
        return bool(above) and all(one.via == "wasGeneratedBy" and one.cause == activity for one in above)

    def _is_run(self, branch: Branch) -> bool:
        return any("trilha:Run" in self._things[iri].types for iri in branch.things)

    def _uses(self, activity: str, role: str, bound: int | None, named: set[str]) -> list[Branch]:
        """What an activity, the steps that it started, and the call that it is part of used: each thing once.

        What was only there too and was told before is left out.
        """
        found: list[Branch] = []
        calls: list[str] = []
        waiting, seen = [activity], {activity}
        while waiting:
            doer = waiting.pop(0)
            for link in self._lineage.links_by_effect.get(doer, ()):
                if link.via == "used" and link.cause not in named and _by(link.time, bound):
                    named.add(link.cause)
                    if link.cause not in self._told or (role == "used" and doer == activity):
                        found.append(Branch(role, (link.cause,), link))
                elif link.via == "wasInformedBy" and doer == activity:
                    found.append(Branch("after", (link.cause,), link))
                elif link.via == "partOf" and link.cause not in seen:
                    seen.add(link.cause)
                    calls.append(link.cause)
                elif link.via == "wasStartedBy" and self._things[link.cause].kind != "activity":
                    found.append(Branch("started by", (link.cause,), link))
            for link in self._lineage.links_by_cause.get(doer, ()):
                if link.via == "wasStartedBy" and _by(link.time, bound) and link.effect not in seen:
                    seen.add(link.effect)
                    waiting.append(link.effect)
        for call in calls:
            for link in self._lineage.links_by_effect.get(call, ()):
                if link.via == "used" and link.cause not in named:
                    named.add(link.cause)
                    found.append(Branch(role, (link.cause,), link))
                elif link.via == "partOf" and link.cause not in seen:
                    seen.add(link.cause)
                    calls.append(link.cause)
        return self._last_epochs_first(found)

    def _last_epochs_first(self, branches: list[Branch]) -> list[Branch]:
        """What epochs made and was only there too: the last one first, which those before are told with."""
        places = [
            place
            for place, one in enumerate(branches)
            if one.role == "also used"
            and any("trilha:Epoch" in self._things[maker].types for maker in self._makers(one.things[0]))
        ]
        found = list(branches)
        for place, other in zip(places, reversed(places), strict=True):
            found[place] = branches[other]
        return found


class _Down(_Walk):
    """From a cause to its effects. What was made later by whoever started a user comes last."""

    def __init__(self, lineage: Lineage, most: int = 0) -> None:
        super().__init__(lineage, most)
        self._versions: dict[str, tuple[str, ...]] = {}

    def _next(self, branch: Branch) -> list[Branch]:
        if self._things[branch.things[0]].kind == "activity":
            return self._of_activity(branch)
        new = self._first_time(branch)
        links = [link for iri in new for link in self._lineage.links_by_cause.get(iri, ())]
        users: dict[str, Link] = {}
        for link in links:
            if link.via in ("used", "hadPlan"):
                users.setdefault(link.effect, link)
        found = self._of_users(users, new)
        for link in links:
            if link.via == "wasDerivedFrom" and (link.activity is None or link.activity not in users):
                found.append(Branch("into", (link.effect,), link))
            elif link.via == "sameContent":
                found.append(Branch("read again as", (link.effect,), link))
            elif link.via == "hadMember":
                found.append(Branch("part of", (link.effect,), link))
        return found + self._around(users)

    def _of_users(self, users: dict[str, Link], things: tuple[str, ...]) -> list[Branch]:
        """Those who made something of it, each for itself; those who did not, together."""
        found: list[Branch] = []
        silent: list[str] = []
        epochs: list[str] = []
        for user, link in users.items():
            derived = self._derived(things, user)
            if "trilha:Epoch" in self._things[user].types:
                if any(one.effect not in self._told for one in derived):
                    found.append(Branch("used by", self._epochs(user, things), link, things))
                elif not derived:
                    epochs.append(user)
            elif not derived and (user in self._told or not self._makes_anything(user)):
                silent.append(user)
            else:
                found.append(Branch("used by" if link.via == "used" else "plan of", (user,), link, things))
        if epochs:
            found.append(Branch("used by", tuple(reversed(epochs)), users[epochs[0]], things))
        if silent:
            found.append(Branch("used by", tuple(silent), users[silent[0]]))
        return found

    def _derived(self, things: tuple[str, ...], activity: str) -> list[Link]:
        return [
            link
            for iri in things
            for link in self._lineage.links_by_cause.get(iri, ())
            if link.via == "wasDerivedFrom" and link.activity == activity
        ]

    def _makes_anything(self, activity: str) -> bool:
        return any(
            link.via in ("wasGeneratedBy", "wasInformedBy")
            for doer in self._with_parts(activity)
            for link in self._lineage.links_by_cause.get(doer, ())
        )

    def _with_parts(self, activity: str) -> list[str]:
        """An activity, and the parts of it."""
        found = [activity]
        for doer in found:
            links = self._lineage.links_by_cause.get(doer, ())
            found += [link.effect for link in links if link.via == "partOf" and link.effect not in found]
        return found

    def _epochs(self, epoch: str, things: tuple[str, ...]) -> tuple[str, ...]:
        """The epochs that each carried on with what the one before had made, the last first."""
        epochs, versions = [epoch], []
        while True:
            made = list(dict.fromkeys(link.effect for link in self._derived(things, epochs[-1])))
            if len(made) != 1 or made[0] in self._told:
                break
            versions.append(made[0])
            things = (made[0],)
            users = [
                link.effect for link in self._lineage.links_by_cause.get(made[0], ()) if link.via == "used"
            ]
            further = [
                user for user in users if "trilha:Epoch" in self._things[user].types and user not in epochs
            ]
            if len(further) != 1 or not self._derived(things, further[0]):
                break
            epochs.append(further[0])
        if len(versions) < len(epochs):
            return (epoch,)
        self._versions[epochs[-1]] = tuple(versions)
        return tuple(reversed(epochs))

    def _around(self, users: dict[str, Link]) -> list[Branch]:
        """Who started the users: what they made later may have had this in it."""
        found: dict[str, Branch] = {}
        waiting = [(user, link.time) for user, link in users.items()]
        seen = set(users)
        while waiting:
            activity, since = waiting.pop(0)
            for link in self._lineage.links_by_effect.get(activity, ()):
                if (
                    link.via == "wasStartedBy"
                    and link.cause in self._lineage.depths
                    and link.cause not in seen
                ):
                    seen.add(link.cause)
                    found[link.cause] = Branch("within", (link.cause,), link._replace(time=since))
                    waiting.append((link.cause, since))
        return list(found.values())

    def _makers(self, iri: str) -> tuple[str, ...]:
        links = self._lineage.links_by_cause.get(iri, ())
        return tuple(sorted({link.effect for link in links if link.via == "used"}))

    def _of_activity(self, branch: Branch) -> list[Branch]:
        activity = branch.things[0]
        if activity in self._versions and len(branch.things) == len(self._versions[activity]):
            self._told.update(branch.things)
            return [Branch("into", self._versions[activity], branch.link)]
        if len(branch.things) > 1:
            made = [link for iri in branch.things[::-1] for link in self._lineage.links_by_cause.get(iri, ())]
            effects = dict.fromkeys(link.effect for link in made if link.via == "wasGeneratedBy")
            return [Branch("perhaps into", tuple(effects))] if branch._of and effects else []
        since = branch.link.time if branch.link is not None else None
        found, named = [], set()
        for link in self._derived(branch._of, activity):
            if link.effect not in named:
                found.append(Branch("into", (link.effect,), link))
                named.add(link.effect)
        within = branch.role == "within"
        if not (within or self._first_time(branch)):
            branch.told = branch.told and not found
            return found
        doers = self._with_parts(activity)
        for link in [link for doer in doers for link in self._lineage.links_by_cause.get(doer, ())]:
            if link.via == "wasGeneratedBy" and link.effect not in named and _by(since, link.time):
                if within and link.effect in self._told:
                    continue
                found.append(
                    Branch("perhaps into" if link.weaker or within else "made", (link.effect,), link)
                )
                named.add(link.effect)
            elif link.via == "wasInformedBy":
                found.append(Branch("used by", (link.effect,), link))
        return found


def _deepest(lineage: Lineage, most: int) -> int | None:
    """How deep a tree goes that tells about so many things; None where that is all of them."""
    if len(lineage.depths) <= most:
        return None
    depths = sorted(lineage.depths.values())
    return max(1, depths[most] - 1)


def _by(time: int | None, bound: int | None) -> bool:
    return time is None or bound is None or time <= bound


def _prune(root: Branch) -> None:
    """Take away the branches that turned out to have nothing left to tell."""
    order = [root]
    for branch in order:
        order += branch.branches
    for branch in reversed(order):
        branch.branches = [
            one for one in branch.branches if one.things and (one.branches or one.role != "within")
        ]
