"""Whether an engine can draw on this machine: tried in a process of its own, which it may crash.

`python -m blender_scenes.engines ENGINE DEVICE` draws a small picture and says with what.
"""

import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from signal import Signals
from typing import get_args

from blender_scenes.spec import Device, Engine
from jointloop.common.errors import SceneError

TIME_LIMIT = 300.0
"""For the small picture, shaders included [s]; EEVEE in software took 5 to 60."""
DRAWN = "drawn with "
SOFTWARE = "in software"
SCENE_ERROR = f"{SceneError.__module__}.{SceneError.__qualname__}: "
"""How Python begins the last line of one that was not caught."""


class EngineError(SceneError):
    """An engine or a device that cannot be used here."""


@cache
def need(engine: Engine, device: Device = "cpu") -> str | None:
    """Make sure that an engine works here.

    Returns:
        A line worth saying to the user, or None.

    Raises:
        EngineError: it does not; says why and what to use.
    """
    for name, value, kind in (("engine", engine, Engine), ("device", device, Device)):
        if value not in get_args(kind):
            raise EngineError(f"{name} is {value!r}; expected one of {', '.join(get_args(kind))}")
    if engine == "stick":
        if device == "gpu":
            raise EngineError("engine 'stick' draws on the CPU alone; leave out --device gpu")
        return None
    if (engine, device) == ("cycles", "cpu") or find_spec("bpy") is None:
        return None  # the first needs nothing but Blender, and scenes say where that is missing
    drawn_with = _tried(engine, device)
    if not drawn_with.startswith(SOFTWARE):
        return None
    if device == "gpu":
        raise EngineError(
            f"engine {engine!r} draws {drawn_with} here, on no GPU; use --engine cycles --device "
            "cpu, which is faster"
        )
    return f"engine {engine!r} draws {drawn_with} here; --engine cycles is faster and reproducible"


def _tried(engine: Engine, device: Device) -> str:
    """What a trial process says it has drawn with."""
    command = [sys.executable, "-m", "blender_scenes.engines", engine, device]
    wanted = (
        "it needs a GPU that Cycles can use; use --device cpu"
        if engine == "cycles"
        else "it needs OpenGL 4.3, through EGL or a display; use --engine cycles"
    )
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIME_LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        raise EngineError(
            f"engine {engine!r} drew no 64 x 48 picture within {TIME_LIMIT:.0f} s here: {wanted}"
        ) from None
    said = [line for line in done.stdout.splitlines() if line.startswith(DRAWN)]
    if done.returncode == 0 and said:
        return said[-1].removeprefix(DRAWN)
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    end = f"signal {Signals(-done.returncode).name}" if done.returncode < 0 else "an error"
    why = lines[-1] if lines else f"its process ended with {end}"
    if why.startswith(SCENE_ERROR):
        raise EngineError(f"engine {engine!r}: {why.removeprefix(SCENE_ERROR)}")
    raise EngineError(f"engine {engine!r} cannot draw here ({why}): {wanted}")


def _draw(engine: Engine, device: Device) -> str:
    """Draw a box and check that it is there; returns what drew it."""
    import numpy as np

    from blender_scenes import spec
    from blender_scenes.robot_scene import RobotScene

    box = spec.Visual(0, np.eye(4), primitive=("box", (1.0, 1.0, 1.0)))
    model = spec.RobotModel("box", ("box",), (-1,), (box,))
    T = np.array([[0.0, 0, -1, 4], [1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])  # 4 m along +x
    K = np.array([[64.0, 0, 31.5], [0, 64, 23.5], [0, 0, 1]])
    frame = spec.Frame(
        T_world_link=np.eye(4)[None],
        camera=spec.Camera(64, 48, K, T),
        sun=spec.Sun(0.0, 0.5, 2.0, 0.1, (1.0, 1.0, 1.0)),
        environment=spec.Environment("city", 0.0, 1.0),
        exposure=0.0,
        materials=(spec.Material((0.5, 0.5, 0.5), 0.0, 0.5, 0.0),) * spec.MATERIAL_SLOTS,
        background=spec.Background("city", "city", 0.0, 1.0),
    )
    scene = RobotScene(model, spp=1, engine=engine, device=device)
    mask = scene.render(frame).mask
    if mask[24, 32] < 250 or mask[2, 2] > 5:
        raise SceneError(f"a box in the middle came out with coverage {mask[24, 32]} there")
    return _renderer(engine, device)


def _renderer(engine: Engine, device: Device) -> str:
    if engine == "cycles":
        return f"Cycles on the {device.upper()}"
    import gpu  # pyright: ignore[reportMissingImports]

    name = gpu.platform.renderer_get()
    return f"{SOFTWARE} ({name})" if gpu.platform.device_type_get() == "SOFTWARE" else name


if __name__ == "__main__":
    _, chosen, on = sys.argv
    print(f"\n{DRAWN}{_draw(chosen, on)}", flush=True)  # type: ignore[arg-type]
