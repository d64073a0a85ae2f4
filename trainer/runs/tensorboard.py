"""A run on TensorBoard: event files in the run's folder, `tensorboard --logdir runs` shows them.

The axis is training steps. Of every step there is the loss; of every epoch the learning rate, the
held-out loss and errors, for all keypoints and for each, the share of time spent waiting for data,
how old the priors of samples were, the prior of every joint angle with its entropy, how far losses
moved it beside how far chance would have, and a few held-out images with what the network made of
them.
"""

import contextlib
import importlib.util
import math
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from feedback.report.run_data import value
from jointloop.common.files import FileError, shown
from simulator.drawing.drawing import belief_strip, gallery_picture
from simulator.randomization.prior import JointPrior
from simulator.robot import Robot

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"
"""Of a run's event files, in its own."""
FIGURES = ("miss_rate", "median_percent", "auc", "best_peak.median_percent")
"""Of `trainer.metrics.keypoints`, what is shown of all keypoints and of each."""
SHOWN = 4
"""Held-out images shown per epoch, evenly from the best to the worst."""
WIDE = 320
"""Pictures are enlarged to about this width [px]."""


def available() -> bool:
    """Whether TensorBoard is installed."""
    return importlib.util.find_spec("tensorboard") is not None


class TensorBoard:
    """Writes the events of one start of a run.

    Args:
        folder: of the run.
        robot: names joints and keypoints, and joins them.
        resumed: steps behind a run that goes on; later points of earlier starts are void.
    """

    def __init__(self, folder: Path, robot: Robot, resumed: int | None = None) -> None:
        self._folder, self._robot = folder / FOLDER, robot
        self._purge = None if resumed is None else resumed + 1
        self._writer: SummaryWriter | None = None
        self._hook = threading.excepthook

    def add(
        self,
        row: Mapping[str, Any],
        losses: Sequence[float],
        rate: float,
        prior: JointPrior,
        gallery: Mapping[str, NDArray[Any]],
    ) -> None:
        """Show an epoch.

        Args:
            row: its line in metrics.jsonl.
            losses: of its steps.
            rate: learning rate at its end.
            prior: that follows it.
            gallery: held-out images from the best to the worst, as in gallery.npz.

        Raises:
            FileError: it cannot be written.
        """
        try:
            self._add(self._open(), row, losses, rate, prior, gallery)
        except OSError as error:
            raise FileError(f"cannot write {shown(self._folder)}: {error.strerror}") from None

    def _add(
        self,
        writer: "SummaryWriter",
        row: Mapping[str, Any],
        losses: Sequence[float],
        rate: float,
        prior: JointPrior,
        gallery: Mapping[str, NDArray[Any]],
    ) -> None:
        step = row["steps"]
        for i, loss in enumerate(losses, start=step - len(losses) + 1):
            writer.add_scalar("loss/train", loss, i)
        for tag, number in self._scalars(row, rate, prior).items():
            writer.add_scalar(tag, number, step)
        self._add_prior(writer, prior, step)
        for tag, picture in self._pictures(gallery).items():
            writer.add_image(tag, picture, step, dataformats="HWC")
        writer.flush()

    def close(self) -> None:
        """End the event file."""
        if self._writer:
            with contextlib.suppress(OSError):  # `add` brought all to the file, or said why not
                self._writer.close()
            threading.excepthook = self._hook

    def _open(self) -> "SummaryWriter":
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            threading.excepthook = _unless_writing
            self._writer = SummaryWriter(str(self._folder), purge_step=self._purge)
        return self._writer

    def _scalars(self, row: Mapping[str, Any], rate: float, prior: JointPrior) -> dict[str, float]:
        shown = {
            "loss/held_out": row["held_out_loss"],
            "training/learning_rate": rate,
            "training/epoch": row["epoch"],
            "training/data_wait": row["data_wait"],
            "training/samples": row["samples_consumed"],
        }
        for name in ("versions_mean", "seconds_mean"):  # a recording's do not age
            shown[f"staleness/{name}"] = row.get("staleness", {}).get(name)
        for figure in FIGURES:
            shown[f"{figure}/all"] = value(row["held_out"], figure)
            for name, scores in row["held_out"]["joints"].items():
                shown[f"{figure}/{name}"] = value(scores, figure)
        if beside := row.get("elsewhere"):
            shown["loss/uniform_poses"] = row["elsewhere_loss"]
            shown |= {f"{figure}/uniform_poses": value(beside, figure) for figure in FIGURES}
        moved = row.get("movement") or {}
        shown |= {f"prior_moved/{name}": number for name, number in moved.items()}
        entropy = zip(self._robot.angle_names, prior.entropy, strict=True)
        shown |= {f"prior_entropy/{name}": float(number) for name, number in entropy}
        return {tag: number for tag, number in shown.items() if number is not None}

    def _add_prior(self, writer: "SummaryWriter", prior: JointPrior, step: int) -> None:
        """The marginal of every joint angle as a histogram over its range [rad]."""
        for name, low, high, p in zip(
            self._robot.angle_names, prior.lower, prior.upper, prior.marginal, strict=True
        ):
            edges = np.linspace(low, high, prior.bins + 1)
            middles = (edges[1:] + edges[:-1]) / 2
            writer.add_histogram_raw(
                f"prior/{name}",
                min=float(low),
                max=float(high),
                num=1,
                sum=float(p @ middles),
                sum_squares=float(p @ middles**2),
                bucket_limits=edges[1:].tolist(),
                bucket_counts=p.tolist(),
                global_step=step,
            )

    def _pictures(self, gallery: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.uint8]]:
        count = len(gallery["images"])
        some = np.linspace(0, count - 1, min(SHOWN, count)).astype(int)
        few = {name: array[some] for name, array in gallery.items()}
        scale = max(1, math.ceil(WIDE / few["images"].shape[2]))
        columns = math.ceil(len(some) / 2)
        strips = np.concatenate([belief_strip(maps) for maps in few["beliefs"]])
        return {
            "held_out/keypoints": gallery_picture(few, self._robot.skeleton, columns, scale),
            "held_out/beliefs": strips,
        }


def _unless_writing(ended: threading.ExceptHookArgs) -> None:
    """Print what ended a thread, but not what `TensorBoard.add` is told too."""
    if not isinstance(ended.exc_value, OSError):
        threading.__excepthook__(ended)
