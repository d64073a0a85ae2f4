"""Blender as a module without threads of its own; whatever here uses `bpy` takes it from this file.

Blender's task scheduler starts a thread for each further processor that it counts while it is
imported. In frames of one thread those have nothing to do, and they wait by spinning: on two cores
one spun through every frame and nearly doubled what a sample cost. It counts the processors that
the process may run on, so it is shown one; afterwards the process may run on all of them again.
"""

# bpy and its companions bring no type stubs.
# pyright: reportMissingImports=false
# ruff: noqa: I001

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["bmesh", "bpy", "bvhtree", "mathutils"]


@contextmanager
def _one_processor() -> Iterator[None]:
    if not hasattr(os, "sched_setaffinity"):  # Linux has it
        yield
        return
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(processors)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, processors)


with _one_processor():
    import bpy  # brings the others, so it comes first
    import bmesh
    import mathutils
    from mathutils import bvhtree
