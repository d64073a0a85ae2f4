"""What a run is: typed settings with their defaults, and their JSON form.

A run folder keeps the resolved config, so that nothing about a run lives in defaults alone.
"""

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any, Literal

from jointloop.common.typed_json import ConfigError, read
from simulator.randomization.settings import SampleSettings, parse_size
from simulator.randomization.variety import Variety
from trainer.config.augmentation import AugmentConfig, amount

Precision = Literal["auto", "32", "bf16", "fp16"]
"""Number formats of the forward pass; see `trainer.learning.precision`."""


@dataclass(frozen=True)
class NetworkConfig:
    """The belief network: a backbone, then what makes belief maps of its features.

    Widths and depths are those of vgg and folded; light's and vgg-up's are their own.
    """

    family: Literal["vgg", "folded", "light", "vgg-up"] = "vgg"
    """Which builder of `trainer.models` makes it."""
    backbone: str | None = None
    """Name of the file of torchvision's weights that the backbone began with; a VGG that did has
    no batch norm in its backbone. None: random weights."""
    widths: tuple[int, int, int] = (64, 128, 256)
    """Channels of the backbone: at stride 1, 2 and 4 (vgg), at 2, 4 and 4 (folded)."""
    stages: int = 6
    """Stages, the first included; each ends in belief maps."""
    first_depth: int = 3
    """Blocks of the first stage."""
    first_kernel: int = 3
    """Kernel size of the first stage's blocks."""
    depth: int = 5
    """Blocks of every later stage."""
    kernel: int = 7
    """Kernel size of the later stages' blocks."""
    width: int = 128
    """Channels inside a stage."""
    head: int = 512
    """Channels between a stage's last block and its belief maps."""
    separable: bool = False
    """Blocks are depthwise + 1x1 instead of dense: a tenth of the work on a CPU."""
    temperature: float = 0.05
    """Of the softmax with which light decodes its maps; see `trainer.beliefs.decode_jointly`."""


MULTIPLE = {"vgg": 4, "folded": 8, "light": 16, "vgg-up": 16}
"""Image width and height are multiples of this [px], by `NetworkConfig.family`."""
PRETRAINED = {"vgg": "VGG-19", "light": "MobileNetV2", "vgg-up": "VGG-19"}
"""Whose weights a network's backbone can begin with, by `NetworkConfig.family`."""


@dataclass(frozen=True)
class OptimiserConfig:
    """How the weights move: a warm-up, then a cosine decay over the run's progress."""

    kind: Literal["adamw", "adam", "adadelta"] = "adamw"
    """AdamW, Adam or ADADELTA."""
    learning_rate: float = 1e-3
    """Peak learning rate."""
    weight_decay: float = 1e-4
    """Decoupled weight decay in AdamW, an L2 penalty in the others; not of biases and norms."""
    warmup: float = 0.02
    """Share of the run over which the learning rate climbs to its peak."""
    floor: float = 0.01
    """Learning rate at the end of the run, as a share of the peak."""
    beta2: float = 0.999
    """Decay of the mean of squared gradients (ADADELTA's rho); shorter memories suit short runs."""
    clip: float = 1.0
    """Largest gradient norm."""
    ema: float = 0.998
    """Decay of the moving average of the weights, which is what is judged and saved; 0 is off."""


@dataclass(frozen=True)
class LossConfig:
    """The pixel loss, averaged over stages."""

    kind: Literal["mse", "smooth-l1", "cross-entropy"] = "mse"
    """Squared error, its robust form, or the cross-entropy, which learns from its first step on:
    a squared error's gradient through the sigmoid is faint while a belief is far off."""
    foreground: float = 0.0
    """Extra weight of a cell, times its target: 0 weighs all cells alike, as the paper does."""


@dataclass(frozen=True)
class StreamConfig:
    """How samples reach the trainer and how long they are used."""

    credits: int = 8
    """Samples a worker may be ahead of the trainer."""
    held_out: int = 2000
    """Samples of the held-out set."""
    buffer: int = 256
    """Recent samples kept for batches."""
    max_uses: int = 1
    """Times one sample may be used."""
    adaptive_share: float = 0.5
    """Share of the workers that follow the prior; the rest stay uniform."""


@dataclass(frozen=True)
class FeedbackConfig:
    """How the trainer's errors shape the next prior."""

    enabled: bool = True
    """Off: the prior stays as it is."""
    select: float = 0.1
    """Share of the held-out set, hardest first, that feeds the posterior."""
    alpha0: float = 1.0
    """Concentration of every bin before the first selection."""
    weight: float = 1.0
    """Count that one selected sample adds to its bins."""


@dataclass(frozen=True)
class Config:
    """Everything about one run."""

    preset: str
    """Name of the preset this config began as."""
    settings: SampleSettings
    """What the run asks of its simulators."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    """The belief network."""
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    """How its weights move."""
    loss: LossConfig = field(default_factory=LossConfig)
    """What is minimised."""
    stream: StreamConfig = field(default_factory=StreamConfig)
    """How samples arrive."""
    feedback: FeedbackConfig = field(default_factory=FeedbackConfig)
    """How errors come back."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """How training batches are changed; held-out samples never are."""
    batch_size: int = 8
    """Samples per training step."""
    epochs: int = 30
    """Epochs; the prior is updated after each."""
    minutes: float | None = None
    """Training time, in place of a number of epochs."""
    epoch_samples: int = 10_000
    """Training samples per epoch."""
    weights: str | None = None
    """Name of the file of weights that the network began with; None: `network.backbone` says."""
    precision: Precision = "auto"
    """Of the forward pass; auto takes 16 bits on a GPU."""
    seed: int = 0
    """Of the weights and the order of samples."""

    def __post_init__(self) -> None:
        s = self.settings
        family = self.network.family
        multiple = MULTIPLE[family]
        if s.width % multiple or s.height % multiple:
            width, height = (-(-side // multiple) * multiple for side in (s.width, s.height))
            raise ConfigError(
                f"image size {s.size}; {self.preset} takes multiples of {multiple}, such as "
                f"{width}x{height}"
            )
        if self.network.backbone is not None and family not in PRETRAINED:
            raise ConfigError(
                f"the backbone of {self.preset} takes no weights from a file; heindl2019 and "
                "vgg-up begin with VGG-19's, light with MobileNetV2's"
            )
        for name, value, least, most in self._ranges():
            if not least <= value <= most or value != value:
                bounds = f"at least {least}" if most == math.inf else f"{least} to {most}"
                raise ConfigError(f"{name} is {value}, expected {bounds}")

    def _ranges(self) -> list[tuple[str, float, float, float]]:
        many = math.inf
        return [
            ("batch_size", self.batch_size, 1, many),
            ("epochs", self.epochs, 1, many),
            ("minutes", 1.0 if self.minutes is None else self.minutes, 1e-3, 1e6),
            ("epoch_samples", self.epoch_samples, self.batch_size, many),
            ("network.stages", self.network.stages, 1, many),
            ("network.temperature", self.network.temperature, 1e-3, 1.0),
            ("optimiser.learning_rate", self.optimiser.learning_rate, 0.0, 1.0),
            ("optimiser.warmup", self.optimiser.warmup, 0.0, 1.0),
            ("optimiser.floor", self.optimiser.floor, 0.0, 1.0),
            ("optimiser.beta2", self.optimiser.beta2, 0.0, 1.0),
            ("optimiser.ema", self.optimiser.ema, 0.0, 1.0),
            ("loss.foreground", self.loss.foreground, 0.0, many),
            ("stream.credits", self.stream.credits, 1, many),
            ("stream.held_out", self.stream.held_out, 1, many),
            ("stream.buffer", self.stream.buffer, self.batch_size, many),
            ("stream.max_uses", self.stream.max_uses, 1, many),
            ("stream.adaptive_share", self.stream.adaptive_share, 0.0, 1.0),
            ("feedback.select", self.feedback.select, 0.0, 1.0),
            ("feedback.alpha0", self.feedback.alpha0, 1e-6, many),
            ("feedback.weight", self.feedback.weight, 0.0, many),
        ]

    def changed(
        self,
        *,
        robot: str | None = None,
        size: str | None = None,
        seed: int | None = None,
        epochs: int | None = None,
        minutes: float | None = None,
        feedback: bool = True,
        variety: Variety | None = None,
        backbone: str | None = None,
        weights: str | None = None,
        learning_rate: float | None = None,
        precision: Precision | None = None,
        augment: str | None = None,
        backgrounds: str | None = None,
    ) -> "Config":
        """The config with what a command line may change; None leaves a thing as it is.

        A folder of `backgrounds` is the config's where augmentation replaces backgrounds; what
        simulators make of it is theirs.

        Raises:
            JointloopError: a value is out of its range.
        """
        changes: dict[str, Any] = {} if robot is None else {"robot": robot}
        if size is not None:
            changes["width"], changes["height"] = parse_size(size)
        if seed is not None:
            changes["seed"] = seed
        if variety is not None:
            changes["variety"] = variety
        augmented = self.augment if augment is None else amount(augment)
        if augmented.background and backgrounds is not None:
            augmented = dataclasses.replace(augmented, photos=backgrounds)
        return dataclasses.replace(
            self,
            augment=augmented,
            settings=dataclasses.replace(self.settings, **changes),
            network=self.network
            if backbone is None
            else dataclasses.replace(self.network, backbone=backbone),
            optimiser=self.optimiser
            if learning_rate is None
            else dataclasses.replace(self.optimiser, learning_rate=learning_rate),
            weights=weights or self.weights,
            precision=precision or self.precision,
            seed=self.seed if seed is None else seed,
            epochs=self.epochs if epochs is None else epochs,
            # Epochs asked for take the place of minutes.
            minutes=(self.minutes if epochs is None else None) if minutes is None else minutes,
            feedback=dataclasses.replace(self.feedback, enabled=feedback),
        )

    def resumed(self, preset: str, changes: dict[str, Any]) -> "Config":
        """This run's config for another options: it may train longer, all else stays.

        Args:
            preset: that the user named.
            changes: of `changed`, as the user gave them.

        Raises:
            ConfigError: something else is to change; names it.
        """
        if changes.get("feedback"):
            changes = changes | {"feedback": self.feedback.enabled}  # the default says nothing
        given = {name: value for name, value in changes.items() if value is not None}
        other = [
            f"--{name.replace('_', '-')}"
            for name, value in given.items()
            if name not in ("epochs", "minutes", "feedback")
            and self.changed(**{name: value, "feedback": self.feedback.enabled}) != self
        ]
        other += ["--no-feedback"] if given.get("feedback") != self.feedback.enabled else []
        other += [f"preset {preset}"] if preset != self.preset else []
        if other:
            raise ConfigError(
                f"the run began otherwise than {', '.join(other)}; it goes on with `train "
                f"{self.preset}` and what its config.json says, so leave the rest out"
            )
        return self.changed(**changes)

    def to_json(self) -> str:
        """The config as JSON text; `from_json` reads it back to an equal config."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @staticmethod
    def from_json(text: str) -> "Config":
        """Read a config from JSON text.

        Raises:
            ConfigError: no JSON, an unknown or missing key, a value of another type or range.
        """
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"the config is no JSON: {error}") from None
        return read(Config, data, "config")
