"""What the mesh of all props is made of encloses what the solids do."""

import numpy as np
import pytest

pytest.importorskip("bpy")

from blender_scenes import solids
from blender_scenes.shapes import FINENESS, unit

pytestmark = pytest.mark.blender

VOLUMES = {"box": 1.0, "cylinder": np.pi / 4, "sphere": np.pi / 6, "cone": np.pi / 12}
INSIDE = {"cone": (0, 0, -0.3)}


@pytest.mark.parametrize("kind", VOLUMES)
def test_a_shapes_triangles_face_outwards_and_enclose_its_volume(kind: solids.Shape):
    for _, sides, steps in FINENESS:
        vertices, triangles = unit(kind, sides, steps)
        a, b, c = (vertices[triangles[:, i]].astype(float) for i in range(3))
        normals = np.cross(b - a, c - a)
        inside = np.array(INSIDE.get(kind, (0, 0, 0)))
        assert (np.einsum("ij,ij->i", normals, a - inside) > 0).all()
        volume = np.einsum("ij,ij->", a, normals) / 6
        assert VOLUMES[kind] * (0.8 if sides < 20 else 0.95) < volume <= VOLUMES[kind] * 1.0001
