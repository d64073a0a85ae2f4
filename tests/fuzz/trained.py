"""What of `targets` needs PyTorch."""

from targets import TARGETS as OTHERS
from targets import Target, held

from trainer.config.config import Config
from trainer.runs.checkpoint import read_checkpoint
from trainer.weights.file import WeightsInfo, open_network


def metadata(data: bytes) -> None:
    """What weights say of themselves."""
    WeightsInfo.from_json(data.decode(errors="replace"), "weights")


def weights(data: bytes) -> None:
    """A file of weights, and the network that it describes."""
    with held(data) as path:
        open_network(path)


def checkpoint(data: bytes) -> None:
    """Where a run stands."""
    with held(data) as path:
        read_checkpoint(path)


def config(data: bytes) -> None:
    """The config of a run."""
    Config.from_json(data.decode(errors="replace"))


HERE = (metadata, weights, checkpoint, config)
TARGETS: dict[str, Target] = OTHERS | {target.__name__: target for target in HERE}
