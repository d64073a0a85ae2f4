"""Named configs: where a run begins."""

from dataclasses import replace
from typing import Any

from jointloop.common.settings import ConfigError, flat, plain
from simulator.randomization.settings import SampleSettings
from trainer.config.augmentation import AugmentConfig
from trainer.config.config import Config, LossConfig, NetworkConfig, OptimiserConfig, StreamConfig


def _tiny() -> Config:
    return Config(
        preset="tiny",
        settings=SampleSettings(robot="ur10", width=160, height=120, stride=4, sigma=1.5),
        network=NetworkConfig(
            family="folded", widths=(16, 64, 64), stages=2, depth=3, width=64, head=128
        ),
        optimiser=OptimiserConfig(learning_rate=6e-3, warmup=0.05, beta2=0.99),
        loss=LossConfig(kind="cross-entropy"),
        stream=StreamConfig(credits=8, held_out=200, buffer=1024, max_uses=8),
        batch_size=8,
        epochs=12,
        epoch_samples=800,
    )


def _small() -> Config:
    """Three times the work of `tiny`."""
    return Config(
        preset="small",
        settings=SampleSettings(robot="ur10", width=160, height=120, stride=4, sigma=1.5),
        network=NetworkConfig(
            family="folded", widths=(24, 96, 96), stages=3, depth=3, width=96, head=192
        ),
        augment=AugmentConfig(
            rotation=15,
            shift=0.08,
            scale=(0.85, 1.2),
            background=0.3,
            brightness=0.12,
            contrast=0.25,
            saturation=0.3,
            hue=8,
            gain=0.12,
            blur=0.8,
            noise=6,
            cutouts=1,
        ),
        optimiser=OptimiserConfig(learning_rate=4e-3, warmup=0.03, beta2=0.99, ema=0.998),
        loss=LossConfig(kind="cross-entropy"),
        stream=StreamConfig(held_out=1000, buffer=4096, max_uses=8),
        batch_size=16,
        epoch_samples=8000,
    )


def _lite() -> Config:
    """The network of the weights that ship: begins with weights that know photos."""
    small = _small()
    return replace(
        small,
        preset="lite",
        settings=SampleSettings(robot="ur10", width=256, height=192, stride=4, sigma=1.5),
        network=NetworkConfig(family="lite", backbone="efficientnet-lite0", head=96),
        augment=replace(small.augment, background=0.6),
        optimiser=OptimiserConfig(
            learning_rate=2e-3, backbone_rate=0.3, frozen=5, warmup=0.03, beta2=0.99, ema=0.998
        ),
    )


def _heindl2019() -> Config:
    """Heindl, Zambal, Scharinger, ETFA 2019: Adam 1e-3, batch 8, 30 epochs of 10,000 samples."""
    return Config(
        preset="heindl2019",
        settings=SampleSettings(robot="ur10", width=320, height=240, stride=4, sigma=1.5),
        optimiser=OptimiserConfig(
            kind="adam", learning_rate=1e-3, weight_decay=0.0, warmup=0.0, floor=1.0, ema=0.0
        ),
    )


def _light() -> Config:
    """Gouidis, Panteleris, Oikonomidis, Argyros, MVA 2019: ADADELTA, batches of 32."""
    return Config(
        preset="light",
        settings=SampleSettings(robot="ur10", width=224, height=224, stride=4, sigma=1.5),
        network=NetworkConfig(family="light"),
        augment=AugmentConfig(rotation=30, shift=30 / 224, scale=(0.8, 1.5)),
        optimiser=OptimiserConfig(
            kind="adadelta", learning_rate=1.0, weight_decay=0.0, warmup=0.0, beta2=0.95
        ),
        loss=LossConfig(kind="cross-entropy"),
        stream=StreamConfig(held_out=500, buffer=2048, max_uses=4),
        batch_size=32,
    )


def _vgg_up() -> Config:
    return Config(
        preset="vgg-up",
        settings=SampleSettings(robot="ur10", width=320, height=240, stride=4, sigma=1.5),
        network=NetworkConfig(family="vgg-up"),
        optimiser=OptimiserConfig(learning_rate=5e-4),
        loss=LossConfig(kind="cross-entropy"),
        batch_size=16,
    )


PRESETS = {
    "tiny": _tiny,
    "small": _small,
    "lite": _lite,
    "light": _light,
    "vgg-up": _vgg_up,
    "heindl2019": _heindl2019,
}
"""Named starting points, the cheapest first."""
PURPOSES = {
    "tiny": "CPU, minutes",
    "small": "CPU, an hour",
    "lite": "CPU, photos",
    "light": "runs on a CPU",
    "vgg-up": "GPU, accuracy",
    "heindl2019": "GPU, the paper",
}
"""What each preset is for."""


def preset(name: str) -> Config:
    """The config of that name.

    Raises:
        ConfigError: there is no such preset.
    """
    if name not in PRESETS:
        raise ConfigError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]()


def departures(config: Config) -> dict[str, Any]:
    """What differs from the config's preset, by dotted path.

    Where a preset of that name is no longer there, nothing can be said.
    """
    if config.preset not in PRESETS:
        return {}
    before = flat(plain(preset(config.preset)))
    return {
        path: value
        for path, value in flat(plain(config)).items()
        if path not in before or before[path] != value
    }
