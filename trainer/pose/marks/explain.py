"""What one picture's marks come to against the robot.

    marks --best--> one pose that has them all: explained
          --suspicions--> one mark left out, or two swapped, makes a pose that has the rest

Every suspicion is a set of marks of its own, and all are fitted side by side. How well a set fits
is judged by the chi-square distribution of its residuals; the marks' standard deviations say what a
residual is worth. A mark's residual is its distance from where the others put it, in standard
deviations of that distance: what the mark errs by and what the others leave open. Where they leave
its place open, no mark can be wrong, and it has no residual.
"""

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from scipy.stats import chi2

from simulator.robot import Robot
from trainer.pose.marks.many import Eye, Fit, Guesses, Marks, best
from trainer.pose.problem import Array

RARE = 0.005
"""Chance that true marks fit this badly: less is a fault."""
PLAINLY = 9.0
"""Swapping has to leave this much more of the squares than leaving a mark out to be believed less:
it explains two marks, the other none."""
OPEN = 1e-6
"""Singular values below this share of the largest are 0."""
CHECKED = 1e-3
"""A mark is checked by the others where so much of its own error shows in its residual."""
ALIKE = 9.0
"""Poses whose squares differ by less fit alike."""
LAST = 6
"""Poses that are compared then, at most."""
MANY, FEW = 160, 20
"""Starts where marks look wrong, and for each suspicion then."""


@dataclass(frozen=True, eq=False)
class Explained:
    """How a robot stands and bends so that it has marks, and which of these are at odds with it."""

    fit: Fit
    guess: Guesses
    """One of them: the pose that the marks which hold have."""
    weights: Array
    """(J,) of the marks that the pose was found from, one over their standard deviations [1/px]; 0
    for all others."""
    pixels: Array
    """(J, 2) where the pose has the keypoints [px]."""
    std: Array
    """(J,) how well the marks that hold tell these places, along their worst axis [px]; infinite
    where not at all."""
    apart: Array
    """(J,) how far from there another pose that fits alike has the keypoint, at most [px]."""
    residuals: Array
    """(J,) of the marks [standard deviations]; NaN where there is no mark, or nothing checks it."""
    spare: int
    """Numbers that the marks tell more than are to be found: nothing is checked at 0 and less."""
    faulty: bool
    """Whether no pose has all marks."""
    off: int | None = None
    """The mark that is off, where one alone explains it."""
    swapped: tuple[int, int] | None = None
    """The two that stand in each other's place, where that alone explains it."""


@dataclass(frozen=True, eq=False)
class _Told:
    """What a set of marks tells at its best guess."""

    rank: int
    covariance: Array
    """(J, 2, 2) of where the pose has each keypoint [px^2]; infinite where it is open."""
    hat: Array
    """(J, 2, 2) how a mark's own error moves its place, in standard deviations."""


def explain(
    robot: Robot,
    eye: Eye,
    pixels: Array,
    std: Array,
    q: Array | None = None,
    warm: Guesses | None = None,
    quick: bool = False,
) -> Explained:
    """What marks of one picture come to.

    Args:
        robot: whose keypoints are marked.
        eye: that saw them.
        pixels: (J, 2) marks [px]; NaN where there is none.
        std: (J,) their standard deviations along x and y [px].
        q: (D,) joint angles where they are known.
        warm: guesses to begin from as well.
        quick: which mark is wrong is not searched for: the one whose residual is largest is.
    """
    marked = np.isfinite(pixels).all(axis=1)
    free = np.full(len(robot.angle_names), q is None)
    fit = Fit(robot, eye, free)
    own = np.zeros(len(free)) if q is None else q
    weights = np.where(marked, 1 / std, 0.0)
    marks = Marks(pixels[None], weights[None])
    if marked.sum() < 3:
        return _nothing(fit, marks, own)
    found = _explained(fit, guesses := best(fit, marks, own, warm, last=LAST), marks)
    if found.faulty and not quick:
        warm = guesses if warm is None else guesses.with_(warm)
        found = _explained(fit, best(fit, marks, own, warm, MANY, LAST), marks)
    if not found.faulty:
        return found
    return replace(found, off=_worst(found)) if quick else _suspected(found, marks, own)


def _worst(found: Explained) -> int | None:
    """The mark with the largest residual."""
    known = np.nan_to_num(found.residuals, nan=-1.0)
    return int(known.argmax()) if known.max() > 0 else None


def _nothing(fit: Fit, marks: Marks, q: Array) -> Explained:
    """Of too few marks for a pose."""
    J = marks.weights.shape[1]
    guess = Guesses(np.eye(4)[None], q[None], np.ones(1), np.full(1, np.inf))
    nowhere = np.full((J, 2), np.nan)
    open_ = np.full(J, np.inf)
    spare = 2 * int((marks.weights > 0).sum()) - fit.size
    unknown, spare = np.full(J, np.nan), min(spare, 0)
    return Explained(fit, guess, np.zeros(J), nowhere, open_, open_, unknown, spare, False)


def _suspected(whole: Explained, marks: Marks, q: Array) -> Explained:
    """The fault that explains marks which no pose has, where there is one."""
    fit, weights = whole.fit, marks.weights[0]
    used = np.flatnonzero(weights > 0).tolist()
    pairs = list(combinations(used, 2))
    sets = [_without(marks, j) for j in used] + [_swapped(marks, *pair) for pair in pairs]
    every = Marks(*(np.concatenate([getattr(s, n) for s in sets]) for n in ("pixels", "weights")))
    guesses = best(fit, every, q, whole.guess, FEW)
    told = [_told(fit, guesses.at(np.array([i])), every.weights[i]) for i in range(len(sets))]
    spare = [2 * int((s.weights > 0).sum()) - t.rank for s, t in zip(sets, told, strict=True)]
    squares = guesses.squares.tolist()
    fine = [n > 0 and chi2.sf(s, n) > RARE for s, n in zip(squares, spare, strict=True)]
    alone, both = (
        min((i for i in some if fine[i]), key=squares.__getitem__, default=None)
        for some in (range(len(used)), range(len(used), len(sets)))
    )
    if both is not None and (alone is None or squares[both] < squares[alone] + PLAINLY):
        found = _explained(fit, guesses.at(np.array([both])), sets[both])
        pair = pairs[both - len(used)]
        return replace(found, faulty=True, swapped=pair, residuals=_blamed(found, whole, *pair))
    if alone is not None:
        j, own = used[alone], sets[alone]
        several = best(fit, own, q, guesses.at(np.array([alone])), last=LAST)
        # Of poses that fit alike the one in which the mark is least off is likelier.
        alike = several.at(np.flatnonzero(several.squares < several.squares[0] + ALIKE))
        away = np.linalg.norm(fit.places(alike)[0][:, j] - marks.pixels[0, j], axis=1)
        found = _explained(fit, alike.at(np.argsort(away, kind="stable")), own)
        return replace(found, faulty=True, off=j, residuals=_blamed(found, whole, j))
    return whole


def _blamed(found: Explained, whole: Explained, *marks: int) -> Array:
    """(J,) residuals, those of marks at fault by what all marks' squares lose without the fault."""
    residuals = found.residuals.copy()
    less = whole.guess.squares[0] - found.guess.squares[0]
    residuals[list(marks)] = np.sqrt(max(less, 0.0))
    return residuals


def _without(marks: Marks, j: int) -> Marks:
    weights = marks.weights.copy()
    weights[:, j] = 0
    return Marks(marks.pixels, weights)


def _swapped(marks: Marks, i: int, j: int) -> Marks:
    pixels = marks.pixels.copy()
    pixels[:, [i, j]] = marks.pixels[:, [j, i]]
    return Marks(pixels, marks.weights)


def _told(fit: Fit, guess: Guesses, weights: Array) -> _Told:
    """What marks of these weights (J,) tell at a guess."""
    by = fit.jacobian(guess)[0]
    J = len(weights)
    A = (by * weights[:, None, None]).reshape(2 * J, -1)
    scale = np.maximum(np.linalg.norm(by.reshape(2 * J, -1), axis=0), 1e-12)
    _, values, V = np.linalg.svd(A / scale, full_matrices=True)
    rank = int((values > OPEN * values[0]).sum())
    W = V[:rank].T / values[:rank]
    ways = (by / scale) @ W  # (J, 2, rank): places by what the marks tell, each of spread 1
    covariance = ways @ ways.transpose(0, 2, 1)
    open_ = np.abs((by / scale) @ V[rank:].T).max(axis=(1, 2), initial=0.0)
    lost = open_ > 1e-4 * np.abs(by / scale).max()
    hat = covariance * (weights**2)[:, None, None]
    return _Told(rank, np.where(lost[:, None, None], np.inf, covariance), hat)


def shows(fit: Fit, guess: Guesses, weights: Array, change: Array) -> float:
    """By how many standard deviations a change of marks shows in the residuals of the best pose.

    Args:
        fit: what is fitted.
        guess: one, near which the pose stays.
        weights: (J,) one over the marks' standard deviations [1/px].
        change: (J, 2) [px].
    """
    by = (fit.jacobian(guess)[0] * weights[:, None, None]).reshape(-1, fit.size)
    off = (change * weights[:, None]).ravel()
    by = by / np.maximum(np.linalg.norm(by, axis=0), 1e-12)
    return float(np.linalg.norm(off - by @ (np.linalg.pinv(by, OPEN) @ off)))


def _wrong(guess: Guesses, spare: int, residuals: Array) -> bool:
    """Whether true marks would hardly fit as badly, all of them or one."""
    if spare <= 0:
        return False
    count = max(int(np.isfinite(residuals).sum()), 1)
    most = float(np.nanmax(residuals, initial=0.0))
    whole, worst = float(chi2.sf(guess.squares[0], spare)), float(chi2.sf(most**2, 2))
    return whole < RARE or worst < RARE / count


def _residuals(fit: Fit, guess: Guesses, marks: Marks, told: _Told) -> Array:
    """(J,) every mark's distance from where the others put it, in its standard deviations; NaN of
    those that the others do not check."""
    pixels, _ = fit.places(guess)
    weights = marks.weights[0]
    off = (np.where(weights[:, None] > 0, marks.pixels[0], 0.0) - pixels[0]) * weights[:, None]
    found = np.full(len(weights), np.nan)
    for j in np.flatnonzero(weights > 0).tolist():
        values, axes = np.linalg.eigh(np.eye(2) - told.hat[j])
        along, checked = (axes.T @ off[j]) ** 2, values > CHECKED
        if checked.any():
            found[j] = np.sqrt((along[checked] / values[checked]).sum())
    return found


def _explained(fit: Fit, guesses: Guesses, marks: Marks) -> Explained:
    """What the first of guesses comes to, beside the others that fit alike."""
    guess, weights = guesses.at(np.array([0])), marks.weights[0]
    told = _told(fit, guess, weights)
    pixels, depth = fit.places(guesses)
    worst = [
        np.sqrt(np.linalg.eigvalsh(c)[-1]) if np.isfinite(c).all() else np.inf
        for c in told.covariance
    ]
    alike = guesses.squares < guesses.squares.min() + ALIKE
    apart = np.linalg.norm(pixels - pixels[0], axis=2)[alike].max(axis=0, initial=0.0)
    spare = 2 * int((weights > 0).sum()) - told.rank
    places = np.where(depth[0][:, None] > 0, pixels[0], np.nan)
    residuals = _residuals(fit, guess, marks, told)
    faulty = _wrong(guess, spare, residuals)
    return Explained(fit, guess, weights, places, np.array(worst), apart, residuals, spare, faulty)
