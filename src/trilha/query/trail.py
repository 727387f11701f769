"""A lineage as a tree that is read from top to bottom.

The graph is walked depth first from what was asked for; a thing that was told already is only named again. Each
branch says in what role it stands, in words that need no PROV: made by, from, used, the same bytes as.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from trilha.query.lineage import Lineage, Link
    from trilha.query.things import Thing

__all__ = ["Branch", "raw", "trail"]

_TOGETHER: Final = ("trilha:Package", "trilha:Hyperparameter")
"""Things of these types are told on one line when several stand side by side."""
_LEAVES: Final = 6
"""Of things that say no more, so many are told one by one."""


class Branch:
    """One line of a trail, and what hangs on it.

    Attributes:
        role: how it stands to the branch above: ``asked``, ``made by``, ``from``, ``used``, ``also used``,
            ``same bytes as``, ``contains``, ``its step``, ``started by``, ``after``, and downstream ``used by``,
            ``made``, ``into``, ``perhaps into``, ``read again as``, ``part of``, ``plan of``, ``within``.
        things: IRIs; more than one where several things are told together.
        link: the link that it stands for, if it stands for one.
        told: it was told before, and what hangs on it stands there.
        cut: the search was broken off here.
        more: how many others like it are left out.
        branches: what hangs on it.
    """

    __slots__ = ("branches", "cut", "link", "more", "role", "things", "told")

    def __init__(self, role: str, things: tuple[str, ...], link: Link | None = None) -> None:
        self.role = role
        self.things = things
        self.link = link
        self.told = False
        self.cut = False
        self.more = 0
        self.branches: list[Branch] = []


def trail(lineage: Lineage) -> list[Branch]:
    """The trees of a lineage, one for each thing it starts from that has something to tell."""
    walk = _Up(lineage) if lineage.direction == "upstream" else _Down(lineage)
    starts = list(lineage.starts)
    if lineage.direction == "downstream":
        # Of the many meetings with one content, those that nothing came of tell nothing.
        telling = [iri for iri in starts if iri in lineage.links_by_cause and walk.tells(iri)]
        starts = telling or starts[:1]
    return [walk.tree(iri) for iri in starts]


def raw(lineage: Lineage) -> list[Thing]:
    """The files at which an upstream trail begins: read, and written by no recorded run. In reading order."""
    found = []
    for iri in lineage.depths:
        thing = lineage.things[iri]
        if "trilha:File" in thing.types and iri not in lineage.cut:
            links = lineage.links_by_effect.get(iri, ())
            if not any(link.via in ("wasGeneratedBy", "wasDerivedFrom", "sameContent") for link in links):
                found.append(thing)
    return found


class _Walk:
    """Walks the links of a lineage depth first, without recursion, since a trail may be very long."""

    def __init__(self, lineage: Lineage) -> None:
        self._lineage = lineage
        self._things = lineage.things
        self._told: set[str] = set()

    def tree(self, iri: str) -> Branch:
        """All that is to tell from one thing on."""
        root = Branch("asked", (iri,))
        stack = [root]
        while stack:
            branch = stack.pop()
            if len(branch.things) > 1 or branch.more:
                continue
            branch.branches = self._shortened(self._next(branch))
            stack.extend(reversed(branch.branches))
        return root

    def tells(self, iri: str) -> bool:
        """Whether there is anything to tell of a thing."""
        return bool(self._next(Branch("asked", (iri,)), look=True))

    def _next(self, branch: Branch, *, look: bool = False) -> list[Branch]:
        raise NotImplementedError

    def _first_time(self, branch: Branch) -> bool:
        iri = branch.things[0]
        if iri in self._told:
            branch.told = iri in self._lineage.depths and self._has_more(iri)
            return False
        self._told.add(iri)
        branch.cut = iri in self._lineage.cut
        return True

    def _has_more(self, iri: str) -> bool:
        links = self._lineage.links_by_effect if self._lineage.direction == "upstream" else self._lineage.links_by_cause
        return any(link.via not in ("wasAttributedTo", "hadPlan", "wasAssociatedWith") for link in links.get(iri, ()))

    def _shortened(self, branches: list[Branch]) -> list[Branch]:
        """Packages and hyperparameters together; of many things that tell no more, the first few."""
        groups: dict[tuple[str, str], list[Branch]] = {}
        kept: list[Branch] = []
        for branch in branches:
            group = self._group(branch)
            if group is None:
                kept.append(branch)
                continue
            members = groups.setdefault(group, [])
            members.append(branch)
            if group[1] in _TOGETHER:
                if len(members) == 1:
                    kept.append(branch)
                else:
                    members[0].things = (*members[0].things, *branch.things)
            elif len(members) <= _LEAVES:
                kept.append(branch)
            elif len(members) == _LEAVES + 1:
                branch.more = 1
                kept.append(branch)
            else:
                members[_LEAVES].more += 1
        return kept

    def _group(self, branch: Branch) -> tuple[str, str] | None:
        thing = self._things[branch.things[0]]
        for type_ in _TOGETHER:
            if type_ in thing.types:
                return branch.role, type_
        if thing.kind == "activity" or (self._has_more(thing.iri) and thing.iri not in self._told):
            return None
        return branch.role, thing.types[-1] if thing.types else ""


class _Up(_Walk):
    """From an effect to its causes."""

    def _next(self, branch: Branch, *, look: bool = False) -> list[Branch]:
        iri = branch.things[0]
        if self._things[iri].kind == "activity":
            return self._of_activity(branch)
        first = self._first_time(branch)
        links = self._lineage.links_by_effect.get(iri, ())
        if not first:
            return []
        made = [Branch("made by", (link.cause,), link) for link in links if link.via == "wasGeneratedBy"]
        by = {branch.things[0] for branch in made}
        found = made
        for link in links:
            if link.via == "wasDerivedFrom" and not (len(by) == 1 if link.activity is None else link.activity in by):
                found.append(Branch("from", (link.cause,), link))
            elif link.via == "sameContent":
                found.append(Branch("same bytes as", (link.cause,), link))
            elif link.via == "hadMember":
                found.append(Branch("contains", (link.cause,), link))
        return found

    def _of_activity(self, branch: Branch) -> list[Branch]:
        activity, link = branch.things[0], branch.link
        entity = link.effect if link is not None and link.via == "wasGeneratedBy" else None
        bound = link.time if link is not None else None
        found: list[Branch] = []
        named: set[str] = set()
        for one in self._lineage.links_by_effect.get(entity, ()) if entity else ():
            if one.via == "wasDerivedFrom" and one.activity in (activity, None) and one.cause not in named:
                found.append(Branch("from", (one.cause,), one))
                named.add(one.cause)
        if not self._first_time(branch):
            branch.told = branch.told and not found
            return found
        role = "also used" if found else "used"
        found += self._uses(activity, role, bound, named | ({entity} if entity else set()))
        return found

    def _uses(self, activity: str, role: str, bound: int | None, named: set[str]) -> list[Branch]:
        found = []
        for one in self._lineage.links_by_effect.get(activity, ()):
            if one.via == "used" and one.cause not in named and _by(one.time, bound):
                found.append(Branch(role, (one.cause,), one))
                named.add(one.cause)
            elif one.via == "wasInformedBy":
                found.append(Branch("after", (one.cause,), one))
            elif one.via == "wasStartedBy" and self._things[one.cause].kind != "activity":
                found.append(Branch("started by", (one.cause,), one))
        for one in self._lineage.links_by_cause.get(activity, ()):
            if one.via == "wasStartedBy" and _by(one.time, bound) and self._used_anything(one.effect):
                found.append(Branch("its step", (one.effect,), one._replace(time=bound)))
        return found

    def _used_anything(self, activity: str) -> bool:
        """Whether an activity, or one that it started, used something that is in the lineage."""
        waiting, seen = [activity], set()
        while waiting:
            one = waiting.pop()
            if one in seen:
                continue
            seen.add(one)
            if any(link.via == "used" for link in self._lineage.links_by_effect.get(one, ())):
                return True
            waiting += [link.effect for link in self._lineage.links_by_cause.get(one, ()) if link.via == "wasStartedBy"]
        return False


class _Down(_Walk):
    """From a cause to its effects."""

    def _next(self, branch: Branch, *, look: bool = False) -> list[Branch]:
        iri = branch.things[0]
        if self._things[iri].kind == "activity":
            return self._of_activity(branch)
        if not look and not self._first_time(branch):
            return []
        links = self._lineage.links_by_cause.get(iri, ())
        found, users = [], set()
        for link in links:
            if link.via in ("used", "hadPlan") and link.effect not in users:
                users.add(link.effect)
                found.append(Branch("used by" if link.via == "used" else "plan of", (link.effect,), link))
        for link in links:
            if link.via == "wasDerivedFrom" and (link.activity is None or link.activity not in users):
                found.append(Branch("into", (link.effect,), link))
            elif link.via == "sameContent":
                found.append(Branch("read again as", (link.effect,), link))
            elif link.via == "hadMember":
                found.append(Branch("part of", (link.effect,), link))
        return found

    def _of_activity(self, branch: Branch) -> list[Branch]:
        activity, link = branch.things[0], branch.link
        entity = link.cause if link is not None and link.via in ("used", "hadPlan") else None
        since = link.time if link is not None else None
        found, named = [], set()
        for one in self._lineage.links_by_cause.get(entity, ()) if entity else ():
            if one.via == "wasDerivedFrom" and one.activity == activity and one.effect not in named:
                found.append(Branch("into", (one.effect,), one))
                named.add(one.effect)
        if not self._first_time(branch):
            branch.told = branch.told and not found
            return found
        for one in self._lineage.links_by_cause.get(activity, ()):
            if one.via == "wasGeneratedBy" and one.effect not in named and _by(since, one.time):
                found.append(Branch("perhaps into" if one.weaker else "made", (one.effect,), one))
                named.add(one.effect)
            elif one.via == "wasInformedBy":
                found.append(Branch("used by", (one.effect,), one))
        for one in self._lineage.links_by_effect.get(activity, ()):
            if one.via == "wasStartedBy" and one.cause in self._lineage.depths and self._makes(one.cause, since):
                found.append(Branch("within", (one.cause,), one._replace(time=since)))
        return found

    def _makes(self, activity: str, since: int | None) -> bool:
        waiting, seen = [activity], set()
        while waiting:
            one = waiting.pop()
            if one in seen:
                continue
            seen.add(one)
            made = self._lineage.links_by_cause.get(one, ())
            if any(link.via == "wasGeneratedBy" and _by(since, link.time) for link in made):
                return True
            waiting += [link.cause for link in self._lineage.links_by_effect.get(one, ()) if link.via == "wasStartedBy"]
        return False


def _by(time: int | None, bound: int | None) -> bool:
    return time is None or bound is None or time <= bound
