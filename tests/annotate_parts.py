"""What the tests of the page for marking share: photos with true marks, and a desk over them."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import httpx
from recording_parts import SMALL, description, recorded
from starlette.applications import Starlette

from jointloop.annotate.advice import Guess, Kinematics
from jointloop.annotate.photos import photos_of
from jointloop.annotate.server import Desk
from simulator.robot import Robot
from trainer.pose.shots import Shot, of_recording

UR10 = Robot.named("ur10")


def photographed(folder: Path, count: int = 3) -> list[Shot]:
    """Pictures of sticks in a folder `photos`, each with all its keypoints, and what is true."""
    settings = replace(SMALL, width=320, height=240)
    about = description(samples=12, held_out=2, shard_samples=12, settings=settings)
    _, shots = of_recording(recorded(folder / "recording", about).folder, None)
    whole = [shot for shot in shots if shot.weights.all()][:count]
    assert len(whole) == count
    (folder / "photos").mkdir()
    for shot in whole:
        cv2.imwrite(str(folder / "photos" / f"{shot.name}.png"), shot.load()[..., ::-1])
    return whole


class Client:
    """Asks an application without a socket."""

    def __init__(self, application: Starlette) -> None:
        self._application = application

    def get(self, path: str, **more: Any) -> httpx.Response:
        return asyncio.run(self._ask("GET", path, more))

    def put(self, path: str, **more: Any) -> httpx.Response:
        return asyncio.run(self._ask("PUT", path, more))

    def post(self, path: str, **more: Any) -> httpx.Response:
        return asyncio.run(self._ask("POST", path, more))

    async def _ask(self, method: str, path: str, more: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self._application)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path, **more)


def desk(folder: Path, shots: list[Shot], scores: list[float], said: list[str]) -> Desk:
    """A desk over the photos; the detector finds what is true, as sure as it is told."""
    out = folder / "labels.json"
    photos = photos_of([folder / "photos"], out, 1, said.append)
    guesses = [
        Guess([(float(x), float(y)) for x, y in shot.pixels], [score] * len(shot.pixels))
        for shot, score in zip(shots, scores, strict=True)
    ]
    return Desk(UR10, photos, out, guesses, Kinematics(UR10, photos), said.append)
