"""Robots as Blender objects: one object per visible link, posed together, probed without Blender.

A `Figure` is one robot; a `Crowd` holds the further robots of a scene and shows those of a frame.
"""

# bpy and its companions bring no type stubs.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from blender_scenes import outline
from blender_scenes.appearance import Materials, Surroundings
from blender_scenes.blender import bpy, bvhtree, mathutils
from blender_scenes.meshes import Color, LinkMesh
from blender_scenes.spec import Material, OtherRobot, RobotModel
from jointloop.common.errors import SceneError

FEWEST = 500
"""Triangles that a link keeps at any detail: boxes and other plain shapes fall apart otherwise."""

Poses = NDArray[np.float64]
"""(L, 4, 4) T_world_link of a robot."""


class Form:
    """One link's geometry, in the link's frame."""

    def __init__(self, block: bpy.types.Mesh) -> None:
        flat = np.empty(3 * len(block.vertices), np.float32)
        block.vertices.foreach_get("co", flat)
        indices = np.empty(3 * len(block.polygons), np.int32)
        block.polygons.foreach_get("vertices", indices)
        self.block = block
        self.vertices = flat.reshape(-1, 3).astype(np.float64)
        self.triangles = indices.reshape(-1, 3).astype(np.int64)
        self.hull = _hull(self.vertices)
        self.tree = bvhtree.BVHTree.FromPolygons(self.vertices.tolist(), self.triangles.tolist())


class Figure:
    """A robot in Blender."""

    def __init__(
        self,
        scene: bpy.types.Scene,
        model: RobotModel,
        forms: Mapping[int, Form],
        materials: Materials,
    ) -> None:
        self.model = model
        self.materials = materials
        self.forms = forms
        self.links = {link: _placed(scene, model.links[link], f.block) for link, f in forms.items()}
        """Blender's object of each visible link, by index into `model.links`."""
        self._twins = [twin(scene, block) for block in self.links.values()]
        starts = np.cumsum([0, *(len(form.vertices) for form in forms.values())])
        moved = [f.triangles + start for f, start in zip(forms.values(), starts, strict=False)]
        self._faces = outline.Faces.of(np.concatenate(moved))
        self._posed: dict[int, NDArray[np.float64]] = {}
        self._visible = True

    @classmethod
    def built(
        cls,
        scene: bpy.types.Scene,
        model: RobotModel,
        read: tuple[Mapping[int, LinkMesh], Sequence[Color]],
        detail: float | None,
        surroundings: Surroundings,
    ) -> "Figure":
        """A figure of what `read_robot` gives, thinned out to `detail`."""
        meshes, colors = read
        materials = Materials(colors, surroundings)
        forms = {
            link: Form(_mesh(scene, model.links[link], mesh, materials, detail))
            for link, mesh in meshes.items()
        }
        return cls(scene, model, forms, materials)

    def again(self, scene: bpy.types.Scene) -> "Figure":
        """Another robot of the same make; both share geometry and materials."""
        return Figure(scene, self.model, self.forms, self.materials)

    def pose(self, T_world_link: Poses) -> None:
        """Move the links that are not there yet."""
        for link, block in self.links.items():
            T = T_world_link[link]
            if link not in self._posed or not np.array_equal(T, self._posed[link]):
                block.matrix_world = mathutils.Matrix(T.tolist())
                self._posed[link] = T.copy()

    def show(self, visible: bool) -> None:
        """Put the robot into pictures, or take it out; what is not shown costs no time."""
        if visible == self._visible:
            return
        self._visible = visible
        for block in (*self.links.values(), *self._twins):
            block.hide_render = not visible

    def check(self, T_world_link: Poses) -> None:
        """Raise a SceneError unless there is a pose for every link."""
        wanted = (len(self.model.links), 4, 4)
        if T_world_link.shape != wanted:
            raise SceneError(
                f"T_world_link has shape {T_world_link.shape}, {self.model.name} wants {wanted}"
            )

    def bounds(self, T_world_link: Poses) -> list[NDArray[np.float64]]:
        """(N, 3) points around each link, in the world [m]."""
        poses = ((T_world_link[link], form.hull) for link, form in self.forms.items())
        return [hull @ T[:3, :3].T + T[:3, 3] for T, hull in poses]

    def surface(self, T_frame_link: Poses) -> tuple[NDArray[np.float64], outline.Faces]:
        """(V, 3) points [m] of all links, in the frame of the poses, and the faces they make."""
        poses = [(T_frame_link[link], form.vertices) for link, form in self.forms.items()]
        return np.concatenate([v @ T[:3, :3].T + T[:3, 3] for T, v in poses]), self._faces

    def first_hits(
        self, T_world_link: Poses, eye: NDArray[np.float64], rays: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """What rays (N, 3) meet first: (N,) distance [m] or inf, and link or -1.

        Rays are cast in each link's own frame, where its search tree was built once.
        """
        distances = np.full(len(rays), np.inf)
        hits = np.full(len(rays), -1, np.int64)
        for link, form in self.forms.items():
            T_link_world = np.linalg.inv(T_world_link[link])
            origin = mathutils.Vector(T_link_world[:3, :3] @ eye + T_link_world[:3, 3])
            for i, ray in enumerate(rays @ T_link_world[:3, :3].T):
                distance = form.tree.ray_cast(origin, mathutils.Vector(ray))[3]
                if distance is not None and distance < distances[i]:
                    distances[i], hits[i] = distance, link
        return distances, hits


class Crowd:
    """The further robots of a scene; the materials of a frame change them as they do the robot."""

    def __init__(self, scene: bpy.types.Scene, figures: Mapping[str, Figure]) -> None:
        self._scene = scene
        self._figures = {name: [figure] for name, figure in figures.items()}
        self.show((), ())

    def show(self, others: Sequence[OtherRobot], materials: Sequence[Material]) -> None:
        """Pose and show these, and none else."""
        present = self.of(others)
        for figure in (figure for same in self._figures.values() for figure in same):
            figure.show(any(figure is one for one, _ in present))
        for figure, T_world_link in present:
            figure.pose(T_world_link)
            figure.materials.show(materials)

    def of(self, others: Sequence[OtherRobot]) -> list[tuple[Figure, Poses]]:
        """The figure and the pose of each.

        Raises:
            SceneError: a robot that the scene was not built with, or too few poses for its links.
        """
        taken: dict[str, int] = {}
        present = []
        for other in others:
            if other.name not in self._figures:
                known = ", ".join(map(repr, self._figures)) or "none"
                raise SceneError(f"another robot is {other.name!r}; the scene has {known}")
            same, place = self._figures[other.name], taken.get(other.name, 0)
            if place == len(same):
                same.append(same[0].again(self._scene))
            same[place].check(other.T_world_link)
            present.append((same[place], other.T_world_link))
            taken[other.name] = place + 1
        return present


def twin(scene: bpy.types.Scene, block: bpy.types.Object) -> bpy.types.Object:
    """Give a mesh a second user that no ray meets, tiny and underground.

    Cycles bakes the pose into a mesh with one user, so it reads the mesh and builds its search tree
    anew each frame; of a shared mesh only the instance moves. At 320x240 and one sample per pixel
    that takes a third off a frame. An object that is invisible in every way would not count as a
    user; scenes here hold no volume whose scattered light could see this one.
    """
    made = bpy.data.objects.new(f"{block.name} twin", block.data)
    cycles = scene.render.engine == "CYCLES"  # others draw it unless it is out of their range
    made.location, made.scale = (0, 0, -5 if cycles else -1e6), (1e-3, 1e-3, 1e-3)
    made.visible_camera = made.visible_diffuse = made.visible_glossy = False
    made.visible_shadow = made.visible_transmission = False
    made.visible_volume_scatter = True
    scene.collection.objects.link(made)
    return made


def _placed(scene: bpy.types.Scene, name: str, block: bpy.types.Mesh) -> bpy.types.Object:
    made = bpy.data.objects.new(name, block)
    made.visible_diffuse = made.visible_glossy = False
    scene.collection.objects.link(made)
    return made


def _mesh(
    scene: bpy.types.Scene, name: str, mesh: LinkMesh, materials: Materials, detail: float | None
) -> bpy.types.Mesh:
    """All of a link's geometry as one mesh, thinned out to `detail`, down to `FEWEST` triangles."""
    block = bpy.data.meshes.new(name)
    block.from_pydata(mesh.vertices, [], mesh.triangles.tolist())
    for material in materials.blocks:
        block.materials.append(material)
    block.polygons.foreach_set("material_index", mesh.materials)
    block.update()
    kept = 1.0 if detail is None else max(detail, FEWEST / len(mesh.triangles))
    if kept < 1:
        block = _thinned(scene, block, kept)
    block.shade_smooth()
    block.set_sharp_from_angle(angle=np.radians(35))
    return block


def _thinned(scene: bpy.types.Scene, block: bpy.types.Mesh, detail: float) -> bpy.types.Mesh:
    name = block.name
    made = _placed(scene, name, block)
    made.modifiers.new("detail", "DECIMATE").ratio = detail
    depsgraph = bpy.context.evaluated_depsgraph_get()
    thinned = bpy.data.meshes.new_from_object(made.evaluated_get(depsgraph))
    bpy.data.objects.remove(made)
    bpy.data.meshes.remove(block)
    thinned.name = name
    return thinned


def _hull(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The points of a body that bound it in every view."""
    try:
        return points[ConvexHull(points).vertices]
    except QhullError:  # flat or too few points: they bound themselves
        return points
