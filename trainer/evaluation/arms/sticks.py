"""Images of sticks for comparisons, many at once: the variety calm, drawn in arrays.

What is drawn is what `simulator.randomization.hidden` draws for one sample, over the same ranges,
by other random numbers. A keypoint in the frame counts as visible: nothing asks what hides it.
"""

from functools import cached_property
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray

from blender_scenes import spec
from blender_scenes.stick_batch import StickFrames, render_sticks
from blender_scenes.stick_scene import ends_of, own_color
from simulator.labels import LEVELS, VISIBLE, in_frame
from simulator.randomization.assignment import Assignment
from simulator.randomization.draw_parts import pool
from simulator.randomization.prior import JointPrior
from simulator.randomization.variety import CALM
from simulator.robot import Robot
from trainer.batch import Batch
from trainer.beliefs.paint import paint
from trainer.config.config import Config
from trainer.evaluation.arms.target import Target
from trainer.evaluation.arms.worlds import LOOKS, POSES, Half, Judging, numbers, poses

NEAREST = 1e-6
"""Keypoints that are not this far before the camera [m] are in no frame."""


class StickWorld(Judging):
    """Sticks in random poses and light.

    Args:
        config: of the trainings.
        target: what arms are judged on.
        prior: the uniform one.
        held_out: samples that rules look at.
        test: samples that arms are judged on.
        seed: of all draws.
    """

    def __init__(
        self,
        config: Config,
        target: Target,
        prior: JointPrior,
        held_out: int,
        test: int,
        seed: int,
    ) -> None:
        super().__init__(target, prior, held_out, test, seed)
        self._settings = config.settings
        self._robot = Robot.named(config.settings.robot)

    def draw(self, pair: int, half: Half, epoch: int, count: int, terms: Assignment) -> Batch:
        """See `World`."""
        q, bins = poses(terms, count, numbers(self._seed, POSES, pair, half, epoch))
        return self._shown(q, bins, numbers(self._seed, LOOKS, pair, half, epoch), False)

    def elsewhere(self) -> Batch | None:
        """See `World`."""
        return None if self._target.expected is None else self._judging(0, "elsewhere", None)

    def _judging(self, pair: int, half: Half, log: NDArray[np.float64] | None) -> Batch:
        count = self._counts.get(half, self._counts["test"])
        rng = numbers(self._seed, POSES, pair, half, 0)
        if log is None:
            q, bins = poses(Assignment.of(self._prior), count, rng)
        else:
            q = log[rng.permutation(np.arange(count) % len(log))]
            bins = self._prior.bin_of(q)
        return self._shown(q, bins, numbers(self._seed, LOOKS, pair, half, 0), True)

    def _shown(
        self,
        q: NDArray[np.float64],
        bins: NDArray[np.int64],
        rng: np.random.Generator,
        apart: bool,
    ) -> Batch:
        """Images of poses; held-out ones see backgrounds of their own."""
        width, height = self._settings.width, self._settings.height
        frames, pixels = self._frames(q, rng, apart)
        inside = in_frame(pixels, width, height)
        beliefs = paint(
            torch.from_numpy(pixels).float(),
            torch.from_numpy(inside),
            width,
            height,
            self._settings.stride,
            self._settings.sigma,
        )
        images = torch.from_numpy(render_sticks(self._robot.model, frames, width, height))
        return Batch(
            images=images.permute(0, 3, 1, 2),
            masks=torch.full((len(q), height, width), 255, dtype=torch.uint8),
            beliefs=(beliefs * LEVELS).round().to(torch.uint8),
            pixels=pixels,
            visibility=(inside * VISIBLE).astype(np.uint8),
            bins=bins,
            uniform=np.ones(len(q)),
        )

    def _frames(
        self, q: NDArray[np.float64], rng: np.random.Generator, apart: bool
    ) -> tuple[StickFrames, NDArray[np.float64]]:
        """What is shown, and (N, J, 2) keypoints [px]."""
        n, links = len(q), len(self._robot.model.links)
        T_world_link = self._robot.forward(q)
        points = self._robot.keypoints_world(T_world_link)
        T, K = self._cameras(points, rng)
        local = np.einsum("nab,njb->nja", T[:, :3, :3], points) + T[:, None, :3, 3]
        before = np.where(local[..., 2:] > NEAREST, local[..., 2:], np.nan)
        pixels = np.einsum("nab,njb->nja", K[:, :2], local) / before
        light, themes = CALM.light, self._backgrounds[int(apart)]
        theme = rng.choice(len(themes[0]), n, p=themes[0])
        frames = StickFrames(
            T_world_link=T_world_link,
            T_camera_world=T,
            K=K,
            colors=self._colors(n, links, rng),
            light=np.stack(
                [rng.uniform(-np.pi, np.pi, n), rng.uniform(*light.sun_strength, n)], axis=1
            ).astype(np.float32),
            exposure=rng.uniform(*light.exposure, n).astype(np.float32),
            gradient=themes[1][theme]
            * np.minimum(rng.uniform(*CALM.background.brightness, n), 1.1).astype(np.float32)[
                :, None, None
            ],
            rotation=rng.uniform(0, 2 * np.pi, n).astype(np.float32),
            seeds=rng.integers(2**31, size=n),
        )
        return frames, pixels

    def _cameras(
        self, points: NDArray[np.float64], rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(N, 4, 4) T_camera_world and (N, 3, 3) K of cameras that see points (N, J, 3)."""
        variety, n = CALM.camera, len(points)
        width, height = self._settings.width, self._settings.height
        points = np.concatenate([points, np.zeros((n, 1, 3))], axis=1)
        centre = (points.min(axis=1) + points.max(axis=1)) / 2
        radius = np.linalg.norm(points - centre[:, None], axis=2).max(axis=1)
        radius = np.maximum(radius, 0.3 * self._robot.reach)
        focal, azimuth = rng.uniform(*variety.focal, n), rng.uniform(*variety.azimuth, n)
        elevation, roll = rng.uniform(*variety.elevation, n), rng.uniform(*variety.roll, n)
        distance = radius * np.sqrt(1 + 4 * focal**2) * rng.uniform(*variety.framing, n)
        look_at = centre + rng.uniform(*variety.look_at, (n, 3)) * self._robot.reach
        axes = _axes(azimuth, elevation, roll)
        eye = look_at - distance[:, None] * axes[:, :, 2]
        T = np.tile(np.eye(4), (n, 1, 1))
        T[:, :3, :3] = axes.transpose(0, 2, 1)
        T[:, :3, 3] = -np.einsum("nab,nb->na", T[:, :3, :3], eye)
        K = np.tile(np.eye(3), (n, 1, 1))
        K[:, 0, 0] = K[:, 1, 1] = focal * height
        K[:, 0, 2], K[:, 1, 2] = (width - 1) / 2, (height - 1) / 2
        return T, K

    def _colors(self, n: int, links: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """(n, L, 3) the links' own, mixed with their material slots."""
        variety = CALM.materials
        own = np.stack([own_color(link) for link in range(links)])
        if variety is None:
            return np.tile(own, (n, 1, 1)).astype(np.float32)
        most = np.where(rng.random(n) < variety.far, 1.0, variety.near)
        mix = rng.uniform(0, 1, (n, spec.MATERIAL_SLOTS)) * most[:, None]
        slots = np.arange(links) % spec.MATERIAL_SLOTS
        other = rng.uniform(0, 1, (n, spec.MATERIAL_SLOTS, 3))[:, slots]
        share = mix[:, slots, None]
        return ((1 - share) * own + share * other).astype(np.float32)

    @cached_property
    def _backgrounds(self) -> tuple[tuple[NDArray[np.float64], NDArray[np.float32]], ...]:
        """Weights (B,) and colours (B, 2, 3) of backgrounds, for training and for judging."""
        variety = CALM.background
        themes: list[spec.Theme] = [
            theme
            for theme in get_args(spec.Theme)
            if theme in spec.THEMES and theme != "clutter" and getattr(variety, theme) > 0
        ]
        found = []
        for apart in (False, True):
            weights, colors = [], []
            for theme in themes:
                names = spec.THEMES[theme]
                names = pool(names, apart) if variety.disjoint else names
                weights += [getattr(variety, theme) / len(names)] * len(names)
                colors += [ends_of(name) for name in names]
            found.append((np.array(weights) / sum(weights), np.stack(colors)))
        return tuple(found)


def _axes(
    azimuth: NDArray[np.float64], elevation: NDArray[np.float64], roll: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(N, 3, 3) cameras' axes in the world, as columns; `views.axes` for many."""
    level = np.cos(elevation)
    ahead = [level * np.cos(azimuth), level * np.sin(azimuth), np.sin(elevation)]
    back = np.stack(ahead, axis=1).astype(np.float64)
    right = np.stack([-np.sin(azimuth), np.cos(azimuth), np.zeros_like(azimuth)], axis=1)
    down = np.cross(-back, right)
    cosine, sine = np.cos(roll)[:, None], np.sin(roll)[:, None]
    return np.stack([cosine * right + sine * down, cosine * down - sine * right, -back], axis=2)
