"""URDF files and robot descriptions: what they may hold, and what is said of those of no use."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from simulator.robot import Robot, RobotError

LINKS = '<link name="a"/><link name="b"/><link name="c"/>'
LIMIT = '<limit lower="-1" upper="2"/>'
TOML = 'name = "r"\nurdf = "r.urdf"\nbody_radius = 0.1\n'
KEYPOINT = '[[keypoint]]\nname = "k"\nlink = "c"\n'


def joint(
    name: str,
    parent: str,
    child: str,
    kind: str = "revolute",
    inside: str = LIMIT,
    xyz: str = "0 0 1",
) -> str:
    return (
        f'<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>'
        f'<origin xyz="1 0 0"/><axis xyz="{xyz}"/>{inside}</joint>'
    )


def visual(geometry: str, rest: str = "") -> str:
    return f'<link name="a"><visual>{rest}<geometry>{geometry}</geometry></visual></link>'


CHAIN = joint("ab", "a", "b") + joint("bc", "b", "c")


@pytest.fixture
def make(tmp_path: Path):
    def make(body: str = LINKS + CHAIN, toml: str = "", keypoint: str = KEYPOINT) -> Robot:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        whole = body if body.startswith(("<?", "<x")) else f'<robot name="r">{body}</robot>'
        (folder / "r.urdf").write_text(whole)
        (folder / "r.toml").write_text(TOML + toml + keypoint)
        return Robot.named(str(folder / "r.toml"))

    return make


def test_all_that_can_move_does_unless_told(make) -> None:
    assert make().angle_names == ("ab", "bc")
    assert make(toml='joints = ["bc", "ab"]\n').angle_names == ("bc", "ab")
    assert make(toml='joints = ["bc"]\n').angle_names == ("bc",)


def test_each_joint_keeps_its_own_range(make) -> None:
    links = LINKS + '<link name="d"/><link name="e"/>'
    many = '<limit lower="-9" upper="9"/>'
    robot = make(
        links
        + joint("ab", "a", "b")
        + joint("bc", "b", "c", "continuous", "")
        + joint("cd", "c", "d", "prismatic", '<limit lower="0" upper="0.4"/>')
        + joint("de", "d", "e", "revolute", many)
    )
    np.testing.assert_allclose(robot.lower, [-1, -math.pi, 0, -math.pi])
    np.testing.assert_allclose(robot.upper, [2, math.pi, 0.4, math.pi])


def test_a_prismatic_joint_slides_along_its_axis(make) -> None:
    slide = joint("bc", "b", "c", "prismatic", '<limit lower="0" upper="1"/>', xyz="0 3 0")
    robot = make(LINKS + joint("ab", "a", "b") + slide)
    T = robot.forward([math.pi / 2, 0.25])[robot.model.links.index("c")]
    np.testing.assert_allclose(T[:3, 3], [1 - 0.25, 1, 0], atol=1e-12)


def test_a_fixed_joint_takes_no_angle(make) -> None:
    robot = make(LINKS + joint("ab", "a", "b") + joint("bc", "b", "c", "fixed", ""))
    assert robot.angle_names == ("ab",)


def test_a_follower_moves_with_its_leader(make) -> None:
    follower = joint(
        "bc", "b", "c", inside=LIMIT + '<mimic joint="ab" multiplier="-2" offset="0.5"/>'
    )
    robot = make(LINKS + joint("ab", "a", "b") + follower)
    free = make()
    assert robot.angle_names == ("ab",)
    np.testing.assert_allclose(robot.forward([0.3]), free.forward([0.3, -0.1]), atol=1e-12)


def test_a_follower_of_a_resting_joint_rests(make) -> None:
    follower = joint("cd", "c", "d", inside=LIMIT + '<mimic joint="bc" multiplier="2"/>')
    body = LINKS + '<link name="d"/>' + CHAIN + follower
    robot = make(body, 'joints = ["ab"]\nrest = { bc = 0.25 }\n')
    T = robot.forward([0.1])
    turned = np.arctan2(T[:, 1, 0], T[:, 0, 0])
    np.testing.assert_allclose(turned, [0, 0.1, 0.35, 0.85], atol=1e-12)


def test_a_joint_that_cannot_be_at_zero_rests_at_its_nearest_limit(make) -> None:
    far = joint("bc", "b", "c", inside='<limit lower="0.5" upper="1"/>')
    robot = make(LINKS + joint("ab", "a", "b") + far, 'joints = ["ab"]\n')
    assert np.arctan2(*robot.forward([0.0])[2, [1, 0], 0]) == pytest.approx(0.5)


def test_a_keypoint_lies_on_a_link_or_where_a_joint_turns(make) -> None:
    robot = make(
        keypoint='[[keypoint]]\nname = "k"\njoint = "ab"\n'
        '[[keypoint]]\nname = "m"\nlink = "c"\njoint = "ab"\noffset = [0, 0, 0.5]\ndepth = 0.3\n'
    )
    points = robot.keypoints_world(robot.forward([0, 0]))
    np.testing.assert_allclose(points, [[1, 0, 0], [2, 0, 0.5]])
    assert [k.depth for k in robot.keypoints] == [0.1, 0.3]
    own = [{robot.model.links[i] for i in robot.own_links(k)} for k in robot.keypoints]
    assert own == [{"a", "b"}, {"a", "b", "c"}]


def test_height_raises_everything(make) -> None:
    raised, plain = make(toml="height = 0.5\n"), make()
    up = raised.forward([0.1, 0.2]) - plain.forward([0.1, 0.2])
    np.testing.assert_allclose(up[:, 2, 3], 0.5)


def test_colours_may_be_told_once_and_named(make) -> None:
    red = '<material name="red"><color rgba="1 0 0 1"/></material>'
    robot = make(red + visual('<box size="1 2 3"/>', '<material name="red"/>') + LINKS[16:] + CHAIN)
    assert robot.model.visuals[0].color == (1, 0, 0)
    assert robot.model.visuals[0].primitive == ("box", (1, 2, 3))


@pytest.mark.parametrize(
    "name", ["m.stl", "sub/m.stl", "package://thing/sub/m.stl", "file://{folder}/m.stl"]
)
def test_meshes_are_found_beside_in_packages_and_by_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    package = tmp_path / "share" / "thing"
    (package / "urdf" / "sub").mkdir(parents=True)
    (package / "sub").mkdir()
    for folder in (package / "urdf", package / "urdf" / "sub", package / "sub", tmp_path):
        (folder / "m.stl").write_text("solid")
    mesh = visual(f'<mesh filename="{name.format(folder=tmp_path)}" scale="1 1 -1"/>')
    text = f'<robot name="r">{mesh}{LINKS[16:]}{CHAIN}</robot>'
    for folder in (package / "urdf", tmp_path):  # in the package, and far from it
        (folder / "r.urdf").write_text(text)
        (folder / "r.toml").write_text(TOML + KEYPOINT)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "m.stl").write_text("solid")
    monkeypatch.setenv("ROS_PACKAGE_PATH", f"/nowhere:{tmp_path / 'share'}")
    for folder in (package / "urdf", tmp_path):
        (found,) = Robot.named(str(folder / "r.toml")).model.visuals
        assert found.mesh is not None
        assert found.mesh.is_file()
        assert found.scale == (1, 1, -1)


def test_a_description_tells_where_packages_are(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "m.obj").write_text("")
    mesh = visual('<mesh filename="package://thing/m.obj"/>')
    (tmp_path / "r.urdf").write_text(f'<robot name="r">{mesh}{LINKS[16:]}{CHAIN}</robot>')
    (tmp_path / "r.toml").write_text(TOML + 'packages = { thing = "elsewhere" }\n' + KEYPOINT)
    (found,) = Robot.named(str(tmp_path / "r.toml")).model.visuals
    assert found.mesh == tmp_path / "elsewhere" / "m.obj"


BROKEN_URDFS = {
    "no xml": ("<x", "cannot be read"),
    "other root": ("<xml/>", "<xml>; <robot> is wanted"),
    "macros": (
        '<?xml version="1.0"?><robot name="r" xmlns:xacro="http://ros.org/wiki/xacro">'
        '<xacro:include filename="f"/></robot>',
        "xacro macros",
    ),
    "no links": ("", "no <link>"),
    "nameless link": ("<link/>", "<link> number 1 has no name"),
    "doubled link": (LINKS + '<link name="b"/>' + CHAIN, "two of <link> are called 'b'"),
    "doubled joint": (LINKS + CHAIN + joint("ab", "b", "c"), "two of <joint> are called 'ab'"),
    "missing parent": (LINKS + joint("ab", "z", "b"), "joint 'ab': its parent 'z' is no link"),
    "missing child": (LINKS + joint("ab", "a", "z"), "joint 'ab': its child 'z' is no link"),
    "no parent": (
        LINKS + '<joint name="j" type="fixed"><child link="b"/></joint>',
        "joint 'j' names no parent",
    ),
    "unknown type": (LINKS + joint("ab", "a", "b", "floating"), "'ab' is of type 'floating'"),
    "no type": (LINKS + joint("ab", "a", "b", ""), "'ab' is of type ''; usable: revolute"),
    "no limits": (
        LINKS + joint("ab", "a", "b", inside="") + joint("bc", "b", "c"),
        "joint 'ab' is revolute and has no <limit>",
    ),
    "empty limits": (
        LINKS + joint("ab", "a", "b", inside='<limit effort="1"/>') + joint("bc", "b", "c"),
        "joint 'ab' has limits 0.0 to 0.0",
    ),
    "limits that are no numbers": (
        LINKS + joint("ab", "a", "b", inside='<limit lower="low" upper="1"/>'),
        "joint 'ab': lower of <limit> is 'low'; a finite number wanted",
    ),
    "two numbers of three": (
        LINKS + joint("ab", "a", "b", xyz="0 1"),
        "joint 'ab': xyz of <axis> is '0 1'; 3 finite numbers wanted",
    ),
    "infinite number": (
        LINKS + joint("ab", "a", "b", xyz="0 inf 0"),
        "joint 'ab': xyz of <axis> is '0 inf 0'",
    ),
    "axis without direction": (
        LINKS + joint("ab", "a", "b", xyz="0 0 0"),
        "joint 'ab': its axis '0 0 0' has no direction",
    ),
    "two roots": (LINKS + joint("ab", "a", "b"), "links 'a', 'c' hang on no joint"),
    "two joints above": (
        LINKS + CHAIN + joint("ac", "a", "c"),
        "link 'c' hangs on two joints, 'bc' and 'ac'",
    ),
    "ring": (
        LINKS + joint("bc", "b", "c") + joint("cb", "c", "b"),
        "links 'b', 'c' hang on each other in a ring",
    ),
    "follows nothing": (
        LINKS + CHAIN.replace(LIMIT, LIMIT + '<mimic joint="z"/>', 1),
        "joint 'ab' mimics 'z', which is no joint",
    ),
    "follows itself": (
        LINKS + CHAIN.replace(LIMIT, LIMIT + '<mimic joint="ab"/>', 1),
        "joint 'ab' mimics joints that mimic each other",
    ),
    "nothing moves": (
        LINKS + joint("ab", "a", "b", "fixed", "") + joint("bc", "b", "c", "fixed", ""),
        "joints that move are none",
    ),
    "missing mesh": (
        visual('<mesh filename="gone.dae"/>') + LINKS[16:] + CHAIN,
        "link 'a': mesh 'gone.dae' is missing; looked for",
    ),
    "unknown package": (
        visual('<mesh filename="package://thing/m.dae"/>') + LINKS[16:] + CHAIN,
        "link 'a': no folder of package 'thing'",
    ),
    "web mesh": (
        visual('<mesh filename="http://m.dae"/>') + LINKS[16:] + CHAIN,
        "link 'a': mesh 'http://m.dae'; package://",
    ),
    "unknown kind of mesh": (
        visual('<mesh filename="r.urdf"/>') + LINKS[16:] + CHAIN,
        r"link 'a': mesh .*r\.urdf; \.dae",
    ),
    "flat mesh": (
        visual('<mesh filename="r.urdf" scale="1 0 1"/>') + LINKS[16:] + CHAIN,
        "link 'a': scale of <mesh> is",
    ),
    "unknown shape": (
        visual('<capsule radius="1"/>') + LINKS[16:] + CHAIN,
        "link 'a': geometry <capsule>; known: mesh, box, cylinder, sphere",
    ),
    "no shape": (visual("") + LINKS[16:] + CHAIN, "link 'a': a <visual> has 0 shapes"),
    "negative size": (
        visual('<sphere radius="-1"/>') + LINKS[16:] + CHAIN,
        "link 'a': size",
    ),
    "no size": (
        visual('<cylinder radius="1"/>') + LINKS[16:] + CHAIN,
        "link 'a': length of <cylinder> is missing",
    ),
}


@pytest.mark.parametrize("case", BROKEN_URDFS)
def test_a_urdf_of_no_use_names_the_element_and_why_in_one_line(make, case: str) -> None:
    body, message = BROKEN_URDFS[case]
    with pytest.raises(RobotError) as caught:
        make(body)
    assert re.search(message, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)


BROKEN_TABLES = {
    "not toml": ("x = [\n", KEYPOINT, "cannot be read|Invalid|Expected"),
    "unknown key": ("colour = 1\n", KEYPOINT, "unknown field `colour`"),
    "no keypoint": ("", "", "missing required field `keypoint`"),
    "nameless keypoint": ("", '[[keypoint]]\nlink = "c"\n', "missing required field `name`"),
    "keypoint on no link": ("", KEYPOINT.replace('"c"', '"nose"'), "keypoint 'k'.*no link 'nose'"),
    "keypoint at no joint": ("", KEYPOINT + 'joint = "knee"\n', "keypoint 'k'.*no joint 'knee'"),
    "keypoint nowhere": ("", '[[keypoint]]\nname = "k"\n', "keypoint 'k' has neither"),
    "doubled keypoint": ("", KEYPOINT + KEYPOINT, "keypoint 'k' stands there twice"),
    "offset of two": ("", KEYPOINT + "offset = [0, 1]\n", "length 3.*offset"),
    "infinite offset": ("", KEYPOINT + "offset = [0, 1, inf]\n", "keypoint.*offset"),
    "offset that is not a number": ("", KEYPOINT + "offset = [0, 1, nan]\n", "keypoint.*offset"),
    "sigma of nothing": ("", KEYPOINT + "sigma = 0\n", r"> 0.*sigma"),
    "joint that is none": ('joints = ["knee"]\n', KEYPOINT, "joint 'knee' cannot move.*ab, bc"),
    "joint twice": ('joints = ["ab", "ab"]\n', KEYPOINT, "ab, ab; wanted one or more, each once"),
    "mirrored nose": ('mirror = [["k", "nose"]]\n', KEYPOINT, "mirror: 'nose' is no keypoint.* k"),
    "mirrored twice": (
        'mirror = [["k", "l"], ["k", "m"]]\n',
        "".join(KEYPOINT.replace('"k"', f'"{name}"') for name in "klm"),
        "more than one pair",
    ),
    "rest of a moving joint": ("rest = { ab = 0 }\n", KEYPOINT, "rest names joint 'ab'"),
}


@pytest.mark.parametrize("case", BROKEN_TABLES)
def test_a_description_of_no_use_says_why_in_one_line(make, case: str) -> None:
    toml, keypoint, message = BROKEN_TABLES[case]
    with pytest.raises(RobotError) as caught:
        make(toml=toml, keypoint=keypoint)
    assert re.search(message, str(caught.value)), str(caught.value)
    assert "r.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_urdf_is_named(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(TOML + KEYPOINT)
    with pytest.raises(RobotError, match=r"no URDF at .*r\.urdf"):
        Robot.named(str(tmp_path / "r.toml"))


def test_a_missing_description_is_named() -> None:
    with pytest.raises(RobotError, match=r"no robot description at 'nowhere\.toml'"):
        Robot.named("nowhere.toml")
