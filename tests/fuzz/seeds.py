"""What fuzzing begins with: inputs that decoders take, as today's encoders make them."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import msgspec
import numpy as np
import torch
from detector_parts import INFO
from recording_parts import STICK
from simulator_parts import FIRST, PRIOR, ROBOT, SETTINGS, hello, sample
from targets import CODEC, KEY, RECORDING, SIDE, framed

from feedback.controller import Controller
from feedback.history import FILE, History
from simulator.recordings.recipe import Recipe
from simulator.recordings.sample_files import Entry, encode
from simulator.recordings.shards import ShardWriter
from simulator.transport.messages import Alive, Assign, Bye, Make, Refused, Welcome
from simulator.transport.messages import encode as said
from simulator.transport.seal import Mark, marked, seal
from trainer.config.presets import preset
from trainer.models import build
from trainer.runs.checkpoint import Checkpoint, write_checkpoint
from trainer.weights.file import save_weights

INSTANCE = bytes(range(16))


def worker() -> list[bytes]:
    asks = hello(worker=1, wanted={"robot": "ur10", "width": 64})
    return [said(message) for message in (asks, Alive(3, 1 << 28), Bye("leaves"))]


def trainer() -> list[bytes]:
    lets = Welcome("run", 1, True, SETTINGS, 5556, FIRST, fingerprint=ROBOT.fingerprint)
    others = (Refused("no"), Make(((0, 1), (0, 2))), Assign(FIRST), Bye("done", again=True))
    return [said(message) for message in (lets, *others)]


def header() -> list[bytes]:
    return [bytes(CODEC.encode(sample(index), INSTANCE, index).header) for index in range(2)]


def message() -> list[bytes]:
    whole = CODEC.encode(sample(), INSTANCE, 3)
    mark = marked(CODEC.topic, Mark(INSTANCE, 4))
    return [framed([bytes(frame) for frame in seal(told)]) for told in (mark, whole)]


def dataset() -> list[bytes]:
    whole = RECORDING.about
    return [whole.text(), msgspec.json.encode(whole)]  # the latter as before digests


def files() -> dict[str, bytes]:
    made = sample()
    recipe = Recipe(0, 0, FIRST, SETTINGS, STICK)
    return encode(Entry.of(recipe, ROBOT, made), made.image, made.mask)


def entry() -> list[bytes]:
    return [files()[".json"]]


def shard() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "000000.tar"
        with ShardWriter(path, [KEY]) as writer:
            writer.add(KEY, {".png": b"png", ".mask.png": b"png", ".json": b"{}"})
            writer.finish()
        return [path.read_bytes()[:4096]]


def picture() -> list[bytes]:
    drawn = np.arange(SIDE * SIDE * 3, dtype=np.uint8).reshape(SIDE, SIDE, 3)
    return [cv2.imencode(".png", each)[1].tobytes() for each in (drawn, drawn[..., 0])]


def metadata() -> list[bytes]:
    return [INFO.to_json().encode()]


def written(write: Callable[[Path], object]) -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "file")
        return [(Path(folder) / "file").read_bytes()]


def weights() -> list[bytes]:
    slim = replace(INFO, network=replace(INFO.network, widths=(1, 1, 1), width=1, head=1))
    network = build(slim.network, len(slim.keypoints))
    return written(lambda path: save_weights(path, network, slim))


def checkpoint() -> list[bytes]:
    stands = Checkpoint({"weights": torch.zeros(2)}, {"epoch": 1}, {"seed": 3})
    return written(lambda path: write_checkpoint(path, stands, preset("tiny")))


def history() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        opened, controller = History(Path(folder)), Controller(PRIOR)
        opened.append(controller.observation)
        return [(Path(folder) / FILE).read_bytes()]


def prior() -> list[bytes]:
    return history()


def config() -> list[bytes]:
    return [preset("tiny").to_json().encode()]


MAKERS = (worker, trainer, header, message, dataset, entry, shard, picture, prior, history)
MAKERS += (metadata, weights, checkpoint, config)
FOUND = Path(__file__).parent / "corpus"
"""Inputs that once did harm, in a folder for each decoder."""


def seeds(name: str) -> list[bytes]:
    """Of that decoder: what it takes, and what once did harm."""
    (maker,) = (maker for maker in MAKERS if maker.__name__ == name)
    return maker() + [path.read_bytes() for path in sorted((FOUND / name).glob("*"))]
