"""From keypoints to poses: what can be told at all, the best answer, and those that fit alike.

    problem --untold--> what no keypoint shows, held --starts--> states --refined--> answers

Nothing that the keypoints leave open is given out as if it were found: an angle about an axis that
every keypoint beyond it lies on, a base that may turn about its own first axis, a view that shows
too little. Which these are follows from the rank of derivatives, not from a list of robots.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from trainer.pose import start
from trainer.pose.errors import PoseError
from trainer.pose.observe import covariance_at, spread, untold_in, why_open
from trainer.pose.problem import Array, Problem, State

ROBUST = 3.0
"""Standard deviations from which a residual counts less than its square."""
ALIKE = 9.0
"""Answers whose sums of squared residuals differ by less fit alike."""
NEAR = 100.0
"""Those that differ by less after a few steps are followed to their end."""
STEPS = 40
"""That the search takes from each start at most."""
APART = 0.01
"""Answers are one where no keypoint differs by more, as a share of the robot's reach."""
MOST = 1500
"""Numbers that are found at once."""


@dataclass(frozen=True, eq=False)
class Solution:
    """One answer that fits, with what is known of it."""

    state: State
    squares: float
    """Sum of squared residuals in standard deviations; large ones count less."""
    pixels: Array
    """(V, J, 2) the robot's keypoints in every view [px]."""
    off: Array
    """(V, J) distances from the keypoints seen [px]; NaN where none was."""
    q_std: Array
    """(T, D) standard deviations [rad] or [m]; 0 for angles that are known, NaN for untold ones."""
    turn_std: Array
    """(C,) of the base's orientation, over its worst axis [rad]."""
    shift_std: Array
    """(C,) of the base's position, along its worst axis [m]."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What the keypoints of a problem say."""

    solutions: tuple[Solution, ...]
    """The best first, then those that fit alike; none where `why` says why."""
    why: str
    """Why there is no solution, in words; empty where there is one."""
    untold: NDArray[np.bool_]
    """(T, D) angles that these keypoints cannot show."""
    held: NDArray[np.bool_]
    """(T, D) those of them that are held at rest, so that all the others follow."""
    base_untold: bool
    """Whether the base's pose depends on where these are held."""


def rest(problem: Problem) -> Array:
    """(D,) the angles nearest to 0 within the limits."""
    return np.clip(0.0, problem.robot.lower, problem.robot.upper)


def solve(problem: Problem, q: Array) -> Answer:
    """The poses and angles that explain the keypoints seen.

    Args:
        problem: what is seen, and which angles are free.
        q: (T, D) the angles that are known; what stands for free ones is not looked at.

    Raises:
        PoseError: the problem is larger than what can be solved at once.
    """
    if problem.size > MOST:
        raise PoseError(
            f"{problem.size} numbers are to be found at once; wanted at most {MOST}: give fewer "
            "images, or joint angles"
        )
    nothing = np.zeros(problem.free.shape, bool)
    if why := _too_few(problem, 0):
        return Answer((), why, nothing, nothing, False)
    untold = untold_in(problem)
    problem = replace(problem, free=problem.free & ~untold.held)
    shown = (untold.angles, untold.held, untold.base)
    why = _too_few(problem, problem.size) or (
        "the keypoints found lie on a line, or on too few links: they leave the pose open"
        if untold.lost
        else ""
    )
    if why:
        return Answer((), why, *shown)
    q = np.where(problem.free | untold.held, rest(problem), q)
    states = _from(problem, _starts(problem, q))
    if not states:
        return Answer((), "no pose of the robot has these keypoints before the camera", *shown)
    near = [state for state, squares in states if squares - states[0][1] < NEAR]
    states = _from(problem, near, last=True)
    if why := why_open(problem, *states[0]):
        return Answer((), why, *shown)
    best = states[0][1]
    alike = [s for s in states if s[1] - best < ALIKE]
    solutions = tuple(_solution(problem, *s, untold.angles) for s in alike)
    return Answer(solutions, "", *shown)


def refined(problem: Problem, state: State, last: bool = False) -> tuple[State, float] | None:
    """The nearest state that fits best, and its sum of squares; None where the search diverges.

    Args:
        problem: what is to be found.
        state: where the search begins.
        last: go on to the end, where keypoints that are far off hardly count any more; from far
            away that would lead nowhere.
    """
    lower = np.full(problem.size, -np.inf)
    upper = -lower
    angles = problem.columns[problem.free]
    low, high = (np.broadcast_to(x, problem.free.shape)[problem.free] for x in problem.limits)
    inside = state.q.copy()
    inside[problem.free] = np.clip(state.q[problem.free], low, high)
    state = replace(state, q=inside)
    lower[angles], upper[angles] = low - inside[problem.free], high - inside[problem.free]
    fit = least_squares(
        lambda step: problem.residuals(problem.move(state, step)),
        np.zeros(problem.size),
        jac=lambda step: problem.jacobian(state, step),  # type: ignore[arg-type]
        bounds=(lower, upper),
        loss="cauchy" if last else "soft_l1",
        f_scale=ROBUST,
        x_scale="jac",
        xtol=1e-8,
        ftol=1e-8,
        gtol=1e-8,
        max_nfev=5 * STEPS if last else STEPS,
    )
    moved = problem.move(state, fit.x)
    if not np.isfinite(fit.x).all():
        return None
    return replace(moved, q=problem.in_limits(moved.q)), 2 * float(fit.cost)


def _too_few(problem: Problem, unknown: int) -> str:
    """Why so many keypoints cannot tell so many unknown numbers; empty if they can."""
    for c in range(len(problem.lenses)):
        seen = sum(len(view.used) for view in problem.views if view.camera == c)
        if seen < start.LEAST:
            return f"{seen} keypoints are found, at least {start.LEAST} are needed"
    seen = 2 * sum(len(view.used) for view in problem.views)
    if seen < unknown:
        return f"{seen // 2} keypoints are found: {seen} numbers for {unknown} unknown ones"
    return ""


def _starts(problem: Problem, q: Array) -> list[State]:
    """States from which the search goes on."""
    K = np.stack([lens.K for lens in problem.lenses])
    if not problem.free.any():
        found = [start.poses(problem, q, c) for c in range(len(problem.lenses))]
        if not all(found):
            return []
        count = max(len(poses) for poses in found)
        together = [[poses[min(i, len(poses) - 1)] for poses in found] for i in range(count)]
        return [State(np.stack(T), K, q) for T in together]
    first = problem.anchor
    alone = problem.at([first.camera], [first.instant])
    alone = replace(alone, refine_K=False)
    states = _from(alone, start.from_one_view(alone, q[[first.instant]]))
    if len(problem.views) == 1:
        return [state for state, _ in states]
    kept = [_grown(problem, q, first.camera, first.instant, s) for s, _ in states[:4]]
    return [state for state in kept if state]


def _grown(problem: Problem, q: Array, camera: int, instant: int, state: State) -> State | None:
    """A state of one view carried over to all views, camera by camera, instant by instant."""
    C = len(problem.lenses)
    T, q = np.tile(np.eye(4), (C, 1, 1)), q.copy()
    T[camera], q[instant] = state.T_camera_base[0], state.q[0]
    cameras, instants = {camera}, {instant}
    while len(cameras) < C or len(instants) < len(q):
        count = len(cameras) + len(instants)
        for view in problem.views:
            c, t = view.camera, view.instant
            if c not in cameras and t in instants:
                part = problem.at([c], [t])
                known = replace(part, free=np.zeros_like(part.free))
                if len(view.used) >= start.LEAST and (poses := start.poses(known, q[[t]], 0)):
                    T[c] = poses[0]
                    cameras.add(c)
            elif t not in instants and c in cameras:
                part = replace(problem.at([c], [t]), posed=True, refine_K=False)
                q[t] = _bent(part, T[[c]], q[[t]])
                instants.add(t)
        if len(cameras) + len(instants) == count:
            return None
    return State(T, np.stack([lens.K for lens in problem.lenses]), q)


def _bent(part: Problem, T: Array, q: Array) -> Array:
    """(D,) the angles that fit best in one view whose pose is known."""
    if not part.free.any():
        return q[0]
    tried = [refined(part, state) for state in start.bent_at(part, T, q)]
    best = min((one for one in tried if one), key=lambda one: one[1], default=None)
    return q[0] if best is None else best[0].q[0]


def _from(problem: Problem, starts: list[State], last: bool = False) -> list[tuple[State, float]]:
    """States before the cameras that starts lead to, without repetition, the best first."""
    found = [refined(problem, state, last) for state in starts]
    return _apart(problem, [one for one in found if one and _in_front(problem, one[0])])


def _apart(problem: Problem, found: list[tuple[State, float]]) -> list[tuple[State, float]]:
    """States without repetition, the best first."""
    kept: list[tuple[State, float]] = []
    for state, squares in sorted(found, key=lambda one: one[1]):
        places = _places(problem, state)
        apart = APART * problem.robot.reach
        if all(np.abs(places - _places(problem, other)).max() > apart for other, _ in kept):
            kept.append((state, squares))
    return kept


def _places(problem: Problem, state: State) -> Array:
    """(V, J, 3) keypoints in the frame of every view's camera [m]."""
    points = problem.points(state.q)
    T = state.T_camera_base[[view.camera for view in problem.views]]
    at = points[[view.instant for view in problem.views]]
    return at @ T[:, :3, :3].transpose(0, 2, 1) + T[:, None, :3, 3]


def _in_front(problem: Problem, state: State) -> bool:
    depths = _places(problem, state)[..., 2]
    seen = np.stack([view.weights > 0 for view in problem.views])
    return bool((depths[seen] > 0).all())


def _solution(
    problem: Problem, state: State, squares: float, untold: NDArray[np.bool_]
) -> Solution:
    covariance = covariance_at(problem, state, squares)
    if covariance is None:  # of one that fits alike: what it is cannot be told
        covariance = np.full((problem.size, problem.size), np.inf)
        turn, shift = np.full((2, len(problem.lenses)), np.inf)
    else:
        turn, shift = spread(problem, covariance)
    q_std = np.zeros(problem.free.shape)
    q_std[problem.free] = np.sqrt(np.diag(covariance))[problem.columns[problem.free]]
    q_std[untold] = np.nan
    places, pixels = _places(problem, state), []
    for view, local in zip(problem.views, places, strict=True):
        lens = replace(problem.lenses[view.camera], K=state.K[view.camera])
        pixels.append(np.where(local[:, 2:] > 0, lens.project(local)[0], np.nan))
    seen = np.stack([np.where(v.weights > 0, 1.0, np.nan) for v in problem.views])
    true = np.stack([view.pixels for view in problem.views])
    off = np.linalg.norm(np.array(pixels) - true, axis=-1) * seen
    return Solution(state, squares, np.array(pixels), off, q_std, turn, shift)
