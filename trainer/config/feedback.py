"""Settings of what moves the prior: the rule, and the poses that are expected."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from feedback.rules import RuleName
from jointloop.common.settings import Checked, ConfigError, NotNegative, Share
from simulator.randomization.expected import Mode


@dataclass(frozen=True)
class FeedbackConfig(Checked, where="feedback", later=("rule",)):
    """How the trainer's errors shape the next prior."""

    enabled: bool = True
    """Off: the prior stays as it is."""
    rule: RuleName = "high-loss"
    """What moves the prior: held-out samples with the highest loss, as many at random, expected
    poses alone (--expect), losses of training samples by bin, a policy rewarded by them, or
    nothing (uniform)."""
    select: Share = 0.1
    """Share of the held-out set that high-loss and random let feed the posterior."""
    alpha0: Annotated[float, Meta(ge=1e-6)] = 1.0
    """Concentration of every bin before the first selection."""
    weight: NotNegative = 1.0
    """Count that one selected sample adds to its bins."""


@dataclass(frozen=True)
class ExpectConfig(Checked, where="expect"):
    """Poses that the robot is expected to take (--expect)."""

    log: str | None = None
    """Name of the log; none expects nothing."""
    mode: Mode = "bins"
    """bins: they are counted into the prior before the first epoch; poses: adaptive workers draw
    them themselves, and jitter."""
    jitter: Annotated[float, Meta(ge=0, le=10)] = 0.5
    """Of mode poses: the share of a bin by which an angle moves at most, either way."""
    elsewhere: Annotated[float, Meta(gt=0, le=10)] = 0.5
    """Samples of uniform poses that are judged beside, as a share of stream.held_out."""


def check_rule(feedback: FeedbackConfig, expect: ExpectConfig) -> None:
    """Refuse a rule that does not go with what is expected.

    Raises:
        ConfigError: it does not.
    """
    if feedback.rule == "expected" and expect.log is None:
        raise ConfigError("feedback.rule is expected; give the log of those poses: --expect")
    if expect.log and expect.mode == "poses" and feedback.rule not in ("expected", "uniform"):
        raise ConfigError(
            f"feedback.rule is {feedback.rule}, which moves bins, and expect.mode is poses, which "
            "draws logged ones; take rule expected, or --expect-mode bins"
        )
