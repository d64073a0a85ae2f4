"""Every setting there is, with values that it may have, and configs drawn of them."""

import typing
from dataclasses import dataclass
from typing import Any, Literal

from hypothesis import assume
from hypothesis import strategies as st
from msgspec import Meta

from jointloop.common.hints import Within, hints, marks, part_of, plainly
from jointloop.common.settings import ConfigError, Tree, as_given, flat, merged, nested, plain
from trainer.config.config import Config
from trainer.config.presets import PRESETS, preset

LARGE = 2**40
SIZES = ("160x128", "64x64", "192x256")
"""Image sizes that every network takes."""
COUPLED = {
    "settings.width": 320,
    "settings.height": 320,
    "settings.stride": 2,
    "batch_size": 4,
    "epoch_samples": 20_000,
    "stream.buffer": 5000,
    "settings.variety.background.photos": 2.0,
    "augment.photos": "somewhere",
    "augment.sizes": ("320x240", "160x160"),
    "input_size": "320x240",
    "network.backbone": "other.pth",
    "network.family": "folded",
    "preset": "small",
}
"""Values of settings that have to go with others."""


@dataclass(frozen=True)
class Leaf:
    """One setting."""

    path: str
    hint: Any

    @property
    def preset(self) -> str:
        """A preset in which it can be changed alone."""
        return "vgg-up" if self.path in ("network.backbone", "network.family") else "small"

    def other(self, config: Config) -> Tree:
        """The tree that gives it a value that it does not have."""
        own = flat(plain(config)).get(self.path)
        return nested({self.path: COUPLED.get(self.path) or _other(self.hint, own)})

    @property
    def values(self) -> st.SearchStrategy[Any]:
        """Values that it may have."""
        own = {
            "augment.sizes": st.lists(st.sampled_from(SIZES), max_size=3).map(tuple),
            "input_size": st.none() | st.sampled_from(SIZES),
        }
        return own[self.path] if self.path in own else values(self.hint)

    def words(self, value: Any) -> list[str]:
        """A value as a command line gives it."""
        given = as_given(self.hint, value)
        some = given if isinstance(given, tuple) else (given,)
        return [str(one).lower() if isinstance(one, bool) else str(one) for one in some]


def leaves(kind: Any = Config, where: str = "") -> list[Leaf]:
    """All of them; the preset's name is none."""
    found: list[Leaf] = []
    for name, hint in hints(kind).items():
        path = f"{where}.{name}" if where else name
        if part := part_of(hint):
            found += leaves(part.kind, path)
        elif path != "preset":
            found.append(Leaf(path, hint))
    return found


def _ends(hint: Any) -> tuple[float, float]:
    meta = next((mark for mark in marks(hint) if isinstance(mark, Meta)), Meta())
    low = meta.ge if meta.ge is not None else meta.gt + 0.5 if meta.gt is not None else 0
    return low, min(LARGE, meta.le if meta.le is not None else LARGE)


def _other(hint: Any, own: Any) -> Any:
    """Some value in its range that it does not have."""
    kind = plainly(hint)
    if typing.get_origin(kind) not in (tuple, Literal, None):  # a union with None
        hint = next(one for one in typing.get_args(kind) if one is not type(None))
        kind = plainly(hint)
    if typing.get_origin(kind) is Literal:
        return next(one for one in typing.get_args(kind) if one != own)
    if within := next((mark for mark in marks(hint) if isinstance(mark, Within)), None):
        return (within.low + (within.high - within.low) / 4, within.high)
    if typing.get_origin(kind) is tuple:
        inside = typing.get_args(kind)
        return ("ur3", "panda") if inside[-1] is ... else tuple(value + 8 for value in own)
    if kind is bool:
        return not own
    if kind is str:
        return "ur5"
    low, high = _ends(hint)
    return next(kind(one) for one in (low, high) if one != own)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values that a setting may have."""
    kind = plainly(hint)
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return st.sampled_from(inside)
    if within := next((mark for mark in marks(hint) if isinstance(mark, Within)), None):
        end = st.floats(within.low, within.high)
        return st.tuples(end, end).map(lambda ends: (min(ends), max(ends)))
    if origin is tuple:
        if inside[-1] is ...:
            return st.lists(values(inside[0]), max_size=3).map(tuple)
        return st.tuples(*map(values, inside))
    if origin is not None:  # a union with None
        return st.none() | values(next(one for one in inside if one is not type(None)))
    if kind is bool:
        return st.booleans()
    if kind is str:
        return st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
    low, high = _ends(hint)
    return st.integers(int(low), int(high)) if kind is int else st.floats(low, high)


@st.composite
def _configs(draw: st.DrawFn) -> Config:
    some = draw(st.lists(st.sampled_from(leaves()), max_size=12, unique_by=lambda leaf: leaf.path))
    given = {leaf.path: draw(leaf.values) for leaf in some}
    parts = draw(st.sets(st.sampled_from(("materials", "distractors", "sensor"))))
    off = {f"settings.variety.{part}": None for part in parts}
    start = preset(draw(st.sampled_from(sorted(PRESETS))))
    try:
        return start.over(merged(nested(given), nested(off)))
    except ConfigError:
        assume(False)
        raise


configs = _configs()
"""Configs that differ from a preset here and there."""
