"""One training of one arm of one pair: (world, arm, pair) -> a row per epoch."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feedback.controller import Controller
from feedback.history import movement
from feedback.posterior import bin_counts
from feedback.rules import rule_named
from simulator.randomization.assignment import Assignment
from simulator.randomization.expected import Expected, training_terms
from simulator.randomization.prior import JointPrior
from simulator.robot import Robot
from trainer.augmentation.augment import Augment
from trainer.batch import Batch, join
from trainer.evaluation.arms.study import Arm, Study, StudyError
from trainer.evaluation.arms.target import Target
from trainer.evaluation.arms.worlds import World
from trainer.evaluation.held_out import Validation, validate
from trainer.learning.learner import Learner
from trainer.models import build

COLUMNS = (
    *("arm", "pair", "epoch", "samples", "error_mean", "error_median", "miss_rate", "loss"),
    *("elsewhere_mean", "moved", "cpu_seconds"),
)
"""Of a row. Errors are of the best peak of keypoints in the frame, in percent of the diagonal, so
that none is left out; elsewhere_mean is that of uniform poses, where others are the target."""


class Pair:
    """The trainings of one pair: the same first weights, uniform half, order and held-out set.

    Args:
        study: what they have in common.
        target: what they are judged on.
        world: gives their images.
        pair: its number.
    """

    def __init__(self, study: Study, target: Target, world: World, pair: int) -> None:
        self.study, self.target, self.world, self.pair = study, target, world, pair
        self.config = study.config
        self._robot = Robot.named(study.robot)
        self._halves: dict[int, Batch] = {}
        self._held_out = world.held_out(pair)
        self._test, self._elsewhere = world.test(), world.elsewhere()

    def train(self, arm: Arm) -> list[dict[str, Any]]:
        """The rows of one arm's training, `COLUMNS` each.

        Raises:
            StudyError: the arm does not go with the target.
            LearnerError: training cannot go on.
        """
        started = time.process_time()
        first = uniform_prior(self.study)
        controller, expected = self._beginning(arm, first)
        learner = self._learner()
        learner.watched = controller.watches
        rows = []
        for epoch in range(1, self.study.epochs + 1):
            terms = training_terms(controller.prior, expected)
            for step, batch in enumerate(self._batches(arm, epoch, terms, first)):
                share = step * self.config.batch_size / self.study.epoch_samples
                learner.step(batch, (epoch - 1 + share) / self.study.epochs)
            judged = self._judge(learner, self._held_out)
            controller.observe(epoch, judged.losses, self._held_out.bins, learner.seen())
            rows.append(self._row(arm, epoch, learner, first, controller.prior, started))
        return rows

    def _beginning(self, arm: Arm, first: JointPrior) -> tuple[Controller, Expected | None]:
        """The arm's controller, and the poses that it draws in place of a prior."""
        if arm == "aa":
            return Controller(first, rule_named("uniform", 0, 0)), None
        name = "expected" if arm == "poses" else arm
        controller = Controller(first, rule_named(name, self.study.select, self.pair))
        if name != "expected":
            return controller, None
        expected = self.target.expected
        if expected is None and arm == "poses":
            raise StudyError("arm poses draws a log's poses, but the target is uniform")
        counts = (
            bin_counts(self._held_out.bins, first.bins)
            if expected is None
            else expected.counts(first)
        )
        controller.expect(counts, arm)
        if arm == "expected" or expected is None:
            return controller, None
        return controller, replace(expected, mode="poses", jitter=self.study.jitter)

    def _learner(self) -> Learner:
        config = self.config
        network = build(config.network, len(self._robot.keypoints), self.study.seed + self.pair)
        augment = Augment.of(config, self._robot.mirror)
        return Learner(network, config.optimiser, config.loss, augment, "32")

    def _batches(
        self, arm: Arm, epoch: int, terms: Assignment, first: JointPrior
    ) -> Iterator[Batch]:
        """The epoch's batches, of each half as many."""
        count, size = self.study.epoch_samples // 2, self.config.batch_size // 2
        uniform = Assignment.of(first)
        if epoch not in self._halves:
            self._halves[epoch] = self.world.draw(self.pair, "uniform", epoch, count, uniform)
        other = self.world.draw(
            self.pair, "other" if arm == "aa" else "adaptive", epoch, count, terms
        )
        if arm not in ("uniform", "aa"):
            other = replace(other, uniform=np.zeros(count))
        pairs = zip(self._halves[epoch].chunks(size), other.chunks(size), strict=True)
        for both in pairs:
            yield join(both)

    def _judge(self, learner: Learner, batch: Batch) -> Validation:
        return validate(learner.ema, batch, self._robot.keypoint_names)

    def _row(
        self,
        arm: Arm,
        epoch: int,
        learner: Learner,
        first: JointPrior,
        prior: JointPrior,
        started: float,
    ) -> dict[str, Any]:
        judged = self._judge(learner, self._test)
        errors = best_errors(judged, self._test)
        beside = self._elsewhere
        elsewhere = (
            None
            if beside is None
            else float(best_errors(self._judge(learner, beside), beside).mean())
        )
        values = (
            *(arm, self.pair, epoch, epoch * self.study.epoch_samples),
            *(float(errors.mean()), float(np.median(errors)), judged.metrics["miss_rate"]),
            *(judged.loss, elsewhere, movement(first, prior)["total_variation_mean"]),
            time.process_time() - started,
        )
        return dict(zip(COLUMNS, values, strict=True))


def best_errors(judged: Validation, batch: Batch) -> NDArray[np.float64]:
    """(n,) localization errors of the best peaks of all keypoints in the frame [% of diagonal]."""
    return judged.errors.best_percent[batch.visibility > 0]


def uniform_prior(study: Study) -> JointPrior:
    """What every arm begins with."""
    robot = Robot.named(study.robot)
    alpha0 = study.config.feedback.alpha0
    return JointPrior.uniform(robot.lower, robot.upper, study.bins, alpha0)
