"""What a run is: typed settings with their defaults, and their JSON form.

A run folder keeps the resolved config, so that nothing about a run lives in defaults alone.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, Literal

from msgspec import Meta

from jointloop.common.settings import (
    Checked,
    ConfigError,
    NotNegative,
    Positive,
    Share,
    built,
    nested,
    read,
    typed,
)
from simulator.randomization.assignment import Promise
from simulator.randomization.settings import SampleSettings, parse_size
from trainer.config.augmentation import AugmentConfig
from trainer.config.feedback import ExpectConfig, FeedbackConfig, check_rule
from trainer.config.short import paths_of

SCHEMA = 3
"""Version of the JSON; version 1 carried none, and no `changed`."""
Decay = Annotated[float, Meta(ge=0, le=0.999999)]
Precision = Literal["auto", "32", "bf16", "fp16"]
"""Number formats of the forward pass; see `trainer.learning.precision`."""


Few = Annotated[int, Meta(ge=1, le=64)]
Channels = Annotated[int, Meta(ge=1, le=8192)]
"""Of a network. Files of weights say what is built for them: it has to be a network still."""


@dataclass(frozen=True)
class NetworkConfig(Checked, where="network"):
    """The belief network: a backbone, then what makes belief maps of its features.

    Widths and depths are those of vgg and folded; those of light, lite and vgg-up are their own.
    """

    family: Literal["vgg", "folded", "light", "lite", "vgg-up"] = "vgg"
    """Which builder of `trainer.models` makes it."""
    backbone: str | None = None
    """Name of the published weights that the backbone began with: a file's, or what a package
    brings, such as efficientnet-lite0. A VGG or EfficientNet that did has no batch norm in its
    backbone. None: random weights."""
    widths: tuple[Channels, Channels, Channels] = (64, 128, 256)
    """Channels of the backbone: at stride 1, 2 and 4 (vgg), at 2, 4 and 4 (folded)."""
    stages: Few = 6
    """Stages, the first included; each ends in belief maps."""
    first_depth: Few = 3
    """Blocks of the first stage."""
    first_kernel: Few = 3
    """Kernel size of the first stage's blocks; odd."""
    depth: Few = 5
    """Blocks of every later stage."""
    kernel: Few = 7
    """Kernel size of the later stages' blocks; odd."""
    width: Channels = 128
    """Channels inside a stage."""
    head: Channels = 512
    """Channels between a stage's last block and its belief maps."""
    separable: bool = False
    """Blocks are depthwise + 1x1 instead of dense: a tenth of the work on a CPU."""
    temperature: Annotated[float, Meta(ge=1e-3, le=1)] = 0.05
    """Of the softmax with which light decodes its maps; see `trainer.beliefs.decode_jointly`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("first_kernel", "kernel"):
            if (size := getattr(self, name)) % 2 == 0:
                raise ConfigError(f"network.{name} is {size}; expected an odd number")


LEAST, MOST = 32, 4096
"""Of an image's side [px]."""
MULTIPLE = {"vgg": 4, "folded": 8, "light": 16, "lite": 32, "vgg-up": 16}
"""Image width and height are multiples of this [px], by `NetworkConfig.family`."""
PRETRAINED = {
    "vgg": "VGG-19",
    "light": "MobileNetV2",
    "lite": "EfficientNet-Lite0",
    "vgg-up": "VGG-19",
}
"""Whose weights a network's backbone can begin with, by `NetworkConfig.family`."""


@dataclass(frozen=True)
class OptimiserConfig(Checked, where="optimiser", later=("backbone_rate", "frozen")):
    """How the weights move: a warm-up, then a cosine decay over the run's progress."""

    kind: Literal["adamw", "adam", "adadelta"] = "adamw"
    """AdamW, Adam or ADADELTA."""
    learning_rate: Share = 1e-3
    """Peak learning rate."""
    backbone_rate: Share = 1.0
    """Learning rate of a backbone that began with published weights, as a share of the others'."""
    frozen: Annotated[int, Meta(ge=0)] = 0
    """Layers of such a backbone, from the image on, that keep those weights."""
    weight_decay: NotNegative = 1e-4
    """Decoupled weight decay in AdamW, an L2 penalty in the others; not of biases and norms."""
    warmup: Share = 0.02
    """Share of the run over which the learning rate climbs to its peak."""
    floor: Share = 0.01
    """Learning rate at the end of the run, as a share of the peak."""
    beta2: Decay = 0.999
    """Decay of the mean of squared gradients (ADADELTA's rho); shorter memories suit short runs."""
    clip: Annotated[float, Meta(gt=0)] = 1.0
    """Largest gradient norm."""
    ema: Decay = 0.998
    """Decay of the moving average of the weights, which is what is judged and saved; 0 is off."""


@dataclass(frozen=True)
class LossConfig(Checked, where="loss"):
    """The pixel loss, averaged over stages."""

    kind: Literal["mse", "smooth-l1", "cross-entropy"] = "mse"
    """Squared error, its robust form, or the cross-entropy, which learns from its first step on:
    a squared error's gradient through the sigmoid is faint while a belief is far off."""
    foreground: NotNegative = 0.0
    """Extra weight of a cell, times its target: 0 weighs all cells alike, as the paper does."""


@dataclass(frozen=True)
class StreamConfig(Checked, where="stream", later=("delivery",)):
    """How samples reach the trainer and how long they are used."""

    delivery: Promise = "complete"
    """complete: every sample that is ordered is trained on once and not skipped, whoever dies, and
    is drawn from the prior that was the newest when it was ordered. latest: samples are drawn from
    the prior that is the newest when they are made, and the newest ones count; those that nobody
    used in time are dropped, and those that are lost are not made again."""
    credits: Annotated[int, Meta(ge=1, le=256)] = 8
    """Samples a worker may be ahead of the trainer."""
    held_out: Positive = 2000
    """Samples of the held-out set."""
    buffer: Positive = 256
    """Recent samples kept for batches; at least a batch."""
    max_uses: Positive = 1
    """Times one sample may be used."""
    adaptive_share: Share = 0.5
    """Share of the workers that follow the prior; the rest stay uniform."""


@dataclass(frozen=True)
class Config(Checked, later=("input_size", "expect")):
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
    expect: ExpectConfig = field(default_factory=ExpectConfig)
    """Which poses are expected."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """How training batches are changed; held-out samples never are."""
    input_size: str | None = None
    """Image size WIDTHxHEIGHT of the network: samples of another size are resized to it, held-out
    ones as a whole, and a detector gives every picture its area. None: the samples' own."""
    batch_size: Positive = 8
    """Samples per training step."""
    epochs: Positive = 30
    """Epochs; the prior is updated after each."""
    minutes: Annotated[float, Meta(ge=1e-3, le=1e6)] | None = None
    """Training time [min], in place of a number of epochs."""
    epoch_samples: Positive = 10_000
    """Training samples per epoch; at least a batch."""
    weights: str | None = None
    """Name of the file of weights that the network began with; None: `network.backbone` says."""
    precision: Precision = "auto"
    """Of the forward pass; auto takes 16 bits on a GPU."""
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    """Of the weights and the order of samples."""

    def __post_init__(self) -> None:
        super().__post_init__()
        family = self.network.family
        multiple = MULTIPLE[family]
        for sides in (self.size, *self.sizes):
            if any(side % multiple or not LEAST <= side <= MOST for side in sides):
                right = "x".join(str(max(-(-side // multiple), 1) * multiple) for side in sides)
                raise ConfigError(
                    f"image size {sides[0]}x{sides[1]}; {self.preset} takes multiples of "
                    f"{multiple}, such as {right}"
                )
        if self.network.backbone is not None and family not in PRETRAINED:
            raise ConfigError(
                f"the backbone of {self.preset} takes no published weights; heindl2019 and vgg-up "
                "begin with VGG-19's, light with MobileNetV2's, lite with EfficientNet-Lite0's"
            )
        check_rule(self.feedback, self.expect)
        for name, value in (
            ("epoch_samples", self.epoch_samples),
            ("stream.buffer", self.stream.buffer),
        ):
            if value < self.batch_size:
                raise ConfigError(
                    f"{name} is {value}; expected at least batch_size, {self.batch_size}"
                )

    @property
    def adapts(self) -> bool:
        """Whether some workers draw from another prior than the first."""
        return self.feedback.enabled or self.expect.log is not None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height that the network is judged at [px]."""
        own = (self.settings.width, self.settings.height)
        return own if self.input_size is None else parse_size(self.input_size)

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Widths and heights that batches are trained at, at least one [px]."""
        return tuple(map(parse_size, self.augment.sizes)) or (self.size,)

    def changed(self, *, backgrounds: str | None = None, **values: Any) -> "Config":
        """The config with other values.

        Args:
            backgrounds: folder of pictures, the config's where augmentation replaces backgrounds;
                what simulators make of it is theirs.
            **values: by the names of `trainer.config.short`, or by dotted path, such as
                `stream.buffer`; one that is None leaves a thing as it is.

        Raises:
            ConfigError: a name is unknown, or a value is out of its range.
        """
        config = self.over(typed(Config, nested(paths_of(values)), "stored"))
        if backgrounds is None or not config.augment.background:
            return config
        return replace(config, augment=replace(config.augment, photos=backgrounds))

    def over(self, tree: Mapping[str, Any]) -> "Config":
        """The config with what a tree gives; epochs that are given take the place of minutes.

        Raises:
            ConfigError: values do not go together.
        """
        return built(Config, timed(tree), self)

    def to_json(self, changed: Mapping[str, Any] | None = None) -> str:
        """The config as JSON text; `from_json` reads it back to an equal config.

        Args:
            changed: what differs from the preset, by dotted path, to be said beside it.
        """
        heads: dict[str, Any] = {"schema": SCHEMA, "preset": self.preset}
        heads |= {} if changed is None else {"changed": dict(changed)}
        return json.dumps(heads | asdict(self), indent=2)

    @staticmethod
    def from_json(text: str) -> "Config":
        """Read a config from JSON text.

        Raises:
            ConfigError: no JSON, another schema, an unknown or missing key, a value of another type
                or out of its range.
        """
        return read(Config, stored(text))


def timed(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A tree in which epochs that are given take the place of minutes."""
    return {"minutes": None} | dict(tree) if "epochs" in tree else dict(tree)


def stored(text: str) -> dict[str, Any]:
    """The settings in a config's JSON text, whatever the version that wrote it.

    Raises:
        ConfigError: no JSON, or of a later schema.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"the config is no JSON: {error}") from None
    return settings_in(data)


def settings_in(data: Any) -> dict[str, Any]:
    """A config file's content without what is said of it.

    Raises:
        ConfigError: it is no table, or of another schema.
    """
    if not isinstance(data, dict):
        raise ConfigError(f"the config is {data!r}; expected a table")
    schema = data.get("schema", 1)
    if not (type(schema) is int and 1 <= schema <= SCHEMA):
        raise ConfigError(
            f"schema is {schema!r}; expected 1 to {SCHEMA}: another version of Jointloop wrote it"
        )
    return {name: value for name, value in data.items() if name not in ("schema", "changed")}
