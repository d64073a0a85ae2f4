"""Trainings spread over processes; what is there already is not made again.

A process takes whole pairs, so that the images which a pair's arms have in common are drawn once.
"""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import torch

from simulator.recordings.recording import Recording
from trainer.evaluation.arms.pool import PoolWorld
from trainer.evaluation.arms.sticks import StickWorld
from trainer.evaluation.arms.study import Arm, Study, StudyFolder
from trainer.evaluation.arms.target import Target
from trainer.evaluation.arms.training import Pair, uniform_prior
from trainer.evaluation.arms.worlds import World


@dataclass(frozen=True, eq=False)
class Work:
    """What a process needs to know of a study."""

    study: Study
    target: Target
    folder: StudyFolder
    recording: Path | None

    def world(self) -> World:
        """Where its images come from.

        Raises:
            JointloopError: the recording cannot be used.
        """
        study, first = self.study, uniform_prior(self.study)
        rest = (self.target, first, study.held_out, study.test, study.seed)
        if self.recording is None:
            return StickWorld(study.config, *rest)
        return PoolWorld(study.config, Recording.open(self.recording), *rest)


def missing(folder: StudyFolder, arms: tuple[Arm, ...], pairs: int) -> dict[int, tuple[Arm, ...]]:
    """The arms that each pair lacks, of the pairs that lack any."""
    lacking: dict[int, tuple[Arm, ...]] = {
        pair: tuple(arm for arm in arms if not folder.path(arm, pair).is_file())
        for pair in range(pairs)
    }
    return {pair: some for pair, some in lacking.items() if some}


def run(
    work: Work,
    arms: tuple[Arm, ...],
    pairs: int,
    processes: int,
    said: Callable[[int, int], None],
) -> int:
    """Make the trainings that are missing.

    Args:
        work: the study.
        arms: that are compared.
        pairs: of each.
        processes: at most.
        said: takes the number of trainings done and of all to do, whenever it grows.

    Returns:
        How many were made.

    Raises:
        JointloopError: one of them cannot be made; others stay.
    """
    lacking = missing(work.folder, arms, pairs)
    total = sum(map(len, lacking.values()))
    if not total:
        return 0
    done = 0
    spawn = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    with ProcessPoolExecutor(
        min(processes, len(lacking)), spawn, initializer=_settle, initargs=(work,)
    ) as pool:
        jobs = {pool.submit(_train, pair, some): len(some) for pair, some in lacking.items()}
        try:
            for job in as_completed(jobs):
                job.result()
                done += jobs[job]
                said(done, total)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return done


_work: Work | None = None
_world: World | None = None


def _settle(work: Work) -> None:
    """Prepare a process: one thread, and the world that its pairs share."""
    global _work, _world
    torch.set_num_threads(1)
    _work, _world = work, work.world()


def _train(pair: int, arms: tuple[Arm, ...]) -> None:
    """Make the trainings of one pair, each kept when it is whole."""
    assert _work is not None
    assert _world is not None
    trainings = Pair(_work.study, _work.target, _world, pair)
    for arm in arms:
        _work.folder.keep(arm, pair, trainings.train(arm))
