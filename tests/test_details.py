"""Details lie on the robot's surface, move with it, and change nothing else that is drawn."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from blender_scenes.spec import MAX_PROPS, Prop
from simulator.randomization.details import DetailVariety, draw_details
from simulator.randomization.dress import DressVariety, draw_dress
from simulator.robot import Robot
from simulator.robot.seams import seams
from simulator.robot.surface import body

ROBOTS = ("ur10", "ur5", "ur3", "panda")
ALL = DetailVariety(gaps=1, clamps=1, bolts=1, letters=1, plates=1)
NONE = DetailVariety(gaps=0, clamps=0, bolts=0, letters=0, plates=0)


def posed(robot: Robot, seed: int) -> np.ndarray:
    return robot.forward(np.random.default_rng(seed).uniform(robot.lower, robot.upper))


def made(robot: Robot, variety: DetailVariety, seed: int) -> list[Prop]:
    return draw_details(variety, robot, posed(robot, seed), (), np.random.default_rng(seed))


def cloud(robot: Robot, T_world_link: np.ndarray) -> np.ndarray:
    """Points of the whole skin in the world."""
    skins = body(robot).skins.items()
    return np.concatenate(
        [s.points @ T_world_link[i][:3, :3].T + T_world_link[i][:3, 3] for i, s in skins]
    )


@pytest.mark.parametrize("name", ROBOTS)
@given(seed=st.integers(0, 2**32 - 1))
@hypothesis_settings(max_examples=8, deadline=None)
def test_bolts_and_letters_lie_on_the_skin(name: str, seed: int):
    robot = Robot.named(name)
    skin = cloud(robot, posed(robot, seed))
    for prop in made(robot, replace(NONE, bolts=1, letters=1), seed):
        assert np.linalg.norm(skin - prop.position, axis=1).min() < 0.02


@pytest.mark.parametrize("name", ROBOTS)
def test_seams_are_as_wide_as_the_housings(name: str):
    robot = Robot.named(name)
    skins = body(robot).skins
    assert len(seams(robot).gaps) > 2
    for gap in seams(robot).gaps:
        off = skins[gap.link].points - gap.place
        near = off[np.abs(off @ gap.out) < 0.006]
        across = np.linalg.norm(near - np.outer(near @ gap.out, gap.out), axis=1)
        around = across[across < 0.12 * robot.reach]
        assert 0.8 < gap.radius / np.percentile(around, 95) < 1.2


@pytest.mark.parametrize("name", ROBOTS)
@pytest.mark.parametrize("share", ["gaps", "clamps", "bolts", "letters"])
def test_every_share_switches_its_kind_on(name: str, share: str):
    robot = Robot.named(name)
    assert not made(robot, NONE, 0)
    several = [made(robot, replace(NONE, **{share: 1}), seed) for seed in range(4)]
    assert any(several) == (share != "letters" or name != "panda")


@pytest.mark.parametrize("name", ROBOTS)
def test_details_are_small_and_few(name: str):
    robot = Robot.named(name)
    for seed in range(8):
        props = made(robot, ALL, seed)
        assert len(props) < MAX_PROPS / 3
        assert all(min(prop.size) < 0.02 for prop in props)


def test_details_come_after_all_else_that_is_worn(ur10: Robot):
    T_world_link = posed(ur10, 1)
    for seed in range(5):
        plain, detailed = (
            draw_dress(variety, ur10, T_world_link, np.random.default_rng(seed))
            for variety in (DressVariety(), DressVariety(details=ALL))
        )
        assert detailed[: len(plain)] == plain
        assert len(detailed) > len(plain)


def test_print_lies_upon_its_sticker(ur10: Robot):
    sticker = Prop("box", (0.1, 0.2, 0.3), (0.4, 0.0, 0.0), (0.05, 0.03, 0.006), (0.8,) * 3, 0.5, 0)
    plates = replace(NONE, plates=1)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        lines = draw_details(plates, ur10, posed(ur10, 0), [sticker], rng)
        assert lines
        for line in lines:
            assert np.linalg.norm(np.subtract(line.position, sticker.position)) < 0.03
            assert line.rotation == sticker.rotation
            assert line.color != sticker.color
