"""Trains a robot joint detector on images it renders for itself, and renders more of what the
detector still gets wrong.

The names here are the public API. Each is loaded when it is first asked for, so that a node which
renders needs no PyTorch and one which trains no Blender. `jointloop.common` is the ground that all
packages stand on; they import nothing else from here.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from feedback.selection import HighLoss, SelectionRule
    from jointloop.api.rendering import record, render, samples
    from jointloop.api.training import Run, train
    from jointloop.common.errors import JointloopError
    from simulator.randomization.prior import JointPrior
    from simulator.randomization.settings import SampleSettings
    from simulator.randomization.variety import Variety, variety
    from simulator.recordings.recording import Recording
    from simulator.robot import Robot
    from simulator.robot.collisions import collisions
    from simulator.sample import Labels, Sample
    from trainer.beliefs.decode import Peaks
    from trainer.config.config import Config
    from trainer.config.presets import preset
    from trainer.inference.detector import Detector
    from trainer.weights.shipped import shipped_weights

    __version__: str

__all__ = [
    "Config",
    "Detector",
    "HighLoss",
    "JointPrior",
    "JointloopError",
    "Labels",
    "Peaks",
    "Recording",
    "Robot",
    "Run",
    "Sample",
    "SampleSettings",
    "SelectionRule",
    "Variety",
    "__version__",
    "collisions",
    "preset",
    "record",
    "render",
    "samples",
    "shipped_weights",
    "train",
    "variety",
]

_HOMES = {
    "Config": "trainer.config.config",
    "Detector": "trainer.inference.detector",
    "HighLoss": "feedback.selection",
    "JointPrior": "simulator.randomization.prior",
    "JointloopError": "jointloop.common.errors",
    "Labels": "simulator.sample",
    "Peaks": "trainer.beliefs.decode",
    "Recording": "simulator.recordings.recording",
    "Robot": "simulator.robot",
    "Run": "jointloop.api.training",
    "Sample": "simulator.sample",
    "SampleSettings": "simulator.randomization.settings",
    "SelectionRule": "feedback.selection",
    "Variety": "simulator.randomization.variety",
    "collisions": "simulator.robot.collisions",
    "preset": "trainer.config.presets",
    "record": "jointloop.api.rendering",
    "render": "jointloop.api.rendering",
    "samples": "jointloop.api.rendering",
    "shipped_weights": "trainer.weights.shipped",
    "train": "jointloop.api.training",
    "variety": "simulator.randomization.variety",
}
"""Where each name is defined."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("jointloop")
    elif name in _HOMES:
        value = getattr(_module(name), name)
    else:
        raise AttributeError(f"module 'jointloop' has no attribute {name!r}")
    globals()[name] = value  # the next time it is found without asking
    return value


def _module(name: str) -> ModuleType:
    """The module that defines a public name."""
    try:
        return import_module(_HOMES[name])
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        from jointloop.common.errors import JointloopError

        raise JointloopError(
            f"jointloop.{name} needs PyTorch: pip install 'jointloop[train]'"
        ) from None


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
