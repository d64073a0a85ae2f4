"""Where the search begins: poses by PnP, and joint angles from draws over their limits."""

import math
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from simulator.robot import Robot
from trainer.pose.problem import Array, Lens, Problem, State, limits_of

LEAST = 4
"""Keypoints that a pose takes: three leave up to four."""
SUBSETS = 120
"""Of keypoints that poses are made of at most."""
INLIER = 4.0
"""Standard deviations up to which a keypoint agrees with a pose."""
DRAWS = 512
"""Sets of joint angles that are tried."""
KEPT = 10
"""Of these, those that the search goes on from."""


def pnp(points: Array, pixels: Array, lens: Lens) -> Array | None:
    """T_camera_base (4, 4) by SQPnP, of points (N, 3) [m] at pixels (N, 2); None if there is none.

    Of two answers to points in a plane it is the one that fits better.
    """
    try:
        done, turns, shifts, _ = cv2.solvePnPGeneric(
            np.ascontiguousarray(points),
            np.ascontiguousarray(pixels),
            lens.K,
            lens.distortion,
            flags=cv2.SOLVEPNP_SQPNP,
        )
    except cv2.error:
        return None
    poses = []
    for turn, shift in zip(turns[:done], shifts[:done], strict=True):
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = cv2.Rodrigues(turn)[0], shift.ravel()
        if np.isfinite(T).all() and (points @ T[2, :3] + T[2, 3] > 0).all():
            poses.append(T)
    return min(poses, key=lambda T: off(T, points, pixels, lens).sum(), default=None)


def off(T: Array, points: Array, pixels: Array, lens: Lens) -> Array:
    """(N,) distances of projected points from pixels [px]."""
    found, _, _ = lens.project(points @ T[:3, :3].T + T[:3, 3])
    return np.linalg.norm(found - pixels, axis=1)


def mirrored(T: Array, points: Array) -> Array:
    """The pose nearest to the mirror image of points (N, 3) in depth.

    From far away it looks much alike, and exactly so for points in a plane: the second answer.
    """
    local = points @ T[:3, :3].T + T[:3, 3]
    middle = local.mean(axis=0)
    sight = middle / np.linalg.norm(middle)
    image = local - 2 * ((local - middle) @ sight)[:, None] * sight
    centre = points.mean(axis=0)
    U, _, V = np.linalg.svd((image - middle).T @ (points - centre))
    U[:, 2] *= np.sign(np.linalg.det(U @ V))
    turned = np.eye(4)
    turned[:3, :3] = U @ V
    turned[:3, 3] = middle - turned[:3, :3] @ centre
    return turned


def poses(problem: Problem, q: Array, camera: int) -> list[Array]:
    """Poses of the base before one camera for known joint angles q (T, D), the best first.

    RANSAC: subsets of four keypoints, likelier of those with more weight, each give a pose; it
    counts by the weight of the keypoints that agree. All subsets of a few keypoints are tried.
    """
    seen = [(v, v.used) for v in problem.views if v.camera == camera]
    of_instant = problem.points(q)
    points = np.concatenate([of_instant[v.instant, used] for v, used in seen])
    pixels = np.concatenate([v.pixels[used] for v, used in seen])
    weights = np.concatenate([v.weights[used] for v, used in seen])
    lens = problem.lenses[camera]
    limit = INLIER * problem.noise
    scored: list[tuple[float, float, Array]] = []
    for chosen in [np.arange(len(points)), *_subsets(weights)]:
        T = pnp(points[chosen], pixels[chosen], lens)
        if T is not None:
            far = off(T, points, pixels, lens)
            agree = far < limit
            scored.append((-float(weights[agree].sum()), float(np.minimum(far, limit).sum()), T))
    best = sorted(scored, key=lambda one: one[:2])[:2]
    found = [T for _, _, T in best]
    return [*found, *(mirrored(T, points) for T in found[:1])]


def _subsets(weights: Array) -> list[NDArray[np.int64]]:
    count = len(weights)
    if math.comb(count, LEAST) <= SUBSETS:
        return [np.array(chosen) for chosen in combinations(range(count), LEAST)]
    rng = np.random.default_rng(0)
    share = weights / weights.sum()
    return [rng.choice(count, LEAST, replace=False, p=share) for _ in range(SUBSETS)]


def drawn(robot: Robot, free: NDArray[np.bool_], q: Array, count: int = DRAWS) -> Array:
    """(count, D) joint angles spread over the limits where they are free (D,), else q (D,)."""
    lower, upper = robot.lower[free], robot.upper[free]
    whole = np.isinf(limits_of(robot)[0][free])
    lower, upper = np.where(whole, -np.pi, lower), np.where(whole, np.pi, upper)
    places = qmc.Halton(int(free.sum()), seed=0).random(count)  # type: ignore[call-arg]
    angles = np.tile(q, (count, 1))
    angles[:, free] = lower + places * (upper - lower)
    return angles


def from_one_view(problem: Problem, q: Array, kept: int = KEPT) -> list[State]:
    """States of a problem of one view that fit best among draws of the joint angles.

    Args:
        problem: of one view.
        q: (1, D) angles where they are not free.
        kept: how many at most.
    """
    view, lens = problem.views[0], problem.lenses[0]
    used = view.weights > 0
    pixels = view.pixels[used]
    angles = drawn(problem.robot, problem.free[0], q[0])
    scored: list[tuple[float, Array, Array]] = []
    for q_drawn, points in zip(angles, problem.points(angles)[:, used], strict=True):
        T = pnp(points, pixels, lens)
        if T is not None:
            far = np.minimum(off(T, points, pixels, lens), 0.5 * float(np.ptp(pixels)) + 1)
            scored.append((float(far @ view.weights[used]), T, q_drawn))
    scored.sort(key=lambda one: one[0])
    return [State(T[None], lens.K[None].copy(), a[None]) for _, T, a in scored[:kept]]


def bent_at(problem: Problem, T: Array, q: Array, kept: int = 8) -> list[State]:
    """States of a problem of one instant that fit best where the poses T (C, 4, 4) are known."""
    angles = drawn(problem.robot, problem.free[0], q[0], 8 * DRAWS)
    K = np.stack([lens.K for lens in problem.lenses])
    misses = np.zeros(len(angles))
    points = problem.points(angles)
    for view in problem.views:
        used = view.weights > 0
        seen = np.tile(view.pixels[used], (len(angles), 1))
        far = off(T[view.camera], points[:, used].reshape(-1, 3), seen, problem.lenses[view.camera])
        misses += far.reshape(len(angles), -1) @ view.weights[used]
    best = np.argsort(misses, kind="stable")[:kept]
    return [State(T, K, angles[i][None]) for i in best]
