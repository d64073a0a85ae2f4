"""Laws of typed settings: read, merged, printed, refused."""

import math
import tomllib
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from jointloop.common.hints import ANGLE, Within
from jointloop.common.settings import (
    Checked,
    ConfigError,
    Range,
    Share,
    built,
    flat,
    in_degrees,
    merged,
    nested,
    plain,
    read,
    typed,
)
from jointloop.common.toml import dump


@dataclass(frozen=True)
class Lid(Checked, where="lid"):
    """What closes it."""

    tilt: Annotated[Range, Within(-math.pi, math.pi), ANGLE] = (0.0, 1.0)
    """Of the lid [rad]."""
    tight: bool = False
    """Whether it holds water."""


@dataclass(frozen=True)
class Box(Checked):
    """A box."""

    sides: tuple[Annotated[int, Meta(ge=1)], Annotated[int, Meta(ge=1)]] = (2, 3)
    """Lengths [cm]."""
    fill: Share = 0.5
    """How full."""
    name: str | None = None
    """What stands on it."""
    lid: Lid | None = None
    """What closes it."""


angles = st.floats(-math.pi, math.pi)
lids = st.builds(
    Lid,
    tilt=st.tuples(angles, angles).map(lambda ends: (min(ends), max(ends))),
    tight=st.booleans(),
)
text = st.text(st.characters(exclude_categories=["Cs"]))
boxes = st.builds(
    Box,
    sides=st.tuples(st.integers(1, 99), st.integers(1, 99)),
    fill=st.floats(0, 1),
    name=st.none() | text,
    lid=st.none() | lids,
)


@given(boxes)
def test_built_undoes_plain_and_nested_undoes_flat(box: Box) -> None:
    tree = plain(box)
    assert built(Box, tree) == box
    assert nested(flat(tree)) == tree


@given(boxes)
def test_toml_gives_equal_settings_back(box: Box) -> None:
    lines = "\n".join(dump(box))
    assert read(Box, tomllib.loads(lines), base=Box(), form="toml") == box


@given(boxes, boxes, boxes)
def test_merging_is_associative_and_the_later_counts(a: Box, b: Box, c: Box) -> None:
    a_, b_, c_ = map(plain, (a, b, c))
    assert merged(merged(a_, b_), c_) == merged(a_, merged(b_, c_))
    assert built(Box, merged(a_, c_)).fill == c.fill
    assert merged(a_, {}) == a_ == merged({}, a_)


@given(angles)
def test_an_angle_is_given_in_degrees_and_comes_back_to_the_last_bit(angle: float) -> None:
    data = {"lid": {"tilt": [in_degrees(angle)] * 2}}
    found = read(Box, data, base=Box(), form="toml").lid
    assert found is not None
    assert found.tilt == (angle, angle)


def test_words_and_toml_give_degrees_and_what_programs_store_radians() -> None:
    for form, low, high in (("words", "-90", "45"), ("toml", -90, 45)):
        tree = typed(Box, {"lid": {"tilt": [low, high]}}, form)  # type: ignore[arg-type]
        assert tree["lid"]["tilt"] == (-math.pi / 2, math.pi / 4)
    assert typed(Box, {"lid": {"tilt": [-1, 1]}}, "stored")["lid"]["tilt"] == (-1.0, 1.0)


def test_a_part_that_is_off_comes_on_with_its_defaults() -> None:
    assert read(Box, {"lid": {"tight": True}}, base=Box()).lid == Lid(tight=True)
    assert read(Box, {"lid": True}, base=Box()).lid == Lid()
    assert read(Box, {"lid": "on"}, base=Box(), form="words").lid == Lid()
    for off in (False, None):
        assert read(Box, {"lid": off}, base=Box(lid=Lid())).lid is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"fil": 1}, "fil: no such setting; nearest: fill"),
        ({"lid": {"titl": 1}}, "lid.titl: no such setting; nearest: lid.tilt"),
        ({"tilt": 1}, "tilt: no such setting; nearest: lid.tilt"),
        ({"fill": 2}, "fill is 2; expected a number of 0 to 1"),
        ({"fill": "x"}, "fill is 'x'; expected a number of 0 to 1"),
        ({"fill": True}, "fill is True; expected a number of 0 to 1"),
        ({"fill": math.nan}, "fill is nan; expected a number of 0 to 1"),
        ({"sides": [1]}, r"sides is \[1\]; expected 2 whole numbers of at least 1"),
        ({"sides": [1, 2.0]}, r"sides is \[1, 2.0\]; expected 2 whole numbers"),
        ({"name": 3}, "name is 3; expected text, or none"),
        ({"lid": 3}, "lid is 3; expected a table, or false"),
        ({"lid": {"tilt": [90, 0]}}, r"lid.tilt is \[90, 0\]; .* lower first, of -180 to 180 \[de"),
        ({"lid": {"tilt": ["x", 0]}}, "lid.tilt is"),
        ([], r"\[\]; expected a table"),
    ],
)
def test_a_mistake_is_one_line_with_what_would_have_been_right(data: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        read(Box, data, base=Box(), form="toml")
    assert "\n" not in str(caught.value)


def test_without_a_base_nothing_may_be_missing() -> None:
    tree = plain(Box())
    del tree["fill"]
    with pytest.raises(ConfigError, match="fill is missing; expected a number of 0 to 1"):
        read(Box, tree)


def test_values_from_python_are_checked_too() -> None:
    with pytest.raises(ConfigError, match="fill is 2; expected a number of 0 to 1"):
        Box(fill=2)
    with pytest.raises(ConfigError, match=r"lid.tilt is \(1.0, 0.0\)"):
        Lid(tilt=(1.0, 0.0))
    with pytest.raises(ConfigError, match="lid is 3; expected a Lid"):
        Box(lid=3)  # type: ignore[arg-type]
    assert isinstance(Box(fill=1).fill, float)
