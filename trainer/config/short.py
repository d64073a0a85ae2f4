"""Short names of settings: what the command line calls by one word."""

from collections.abc import Mapping
from typing import Any

from jointloop.common.settings import flat, plain
from simulator.randomization.settings import parse_size
from simulator.randomization.variety import Variety
from trainer.config.augmentation import amount

SHORT = {
    "robot": ("settings.robot",),
    "seed": ("seed", "settings.seed"),
    "feedback": ("feedback.enabled",),
    "learning_rate": ("optimiser.learning_rate",),
    "backbone": ("network.backbone",),
    "delivery": ("stream.delivery",),
}
"""The settings of one value, by short name; others keep theirs."""


def paths_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted path; those that are None are left out.

    `size` is WIDTHxHEIGHT, `variety` a whole variety, `augment` the name of an amount.

    Raises:
        ConfigError: there is no such size or amount.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        if value is None:
            continue
        if name == "size":
            found["settings.width"], found["settings.height"] = parse_size(value)
        elif isinstance(value, Variety):
            found |= flat(plain(value), "settings.variety")
        elif name == "augment":
            found |= flat(plain(amount(value)), "augment")
        else:
            found |= dict.fromkeys(SHORT.get(name, (name,)), value)
    return found
