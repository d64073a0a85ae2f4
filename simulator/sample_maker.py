"""A sample maker: a robot before an engine, which makes the sample of any hidden variables.

(settings, engine) -> SampleMaker;  (worker, index, assignment) -> draw -> render -> label -> Sample
"""

from collections.abc import Callable
from pathlib import Path
from typing import Self

from blender_scenes.photos import Photos
from blender_scenes.pictures import PhotoError
from blender_scenes.scene import Scene
from blender_scenes.spec import SPP, Device, Engine
from jointloop.common.errors import NoBlenderError
from jointloop.common.settings import ConfigError
from simulator.randomization.assignment import Assignment
from simulator.randomization.hidden import draw
from simulator.randomization.mesh_tools import models
from simulator.randomization.settings import SampleSettings
from simulator.robot import Robot
from simulator.sample import Sample, simulate


def detail_for(height: int) -> float:
    """The share of a robot's triangles that an image of this height [px] can show."""
    return min(max(0.1 * (height / 120) ** 1.5, 0.05), 1.0)


class SampleMaker:
    """Makes samples; one at a time per process where the engine is Blender's.

    Args:
        settings: of the samples.
        engine: what makes the images.
        spp: Cycles' samples per pixel.
        backgrounds: folder of the user's pictures.
        detail: share of the robot's triangles that are kept; None suits the image size.
        say: takes one line for each picture that cannot be read, and one where all are small.
        device: that Cycles computes on.

    Raises:
        SceneError: the scene cannot be built here.
        RobotError: the settings' robot cannot be used.
        ConfigError: there is no background to draw.
    """

    def __init__(
        self,
        settings: SampleSettings,
        engine: Engine = "cycles",
        spp: int = SPP,
        backgrounds: Path | None = None,
        detail: float | None = None,
        say: Callable[[str], None] = print,
        device: Device = "cpu",
    ) -> None:
        self.settings = settings
        self.robot = Robot.named(settings.robot)
        self.backgrounds = _photos(backgrounds, settings, say)
        self.photos = () if self.backgrounds is None else self.backgrounds.names
        """Names of the user's pictures."""
        self.detail = detail
        self.scene = self._scene(engine, spp, device)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def sample(self, worker: int, index: int, assignment: Assignment) -> Sample:
        """Draw, render and label sample `index` of `worker`."""
        hidden = draw(self.robot, self.settings, assignment, worker, index, self.photos)
        return simulate(self.scene, self.robot, self.settings, hidden)

    def close(self) -> None:
        """Give back what the scene holds."""
        self.scene.close()

    def _scene(self, engine: Engine, spp: int, device: Device) -> Scene:
        distractors = self.settings.variety.distractors
        names = () if distractors is None else distractors.robots
        others = {name: Robot.named(name).model for name in names}
        dress = self.settings.variety.dress
        others |= {} if dress is None else models(dress.tool_mesh)
        if engine == "stick":
            from blender_scenes.stick_scene import StickScene

            return StickScene(self.robot.model, self.backgrounds, others)
        try:
            from blender_scenes.robot_scene import RobotScene
        except ModuleNotFoundError as error:
            if error.name != "bpy":
                raise
            raise NoBlenderError(
                f"engine {engine!r} needs Blender as a Python module: pip install 'bpy==4.5.*' "
                "(Python 3.11), or choose engine 'stick'"
            ) from None
        lamps = self.settings.variety.light.lamps
        self.detail = detail_for(self.settings.height) if self.detail is None else self.detail
        return RobotScene(
            self.robot.model,
            spp=spp,
            detail=self.detail,
            backgrounds=self.backgrounds,
            others=others,
            lamps=0 if lamps is None else lamps.room,
            worn=self.settings.variety.worn,
            engine=engine,
            device=device,
        )


def _photos(
    folder: Path | None, settings: SampleSettings, say: Callable[[str], None]
) -> Photos | None:
    """The user's pictures, where the variety wants any."""
    variety = settings.variety.background
    if not variety.photos:
        if folder is not None:
            say(f"note: backgrounds {folder} are not used: variety.background.photos is 0")
        return None
    if folder is None:
        if not variety.without_photos:
            raise ConfigError(
                "variety.background gives weight to photos only, and no folder of them is given"
            )
        return None
    photos = Photos(folder, say)
    if line := photos.too_small(settings.width, settings.height):
        say(f"note: {line}")
    if variety.disjoint and len(photos.names) < 2:
        raise PhotoError(
            f"backgrounds {folder}: it has one readable picture; wanted at least 2, since held-out "
            "samples see others than training samples"
        )
    return photos
