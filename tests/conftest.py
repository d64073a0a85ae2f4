"""What several test files share."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from blender_scenes.stick_scene import StickScene
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.robot import Robot

# Shared machines stall: how long an example takes says nothing.
hypothesis_settings.register_profile(
    "jointloop", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("jointloop")


# A shell that starts the tests in its background has them, and all that they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """What a program does with signals it does in its test alone: Ctrl-C ends the tests."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def ur10() -> Robot:
    return Robot.named("ur10")


@pytest.fixture(scope="session")
def settings() -> SampleSettings:
    return SampleSettings(width=96, height=64)


@pytest.fixture(scope="session")
def uniform(ur10: Robot, settings: SampleSettings) -> JointPrior:
    return JointPrior.uniform(ur10.lower, ur10.upper, settings.bins)


@pytest.fixture(scope="session")
def sticks(ur10: Robot) -> StickScene:
    return StickScene(ur10.model)
