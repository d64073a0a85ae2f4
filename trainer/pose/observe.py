"""What keypoints can tell at all, and how well: by the rank of derivatives.

Two things are told apart. What no picture of these keypoints shows, even with their depth seen, is
a property of the robot: angles about an axis that all keypoints beyond it lie on, a base that turns
about its first axis. What this picture happens not to show is a property of the view.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from trainer.pose.problem import Array, Problem, State

LOST = 1e-6
"""Singular values below this share of the largest tell nothing."""
SOONER = 1e3
"""How much sooner an angle at the instant where the search begins is held than another."""
OPEN_TURN = 0.5
"""Standard deviation of a rotation or an angle that leaves it open [rad]."""
OPEN_SHIFT = 0.5
"""Likewise of a position, as a share of its distance from the camera."""


@dataclass(frozen=True, eq=False)
class Untold:
    """What keypoints leave open in any pose."""

    angles: NDArray[np.bool_]
    """(T, D) that cannot be told."""
    held: NDArray[np.bool_]
    """(T, D) those of them that, held, leave nothing else open."""
    base: bool
    """Whether the base's pose hangs on them."""
    lost: bool
    """Whether a pose stays open even with all angles known."""


def untold_in(problem: Problem) -> Untold:
    """What the keypoints seen would leave open in any pose, even with their depth seen."""
    problem = replace(problem, refine_K=False)
    J = problem.in_space(_somewhere(problem))
    _, values, V = np.linalg.svd(J, full_matrices=True)
    rank = int((values > LOST * values[0]).sum())
    N = V[rank:].T
    rows = N[problem.size - int(problem.free.sum()) :]
    angles, held = np.zeros(problem.free.shape, bool), np.zeros(problem.free.shape, bool)
    angles[problem.free] = np.linalg.norm(rows, axis=1) > 1e-4
    if not N.shape[1]:
        return Untold(angles, held, False, False)
    sooner = np.ones(problem.free.shape)
    sooner[problem.anchor.instant] = SOONER
    rows = rows * sooner[problem.free][:, None]
    _, triangle, order = qr(rows.T, mode="economic", pivoting=True)  # type: ignore[misc]
    told_by = int((np.abs(np.diag(triangle)) > 1e-4).sum()) if triangle.size else 0
    held[tuple(np.argwhere(problem.free)[order[:told_by]].T)] = True
    base = bool(np.linalg.norm(N[: problem.poses]) > 1e-4)
    return Untold(angles, held, base, told_by < N.shape[1])


def _somewhere(problem: Problem) -> State:
    """A state like no other: angles and poses by chance."""
    rng = np.random.default_rng(1)
    robot = problem.robot
    C, shape = len(problem.lenses), problem.free.shape
    T = np.tile(np.eye(4), (C, 1, 1))
    T[:, :3, :3] = np.linalg.qr(rng.normal(size=(C, 3, 3)))[0]
    T[:, :3, :3] *= np.linalg.det(T[:, :3, :3])[:, None, None]
    T[:, 2, 3] = 3 * robot.reach
    K = np.stack([lens.K for lens in problem.lenses])
    return State(T, K, rng.uniform(robot.lower, robot.upper, shape))


def covariance_at(problem: Problem, state: State, squares: float) -> Array | None:
    """(size, size), scaled up where residuals are larger than the noise; None without full rank."""
    J = problem.jacobian(state, np.zeros(problem.size))
    scale = np.linalg.norm(J, axis=0)
    if not (scale > 0).all():
        return None
    _, values, V = np.linalg.svd(J / scale, full_matrices=False)
    if values[-1] < LOST * values[0]:
        return None
    W = V.T / values
    spare = len(J) - problem.size
    more = max(1.0, squares / spare) if spare else 1.0
    return more * (W @ W.T) / np.outer(scale, scale)


def spread(problem: Problem, covariance: Array) -> tuple[Array, Array]:
    """(C,) standard deviations of orientations [rad] and positions [m], of their worst axis."""
    C = len(problem.lenses)
    blocks = [covariance[6 * c : 6 * c + 6, 6 * c : 6 * c + 6] for c in range(C)]
    turn, shift = (
        np.array([np.sqrt(np.linalg.eigvalsh(block[s, s])[-1]) for block in blocks])
        for s in (slice(0, 3), slice(3, 6))
    )
    return turn, shift


def why_open(problem: Problem, state: State, squares: float) -> str:
    """Why a state is no answer though it fits; empty if it is one."""
    covariance = covariance_at(problem, state, squares)
    if covariance is None:
        return "from here the keypoints found lie on a line or fall together: they leave it open"
    turn, shift = spread(problem, covariance)
    far = np.linalg.norm(state.T_camera_base[:, :3, 3], axis=1)
    if turn.max() > OPEN_TURN:
        degrees = np.degrees(turn.max())
        return f"this view leaves the base's orientation open, to {degrees:.0f} degrees"
    if (shift / far).max() > OPEN_SHIFT:
        return f"this view leaves the base's position open, to {shift.max():.2f} m"
    return ""
