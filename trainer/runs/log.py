"""What a run writes down after every epoch, and what its end says.

Beside the files of `trainer.runs.folder`:

    robot.json            names, joint ranges and skeleton, for the report
    prior_history.jsonl   every prior version (`feedback.history`)
    gallery/gallery.npz   held-out images from the best to the worst, with what the network saw
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from feedback.chance import Chance, of_selections, selected_bins
from feedback.controller import Controller
from feedback.history import FILE, History, movement, prior_of, read_history
from jointloop.common.files import write_json, write_npz
from jointloop.common.folders import make_folder
from simulator.randomization.expected import Expected
from simulator.randomization.hidden import Hidden
from simulator.robot import Robot
from trainer.batch import Batch
from trainer.data.source import Source
from trainer.evaluation.held_out import Validation, validate
from trainer.learning import random_state
from trainer.learning.learner import Learner, LearnerError
from trainer.runs.budget import Budget
from trainer.runs.checkpoint import Checkpoint, RunError
from trainer.runs.factors import keep_factors
from trainer.runs.folder import ELSEWHERE, EXPECTED, METRICS, RunFolder
from trainer.runs.indices import account, staleness
from trainer.runs.tensorboard import TensorBoard
from trainer.weights.file import WeightsInfo

GALLERY = 12
"""Held-out images kept for looking at, spread evenly from the best to the worst."""


class RunLog:
    """Keeps a run's folder in step with its loop, and brings the loop back from it."""

    def __init__(
        self,
        run: RunFolder,
        robot: Robot,
        learner: Learner,
        controller: Controller,
        source: Source,
        budget: Budget,
        board: TensorBoard | None = None,
    ) -> None:
        self.run = run
        self.names, self._angles = robot.keypoint_names, robot.angle_names
        self.held_out: Batch | None = None
        """The held-out set, once there is one."""
        self.elsewhere: Batch | None = None
        """Uniform poses to be judged beside, where others are expected."""
        self.epoch = -1
        """The last epoch written down; 0 is the untrained network, -1 nothing yet."""
        self._learner, self._controller = learner, controller
        self._source, self._budget, self._board = source, budget, board
        self._info = WeightsInfo.of(run.config, robot)
        self._best = float("inf")
        self._history = History(run.folder)
        if self._history.version < 0:
            write_json(run.folder / "robot.json", _described(robot))
            self._history.append(controller.observation)

    def expect(self, expected: Expected) -> None:
        """Keep expected poses, and let the controller count them."""
        write_npz(self.run.folder / EXPECTED, expected.arrays())
        counts = expected.counts(self._controller.prior)
        self._controller.expect(
            counts, f"Expected(mode={expected.mode!r}, poses={counts[0].sum()})"
        )
        self._history.append(self._controller.observation)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Set learner, controller, source, budget and all draws to where they were.

        Raises:
            JointloopError: the source is another, or a file of the run's folder is damaged.
        """
        loop = checkpoint.loop
        self._learner.load_state_dict(checkpoint.learner)
        self._controller.load_state(loop["controller"])
        self._source.load_state(loop["source"])
        self._budget.spent = loop["spent"]
        self._best = loop["best"]
        self.epoch = loop["epoch"]
        self.held_out = self.run.load_held_out()
        if self.run.config.expect.log:
            self.elsewhere = self.run.load_held_out(ELSEWHERE)
        self._check_rows()
        # A crash before the checkpoint leaves an epoch that was written down and led to nothing:
        # its prior was never sent.
        self.run.keep_metrics(self.epoch + 1)
        self._history.rewind(self.epoch)
        random_state.load_state(checkpoint.draws, self._learner.device)

    def _check_rows(self) -> None:
        """See that every epoch up to the checkpoint was written down.

        Raises:
            RunError: one is missing.
        """
        epochs = list(range(self.epoch + 1))
        history = [entry["epoch"] for entry in read_history(self.run.folder)]
        begun = [-1, 0] if self.run.config.expect.log else [-1]
        for name, found, wanted in (
            (METRICS, [row.get("epoch") for row in self.run.metrics()], epochs),
            (FILE, history, [*begun, *epochs[1:]]),  # the untrained network moves no prior
        ):
            for line, epoch in enumerate(wanted):
                if found[line : line + 1] != [epoch]:
                    raise RunError(
                        f"{self.run.folder / name} is damaged: epoch {epoch} of its "
                        f"{self.epoch} is missing; put that line back"
                    )

    def keep_held_out(self, held_out: Batch, hidden: Sequence[Hidden]) -> Batch:
        """Keep the held-out set, and what was drawn for it, for the run's whole life."""
        keep_factors(self.run.folder, hidden, self._angles)
        self.run.save_held_out(held_out)
        self.held_out = held_out
        return held_out

    def keep_elsewhere(self, elsewhere: Batch) -> None:
        """Keep uniform poses to be judged beside, likewise."""
        self.run.save_held_out(elsewhere, ELSEWHERE)
        self.elsewhere = elsewhere

    def add(self, epoch: int, losses: list[float], judged: Validation) -> str:
        """Write down an epoch: metrics, prior, gallery, board, checkpoint.

        Args:
            epoch: 0 for the untrained network.
            losses: of the epoch's steps.
            judged: the held-out set after it.

        Returns:
            A line for the user.

        Raises:
            LearnerError: the held-out loss is not finite; the epoch is not written down.
        """
        if not np.isfinite(judged.losses).all():
            raise LearnerError(f"after epoch {epoch} the held-out loss is {judged.loss}")
        self.epoch = epoch
        if epoch:
            self._history.append(self._controller.observation)
        train_loss = float(np.mean(losses)) if losses else None
        chance = self._chance()
        row = self._row(train_loss, judged, chance)
        self.run.append_metrics(row)
        gallery = self._gallery(judged)
        if self._board:
            rate = self._learner.optimiser.param_groups[0]["lr"]
            self._board.add(row, losses, rate, self._controller.prior, gallery)
        score = judged.loss
        best, self._best = score < self._best, min(score, self._best)
        loop = {
            "epoch": epoch,
            "best": self._best,
            "spent": self._budget.spent,
            "source": self._source.state_dict(),
            "controller": self._controller.state_dict(),
        }
        checkpoint = Checkpoint(
            self._learner.state_dict(), loop, random_state.state_dict(self._learner.device)
        )
        self.run.save_checkpoint(self._learner.ema, self._info, checkpoint, best)
        write_npz(make_folder(self.run.folder / "gallery") / "gallery.npz", gallery)
        loss = "untrained" if train_loss is None else f"loss {train_loss:.4f}"
        parts = (
            f"epoch {epoch}: {loss}",
            f"held out {error_line(judged.metrics)}",
            f"uniform poses {error_line(row['elsewhere'])}" if "elsewhere" in row else "",
            f"prior v{self._controller.prior.version}{f' moved {chance.words}' if chance else ''}",
            self._source.note(),
        )
        return " · ".join(part for part in parts if part)

    def finish(self) -> dict[str, Any]:
        """Write summary.json and return it: the run is finished."""
        rows = self.run.metrics()
        history = read_history(self.run.folder)
        first, final = (prior_of(history[i]) for i in (0, -1))
        last = rows[-1]
        summary = {
            "run": str(self.run.folder),
            "preset": self.run.config.preset,
            "feedback": self.run.config.feedback.enabled,
            "epochs": self.epoch,
            "seconds": last["seconds"],
            "samples": {
                key: last[f"samples_{key}"] for key in ("rendered", "received", "consumed", "new")
            },
            "data_wait": last["data_wait"],
            "before": _headline(rows[0]["held_out"]),
            "after": _headline(last["held_out"]),
            "prior": {
                "versions": final.version,
                **movement(first, final),
                "beside_chance": last["movement"],
                "selected_bins": selected_bins(history),
            },
            "delivery": last["delivery"],
        } | {key: last[key] for key in ("pool", "poses", "simulators") if key in last}
        if "elsewhere" in last:
            before, after = (_headline(row["elsewhere"]) for row in (rows[0], last))
            summary["elsewhere"] = {"before": before, "after": after}
        if "indices" in last:
            summary["indices"] = account(rows, self.run.config.stream.delivery)
            summary["staleness"] = staleness(rows)
        self.run.write_summary(summary)
        return summary

    def _chance(self) -> Chance | None:
        """How far the prior moved beside its null, by selections so far or by the last step."""
        if (step := self._controller.observation.chance) is not None:
            return step
        assert self.held_out is not None
        return of_selections(read_history(self.run.folder), self.held_out.bins, last=True)[-1]

    def _row(
        self, train_loss: float | None, judged: Validation, chance: Chance | None
    ) -> dict[str, Any]:
        spent = self._budget.spent
        beside = {}
        if self.elsewhere is not None:
            found = validate(self._learner.ema, self.elsewhere, self.names)
            beside = {"elsewhere_loss": found.loss, "elsewhere": found.metrics}
        return {
            "epoch": self.epoch,
            "seconds": spent,
            "steps": self._learner.steps,
            "train_loss": train_loss,
            "held_out_loss": judged.loss,
            "held_out": judged.metrics,
            **beside,
            "prior_version": self._controller.prior.version,
            "movement": chance and chance.to_json(),
            "data_wait": min(self._source.counts.waited / spent, 1.0) if spent else None,
            **self._source.traffic(),
        }

    def _gallery(self, judged: Validation) -> dict[str, NDArray[Any]]:
        assert self.held_out is not None
        held_out = self.held_out
        order = np.argsort(judged.losses, kind="stable")
        chosen = order[np.linspace(0, len(order) - 1, min(GALLERY, len(order))).astype(int)]
        return {
            "index": chosen,
            "images": held_out.images[chosen].permute(0, 2, 3, 1).numpy(),
            "pixels": held_out.pixels[chosen],
            "visibility": held_out.visibility[chosen],
            "predicted": judged.peaks.pixels[chosen],
            "scores": judged.peaks.scores[chosen],
            "found": judged.peaks.found[chosen],
            "losses": judged.losses[chosen],
            "beliefs": self._beliefs(held_out.images[chosen]),
        }

    @torch.no_grad()
    def _beliefs(self, images: torch.Tensor) -> NDArray[np.uint8]:
        network = self._learner.ema
        training = network.training
        network.eval()
        belief = network(images.to(self._learner.device))[-1].float().cpu().numpy()
        network.train(training)
        return np.rint(belief * 255).astype(np.uint8)


def error_line(metrics: dict[str, Any]) -> str:
    """The localization error in words; see `metrics` for its definitions."""
    best = f"best peak median {metrics['best_peak']['median_percent']:.2f} % of the diagonal"
    if not metrics["n_found"]:
        return f"{best}, all below the threshold"
    return (
        f"{best}, found ones median {metrics['median_percent']:.2f} % "
        f"mean {metrics['mean_percent']:.2f} %, miss rate {metrics['miss_rate']:.1%}"
    )


def _headline(metrics: dict[str, Any]) -> dict[str, Any]:
    keys = ("n_in_frame", "n_found", "miss_rate", "mean_percent", "median_percent", "p95_percent")
    return {key: metrics[key] for key in (*keys, "best_peak")}


def _described(robot: Robot) -> dict[str, Any]:
    return {
        "name": robot.name,
        "keypoints": list(robot.keypoint_names),
        "angle_names": list(robot.angle_names),
        "lower": robot.lower.tolist(),
        "upper": robot.upper.tolist(),
        "skeleton": [list(bone) for bone in robot.skeleton],
    }
