"""Which of a URDF's joints move, over which ranges, and where the others stay."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simulator.robot.errors import RobotError
from simulator.robot.parts import Joint
from simulator.robot.urdf import Urdf, UrdfJoint

Range = tuple[float, float]
DEGREES = 15.0, 720.0
"""Between these, a limit of an angle [rad] looks like one in degrees."""


class Tree:
    """The links and joints of a URDF, parents before children, and how they move.

    Args:
        urdf: the file.
        wanted: names of the joints that move, in q's order; None is all that can.
        limits: lower and upper ones by joint, in place of the file's.
        rest: where joints that do not move stay, by name; else as near to 0 as they can.

    Raises:
        RobotError: the file holds no tree, or a name does not fit it.
    """

    def __init__(
        self,
        urdf: Urdf,
        wanted: Sequence[str] | None = None,
        limits: Mapping[str, Range] | None = None,
        rest: Mapping[str, float] | None = None,
    ) -> None:
        self.path = urdf.path
        joints = _limited(urdf, limits or {})
        self.links = _in_order(urdf)
        """Names."""
        self.index = {link: i for i, link in enumerate(self.links)}
        """Of each link."""
        above = {joint.child: joint for joint in joints}
        self.joints = [above[link] for link in self.links[1:]]
        """Above each link but the root."""
        self._named = {joint.name: joint for joint in self.joints}
        self._lost = _lost(self.joints)
        self._still = {j.name: why for j in self.joints if (why := self._why_still(j)) is not None}
        self.free = {j.name: j for j in self.joints if j.movable and self._leads(j)}
        """Joints that can move by themselves, by name."""
        if wanted is None:
            wanted = [name for name in self.free if name not in self._still]
        self.moving = self._chosen(wanted)
        """Joints that q moves, in its order."""
        self._rest = self._rests(rest or {})

    @property
    def parents(self) -> tuple[int, ...]:
        """Index of each link's parent, -1 for the root."""
        return (-1, *(self.index[joint.parent] for joint in self.joints))

    @property
    def notes(self) -> list[str]:
        """A line on each joint that does not move as might be expected."""
        moving = {joint.name for joint in self.moving}
        still = ((name, why) for name, why in self._still.items() if name not in moving)
        return [
            *(f"joint {name!r} {why}; it stays at rest" for name, why in still),
            *(note for joint in self.moving if (note := _in_degrees(joint))),
        ]

    def ranges(self) -> NDArray[np.float64]:
        """(D, 2) lower and upper limits of the joints that move [rad] or [m].

        Raises:
            RobotError: one has none.
        """
        return np.array([self._range(joint) for joint in self.moving])

    def plain_joints(self) -> tuple[Joint, ...]:
        """All joints with what moves them."""
        return tuple(self._plain(joint) for joint in self.joints)

    def _leads(self, joint: UrdfJoint) -> bool:
        return joint.mimic is None or joint.name in self._lost

    def _why_still(self, joint: UrdfJoint) -> str | None:
        """Why a joint that is not fixed does not move unless it is asked to."""
        if joint.kind in ("floating", "planar"):
            return f"is {joint.kind}, which no single angle moves"
        if joint.kind != "fixed" and not joint.movable:
            return "has an axis without direction"
        if joint.name in self._lost and joint.mimic is not None:
            return f"mimics {joint.mimic[0]!r}, which leads it nowhere"
        if joint.movable and joint.mimic is None and joint.limits and len(set(joint.limits)) == 1:
            return f"has limits {joint.limits[0]} to {joint.limits[1]}"
        return None

    def _chosen(self, wanted: Sequence[str]) -> list[UrdfJoint]:
        for name in wanted:
            if name not in self.free:
                can = ", ".join(self.free) or "none"
                why = f": it {self._still[name]}" if name in self._still else ""
                raise RobotError(
                    f"joint {name!r} cannot move by itself in {self.path}{why}; can: {can}"
                )
        if not wanted or len(set(wanted)) < len(wanted):
            still = [f"; {name!r} {why}" for name, why in self._still.items()]
            raise RobotError(
                f"joints that move are {', '.join(wanted) or 'none'}; wanted one or more, each "
                f"once{''.join(still[:3])}"
            )
        return [self.free[name] for name in wanted]

    def _rests(self, told: Mapping[str, float]) -> dict[str, float]:
        """Where each joint that could move but does not stays."""
        rests = {}
        for joint in self.free.values():
            if joint not in self.moving:
                lower, upper = joint.limits or (-math.inf, math.inf)
                rests[joint.name] = min(max(0.0, lower), upper)
        for name, value in told.items():
            if name not in rests:
                known = ", ".join(rests) or "none"
                raise RobotError(
                    f"rest names joint {name!r}; joints that could move and do not: {known}"
                )
            rests[name] = value
        return rests

    def _plain(self, joint: UrdfJoint) -> Joint:
        leader, factor, offset = joint, 1.0, 0.0
        while leader.mimic is not None and leader.name not in self._lost and joint.movable:
            name, times, plus = leader.mimic
            leader, factor, offset = self._named[name], factor * times, factor * plus + offset
        angle = self.moving.index(leader) if leader in self.moving else None
        if angle is None:
            offset += factor * self._rest.get(leader.name, 0.0)
        return Joint(
            name=joint.name,
            kind=joint.kind if joint.movable else "fixed",  # type: ignore[arg-type]
            parent=self.index[joint.parent],
            child=self.index[joint.child],
            T_parent_joint=joint.T_parent_joint,
            axis=joint.axis if joint.movable else np.array((1.0, 0.0, 0.0)),
            angle=angle,
            factor=factor,
            offset=offset if joint.movable else 0.0,
        )

    def _range(self, joint: UrdfJoint) -> Range:
        if joint.limits is None and joint.kind == "continuous":
            return one_turn(-math.inf, math.inf)
        give = f"limits = {{ {joint.name} = [LOWER, UPPER] }}"
        if joint.limits is None:
            raise RobotError(
                f"URDF {self.path}: joint {joint.name!r} is {joint.kind} and has no <limit>; give "
                f"it one in the robot's TOML file, {give}, or leave it out of `joints`"
            )
        lower, upper = joint.limits
        if not lower < upper:
            raise RobotError(
                f"URDF {self.path}: joint {joint.name!r} has limits {lower} to {upper}; a lower "
                f"one below the upper one is wanted: give {give} in the robot's TOML file, or "
                "leave it out of `joints`"
            )
        return (lower, upper) if joint.kind == "prismatic" else one_turn(lower, upper)


def one_turn(lower: float, upper: float) -> Range:
    """A range of angles [rad], cut to one turn, since a second one looks the same.

    It stays within its limits, and its middle is as near to 0 as they allow.
    """
    if upper - lower <= 2 * math.pi:
        return lower, upper
    start = min(max(-math.pi, lower), upper - 2 * math.pi)
    return start, min(start + 2 * math.pi, upper)


def _in_degrees(joint: UrdfJoint) -> str:
    """A line where a joint's limits look like degrees; empty where they do not."""
    if joint.kind != "revolute" or joint.limits is None:
        return ""
    lower, upper = joint.limits
    if not DEGREES[0] <= max(abs(lower), abs(upper)) <= DEGREES[1]:
        return ""
    low, high = math.radians(lower), math.radians(upper)
    return (
        f"joint {joint.name!r} has limits {lower:g} to {upper:g}, which are radians; if degrees "
        f"are meant: limits = {{ {joint.name} = [{low:.4g}, {high:.4g}] }}"
    )


def _in_order(urdf: Urdf) -> list[str]:
    """Link names, parents before children, from the only root."""
    above: dict[str, UrdfJoint] = {}
    children: dict[str, list[str]] = {}
    for joint in urdf.joints:
        if joint.child in above:
            raise RobotError(
                f"URDF {urdf.path}: link {joint.child!r} hangs on two joints, "
                f"{above[joint.child].name!r} and {joint.name!r}; robots are trees"
            )
        above[joint.child] = joint
        children.setdefault(joint.parent, []).append(joint.child)
    roots = [link for link in urdf.links if link not in above]
    order = roots[:1]
    for link in order:
        order.extend(children.get(link, []))
    if len(roots) > 1:
        raise RobotError(
            f"URDF {urdf.path}: links {', '.join(map(repr, roots))} hang on no joint; "
            "one may, the root"
        )
    if len(order) < len(urdf.links):
        ring = ", ".join(repr(link) for link in urdf.links if link not in order)
        raise RobotError(f"URDF {urdf.path}: links {ring} hang on each other in a ring")
    return order


def _limited(urdf: Urdf, limits: Mapping[str, Range]) -> list[UrdfJoint]:
    """The joints with those limits in place of the file's."""
    joints = {joint.name: joint for joint in urdf.joints}
    lost = _lost(urdf.joints)
    for name, (lower, upper) in limits.items():
        if name not in joints or not joints[name].movable:
            can = ", ".join(joint.name for joint in urdf.joints if joint.movable) or "none"
            raise RobotError(
                f"limits names joint {name!r}; joints that can move in {urdf.path}: {can}"
            )
        if (leader := joints[name].mimic) is not None and name not in lost:
            raise RobotError(
                f"limits names joint {name!r}, which follows {leader[0]!r}; give that one limits"
            )
        if not lower < upper:
            raise RobotError(
                f"limits of joint {name!r} are {lower} to {upper}; a lower one below the upper "
                "one is wanted"
            )
        joints[name] = replace(joints[name], limits=(lower, upper))
    return list(joints.values())


def _lost(joints: Sequence[UrdfJoint]) -> set[str]:
    """Names of joints that mimic one which is not there, or themselves by way of others."""
    leader = {joint.name: joint.mimic[0] for joint in joints if joint.mimic is not None}
    names = {joint.name for joint in joints}
    lost = set()
    for name, followed in leader.items():
        for _ in leader:
            if followed == name or followed not in leader:
                break
            followed = leader[followed]
        if followed == name or leader[name] not in names:
            lost.add(name)
    return lost
