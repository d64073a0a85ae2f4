"""Collada files as people bring them: all that they show is read, whatever else is in them."""

from pathlib import Path

import numpy as np
import pytest

from blender_scenes.spec import RobotModel, Visual
from jointloop.common.errors import SceneError
from simulator.robot.description import robots_folder

bpy = pytest.importorskip("bpy")

from blender_scenes.collada import read_collada  # noqa: E402
from blender_scenes.meshes import DEFAULT_COLOR, quiet, read_robot  # noqa: E402

pytestmark = pytest.mark.blender

CORNERS = "0 0 0  1 0 0  1 2 0  0 2 0  0 0 3"
"""Of a rectangle, and a point above its first corner."""
TRIANGLES = "<triangles material='m' count='2'>{input}<p>0 1 2 0 2 4</p></triangles>"
INPUT = "<input semantic='VERTEX' source='#v' offset='0'/>"
RED = "<color>0.8 0.1 0.1 1</color>"
IN_NODE = """<node id='n'>{transforms}<instance_geometry url='#g'><bind_material><technique_common>
<instance_material symbol='m' target='#mat'/></technique_common></bind_material></instance_geometry>
</node>"""


def collada(
    primitive: str = TRIANGLES,
    diffuse: str = RED,
    transforms: str = "",
    asset: str = "",
    extra: str = "",
    node: str = IN_NODE,
    corners: str = CORNERS,
) -> str:
    count = len(corners.split())
    return f"""<?xml version="1.0" encoding="utf-8"?>
<COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema" version="1.4.1">
<asset>{asset}</asset>{extra}
<library_effects><effect id='eff'><profile_COMMON><technique sid='c'><phong>
<diffuse>{diffuse}</diffuse></phong></technique></profile_COMMON></effect></library_effects>
<library_materials><material id='mat'><instance_effect url='#eff'/></material></library_materials>
<library_geometries><geometry id='g'><mesh><source id='p'>
<float_array id='a' count='{count}'>{corners}</float_array><technique_common>
<accessor source='#a' count='{count // 3}' stride='3'/></technique_common></source>
<vertices id='v'><input semantic='POSITION' source='#p'/></vertices>
{primitive.format(input=INPUT)}</mesh></geometry></library_geometries>
<library_visual_scenes><visual_scene id='s'>{node.format(transforms=transforms)}</visual_scene>
</library_visual_scenes><scene><instance_visual_scene url='#s'/></scene></COLLADA>"""


@pytest.fixture
def read(tmp_path: Path):
    def read(text: str | bytes) -> tuple[np.ndarray, np.ndarray, list]:
        """Corners of all triangles (T, 3, 3), their box (2, 3) and their colours."""
        path = tmp_path / "m.dae"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        surfaces = read_collada(path)
        corners = np.concatenate([s.vertices[s.triangles] for s in surfaces])
        points = corners.reshape(-1, 3)
        return corners, np.stack([points.min(0), points.max(0)]), [s.color for s in surfaces]

    return read


def area(corners: np.ndarray) -> float:
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


@pytest.mark.parametrize("axis", ["X_UP", "Y_UP", "Z_UP", None])
def test_vertices_are_as_the_file_has_them_whatever_axis_it_names(read, axis: str | None) -> None:
    asset = "" if axis is None else f"<up_axis>{axis}</up_axis>"
    corners, box, colors = read(collada(asset=asset))
    np.testing.assert_array_equal(box, [[0, 0, 0], [1, 2, 3]])
    assert len(corners) == 2
    assert colors == [(0.8, 0.1, 0.1)]


def test_the_files_unit_counts(read) -> None:
    _, box, _ = read(collada(asset="<unit name='inch' meter='0.0254'/>"))
    np.testing.assert_allclose(box[1], np.array([1, 2, 3]) * 0.0254)


def test_transforms_of_nodes_are_applied_in_order(read) -> None:
    turned = "<translate>1 0 0</translate><rotate>0 0 1 90</rotate><scale>1 1 2</scale>"
    _, box, _ = read(collada(transforms=turned))
    np.testing.assert_allclose(box, [[-1, 0, 0], [1, 1, 6]], atol=1e-12)
    _, box, _ = read(collada(transforms="<matrix>1 0 0 5 0 1 0 0 0 0 1 0 0 0 0 1</matrix>"))
    np.testing.assert_allclose(box, [[5, 0, 0], [6, 2, 3]])


def test_a_camera_may_look_at_something(read) -> None:
    look = "<lookat>0 0 1 0 0 0 0 1 0</lookat>"
    camera = f"<node>{look}<instance_camera url='#c'/></node>"
    assert len(read(collada(node=camera + IN_NODE))[0]) == 2
    with pytest.raises(SceneError, match="hangs on a <lookat>"):
        read(collada(transforms=look))


def test_nodes_hang_in_nodes_and_stand_in_more_than_one_place(read) -> None:
    inner = "<translate>0 0 1</translate>" + IN_NODE.format(transforms="")
    again = "<node><translate>9 0 0</translate><instance_node url='#o'/></node>"
    twice = f"<node id='o'>{inner}</node>{again}"
    corners, box, _ = read(collada(node=twice))
    np.testing.assert_allclose(box, [[0, 0, 1], [10, 2, 4]])
    assert len(corners) == 4


SHAPES = {
    "triangles": ("<triangles>{input}<p>0 1 2 0 2 3</p></triangles>", 2),
    "several lists": ("<triangles>{input}<p>0 1 2</p><p>0 2 3</p></triangles>", 2),
    "quad": ("<polylist>{input}<vcount>4</vcount><p>0 1 2 3</p></polylist>", 2),
    "mixed": ("<polylist>{input}<vcount>3 2 3</vcount><p>0 1 2 0 1 0 2 3</p></polylist>", 2),
    "polygons": ("<polygons>{input}<p>0 1 2 3</p></polygons>", 2),
    "strip": ("<tristrips>{input}<p>0 1 3 2</p></tristrips>", 2),
    "fan": ("<trifans>{input}<p>0 1 2 3</p></trifans>", 2),
    "lines too": ("<lines>{input}<p>0 4</p></lines><trifans>{input}<p>0 1 2 3</p></trifans>", 2),
    "normals without a source": (
        "<triangles>{input}<input semantic='NORMAL' source='#gone' offset='1'/>"
        "<p>0 7 1 7 2 7 0 8 2 8 3 8</p></triangles>",
        2,
    ),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_every_kind_of_surface_becomes_triangles_that_face_one_way(read, kind: str) -> None:
    primitive, count = SHAPES[kind]
    corners, box, _ = read(collada(primitive))
    assert len(corners) == count
    assert area(corners) == pytest.approx(2)
    np.testing.assert_array_equal(box, [[0, 0, 0], [1, 2, 0]])
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()


@pytest.mark.parametrize("first", range(6))
def test_a_dented_polygon_keeps_its_dent(read, first: int) -> None:
    arrow = [(0, 0), (2, 0), (2, 2), (1.5, 0.5)]
    hook = [(0, 0), (3, 0), (3, 1), (1, 1), (1, 2), (0, 2)]
    for outline, expected in ((arrow, 1.0), (hook, 4.0)):
        n = len(outline)
        corners = " ".join(f"{x} {y} 0" for x, y in outline)
        order = " ".join(str((i + first) % n) for i in range(n))
        polygon = f"<polylist>{{input}}<vcount>{n}</vcount><p>{order}</p></polylist>"
        triangles, _, _ = read(collada(polygon, corners=corners))
        assert area(triangles) == pytest.approx(expected)


REAL = {
    "ur_description/meshes/ur10/visual/forearm.dae": np.eye(3),  # Z_UP
    "baxter_description/meshes/torso/base_link.DAE": np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]),
}
"""Meshes of robots, and how Blender's importer turns them to have z up."""


@pytest.mark.parametrize("name", REAL)
def test_real_meshes_are_read_as_blenders_importer_reads_them(name: str) -> None:
    path = robots_folder() / name
    surfaces = read_collada(path)
    corners = np.concatenate([s.vertices[s.triangles] for s in surfaces])
    with quiet():
        bpy.ops.wm.read_factory_settings(use_empty=True)
        bpy.ops.wm.collada_import(filepath=str(path))
    bpy.context.view_layer.update()
    blocks = [block for block in bpy.data.objects if block.type == "MESH"]
    points = np.concatenate(
        [[block.matrix_world @ v.co for v in block.data.vertices] for block in blocks]
    )
    colors = {
        tuple(np.round(m.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value, 3))
        for m in bpy.data.materials
    }
    own = corners.reshape(-1, 3) @ REAL[name].T
    np.testing.assert_allclose([own.min(0), own.max(0)], [points.min(0), points.max(0)], atol=1e-5)
    areas = sum(polygon.area for block in blocks for polygon in block.data.polygons)
    assert area(corners) == pytest.approx(areas, rel=0.01)
    assert {tuple(np.round(s.color, 3)) for s in surfaces if s.color} <= {c[:3] for c in colors}


COLOURLESS = {
    "texture without sampler": "<texture texture='skin' texcoord='UVSET0'/>",
    "texture of a missing picture": "<texture texture='gone-sampler' texcoord='x'/>",
    "nothing": "",
    "parameter of nothing": "<param ref='gone'/>",
}


@pytest.mark.parametrize("case", COLOURLESS)
def test_what_has_no_colour_is_read_and_gets_the_default_one(tmp_path: Path, case: str) -> None:
    images = (
        "<library_images><image id='skin'><init_from>skin.png</init_from></image></library_images>"
    )
    path = tmp_path / "m.dae"
    path.write_text(collada(diffuse=COLOURLESS[case], extra=images))
    meshes, colors = read_robot(_model(path))
    assert colors == [DEFAULT_COLOR]
    assert len(meshes[0].triangles) == 2
    assert read_robot(_model(path, (0.1, 0.2, 0.3)))[1] == [(0.1, 0.2, 0.3)]


def test_a_colour_may_be_a_parameter(read) -> None:
    effect = (
        "<param ref='c'/></diffuse></phong></technique><newparam sid='c'><float3>0 1 0</float3>"
        "</newparam><technique><phong><diffuse>"
    )
    assert read(collada(diffuse=effect))[2] == [(0, 1, 0)]


FOREIGN = "<extra><technique><xsi:foo bar:baz='1'><triangles/></xsi:foo></technique></extra>"


def test_what_other_tools_left_is_passed_over(read) -> None:
    corners, _, _ = read(collada(extra=FOREIGN))
    assert len(corners) == 2


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_marks_before_the_text_are_passed_over(read, encoding: str) -> None:
    text = collada()
    if encoding == "utf-16":
        text = text.replace('encoding="utf-8"', 'encoding="utf-16"')
    assert len(read(text.encode(encoding))[0]) == 2


def test_a_file_without_a_scene_shows_its_geometries(read) -> None:
    text = collada()
    start, end = text.index("<library_visual_scenes>"), text.index("</COLLADA>")
    assert len(read(text[:start] + text[end:])[0]) == 2


def test_a_prefix_for_the_format_itself_is_read(read) -> None:
    text = collada(extra="").replace("</", "\0").replace("<?", "\1")
    text = text.replace("<", "<c:").replace("\0", "</c:").replace("\1", "<?")
    assert len(read(text)[0]) == 2


BROKEN = {
    "no xml": ("this is no mesh", "cannot be read: syntax error"),
    "cut off": (collada()[:900], "cannot be read: .*line"),
    "other xml": ("<svg/>", "its element is <svg>; <COLLADA> is wanted"),
    "number that is none": (collada(corners="0 0 x 1 0 0 1 2 0"), "<float_array>: could not"),
    "vertex that is not there": (
        collada("<triangles>{input}<p>0 1 9</p></triangles>"),
        "names vertex 9; it has 5",
    ),
    "geometry that is not there": (
        collada(node="<node><instance_geometry url='#h'/></node>"),
        "url='#h' of <instance_geometry> names nothing",
    ),
    "no positions": (collada().replace("'POSITION'", "'NORMAL'"), "no <input> of POSITION"),
    "polygons cut off": (
        collada("<polylist>{input}<vcount>4</vcount><p>0 1 2</p></polylist>"),
        "counts 4 corners and lists 3",
    ),
    "ring of nodes": (
        collada(node="<node id='o'><instance_node url='#o'/></node>"),
        "'o' lies more than 64 nodes deep",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_of_no_use_is_named_with_the_reason(tmp_path: Path, case: str) -> None:
    text, message = BROKEN[case]
    path = tmp_path / "m.dae"
    path.write_text(text)
    with pytest.raises(SceneError, match=message) as caught:
        read_robot(_model(path))
    assert f"mesh file {path}" in str(caught.value)
    assert "\n" not in str(caught.value)


def _model(path: Path, color: tuple[float, float, float] | None = None) -> RobotModel:
    return RobotModel("r", ("base",), (-1,), (Visual(0, np.eye(4), mesh=path, color=color),))


def test_an_id_that_elements_of_several_kinds_share_names_each_where_it_is_meant(read) -> None:
    text = collada(extra="<library_cameras><camera id='g'/></library_cameras>")
    corners, _, colors = read(text.replace("id='eff'", "id='mat'").replace("#eff", "#mat"))
    assert len(corners) == 2
    assert colors == [(0.8, 0.1, 0.1)]


@pytest.mark.parametrize(
    "mirror", ["<scale>-1 1 1</scale>", "<matrix>1 0 0 0 0 1 0 0 0 0 -1 0 0 0 0 1</matrix>"]
)
def test_a_mirrored_node_keeps_its_outside_outside(read, mirror: str) -> None:
    plain, mirrored = read(collada())[0], read(collada(transforms=mirror))[0]
    flip = np.diag([-1, 1, 1] if "scale" in mirror else [1, 1, -1])
    normals = [np.cross(c[:, 1] - c[:, 0], c[:, 2] - c[:, 0]) for c in (plain, mirrored)]
    np.testing.assert_allclose(normals[1], normals[0] @ flip, atol=1e-12)


def test_coordinates_are_where_their_names_stand(read) -> None:
    params = "".join(f"<param name='{n}' type='float'/>" for n in ("", "X", "Y", "Z"))
    text = collada(corners="9 0 0 0 9 1 0 0 9 1 2 0 9 0 2 0 9 0 0 3")
    text = text.replace("count='6' stride='3'/>", f"count='5' stride='4'>{params}</accessor>")
    np.testing.assert_array_equal(read(text)[1], [[0, 0, 0], [1, 2, 3]])


@pytest.mark.parametrize("kind", ["trifans", "tristrips", "polygons", "triangles"])
@pytest.mark.parametrize("corners", ["", "0", "0 1"])
def test_too_few_corners_show_nothing(read, kind: str, corners: str) -> None:
    more = f"<{kind} count='1'>{INPUT}<p>{corners}</p></{kind}>"
    assert len(read(collada(primitive=TRIANGLES + more))[0]) == 2


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("<asset>", "<asset><unit meter='0,001'/>", "meter of <unit> is '0,001'"),
        ("<asset>", "<asset><unit meter='0'/>", "meter of <unit> is '0'; a number above 0"),
        ("stride='3'", "stride='0'", "positions of 0 numbers"),
        ("stride='3'", "stride='x'", "stride of <accessor> is 'x'"),
        ("<p>0 1 2", "<p>0 1 -2", "names vertex -2; it has 5"),
    ],
)
def test_a_faulty_number_is_named(read, old: str, new: str, said: str) -> None:
    with pytest.raises(SceneError, match=said):
        read(collada().replace(old, new))


def test_colours_are_within_their_range(read) -> None:
    assert read(collada(diffuse="<color>255 -1 0.5 1</color>"))[2] == [(1.0, 0.0, 0.5)]
