"""Poses that had to be free are free, come from the prior, and can be drawn again."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from simulator.randomization import hidden
from simulator.randomization.assignment import Assignment
from simulator.randomization.poses import PoseCounts, PoseVariety, draw_pose
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.randomization.variety import CALM
from simulator.robot import Robot
from simulator.robot.collisions import collisions
from trainer.data.resampling import importance

FREE = SampleSettings(variety=replace(CALM, poses=PoseVariety()))

PRINT = """
from dataclasses import replace
from simulator.randomization import hidden, poses, prior, settings, variety
from simulator.randomization.assignment import Assignment
from simulator.robot import Robot
r = Robot.named("ur10")
s = settings.SampleSettings(variety=replace(variety.CALM, poses=poses.PoseVariety()))
p = prior.JointPrior.uniform(r.lower, r.upper, s.bins)
print(repr([hidden.draw(r, s, Assignment.of(p), 2, i) for i in (5, 3)]))
"""


def drawn(
    robot: Robot, prior: JointPrior, settings: SampleSettings, count: int
) -> list[hidden.Hidden]:
    return [hidden.draw(robot, settings, Assignment.of(prior), 0, i) for i in range(count)]


def asking(**changes: object) -> SampleSettings:
    return replace(FREE, variety=replace(CALM, poses=PoseVariety(**changes)))  # type: ignore[arg-type]


def test_poses_that_had_to_be_free_are_free(ur10: Robot, uniform: JointPrior) -> None:
    poses = drawn(ur10, uniform, FREE, 100)
    assert all(h.provenance.free is True for h in poses)
    assert collisions(ur10).free([h.q for h in poses]).all()
    assert [h.bins for h in poses] == [tuple(uniform.bin_of(h.q).tolist()) for h in poses]


def test_a_pose_that_is_free_at_once_is_the_one_that_any_draw_gives(
    ur10: Robot, uniform: JointPrior
) -> None:
    plain = drawn(ur10, uniform, replace(FREE, variety=CALM), 60)
    asked = drawn(ur10, uniform, FREE, 60)
    free = collisions(ur10).free([h.q for h in plain])
    for before, after, at_once in zip(plain, asked, free, strict=True):
        assert (after.provenance.tries == 1) is bool(at_once)
        assert (before.q == after.q) is bool(at_once)
        assert before.sun == after.sun
        assert (before.provenance.tries, before.provenance.free) == (1, None)


def test_another_process_draws_the_same_free_poses(ur10: Robot, uniform: JointPrior) -> None:
    done = subprocess.run([sys.executable, "-c", PRINT], capture_output=True, text=True, check=True)
    here = [hidden.draw(ur10, FREE, Assignment.of(uniform), 2, i) for i in (5, 3)]
    assert done.stdout.strip() == repr(here)


def test_the_share_of_images_that_ask_is_the_given_one(ur10: Robot, uniform: JointPrior) -> None:
    kinds = Counter(h.provenance.free for h in drawn(ur10, uniform, asking(free=0.7), 300))
    assert set(kinds) == {None, True}
    assert 0.6 < kinds[True] / 300 < 0.8


def test_arms_may_reach_under_their_base_where_the_floor_does_not_count(
    ur10: Robot, uniform: JointPrior
) -> None:
    q = [h.q for h in drawn(ur10, uniform, asking(floor=False), 100)]
    assert collisions(ur10).free(q, floor=False).all()
    assert not collisions(ur10).free(q).all()


def test_where_no_try_is_free_the_least_overlap_is_taken(ur10: Robot) -> None:
    """A prior of arms that hang down through the floor."""
    prior = JointPrior.uniform(ur10.lower, ur10.upper, 16)
    down = np.zeros_like(prior.alpha)
    down[1, prior.bin_of([0, 1.7, 0, 0, 0, 0])[1]] = 1e9
    down[2, 8] = 1e9
    prior = prior.updated(down)
    found = hidden.draw(ur10, asking(tries=9), Assignment.of(prior), 0, 0)
    rng = hidden.generator(0, 0, 0, "joints")
    tries = [prior.sample(rng)[0] for _ in range(9)]
    best = tries[int(np.argmin(collisions(ur10).depth(np.array(tries))))]
    assert (found.provenance.tries, found.provenance.free) == (9, False)
    assert found.q == tuple(best.tolist())


def test_one_draw_of_a_prior_serves_every_try(ur10: Robot, uniform: JointPrior) -> None:
    """Where alpha is small D leaves each joint a bin, the same one in all tries."""
    settings = replace(asking(tries=20), one_draw_per_prior=True)
    most = 0
    for version in range(6):
        prior = replace(uniform, alpha=np.full_like(uniform.alpha, 1e-4), version=version)
        poses = drawn(ur10, prior, settings, 8)
        assert len({h.bins for h in poses}) == 1
        most = max(most, *(h.provenance.tries for h in poses))
    assert most > 1


def test_weights_make_free_poses_of_one_prior_look_like_those_of_another(ur10: Robot) -> None:
    first = JointPrior.uniform(ur10.lower, ur10.upper, 4)
    counts = np.zeros_like(first.alpha)
    counts[1, 1], counts[2, 2] = 4, 3
    other = first.updated(counts)

    def bins(prior: JointPrior, seed: int) -> np.ndarray:
        rng, coin = np.random.default_rng(seed), np.random.default_rng(0)
        terms = Assignment.of(prior)
        poses = [draw_pose(PoseVariety(), ur10, terms, rng, coin) for _ in range(2000)]
        return np.stack([pose.bins for pose in poses])

    recorded, wanted = bins(first, 1), bins(other, 2)
    weights = importance(recorded, other, first)
    for joint in (1, 2):
        weighted = np.bincount(recorded[:, joint], weights, 4)
        direct = np.bincount(wanted[:, joint], minlength=4) / len(wanted)
        np.testing.assert_allclose(weighted, direct, atol=0.05)
        assert np.abs(weighted - other.marginal[joint]).max() > 0.05  # freedom has its say


def test_a_recordings_free_and_other_poses_keep_their_shares_under_any_prior() -> None:
    rng = np.random.default_rng(0)
    first = JointPrior.uniform([-1, -1], [1, 1], 3)
    other = first.updated([[9, 0, 0], [0, 5, 0]])
    bins, asked = rng.integers(0, 3, (500, 2)), rng.random(500) < 0.8
    weights = importance(bins, other, first, asked)
    assert weights.sum() == pytest.approx(1)
    assert weights[asked].sum() == pytest.approx(asked.mean())
    alone = importance(bins[asked], other, first)
    np.testing.assert_allclose(weights[asked] / weights[asked].sum(), alone, rtol=1e-12)


def test_counts_tell_the_share_of_draws_that_were_free(ur10: Robot, uniform: JointPrior) -> None:
    poses = drawn(ur10, uniform, asking(free=0.7), 200)
    counts = PoseCounts.of(h.provenance for h in poses)
    asked = [h.provenance for h in poses if h.provenance.free]
    assert (counts.free, counts.tries) == (len(asked), sum(p.tries for p in asked))
    assert 0.25 < counts.free / counts.tries < 0.5
    assert counts.told == f"; poses: {counts.free / counts.tries:.0%} of draws were free"


def test_nothing_is_told_where_any_pose_would_do(ur10: Robot, uniform: JointPrior) -> None:
    poses = drawn(ur10, uniform, replace(FREE, variety=CALM), 3)
    counts = PoseCounts.of(h.provenance for h in poses)
    assert counts.told == ""
    assert counts.traffic() == {}


def test_hidden_variables_of_older_recordings_are_read(ur10: Robot, uniform: JointPrior) -> None:
    now = drawn(ur10, uniform, replace(FREE, variety=CALM), 1)[0]
    tree = msgspec.to_builtins(now)
    del tree["provenance"]["tries"], tree["provenance"]["free"]
    assert msgspec.convert(tree, hidden.Hidden) == now
