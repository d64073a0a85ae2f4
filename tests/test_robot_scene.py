"""Laws of the Blender scene: geometry agrees with the numbers, pixels are reproducible."""

import dataclasses
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from blender_scenes.background import develop, relight, view
from blender_scenes.clutter import strew
from blender_scenes.spec import (
    HDRIS,
    MATERIAL_SLOTS,
    Background,
    Camera,
    Environment,
    Frame,
    Material,
    RobotModel,
    Sun,
    Visual,
)
from jointloop.common.errors import SceneError
from simulator.robot import Robot

bpy = pytest.importorskip("bpy")
import bmesh  # noqa: E402
from mathutils import Matrix  # noqa: E402

from blender_scenes.meshes import read_robot  # noqa: E402
from blender_scenes.robot_scene import RobotScene  # noqa: E402

pytestmark = pytest.mark.blender

DETAIL = 0.1


@pytest.fixture(scope="module")
def robot() -> Robot:
    return Robot.named("ur10")


@pytest.fixture(scope="module")
def scene(robot):
    scene = RobotScene(robot.model, spp=4, detail=DETAIL)
    yield scene
    scene.close()


def _look_at(eye, target) -> np.ndarray:
    z = np.subtract(target, eye)
    z = z / np.linalg.norm(z)
    x = np.cross(z, [0, 0, 1.0])
    x /= np.linalg.norm(x)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = np.stack([x, np.cross(z, x), z], axis=1), eye
    return T


def _camera(rng, width=160, height=120, distance=2.8) -> Camera:
    azimuth, elevation = rng.uniform(0, 6.28), rng.uniform(-0.3, 1.0)
    eye = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), 0])
    eye[2] = np.sin(elevation)
    fx = width * rng.uniform(0.9, 1.4)
    K = np.array(
        [
            [fx, 0, (width - 1) / 2 + width * rng.uniform(-0.1, 0.1)],
            [0, fx * rng.uniform(0.8, 1.25), (height - 1) / 2 + height * rng.uniform(-0.1, 0.1)],
            [0, 0, 1.0],
        ]
    )
    return Camera(width, height, K, _look_at(distance * eye + [0, 0, 0.4], [0, 0, 0.4]))


def _frame(robot, seed: int, **camera) -> Frame:
    rng = np.random.default_rng(seed)
    materials = tuple(
        Material(tuple(rng.uniform(0, 1, 3)), rng.uniform(), rng.uniform(0.2, 0.8), rng.uniform())
        for _ in range(MATERIAL_SLOTS)
    )
    return Frame(
        robot.forward(rng.uniform(-2.5, 2.5, 6)),
        _camera(rng, **camera),
        Sun(rng.uniform(0, 6), rng.uniform(0.3, 1.4), rng.uniform(0.5, 3), 0.05, (1, 1, 0.9)),
        Environment(HDRIS[rng.integers(len(HDRIS))], rng.uniform(0, 6), rng.uniform(0.5, 1.5)),
        rng.uniform(-0.5, 0.5),
        materials,
        Background("city", HDRIS[rng.integers(8)], rng.uniform(0, 6), rng.uniform(0.5, 1.5)),
        seed=int(rng.integers(2**31)),
    )


def _project(camera: Camera, points: np.ndarray) -> np.ndarray:
    T = np.linalg.inv(camera.T_world_camera)
    local = (points @ T[:3, :3].T + T[:3, 3]) @ camera.K.T
    return local[:, :2] / local[:, 2:]


def _digest(rendered) -> str:
    return hashlib.sha256(rendered.image.tobytes() + rendered.mask.tobytes()).hexdigest()


def test_blenders_matrices_are_the_frames(scene, robot):
    for seed in range(3):
        frame = _frame(robot, seed)
        scene.render(frame)
        for link, block in scene.links.items():
            np.testing.assert_allclose(
                np.array(block.matrix_world), frame.T_world_link[link], atol=2e-6
            )


def test_image_and_mask_have_the_cameras_size(scene, robot):
    rendered = scene.render(_frame(robot, 0, width=94, height=71))
    assert rendered.image.shape == (71, 94, 3)
    assert rendered.mask.shape == (71, 94)
    assert rendered.image.dtype == rendered.mask.dtype == np.uint8
    assert rendered.image.flags.c_contiguous
    assert set(rendered.seconds) == {"sync", "render", "read", "composite"}


def test_projected_points_are_where_blender_draws_them(scene, robot):
    """A ball in place of the robot, seen by 20 cameras with off-centre, unequal axes."""
    ball = bpy.data.meshes.new("ball")
    shape = bmesh.new()
    bmesh.ops.create_icosphere(shape, subdivisions=4, radius=0.05)
    shape.to_mesh(ball)
    shape.free()
    block = bpy.data.objects.new("ball", ball)
    scene.scene.collection.objects.link(block)
    for link in scene.links.values():
        link.hide_render = True
    errors = []
    try:
        for seed in range(20):
            rng = np.random.default_rng(100 + seed)
            frame = _frame(robot, 200 + seed, width=320, height=240)
            camera = frame.camera
            inside = rng.uniform((80, 60), (240, 180))
            ray = np.linalg.solve(camera.K, [*inside, 1.0])
            point = camera.T_world_camera[:3, :3] @ (ray * 2.5) + camera.T_world_camera[:3, 3]
            block.matrix_world = Matrix.Translation(point)
            scene._box = lambda frame: (0, 0, frame.camera.width, frame.camera.height)
            mask = scene.render(frame).mask.astype(float)
            v, u = np.indices(mask.shape)
            centroid = np.array([(u * mask).sum(), (v * mask).sum()]) / mask.sum()
            errors.append(np.linalg.norm(centroid - _project(camera, point[None])[0]))
    finally:
        vars(scene).pop("_box", None)
        bpy.data.objects.remove(block)
        for link in scene.links.values():
            link.hide_render = False
    assert max(errors) < 0.25


def test_the_same_frame_gives_the_same_bytes_whatever_came_between(scene, robot):
    frame = _frame(robot, 3)
    first = _digest(scene.render(frame))
    for other in (4, 5):
        scene.render(_frame(robot, other))
    assert _digest(scene.render(frame)) == first


def test_the_same_frame_gives_the_same_bytes_in_another_process(scene, robot):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_robot_scene import DETAIL, Robot, RobotScene, _digest, _frame\n"
        "robot = Robot.named('ur10')\n"
        "scene = RobotScene(robot.model, spp=4, detail=DETAIL)\n"
        "print('digest', _digest(scene.render(_frame(robot, 6))))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = next(line for line in run.stdout.splitlines() if line.startswith("digest"))
    assert found.split()[1] == _digest(scene.render(_frame(robot, 6)))


def test_the_seed_changes_the_noise_only(scene, robot):
    frame = _frame(robot, 7)
    one, two = (scene.render(dataclasses.replace(frame, seed=seed)) for seed in (1, 2))
    assert (one.image != two.image).any()
    solid = (one.mask == 255) & (two.mask == 255)
    assert abs(one.image[solid].mean() - two.image[solid].mean()) < 12


def test_drawing_the_box_gives_what_drawing_the_whole_frame_gives(scene, robot):
    for seed in range(8, 12):
        frame = _frame(robot, seed)
        boxed = scene.render(frame)
        try:
            scene._box = lambda frame: (0, 0, frame.camera.width, frame.camera.height)
            whole = scene.render(frame)
        finally:
            del scene._box
        assert ((boxed.mask > 0) == (whole.mask > 0)).mean() > 0.995
        assert abs(boxed.mask.mean() - whole.mask.mean()) < 0.02 * whole.mask.mean() + 0.1
        clear = (boxed.mask == 0) & (whole.mask == 0)
        assert (boxed.image[clear] == whole.image[clear]).all()


def test_where_the_robot_is_not_the_background_shows(scene, robot):
    frame = _frame(robot, 12)
    rendered = scene.render(frame)
    back = frame.background
    panorama = scene.surroundings.panoramas[back.image]
    gain = back.brightness * 2**frame.exposure
    expected = develop(view(panorama, frame.camera, back.rotation), gain)
    clear = rendered.mask == 0
    assert clear.any()
    assert (rendered.image[clear] == expected[clear]).all()


@pytest.mark.parametrize(("theme", "clutter"), [("places", 0), ("clutter", 7)])
def test_places_and_clutter_stand_behind_the_robot(scene, robot, theme, clutter):
    back = Background(theme, "workshop", 1.0, 0.8, clutter=clutter)
    frame = dataclasses.replace(_frame(robot, 14), background=back)
    rendered = scene.render(frame)
    panorama = scene.surroundings.panorama("workshop")
    assert panorama.shape == (256, 512, 3)
    seen, gain = view(panorama, frame.camera, back.rotation), 0.8 * 2**frame.exposure
    strewn = relight(strew(develop(seen, 1.0), 7), gain)
    expected = strewn if clutter else develop(seen, gain)
    clear = rendered.mask == 0
    assert (rendered.image[clear] == expected[clear]).all()
    with pytest.raises(SceneError, match="'nowhere' is not one of city,"):
        scene.surroundings.panorama("nowhere")


def test_a_robot_out_of_frame_leaves_the_background_alone(scene, robot):
    frame = _frame(robot, 13)
    away = frame.camera.T_world_camera.copy()
    away[:3, :3] = away[:3, :3] @ np.diag([-1, 1, -1])
    camera = dataclasses.replace(frame.camera, T_world_camera=away)
    rendered = scene.render(dataclasses.replace(frame, camera=camera))
    assert not rendered.mask.any()
    assert rendered.image.any()


def test_a_camera_amid_the_robot_still_renders(scene, robot):
    frame = _frame(robot, 14)
    eye = frame.T_world_link[max(scene.links)][:3, 3]
    camera = dataclasses.replace(
        frame.camera, T_world_camera=_look_at(eye + np.array([0.02, 0.01, 0]), [0, 0, 0.1])
    )
    assert scene.render(dataclasses.replace(frame, camera=camera)).image.shape == (120, 160, 3)


@pytest.mark.parametrize("distortion", [(0,) * 5, (-0.2, 0.03, 0.002, -0.002, 0)])
def test_the_silhouette_is_what_blender_draws(scene, robot, distortion):
    for seed in range(15, 19):
        frame = _frame(robot, seed, width=320, height=240)
        camera = dataclasses.replace(frame.camera, distortion=distortion)
        frame = dataclasses.replace(frame, camera=camera)
        drawn, computed = scene.render(frame).mask > 127, scene.silhouette(frame)
        assert (drawn & computed).sum() / (drawn | computed).sum() > 0.97


def test_the_silhouette_is_cut_where_blender_cuts_it(scene, robot):
    frame = _frame(robot, 14, width=320, height=240)
    eye = frame.T_world_link[max(scene.links)][:3, 3]
    T_world_camera = _look_at(eye + np.array([0.02, 0.01, 0]), [0, 0, 0.1])
    camera = dataclasses.replace(frame.camera, T_world_camera=T_world_camera)
    frame = dataclasses.replace(frame, camera=camera)
    drawn, computed = scene.render(frame).mask > 127, scene.silhouette(frame)
    assert drawn.mean() > 0.05
    assert (drawn & computed).sum() / (drawn | computed).sum() > 0.97


def test_rays_hit_the_robot_where_the_mask_is_solid_and_nothing_where_it_is_clear(scene, robot):
    for seed in range(15, 18):
        frame = _frame(robot, seed)
        mask, camera = scene.render(frame).mask, frame.camera
        v, u = np.indices(mask.shape)
        pixels = np.stack([u, v, np.ones_like(u)], axis=-1).reshape(-1, 3)[::7]
        rays = np.linalg.solve(camera.K, pixels.T).T @ camera.T_world_camera[:3, :3].T
        distance, link = scene.first_hits(frame, camera.T_world_camera[:3, 3] + rays)
        alpha = mask.reshape(-1)[::7]
        assert (link[alpha == 255] >= 0).mean() > 0.97
        assert (link[alpha == 0] < 0).mean() > 0.99
        assert (np.isfinite(distance) == (link >= 0)).all()


# From here on tests build scenes of their own, which ends the shared one.


def test_a_newer_scene_ends_the_one_before(robot):
    frame = dataclasses.replace(_frame(robot, 22), T_world_link=np.stack([np.eye(4)] * 2))
    old = RobotScene(_primitives())
    new = RobotScene(_primitives())
    with pytest.raises(SceneError, match="ended by a newer one"):
        old.render(frame)
    old.close()
    assert new.render(frame).mask.any()
    new.close()


def test_thinning_keeps_the_silhouette(robot):
    frames = [_frame(robot, seed) for seed in range(18, 21)]
    thin = RobotScene(robot.model, spp=8, detail=DETAIL)
    few = [thin.render(frame).mask > 127 for frame in frames]
    thin.close()
    whole = RobotScene(robot.model, spp=8)
    all_ = [whole.render(frame).mask > 127 for frame in frames]
    whole.close()
    for a, b in zip(few, all_, strict=True):
        assert (a & b).sum() / (a | b).sum() > 0.93


def _primitives() -> RobotModel:
    up = np.eye(4)
    up[2, 3] = 0.5
    return RobotModel(
        "shapes",
        ("base", "tip"),
        (-1, 0),
        (
            Visual(0, np.eye(4), primitive=("box", (0.4, 0.6, 0.2)), color=(0.8, 0.1, 0.1)),
            Visual(1, up, primitive=("sphere", (0.1,)), color=(0.1, 0.1, 0.8)),
            Visual(1, np.eye(4), primitive=("cylinder", (0.05, 0.3))),
        ),
    )


def test_plain_shapes_are_not_thinned_out():
    model = RobotModel("box", ("base",), (-1,), _primitives().visuals[:1])
    thin = RobotScene(model, detail=0.05)
    points, _ = thin.robot.surface(np.eye(4)[None])
    thin.close()
    np.testing.assert_allclose(np.abs(points), np.tile([0.2, 0.3, 0.1], (8, 1)), atol=1e-6)


def test_first_hits_agree_with_analytic_shapes(robot):
    scene = RobotScene(_primitives())
    frame = dataclasses.replace(_frame(robot, 21), T_world_link=np.stack([np.eye(4), np.eye(4)]))
    eye = np.array([3.0, 0, 0.0])
    camera = dataclasses.replace(frame.camera, T_world_camera=_look_at(eye, np.zeros(3)))
    frame = dataclasses.replace(frame, camera=camera)
    targets = np.array([[0, 0, 0.0], [0, 0, 0.5], [0, 5.0, 0]])
    distance, link = scene.first_hits(frame, targets)
    to_ball = np.linalg.norm(targets[1] - eye)
    np.testing.assert_allclose(distance, [2.8, to_ball - 0.1, np.inf], atol=1e-3)
    np.testing.assert_array_equal(link, [0, 1, -1])
    assert scene.render(frame).mask.any()
    scene.close()


def test_a_missing_mesh_is_named(tmp_path):
    visual = Visual(0, np.eye(4), mesh=tmp_path / "gone.dae")
    with pytest.raises(SceneError, match=r"gone\.dae does not exist"):
        RobotScene(RobotModel("broken", ("base",), (-1,), (visual,)))


@pytest.mark.parametrize("suffix", [".dae", ".stl", ".obj", ".ply", ".step"])
def test_an_unreadable_mesh_is_named(tmp_path, suffix):
    mesh = tmp_path / f"noise{suffix}"
    mesh.write_bytes(b"this is no mesh")
    visual = Visual(0, np.eye(4), mesh=mesh)
    with pytest.raises(SceneError, match="noise"):
        RobotScene(RobotModel("broken", ("base",), (-1,), (visual,)))


SQUARE = {
    ".stl": "solid s\n"
    + "".join(
        f"facet normal 0 0 1\nouter loop\n{corners}endloop\nendfacet\n"
        for corners in (
            "vertex 0 0 0\nvertex 1 0 0\nvertex 1 2 3\n",
            "vertex 0 0 0\nvertex 1 2 3\nvertex 0 2 3\n",
        )
    )
    + "endsolid s\n",
    ".obj": "v 0 0 0\nv 1 0 0\nv 1 2 3\nv 0 2 3\nf 1 2 3 4\n",
    ".ply": "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\n"
    "property float z\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n"
    "0 0 0\n1 0 0\n1 2 3\n0 2 3\n4 0 1 2 3\n",
}


@pytest.mark.parametrize("suffix", SQUARE)
def test_meshes_keep_the_axes_of_their_files(tmp_path, suffix):
    mesh = tmp_path / f"square{suffix}"
    mesh.write_text(SQUARE[suffix])
    visual = Visual(0, np.eye(4), mesh=mesh, color=(0.1, 0.2, 0.3))
    meshes, colors = read_robot(RobotModel("square", ("base",), (-1,), (visual,)))
    points = meshes[0].vertices
    np.testing.assert_allclose([points.min(0), points.max(0)], [[0, 0, 0], [1, 2, 3]], atol=1e-6)
    assert len(meshes[0].triangles) == 2
    assert colors == [(0.1, 0.2, 0.3)]


def _binary(triangles: int, said: int) -> bytes:
    return b"solid".ljust(80) + said.to_bytes(4, "little") + bytes(50 * triangles)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
FAULTY = {
    "empty.stl": (b"", "it is empty"),
    "pointer.stl": (POINTER, "git lfs pull"),
    "pointer.dae": (POINTER, "git lfs pull"),
    "pointer.obj": (POINTER, "git lfs pull"),
    "short.stl": (_binary(3, 4), "names 4 triangles and has room for 3"),
    "long.stl": (_binary(4, 4) + b"more", r"names 4 triangles and has room for 4\.08"),
    "upper.stl": (SQUARE[".stl"].upper().encode(), "without any facet normal"),
    "cut.stl": (SQUARE[".stl"][:-60].encode(), "cut off: of its 2 triangles, 1 are whole"),
}


@pytest.mark.parametrize("name", FAULTY)
def test_what_ails_a_mesh_file_is_said_in_one_line(tmp_path, name):
    data, said = FAULTY[name]
    (tmp_path / name).write_bytes(data)
    visual = Visual(0, np.eye(4), mesh=tmp_path / name)
    with pytest.raises(SceneError, match=f"{name} cannot be read: .*{said}") as caught:
        read_robot(RobotModel("square", ("base",), (-1,), (visual,)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("material", "library", "shown"),
    [
        ("usemtl blue\n", None, (0.1, 0.2, 0.3)),
        ("mtllib some lib.mtl\nusemtl blue\n", None, (0.1, 0.2, 0.3)),
        ("mtllib some lib.mtl\nusemtl red\n", "newmtl blue\nKd 0 0 1\n", (0.1, 0.2, 0.3)),
        ("mtllib some lib.mtl\nusemtl blue\n", "newmtl blue\nKd 0 0 1\n", (0, 0, 1)),
        ("mtllib some lib.mtl\nusemtl blue\n", "newmtl blue\nKd .8 .8 .8\n", (0.8, 0.8, 0.8)),
        ("mtllib some lib.mtl\nusemtl blue\n", "newmtl blue\nmap_Kd a.png\n", (0.1, 0.2, 0.3)),
    ],
)
def test_a_material_that_nothing_colours_takes_the_robots(tmp_path, material, library, shown):
    mesh = tmp_path / "square.obj"
    mesh.write_text(SQUARE[".obj"].replace("f 1", f"{material}f 1"))
    if library:
        (tmp_path / "some lib.mtl").write_text(library)
    visual = Visual(0, np.eye(4), mesh=mesh, color=(0.1, 0.2, 0.3))
    (color,) = read_robot(RobotModel("square", ("base",), (-1,), (visual,)))[1]
    assert color == pytest.approx(shown)


def test_a_mesh_in_millimetres_is_named_and_a_scale_mends_it(tmp_path):
    mesh = tmp_path / "square.obj"
    mesh.write_text(SQUARE[".obj"])
    huge = Visual(0, np.eye(4), mesh=mesh, scale=(100.0, 100.0, 100.0))
    with pytest.raises(SceneError, match=r"square\.obj of link 'base' is 300 m large; .*scale="):
        read_robot(RobotModel("square", ("base",), (-1,), (huge,)))
    fine = dataclasses.replace(huge, scale=(0.1, 0.1, 0.1))
    assert read_robot(RobotModel("square", ("base",), (-1,), (fine,)))[0]


@pytest.mark.parametrize("text", ["v 0 0 0\n", "v 0 0 0\nv 1 0 0\nf 1 2 2\n"])
def test_a_mesh_that_shows_nothing_leaves_the_rest_to_be_seen(tmp_path, robot, text):
    mesh = tmp_path / "points.obj"
    mesh.write_text(text)
    shapes = _primitives()
    nothing = Visual(0, np.eye(4), mesh=mesh)
    tip = dataclasses.replace(shapes, visuals=(nothing, *shapes.visuals[1:]))
    scene = RobotScene(tip)
    assert set(scene.links) == {1}
    frame = dataclasses.replace(_frame(robot, 22), T_world_link=np.stack([np.eye(4)] * 2))
    assert scene.render(frame).mask.any()
    scene.close()
    with pytest.raises(SceneError, match="nothing could be seen"):
        RobotScene(dataclasses.replace(shapes, visuals=(nothing,)))


def test_a_plate_without_thickness_is_seen(robot):
    plate = Visual(0, np.eye(4), primitive=("box", (0.6, 0.6, 0.0)))
    scene = RobotScene(RobotModel("plate", ("base",), (-1,), (plate,)))
    camera = dataclasses.replace(
        _frame(robot, 21).camera, T_world_camera=_look_at([0.5, 0, 2.0], np.zeros(3))
    )
    frame = dataclasses.replace(_frame(robot, 21), T_world_link=np.eye(4)[None], camera=camera)
    assert (scene.render(frame).mask == 255).any()
    scene.close()
