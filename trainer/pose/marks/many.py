"""Many guesses of how a robot stands and bends in one picture, each moved to where it fits best.

    Marks (H sets) --started--> Guesses (H x S) --fitted--> Guesses --best--> Guesses (H)

`solve` finds one answer with all that is known of it; here hundreds of least-squares problems go
side by side through numpy (Levenberg and Marquardt's steps), since every suspicion about a mark is
a problem of its own. What marks cannot tell needs no care: damped steps do not move along it.
"""

from dataclasses import dataclass, fields, replace
from functools import reduce
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from simulator.robot import Robot
from trainer.pose import start
from trainer.pose.problem import NEAREST, Array, Lens, base_points, cross, limits_of

STEP = 1e-6
"""Of the differences that derivatives by joint angles are taken from [rad] or [m]."""
DAMPING, MOST_DAMPING = 1e-2, 1e8
"""That steps begin with, and from which they lead nowhere."""
ZOOMS = (0.6, 1.0, 1.8)
"""Focal lengths that are tried where nobody knows it, in the pictures' diagonal."""


@dataclass(frozen=True, eq=False)
class Eye:
    """The camera of a picture, as far as it is known."""

    lens: Lens
    """Where the focal length is unknown, with one as long as the picture's diagonal."""
    zoomed: bool = False
    """Whether the focal length is to be found."""

    @classmethod
    def unknown(cls, width: int, height: int) -> Self:
        """Of a picture of that size [px], with its axis through the middle."""
        f = float(np.hypot(width, height))
        K = np.array([[f, 0, (width - 1) / 2], [0, f, (height - 1) / 2], [0, 0, 1]])
        return cls(Lens(K, np.zeros(5)), True)


@dataclass(frozen=True, eq=False)
class Marks:
    """H sets of marks of one picture."""

    pixels: Array
    """(H, J, 2) [px]; not looked at where the weight is 0."""
    weights: Array
    """(H, J) one over the standard deviation along x and y [px]; 0 for what is not marked."""

    def at(self, chosen: NDArray[np.int64]) -> Self:
        """The sets (N,)."""
        return type(self)(self.pixels[chosen], self.weights[chosen])


@dataclass(frozen=True, eq=False)
class Guesses:
    """N guesses."""

    T_camera_base: Array
    """(N, 4, 4)."""
    q: Array
    """(N, D) [rad] or [m]."""
    zoom: Array
    """(N,) focal length over the eye's."""
    squares: Array
    """(N,) sum of squared residuals in standard deviations; infinite behind the camera."""

    def at(self, chosen: NDArray[np.int64]) -> Self:
        """Some of them."""
        return type(self)(*(getattr(self, one.name)[chosen] for one in fields(self)))

    def with_(self, others: Self) -> Self:
        """These and others."""
        return type(self)(
            *(
                np.concatenate([getattr(g, one.name) for g in (self, others)])
                for one in fields(self)
            )
        )


@dataclass(frozen=True, eq=False)
class Fit:
    """What is fitted: a robot before an eye."""

    robot: Robot
    eye: Eye
    free: NDArray[np.bool_]
    """(D,) joint angles to be found."""

    @property
    def size(self) -> int:
        """Numbers to be found: a turn, a shift, angles, the zoom."""
        return 6 + int(self.free.sum()) + self.eye.zoomed

    def places(self, guesses: Guesses) -> tuple[Array, Array]:
        """(N, J, 2) pixels of the keypoints, and (N, J) their depths [m]."""
        local = self._local(guesses, base_points(self.robot, guesses.q))
        pixels, _ = self._project(local, guesses.zoom)
        return pixels, local[..., 2]

    def scored(self, guesses: Guesses, marks: Marks) -> Guesses:
        """Guesses with their squares over marks, one set for each."""
        pixels, depth = self.places(guesses)
        off = (pixels - _known(marks)) * marks.weights[..., None]
        behind = ((depth < NEAREST) & (marks.weights > 0)).any(axis=1)
        squares = np.where(behind, np.inf, (off**2).sum(axis=(1, 2)))
        return replace(guesses, squares=squares)

    def jacobian(self, guesses: Guesses) -> Array:
        """(N, J, 2, size) derivatives of the pixels."""
        points = base_points(self.robot, guesses.q)
        local = self._local(guesses, points)
        pixels, by_point = self._project(local, guesses.zoom)
        R, t = guesses.T_camera_base[:, :3, :3], guesses.T_camera_base[:, None, :3, 3]
        N, J = local.shape[:2]
        by = np.zeros((N, J, 2, self.size))
        turn = cross((local - t).reshape(-1, 3)).reshape(N, J, 3, 3)
        by[..., :3], by[..., 3:6] = -by_point @ turn, by_point
        for column, angle in enumerate(np.flatnonzero(self.free), 6):
            ahead = guesses.q.copy()
            ahead[:, angle] += STEP
            change = (base_points(self.robot, ahead) - points) / STEP
            by[..., column] = np.einsum("njac,ncd,njd->nja", by_point, R, change)
        if self.eye.zoomed:
            by[..., -1] = pixels - self.eye.lens.K[:2, 2]
        return by

    def moved(self, guesses: Guesses, steps: Array) -> Guesses:
        """Guesses after steps (N, size); angles stay within their limits."""
        T, q = guesses.T_camera_base.copy(), guesses.q.copy()
        T[:, :3, :3] = Rotation.from_rotvec(steps[:, :3]).as_matrix() @ T[:, :3, :3]
        T[:, :3, 3] += steps[:, 3:6]
        count = int(self.free.sum())
        q[:, self.free] += steps[:, 6 : 6 + count]
        lower, upper = limits_of(self.robot)
        zoom = guesses.zoom * np.exp(steps[:, -1]) if self.eye.zoomed else guesses.zoom
        return replace(guesses, T_camera_base=T, q=np.clip(q, lower, upper), zoom=zoom)

    def fitted(self, guesses: Guesses, marks: Marks, steps: int) -> Guesses:
        """Guesses moved to where they fit their marks best, in so many steps at most."""
        guesses = self.scored(guesses, marks)
        damping = np.full(len(guesses.zoom), DAMPING)
        known = _known(marks)
        lower, upper = limits_of(self.robot)
        for _ in range(steps):
            going = np.flatnonzero(damping < MOST_DAMPING)
            if not len(going):
                break
            now, own = guesses.at(going), marks.at(going)
            by = self.jacobian(now) * own.weights[..., None, None]
            off = (self.places(now)[0] - known[going]) * own.weights[..., None]
            A = by.reshape(len(going), -1, self.size)
            b = off.reshape(len(going), -1, 1)
            slope = (A.transpose(0, 2, 1) @ b)[..., 0]
            held = self._held(now.q, slope, lower, upper)
            A = np.where(held[:, None], 0.0, A)
            H = A.transpose(0, 2, 1) @ A
            scale = np.einsum("nii->ni", H) + 1e-9
            H = H + (damping[going, None] * scale)[..., None] * np.eye(self.size)
            step = -np.linalg.solve(H, np.where(held, 0.0, slope)[..., None])[..., 0]
            step[:, :3] /= np.maximum(np.linalg.norm(step[:, :3], axis=1, keepdims=True), 1.0)
            tried = self.scored(self.moved(now, np.clip(step, -1.0, 1.0)), own)
            better = tried.squares < now.squares
            with np.errstate(invalid="ignore"):  # from one place behind the camera to another
                small = better & (now.squares - tried.squares < 1e-6 * (1 + tried.squares))
            damping[going] *= np.where(better, 0.2, 5.0)
            damping[going[small]] = MOST_DAMPING
            guesses = _where(going[better], tried.at(np.flatnonzero(better)), guesses)
        return guesses

    def _held(self, q: Array, slope: Array, lower: Array, upper: Array) -> NDArray[np.bool_]:
        """(N, size) angles at a limit that would go beyond it."""
        held = np.zeros((len(q), self.size), bool)
        angles = slice(6, 6 + int(self.free.sum()))
        at = q[:, self.free]
        low, high = at <= lower[self.free], at >= upper[self.free]
        held[:, angles] = (low & (slope[:, angles] > 0)) | (high & (slope[:, angles] < 0))
        return held

    def _local(self, guesses: Guesses, points: Array) -> Array:
        """(N, J, 3) points of the base's frame (N, J, 3) in the camera's."""
        T = guesses.T_camera_base
        return points @ T[:, :3, :3].transpose(0, 2, 1) + T[:, None, :3, 3]

    def _project(self, local: Array, zoom: Array) -> tuple[Array, Array]:
        """(N, J, 2) pixels and (N, J, 2, 3) their derivatives by the points."""
        lens = self.eye.lens
        if not self.eye.zoomed:
            pixels, by_point, _ = lens.project(local.reshape(-1, 3))
            return pixels.reshape(*local.shape[:2], 2), by_point.reshape(*local.shape[:2], 2, 3)
        z = np.maximum(local[..., 2], NEAREST)
        f = zoom[:, None] * lens.K[0, 0]
        flat = local[..., :2] / z[..., None]
        by_point = np.zeros((*local.shape[:2], 2, 3))
        by_point[..., 0, 0] = by_point[..., 1, 1] = f / z
        by_point[..., 2] = -f[..., None] * flat / z[..., None]
        return f[..., None] * flat + lens.K[:2, 2], by_point


def started(fit: Fit, marks: Marks, q: Array, kept: int) -> tuple[Guesses, NDArray[np.int64]]:
    """Guesses for every set of marks, and whose (N,) they are.

    Angles are drawn over their limits; each draw is put before the camera as if it were far away,
    where a pose follows from a linear fit. The draws that then fit best go on. Known angles have
    the poses that PnP finds.

    Args:
        fit: what is to be fitted.
        marks: H sets.
        q: (D,) the angles that are known.
        kept: how many for each set, at most.
    """
    some = fit.free.any()
    draws = start.drawn(fit.robot, fit.free, q) if some else q[None]
    points = base_points(fit.robot, draws)
    found: list[Guesses] = []
    for h in range(len(marks.pixels)):
        guesses = []
        for zoom in ZOOMS if fit.eye.zoomed else (1.0,):
            K = fit.eye.lens.K * np.array([[zoom, 1, 1], [1, zoom, 1], [1, 1, 1]])
            lens, used = replace(fit.eye.lens, K=K), marks.weights[h] > 0
            pixels = marks.pixels[h, used]
            if some:
                T, own = _afar(points[:, used], pixels, lens), draws
            else:
                poses = _by_pnp(points[0, used], pixels, lens)
                T, own = np.array(poses).reshape(-1, 4, 4), np.repeat(draws, len(poses), axis=0)
            guesses.append(Guesses(T, own, np.full(len(T), zoom), np.zeros(len(T))))
        every = reduce(Guesses.with_, guesses)
        scored = fit.scored(every, marks.at(np.full(len(every.q), h)))
        found.append(scored.at(np.argsort(scored.squares, kind="stable")[:kept]))
    whose = np.repeat(np.arange(len(found)), [len(one.q) for one in found])
    return reduce(Guesses.with_, found), whose


def _by_pnp(points: Array, pixels: Array, lens: Lens) -> list[Array]:
    """The pose of points (N, 3) at pixels (N, 2), and its mirror image in depth; where there is
    none, the one that they have from far away."""
    T = start.pnp(points, pixels, lens) if len(points) >= start.LEAST else None
    return [_afar(points[None], pixels, lens)[0]] if T is None else [T, start.mirrored(T, points)]


def _afar(points: Array, pixels: Array, lens: Lens) -> Array:
    """(D, 4, 4) poses of points (D, N, 3) at pixels (N, 2), as they follow from far away."""
    flat = (pixels - lens.K[:2, 2]) / lens.K[[0, 1], [0, 1]]
    middle, centre = points.mean(axis=1, keepdims=True), flat.mean(axis=0)
    A = np.linalg.pinv(points - middle, rcond=1e-3) @ (flat - centre)
    U, scale, V = np.linalg.svd(A.transpose(0, 2, 1), full_matrices=False)
    rows, depth = U @ V, 1 / np.maximum(scale.mean(axis=1), 1e-6)
    T = np.tile(np.eye(4), (len(points), 1, 1))
    T[:, :2, :3], T[:, 2, :3] = rows, np.cross(rows[:, 0], rows[:, 1])
    at = np.concatenate([centre * depth[:, None], depth[:, None]], axis=1)
    T[:, :3, 3] = at - (T[:, :3, :3] @ middle[:, 0, :, None])[..., 0]
    return T


def best(
    fit: Fit,
    marks: Marks,
    q: Array,
    warm: Guesses | None = None,
    starts: int = 40,
    last: int = 1,
) -> Guesses:
    """The best guess for each of H sets of marks, set by set.

    Args:
        fit: what is to be fitted.
        marks: H sets.
        q: (D,) the angles that are known.
        warm: further guesses to begin from, each for every set.
        starts: for each set; the best of them go on to the end.
        last: guesses for each set at most, the best first.
    """
    guesses, whose = started(fit, marks, q, starts)
    if warm is not None:
        H, W = len(marks.pixels), len(warm.q)
        guesses = guesses.with_(warm.at(np.tile(np.arange(W), H)))
        whose = np.concatenate([whose, np.repeat(np.arange(H), W)])
    for kept, steps in ((starts // 5, 5), (max(3, last), 15), (last, 60)):
        guesses = fit.fitted(guesses, marks.at(whose), steps)
        guesses, whose = _leading(guesses, whose, kept)
    return guesses


def _leading(
    guesses: Guesses, whose: NDArray[np.int64], kept: int
) -> tuple[Guesses, NDArray[np.int64]]:
    """The best so many guesses of each set."""
    order = np.lexsort((guesses.squares, whose))
    first = np.searchsorted(whose[order], whose[order])
    chosen = order[np.arange(len(order)) - first < kept]
    return guesses.at(chosen), whose[chosen]


def _where(places: NDArray[np.int64], new: Guesses, old: Guesses) -> Guesses:
    """Old guesses with new ones (M,) at places (M,)."""
    made = {}
    for one in fields(Guesses):
        made[one.name] = getattr(old, one.name).copy()
        made[one.name][places] = getattr(new, one.name)
    return Guesses(**made)


def _known(marks: Marks) -> Array:
    """Pixels, 0 where there is no mark."""
    return np.where(marks.weights[..., None] > 0, marks.pixels, 0.0)
