"""What `train` is told, and what comes of it: a config and a run_options."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from blender_scenes.spec import Device, Engine
from jointloop.common.errors import JointloopError

if TYPE_CHECKING:
    from trainer.config.config import Config
    from trainer.run_options import RunOptions


@dataclass(frozen=True)
class TrainOptions:
    """The command line of `train`, one field per option."""

    preset: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="PRESET")]
    """What `jointloop presets` lists: tiny (CPU, minutes), small, light, vgg-up or heindl2019 (the
    paper's network, GPU)."""
    run: Path | None = None
    """Folder of the run."""
    workers: int | None = None
    """Simulators to start here."""
    bind: str | None = None
    """Where simulators started elsewhere connect, such as tcp://127.0.0.1:5555; the port after it
    is taken too."""
    from_: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """Folder of a recording to train from, in place of simulators; it decides on robot, size and
    variety."""
    feedback: bool = True
    """Bend the prior towards what is still wrong."""
    epochs: int | None = None
    """Epochs to train, in place of the preset's."""
    minutes: float | None = None
    """Training time, in place of epochs."""
    robot: str | None = None
    """Robot, in place of the preset's."""
    size: str | None = None
    """Image size WIDTHxHEIGHT, in place of the preset's."""
    seed: int | None = None
    """Seed of all draws and of the weights."""
    learning_rate: float | None = None
    """Peak learning rate, in place of the preset's."""
    precision: Literal["auto", "32", "bf16", "fp16"] | None = None
    """Of the forward pass: 32, bf16, fp16, or auto: 16 bits on a GPU."""
    engine: Engine = "cycles"
    """Of simulators started here: cycles, eevee and workbench render with Blender, stick draws
    sticks."""
    render_device: Device = "cpu"
    """That Blender renders on in simulators started here: cpu or gpu."""
    samples: int = 4
    """Cycles' samples per pixel, of simulators started here."""
    variety: str | None = None
    """calm, full, or a TOML file, in place of the preset's."""
    backgrounds: Path | None = None
    """Folder of your own pictures to stand behind the robot, for simulators started here and for
    augmentation that replaces backgrounds."""
    backbone: Path | None = None
    """File of torchvision's weights that the backbone begins with, .pth or .safetensors: vgg19 for
    heindl2019 and vgg-up, mobilenet_v2 for light."""
    weights: Path | None = None
    """Detector that the whole network begins with, of the same preset and keypoints:
    best.safetensors of another run, say for another size, variety or relative of the robot."""
    augment: Literal["none", "light", "full"] | None = None
    """How much training images are changed, in place of the preset's; full replaces backgrounds as
    well."""
    device: str = "auto"
    """To train on: cpu, cuda, cuda:N, or auto: a GPU where there is one."""
    processes: int = 1
    """That share every batch, on this machine; with cuda, each has a GPU of its own."""
    resume: bool = False
    """Go on with the run in the folder as it began; only epochs or minutes may change."""
    overfit_one_batch: bool = False
    """In place of a run, check that the network can learn a single batch by heart: about a minute
    for tiny. Leaves no run folder; exit code 1 if it cannot."""
    check_data: bool = False
    """In place of a run, check a few training batches as the trainer sees them, augmented, and draw
    them into check-data.png. Exit code 1 if something is wrong."""
    timeout: float = 300.0
    """Longest wait for a sample, and of processes for each other [s]."""
    tensorboard: bool = True
    """Write event files for TensorBoard into the run's folder, where it is installed."""
    insecure: bool = False
    """Listen to other machines without keys, unencrypted."""
    keys: Path | None = None
    """Folder that `jointloop keys` made."""

    def check(self, several: bool) -> None:
        """Refuse options that do not go together.

        Args:
            several: whether processes share the run.

        Raises:
            JointloopError: names them.
        """
        instead = (self.overfit_one_batch, self.check_data)
        if (self.run is not None, *instead).count(True) != 1 or (
            not self.run and (self.resume or several)
        ):
            raise JointloopError(
                "give --run DIR for a run, or one of --overfit-one-batch and --check-data, which "
                "leave no run folder, have nothing to resume and take one process"
            )
        if (self.workers, self.bind, self.from_).count(None) != 2:
            raise JointloopError(
                "give one of --workers N to start simulators here, --bind ADDRESS to wait for "
                "others, and --from DIR to train from a recording"
            )
        if self.from_ and any((self.robot, self.size, self.variety)):
            raise JointloopError(
                "--robot, --size and --variety are the recording's; leave them out with --from"
            )

    @property
    def folder(self) -> Path:
        """Of the run, or a name for the check in its place."""
        return self.run or Path("check-data" if self.check_data else "overfit-one-batch")

    def config(self) -> "Config":
        """The config of the run, new or resumed.

        Raises:
            JointloopError: an option is out of its range, or is not the resumed run's.
        """
        from simulator.randomization.variety import variety
        from trainer.config.presets import preset
        from trainer.runs.folder import RunFolder

        changes = {
            "robot": self.robot,
            "size": self.size,
            "seed": self.seed,
            "epochs": self.epochs,
            "minutes": self.minutes,
            "feedback": self.feedback,
            "learning_rate": self.learning_rate,
            "precision": self.precision,
            "augment": self.augment,
            "backgrounds": None if self.backgrounds is None else str(self.backgrounds),
            "variety": None if self.variety is None else variety(self.variety),
            "backbone": self.backbone and self.backbone.name,
            "weights": self.weights and self.weights.name,
        }
        if self.resume:
            config = RunFolder.open(self.folder).config.resumed(self.preset, changes)
        else:
            config = preset(self.preset).changed(**changes)
        if self.from_ and self.backgrounds and not config.augment.background:
            raise JointloopError(
                "--backgrounds is the recording's; with --from, leave it out or have augmentation "
                "replace backgrounds: --augment full"
            )
        return config

    def run_options(self) -> "RunOptions":
        """Where, for how long and with whom."""
        from simulator.fleet.worker import WorkerOptions
        from simulator.transport import Security
        from trainer.run_options import RunOptions
        from trainer.weights.initial import InitialWeights

        return RunOptions(
            folder=self.folder,
            workers=self.workers,
            bind=self.bind or "tcp://127.0.0.1:*",
            recording=self.from_,
            start=InitialWeights(self.backbone, self.weights),
            worker=WorkerOptions(
                "",
                engine=self.engine,
                device=self.render_device,
                samples=self.samples,
                backgrounds=self.backgrounds,
            ),
            resume=self.resume,
            timeout=self.timeout,
            tensorboard=self.tensorboard,
            device=self.device,
            security=Security(self.insecure, self.keys),
        )
