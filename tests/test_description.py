"""URDF files and robot descriptions: what they may hold, and what is said of those of no use."""

import math
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from simulator.robot import MAX_JOINTS, Robot, RobotError
from simulator.robot.attributes import origin
from simulator.robot.tree import one_turn

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


def test_a_follower_takes_no_limits_of_its_own(make) -> None:
    follower = joint("bc", "b", "c", inside='<limit lower="0" upper="1"/><mimic joint="ab"/>')
    with pytest.raises(RobotError, match="'bc', which follows 'ab'"):
        make(LINKS + joint("ab", "a", "b") + follower, "limits = { bc = [0, 1] }\n")


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


SHOWS_NOTHING = {
    "no shape": ("", "link 'a': a <visual> without a shape"),
    "box of nothing": ('<box size="0 0 0"/>', "link 'a': a <box> of size"),
    "edge": ('<box size="0 1 0"/>', "link 'a': a <box> of size"),
    "ball of nothing": ('<sphere radius="0"/>', "link 'a': a <sphere> of size"),
    "line": ('<cylinder radius="0" length="1"/>', "link 'a': a <cylinder> of size"),
    "unknown shape": ('<heightmap file="a"/>', "link 'a': a <visual> of <heightmap>"),
    "nameless mesh": ("<mesh/>", "link 'a': a <mesh> without a file name"),
    "mesh of nothing": (
        '<mesh filename="m.stl" scale="0 0 1"/>',
        "link 'a': mesh 'm.stl' of scale",
    ),
}


@pytest.mark.parametrize("case", SHOWS_NOTHING)
def test_a_visual_that_shows_nothing_is_left_out_and_a_line_says_so(make, case: str) -> None:
    geometry, note = SHOWS_NOTHING[case]
    shown = '<visual><geometry><box size="1 1 1"/></geometry></visual>'
    link = visual(geometry).replace("</link>", f"{shown}</link>")
    robot = make(link + LINKS[16:] + CHAIN)
    assert [v.primitive for v in robot.model.visuals] == [("box", (1, 1, 1))]
    assert [note in line for line in robot.notes] == [True]
    assert "\n" not in robot.notes[0]


def test_a_visual_without_geometry_is_left_out(make) -> None:
    robot = make(
        '<link name="a"><visual><origin xyz="0 0 0"/></visual></link>' + LINKS[16:] + CHAIN
    )
    assert robot.model.visuals == ()
    assert len(robot.notes) == 1


def test_a_plate_is_seen(make) -> None:
    robot = make(visual('<box size="1 1 0"/>') + LINKS[16:] + CHAIN)
    assert robot.model.visuals[0].primitive == ("box", (1, 1, 0))
    assert robot.notes == ()


def test_of_several_shapes_the_first_that_is_known_is_shown(make) -> None:
    robot = make(visual('<cone/><sphere radius="2"/><box size="1 1 1"/>') + LINKS[16:] + CHAIN)
    assert [v.primitive for v in robot.model.visuals] == [("sphere", (2,))]
    assert len(robot.notes) == 1


def test_a_capsule_is_a_cylinder_between_two_balls(make) -> None:
    capsule = visual('<capsule radius="0.1" length="1"/>', '<origin xyz="0 0 3" rpy="0 1.5708 0"/>')
    robot = make(capsule + LINKS[16:] + CHAIN)
    shapes = {v.primitive: [] for v in robot.model.visuals}
    for v in robot.model.visuals:
        shapes[v.primitive].append(v.T_link_visual[:3, 3].round(4).tolist())
    assert shapes == {
        ("cylinder", (0.1, 1)): [[0, 0, 3]],
        ("sphere", (0.1,)): [[-0.5, 0, 3], [0.5, 0, 3]],
    }


EMPTY_MESHES = {
    "m.stl": b"solid nothing\nendsolid nothing\n",
    "binary.stl": bytes(84),
    "m.obj": b"# nothing\nv 0 0 0\n",
    "m.ply": b"ply\nformat ascii 1.0\nelement vertex 1\nelement face 0\nend_header\n",
    "m.dae": b"<COLLADA><library_geometries><geometry id='g'/></library_geometries></COLLADA>",
    "counted.dae": b"<COLLADA><mesh><triangles count='0' material='m'/></mesh></COLLADA>",
}


@pytest.mark.parametrize("name", EMPTY_MESHES)
def test_a_mesh_without_triangles_is_left_out(tmp_path: Path, make, name: str) -> None:
    mesh = tmp_path / name
    mesh.write_bytes(EMPTY_MESHES[name])
    robot = make(visual(f'<mesh filename="{mesh}"/>') + LINKS[16:] + CHAIN)
    assert robot.model.visuals == ()
    assert [name in note and "no triangles" in note for note in robot.notes] == [True]


@pytest.mark.parametrize("kind", ["floating", "planar"])
def test_a_joint_that_no_angle_moves_stays_at_its_origin(make, kind: str) -> None:
    body = LINKS + joint("ab", "a", "b", kind, "") + joint("bc", "b", "c")
    robot, fixed = make(body), make(body.replace(kind, "fixed"))
    assert robot.angle_names == ("bc",)
    np.testing.assert_array_equal(robot.forward([0.3]), fixed.forward([0.3]))
    assert [f"joint 'ab' is {kind}" in note for note in robot.notes] == [True]
    with pytest.raises(RobotError, match=f"joint 'ab' cannot move by itself.*is {kind}.*can: bc"):
        make(body, 'joints = ["ab", "bc"]\n')


def test_a_joint_without_direction_or_room_rests_unless_it_is_to_move(make) -> None:
    flat = joint("ab", "a", "b", xyz="0 0 0")
    tight = joint("ab", "a", "b", inside='<limit effort="1"/>')
    for first, why in ((flat, "axis without direction"), (tight, "limits 0.0 to 0.0")):
        body = LINKS + first + joint("bc", "b", "c")
        robot = make(body)
        assert robot.angle_names == ("bc",)
        assert [why in note for note in robot.notes] == [True]
        np.testing.assert_allclose(robot.forward([0])[2, :3, 3], [2, 0, 0])
        with pytest.raises(RobotError, match="joint 'ab'"):
            make(body, 'joints = ["ab"]\n')


LOST = {
    "nobody": ("z", "bc"),
    "itself": ("cd", "bc"),
    "one that mimics it": ("bc", "cd"),
}


@pytest.mark.parametrize("case", LOST)
def test_a_follower_that_is_led_nowhere_rests(make, case: str) -> None:
    of_cd, of_bc = LOST[case]
    lost = joint("cd", "c", "d", inside=LIMIT + f'<mimic joint="{of_cd}" offset="1"/>')
    ring = LIMIT + f'<mimic joint="{of_bc}"/>' if of_bc == "cd" else LIMIT
    body = LINKS + '<link name="d"/>' + joint("ab", "a", "b") + joint("bc", "b", "c", inside=ring)
    robot = make(body + lost, 'joints = ["ab"]\n')
    T = robot.forward([0.2])
    np.testing.assert_allclose(np.arctan2(T[:, 1, 0], T[:, 0, 0]), [0, 0.2, 0.2, 0.2], atol=1e-12)
    assert any("joint 'cd' mimics" in note for note in robot.notes)
    assert make(body + lost, 'joints = ["ab", "cd"]\n').angle_names == ("ab", "cd")


def test_a_follower_of_one_that_is_led_nowhere_stays_with_it(make) -> None:
    lost = joint("bc", "b", "c", inside='<limit lower="0.5" upper="1"/><mimic joint="z"/>')
    after = joint("cd", "c", "d", inside=LIMIT + '<mimic joint="bc" multiplier="2"/>')
    robot = make(LINKS + '<link name="d"/>' + joint("ab", "a", "b") + lost + after)
    T = robot.forward([0])
    np.testing.assert_allclose(np.arctan2(T[:, 1, 0], T[:, 0, 0]), [0, 0, 0.5, 1.5], atol=1e-12)


def test_the_world_need_not_be_declared(make) -> None:
    weld = joint("weld", "world", "a", "fixed", "")
    robot, declared = (
        make(LINKS + CHAIN + weld),
        make('<link name="world"/>' + LINKS + CHAIN + weld),
    )
    assert robot.model.links == declared.model.links == ("world", "a", "b", "c")
    assert robot.fingerprint == declared.fingerprint


PASSED_OVER = {
    "in a visual": visual('<box size="1 1 1"/>', "<xacro:grey/>") + LINKS[16:] + CHAIN,
    "in a link": LINKS.replace('name="a"/>', 'name="a"><xacro:mass><origin/></xacro:mass></link>')
    + CHAIN,
    "at the root": LINKS + CHAIN + '<xacro:include filename="f"/><xacro:property name="p"/>',
    "in gazebo": LINKS + CHAIN + "<gazebo><xacro:plugin/></gazebo>",
    "in a joint that lacks nothing": LINKS + CHAIN.replace("<axis", "<xacro:damping/><axis", 1),
    "in a macro that nobody calls": LINKS
    + CHAIN
    + '<xacro:macro name="m"><link name="d"/></xacro:macro>',
}


@pytest.mark.parametrize("case", PASSED_OVER)
def test_a_macro_that_moves_nothing_is_passed_over(make, case: str) -> None:
    robot = make(PASSED_OVER[case])
    assert robot.fingerprint == make().fingerprint
    assert robot.notes
    assert all("xacro:" in note for note in robot.notes)


MACROS = {
    "link": LINKS + CHAIN + '<xacro:link name="d"/>',
    "joint in a branch": LINKS + '<xacro:if value="1">' + CHAIN + "</xacro:if>",
    "call": LINKS
    + CHAIN
    + '<xacro:macro name="m"><link name="d"/></xacro:macro><xacro:m prefix="p"/>',
    "origin": LINKS + CHAIN.replace('<origin xyz="1 0 0"/>', "<xacro:place/>", 1),
    "axis": LINKS + CHAIN.replace('<axis xyz="0 0 1"/>', "<xacro:up/>", 1),
    "limit": LINKS + CHAIN.replace(LIMIT, "<xacro:range/>", 1),
    "block": LINKS + CHAIN.replace("<axis", '<xacro:insert_block name="origin"/><axis', 1),
    "geometry": visual('<xacro:shape name="s"/>') + LINKS[16:] + CHAIN,
    "a visual's geometry": '<link name="a"><visual><xacro:s/></visual></link>' + LINKS[16:] + CHAIN,
    "nothing but macros": '<gazebo/><xacro:robot name="r"/>',
    "number": LINKS + CHAIN.replace('"1 0 0"', '"${x} 0 0"', 1),
}


@pytest.mark.parametrize("case", MACROS)
def test_a_macro_that_may_move_something_is_refused(make, case: str) -> None:
    with pytest.raises(RobotError, match=r"expand its macros: xacro IN\.xacro > OUT\.urdf"):
        make(MACROS[case])


def test_prefixes_are_read_declared_or_not(make) -> None:
    body = LINKS + CHAIN + "<sensor:camera sensor:kind='x'/><gazebo><controller:foo/></gazebo>"
    assert make(body).fingerprint == make().fingerprint
    spaced = '<?xml version="1.0"?><robot xmlns="http://drake.mit.edu" name="r">'
    assert make(spaced + LINKS + CHAIN + "</robot>").fingerprint == make().fingerprint


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8-sig", None),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16"),
        ("latin-1", "ISO-8859-1"),
        ("cp1252", "windows-1252"),
        ("gb2312", "GB2312"),
        ("latin-1", "utf-8"),  # as editors of comments leave it
        ("utf-8", None),
        ("utf-8", "utf-16"),  # as .NET writes it
        ("utf-16-le", "utf-16"),
        ("utf-16-be", None),
    ],
)
def test_files_are_read_in_any_encoding(
    tmp_path: Path, encoding: str, declared: str | None
) -> None:
    comment = "机" if encoding == "gb2312" else "é"
    head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    text = f'{head}<robot name="r"><!-- {comment} -->{LINKS}{CHAIN}</robot>'
    (tmp_path / "r.urdf").write_bytes(text.encode(encoding))
    (tmp_path / "r.toml").write_text(TOML + KEYPOINT, encoding="utf-8-sig")
    assert Robot.named(str(tmp_path / "r.toml")).angle_names == ("ab", "bc")


def test_a_blank_attribute_is_as_good_as_none(make) -> None:
    body = LINKS + CHAIN.replace('<origin xyz="1 0 0"/>', '<origin xyz="1 0 0" rpy=""/>')
    assert make(body).fingerprint == make().fingerprint


def test_an_unknown_encoding_is_named(make) -> None:
    with pytest.raises(RobotError, match=r"r\.urdf cannot be read: its encoding 'klingon'"):
        make(f'<?xml version="1.0" encoding="klingon"?><robot>{LINKS}{CHAIN}</robot>')


RED = '<material name="red"><color rgba="1 0 0 1"/></material>'
NAMED = visual('<box size="1 1 1"/>', '<material name="red"/>')
OWN = visual('<box size="2 2 2"/>', RED).replace('"a"', '"b"')


@pytest.mark.parametrize(
    "links",
    [NAMED + OWN, OWN + NAMED, RED + NAMED + '<link name="b"/>', NAMED + '<link name="b"/>' + RED],
    ids=["later link", "earlier link", "root before", "root after"],
)
def test_a_colour_is_known_by_its_name_wherever_it_is_defined(make, links: str) -> None:
    robot = make(links + '<link name="c"/>' + CHAIN)
    assert {v.color for v in robot.model.visuals} == {(1, 0, 0)}


def test_the_robots_own_materials_come_before_those_of_links(make) -> None:
    green = RED.replace("1 0 0 1", "0 1 0 1")
    robot = make(OWN + NAMED + '<link name="c"/>' + CHAIN + green)
    assert [v.color for v in robot.model.visuals] == [(0, 1, 0), (1, 0, 0)]


def test_a_colour_that_is_none_is_passed_over(make) -> None:
    robot = make(NAMED.replace("/>", "><color rgba='red'/></material>", 1) + LINKS[16:] + CHAIN)
    assert robot.model.visuals[0].color is None
    assert ["material 'red'" in note for note in robot.notes] == [True]


@pytest.mark.parametrize(
    ("rgba", "color", "said"),
    [
        ("255 51 0 255", (1, 0.2, 0), "taken for parts of 255"),
        ("1.02 0.5 0 1", (1, 0.5, 0), None),
        ("255 51 0 1", (1, 0.2, 0), "taken for parts of 255"),
        ("-1 0 0 1", None, "passed over"),
        ("256 0 0 1", None, "passed over"),
        ("nan 0 0 1", None, "passed over"),
    ],
)
def test_a_colour_beyond_its_range_is_never_shown(make, rgba, color, said) -> None:
    own = f'><color rgba="{rgba}"/></material>'
    robot = make(NAMED.replace("/>", own, 1) + LINKS[16:] + CHAIN)
    assert robot.model.visuals[0].color == color
    assert [said in note for note in robot.notes] == ([True] if said else [])


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1))
def test_an_origin_may_turn_by_a_quaternion(q: list[float]) -> None:
    text = " ".join(map(repr, q))
    element = ElementTree.fromstring(f'<joint><origin quat_xyzw="{text}"/></joint>')
    expected = Rotation.from_quat(q).as_matrix()
    np.testing.assert_allclose(origin(element, "here")[:3, :3], expected, atol=1e-12)


def test_limits_that_look_like_degrees_are_said(make) -> None:
    wide = joint("ab", "a", "b", inside='<limit lower="-90" upper="45"/>')
    (note,) = make(LINKS + wide + joint("bc", "b", "c")).notes
    assert "if degrees are meant: limits = { ab = [-1.571, 0.7854] }" in note
    endless = joint("ab", "a", "b", inside='<limit lower="-1e16" upper="1e16"/>')
    assert not make(LINKS + endless + joint("bc", "b", "c")).notes


def test_a_robot_in_millimetres_is_refused(make) -> None:
    with pytest.raises(RobotError, match=r"up to \d+\S* m from the base; .* metres"):
        make(LINKS + CHAIN.replace('xyz="1 0 0"', 'xyz="400 0 0"'))


def test_windows_writes_mesh_names_with_other_slashes(tmp_path: Path, make) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "m.stl").write_text("solid")
    robot = make(visual(r'<mesh filename="..\sub\m.stl" scale="0.001"/>') + LINKS[16:] + CHAIN)
    assert robot.model.visuals[0].mesh.resolve() == tmp_path / "sub" / "m.stl"
    assert robot.model.visuals[0].scale == (0.001, 0.001, 0.001)


def test_a_description_gives_limits_in_place_of_the_urdfs(make) -> None:
    none = LINKS + joint("ab", "a", "b", inside="") + joint("bc", "b", "c", "continuous", "")
    robot = make(none, "limits = { ab = [-0.5, 1], bc = [0, 2] }\n")
    np.testing.assert_allclose((robot.lower, robot.upper), [(-0.5, 0), (1, 2)])
    wider = make(toml="limits = { ab = [-3, 3] }\n")
    np.testing.assert_allclose((wider.lower, wider.upper), [(-3, -1), (3, 2)])
    resting = make(toml='joints = ["ab"]\nlimits = { bc = [0.5, 1] }\n')
    assert np.arctan2(*resting.forward([0])[2, [1, 0], 0]) == pytest.approx(0.5)


TURN = 2 * math.pi


@pytest.mark.parametrize(
    ("limits", "cut"),
    [
        ((-2.4, 4.4), (-2.4, TURN - 2.4)),
        ((0, 6.5), (0, TURN)),
        ((-6.2832, 6.2832), (-math.pi, math.pi)),
        ((5, 20), (5, 5 + TURN)),
        ((-20, -5), (-5 - TURN, -5)),
        ((-math.inf, math.inf), (-math.pi, math.pi)),
        ((-1, 2), (-1, 2)),
    ],
)
def test_a_wide_range_is_cut_to_one_turn_within_it(make, limits, cut) -> None:
    lower, upper = limits
    wide = joint("ab", "a", "b", inside=f'<limit lower="{lower}" upper="{upper}"/>')
    robot = make(LINKS + wide + joint("bc", "b", "c"))
    np.testing.assert_allclose((robot.lower[0], robot.upper[0]), cut, atol=1e-12)


@given(st.floats(-50, 50), st.floats(1e-3, 100))
def test_one_turn_lies_within_the_limits_as_near_to_0_as_they_allow(lower, width) -> None:
    upper = lower + width
    low, high = one_turn(lower, upper)
    assert lower <= low < high <= upper
    assert high - low == pytest.approx(min(upper - lower, TURN))
    for shift in (-1e-3, 1e-3):  # no other turn within the limits is nearer to 0
        if lower <= low + shift and high + shift <= upper:
            assert abs(low + high) <= abs(low + high + 2 * shift) + 1e-9


def test_more_joints_than_can_be_sent_are_refused(make) -> None:
    def chain(count: int) -> str:
        links = "".join(f'<link name="l{i}"/>' for i in range(count))
        chained = "".join(joint(f"j{i}", f"l{i - 1}", f"l{i}") for i in range(1, count))
        return links + '<link name="c"/>' + chained + joint("j0", "c", "l0")

    assert make(chain(MAX_JOINTS), keypoint=KEYPOINT.replace('"c"', '"l9"'))
    with pytest.raises(RobotError, match=r"robot r moves 71 joints, at most 64 can.*`joints`"):
        make(chain(71))


@pytest.mark.parametrize("name", ["r.urdf", "noise.step"])
def test_a_mesh_of_an_unknown_kind_is_named(tmp_path: Path, make, name: str) -> None:
    (tmp_path / name).write_text("x")
    with pytest.raises(RobotError, match=rf"link 'a': mesh .*{re.escape(name)}; \.dae, .* known"):
        make(visual(f'<mesh filename="../{name}"/>') + LINKS[16:] + CHAIN)


BROKEN_URDFS = {
    "no xml": ("<x", "cannot be read"),
    "other root": ("<xml/>", "<xml>; <robot> is wanted"),
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
    "unknown type": (LINKS + joint("ab", "a", "b", "ball"), "'ab' is of type 'ball'"),
    "no type": (LINKS + joint("ab", "a", "b", ""), "'ab' is of type ''; usable: revolute"),
    "no limits": (
        LINKS + joint("ab", "a", "b", inside="") + joint("bc", "b", "c"),
        r"joint 'ab' is revolute and has no <limit>.*limits = \{ ab = \[LOWER, UPPER\] \}",
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
    "two roots": (LINKS + joint("ab", "a", "b"), "links 'a', 'c' hang on no joint"),
    "two joints above": (
        LINKS + CHAIN + joint("ac", "a", "c"),
        "link 'c' hangs on two joints, 'bc' and 'ac'",
    ),
    "ring": (
        LINKS + joint("bc", "b", "c") + joint("cb", "c", "b"),
        "links 'b', 'c' hang on each other in a ring",
    ),
    "nothing moves": (
        LINKS + joint("ab", "a", "b", "fixed", "") + joint("bc", "b", "c", "fixed", ""),
        "joints that move are none",
    ),
    "missing mesh": (
        visual('<mesh filename="gone.dae"/>') + LINKS[16:] + CHAIN,
        "link 'a': mesh 'gone.dae' is missing; looked for",
    ),
    "mesh named by a macro": (
        visual('<mesh filename="$(find thing)/m.dae"/>') + LINKS[16:] + CHAIN,
        r"mesh '\$\(find thing\)/m.dae' is missing; .* xacro IN.xacro > OUT.urdf",
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
    "negative size": (
        visual('<sphere radius="-1"/>') + LINKS[16:] + CHAIN,
        "link 'a': size",
    ),
    "two turns": (
        LINKS + CHAIN.replace("xyz=", 'rpy="0 0 0" quat_xyzw="0 0 0 1" xyz=', 1),
        "joint 'ab': <origin> has both rpy and quat_xyzw",
    ),
    "no turn": (
        LINKS + CHAIN.replace("xyz=", 'quat_xyzw="0 0 0 0" xyz=', 1),
        "joint 'ab': quat_xyzw of <origin> is 0 0 0 0",
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
    "long name": ("", KEYPOINT.replace('"k"', f'"{"k" * 65}"'), "length <= 64"),
    "limits of no joint": (
        "limits = { knee = [0, 1] }\n",
        KEYPOINT,
        "limits names joint 'knee'",
    ),
    "limits upside down": ("limits = { ab = [1, 0] }\n", KEYPOINT, "joint 'ab' are 1.0 to 0.0"),
    "limits of nothing": ("limits = { ab = [1, 1] }\n", KEYPOINT, "joint 'ab' are 1.0 to 1.0"),
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
