"""The closed loop: render, learn, look at what is still wrong, bend the prior, render on.

    simulators --samples--> learner --losses--> controller --prior--> simulators

`close_the_loop` is the whole of it; everything else here serves its sentences.
"""

from collections.abc import Iterator

from feedback.controller import Controller
from jointloop.common.progress import Progress
from simulator.randomization.assignment import Assignment
from simulator.randomization.expected import Expected, training_terms
from simulator.sample import Sample
from trainer.augmentation.resize import resized
from trainer.batch import Batch, stack
from trainer.config.config import Config
from trainer.data.source import Source, SourceCounts
from trainer.evaluation.held_out import validate
from trainer.learning.learner import Learner
from trainer.runs.budget import Budget
from trainer.runs.log import RunLog


def close_the_loop(
    config: Config,
    source: Source,
    learner: Learner,
    controller: Controller,
    log: RunLog,
    budget: Budget,
    progress: Progress,
    expected: Expected | None = None,
) -> None:
    """Train on what the source renders, and send it a prior that renders what is still wrong."""
    held_out = log.held_out or _hold(config, source, controller, log, expected)
    if log.epoch < 0:
        progress.say(log.add(0, [], validate(learner.ema, held_out, log.names)))
    budget.start()
    while budget.remains(log.epoch):
        epoch = log.epoch + 1
        source.send(training_terms(controller.prior, expected))
        losses = [
            learner.step(batch, budget.progress)
            for batch in _epoch(config, source, budget, epoch, progress)
        ]
        judged = validate(learner.ema, held_out, log.names)
        controller.observe(epoch, judged.losses, held_out.bins, learner.seen())
        progress.say(log.add(epoch, losses, judged))


def _hold(
    config: Config,
    source: Source,
    controller: Controller,
    log: RunLog,
    expected: Expected | None,
) -> Batch:
    """The held-out set, at the size that the network is judged at; kept for the run's whole life.

    Where poses are expected it shows those, and uniform ones are kept beside.
    """

    def batch(samples: list[Sample]) -> Batch:
        return resized(stack(samples), config.size, config.settings)

    count = config.stream.held_out
    if expected is None:
        terms = Assignment.of(controller.prior, "heldout")
    else:
        beside = max(round(config.expect.elsewhere * count), 1)
        log.keep_elsewhere(batch(source.hold(beside, Assignment.of(controller.first, "heldout"))))
        terms = expected.held_out_terms(controller.prior)
    samples = source.hold(count, terms)
    return log.keep_held_out(batch(samples), [sample.hidden for sample in samples])


def _epoch(
    config: Config, source: Source, budget: Budget, epoch: int, progress: Progress
) -> Iterator[Batch]:
    """The batches of one epoch, or fewer where the time is up."""
    batches = max(config.epoch_samples // config.batch_size, 1)
    for done in range(batches):
        if not budget.remains(epoch - 1 + done / batches):
            return
        batch = source.batch(config.batch_size)
        progress.update(_where(epoch, done / batches, budget, source.counts))
        yield batch


def _where(epoch: int, share: float, budget: Budget, counts: SourceCounts) -> str:
    waited = counts.waited / max(budget.spent, 1e-9)
    uses = counts.consumed / max(counts.new, 1)
    return (
        f"epoch {epoch} {share:4.0%} · run {budget.progress:4.0%} · {counts.consumed} samples "
        f"trained on, each {uses:.1f} times · waited for data {min(waited, 1.0):.0%}"
    )
