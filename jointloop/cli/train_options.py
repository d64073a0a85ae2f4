"""What `train` is told, and what comes of it: a config and a run_options."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from blender_scenes.spec import SPP, Device, Engine
from jointloop.cli.app import say
from jointloop.cli.expecting import expected_in
from jointloop.cli.form import Shape
from jointloop.cli.helped import helped
from jointloop.common.errors import JointloopError
from jointloop.common.files import shown
from jointloop.common.settings import Tree, flat, merged, nested
from simulator.robot.angles import Unit

if TYPE_CHECKING:
    from simulator.randomization.expected import Expected
    from trainer.config.config import Config
    from trainer.run_options import RunOptions

OWN = {"stride", "sigma", "seed"}
"""Of what is asked of samples, what a run may say even where they are a recording's."""


def shape(words: list[str]) -> Shape:
    """Every setting of a run; help shows the values of the preset or file that the words name."""
    from trainer.config.config import Config
    from trainer.config.files import read_file, resolve
    from trainer.config.presets import PRESETS

    base = None
    if {"-h", "--help"} & set(words):
        name = next((word for word in words if word in PRESETS), None)
        after = words[words.index("--config") + 1 :] if "--config" in words else []
        tree = read_file(Path(after[0])) if after else {}
        base = resolve(name, tree) if name or "preset" in tree else None
    return Shape(
        Config,
        base,
        hidden=frozenset({"preset", "weights", "expect.log"}),
        aliases={
            "optimiser.learning_rate": "learning-rate",
            "stream.delivery": "delivery",
            "expect.mode": "expect-mode",
            "expect.jitter": "expect-jitter",
        },
        kept=frozenset({"settings.seed"}),
    )


@helped
@dataclass(frozen=True)
class TrainOptions:
    """The command line of `train`, beside the settings themselves."""

    preset: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="PRESET")] = None
    """What `jointloop presets` lists: tiny (CPU, minutes), small, lite, light, vgg-up or heindl2019
    (the paper's network, GPU); may be left out where a file names it, or with --resume."""
    config: Path | None = None
    """File of settings, over the preset: TOML such as `jointloop config` prints, or a run's
    config.json."""
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
    mix: tyro.conf.UseAppendAction[tuple[Path, ...]] = ()
    """Folder of a further recording of that robot and size, whose training samples are mixed in;
    may be given several times."""
    feedback: bool = True
    """Bend the prior towards what is still wrong."""
    expect: Path | None = None
    """Log of joint angles that the robot is expected to take: CSV with named columns, JSON lines,
    .npy with columns in the robot's order, a ROS bag, or the folder of a recording. The detector
    is judged on held-out rows of it, and adaptive simulators render the others."""
    expect_unit: Unit | None = None
    """Of the angles in the log: degrees or radians; recordings and bags have their own."""
    size: str | None = None
    """Image size WIDTHxHEIGHT, in place of the preset's."""
    variety: str | None = None
    """calm, full, real, or a TOML file, in place of the preset's; single settings override it."""
    augment: Literal["off", "light", "full"] | None = None
    """How much training images are changed, in place of the preset's: full replaces backgrounds as
    well. Single settings override it."""
    engine: Engine = "cycles"
    """Of simulators started here: cycles, eevee and workbench render with Blender, stick draws
    sticks."""
    render_device: Device = "cpu"
    """That Blender renders on in simulators started here: cpu or gpu."""
    spp: int = SPP
    """Cycles' samples per pixel, of simulators started here."""
    backgrounds: Path | None = None
    """Folder of your own pictures to stand behind the robot, for simulators started here and for
    augmentation that replaces backgrounds."""
    backbone: Path | None = None
    """File of published weights that the backbone begins with, .pth or .safetensors: torchvision's
    vgg19 for heindl2019 and vgg-up, its mobilenet_v2 for light; or efficientnet-lite0 for lite,
    which a package brings; or none, for random weights."""
    weights: Path | None = None
    """Detector that the whole network begins with, of the same preset and keypoints:
    best.safetensors of another run, say for another size, variety or relative of the robot."""
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
    silence: float = 180.0
    """Do without a simulator that shows no life for so long, and replace one that was started here
    [s]; the longest that an image may take."""
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

    @property
    def folder(self) -> Path:
        """Of the run, or a name for the check in its place."""
        return self.run or Path("check-data" if self.check_data else "overfit-one-batch")

    def resolved(self, given: Tree | None) -> "Config":
        """The config of the run, new or resumed: options over the file over the preset.

        Args:
            given: single settings, typed.

        Raises:
            JointloopError: a setting is out of its range, or is not the resumed run's.
        """
        from trainer.config.files import read_file, resolve, resumed
        from trainer.runs.folder import RunFolder

        single = given or {}
        if "seed" in single:  # of the samples too, where they get none of their own
            single = merged({"settings": {"seed": single["seed"]}}, single)
        if "epochs" in single and single.get("minutes") is not None:
            raise JointloopError(
                f"epochs is {single['epochs']} and minutes {single['minutes']:g}; give one, "
                "the one that ends the run"
            )
        asked = merged(self._broad(), single)
        self._check_recorded(asked)
        trees = [asked] if self.config is None else [read_file(self.config), asked]
        photos = None if self.backgrounds is None else str(self.backgrounds)
        if self.resume:
            began = RunFolder.open(self.folder).config
            config = resumed(began, self.preset, *trees, backgrounds=photos)
        else:
            config = resolve(self.preset, *trees).changed(backgrounds=photos)
        if self.from_ and self.backgrounds and not config.augment.background:
            raise JointloopError(
                "--backgrounds is the recording's; with --from, leave it out or have augmentation "
                "replace backgrounds: --augment full"
            )
        return config

    def _broad(self) -> Tree:
        """What options ask for that stand for several settings, or for a file."""
        from simulator.randomization.variety import variety
        from trainer.config.short import paths_of
        from trainer.weights.initial import named

        asked = nested(
            paths_of(
                {
                    "size": self.size,
                    "feedback": None if self.feedback else False,
                    "variety": None if self.variety is None else variety(self.variety),
                    "augment": self.augment,
                    "weights": self.weights and self.weights.name,
                }
            )
        )
        if self.expect is not None:  # losses need not move what the log says
            known = {"expect": {"log": shown(self.expect.name)}, "feedback": {"rule": "expected"}}
            asked = merged(asked, known)
        if self.backbone is not None:
            asked = merged(asked, {"network": {"backbone": named(self.backbone)}})
        return asked

    def _check_recorded(self, asked: Tree) -> None:
        """Refuse to ask a recording's samples to be otherwise.

        Raises:
            JointloopError: something of that is asked.
        """
        others = [path for path in flat(asked.get("settings", {})) if path not in OWN]
        if self.from_ and others:
            broad = {"width": self.size, "height": self.size, "variety": self.variety}
            house = others[0].partition(".")[0]
            option = others[0].replace("_", "-")
            if broad.get(house):  # rather than what it stands for
                option = "variety" if house == "variety" else "size"
            raise JointloopError(
                f"robot, size and variety are the recording's; with --from, leave out --{option}"
            )

    def expected(self, config: "Config") -> "Expected | None":
        """The poses that the run expects, if it does.

        Raises:
            JointloopError: the log cannot be used.
        """
        if self.expect is None:
            if self.expect_unit is not None:
                raise JointloopError("--expect-unit is given without a log; give --expect FILE too")
            return None
        found, _ = expected_in(
            self.expect,
            self.expect_unit,
            config.expect.mode,
            config.expect.jitter,
            config.settings,
            say,
        )
        return found

    def run_options(self, config: "Config") -> "RunOptions":
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
            mixed=self.mix,
            start=InitialWeights.given(self.backbone, self.weights),
            worker=WorkerOptions(
                "",
                engine=self.engine,
                device=self.render_device,
                spp=self.spp,
                backgrounds=self.backgrounds,
            ),
            resume=self.resume,
            timeout=self.timeout,
            silence=self.silence,
            tensorboard=self.tensorboard,
            device=self.device,
            expected=self.expected(config),
            security=Security(self.insecure, self.keys),
        )
