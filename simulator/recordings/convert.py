"""Recordings in other people's formats: COCO keypoints, and DREAM's NDDS JSON.

Both take the PNGs of a recording as they are. Pixel conventions differ: here, and for COCO's
keypoints, pixel centres lie at integers; COCO's boxes and all of DREAM's pixels are measured from
the image's upper left corner, where the first pixel's centre is (0.5, 0.5).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from jointloop.common.files import write_bytes
from jointloop.common.folders import new_folder
from simulator.labels import OUTSIDE
from simulator.recordings.recording import Recording
from simulator.recordings.sample_files import Entry
from simulator.recordings.shards import read

CORNER = 0.5
"""Added to a pixel counted from centres gives one measured from the image's corner."""
NOWHERE = (-999.999, -999.999)
"""DREAM's mark for a point without a projection: one that does not lie before the camera."""


@dataclass(frozen=True)
class Item:
    """One sample of a recording."""

    entry: Entry
    png: bytes


def items(recording: Recording) -> Iterator[Item]:
    """The samples of a recording's complete shards.

    Raises:
        RecordingError: a shard is damaged.
    """
    for group, file in recording.read():
        yield Item(recording.entry(group, file), read(file, group.image))


def to_coco(recording: Recording, out: Path) -> list[str]:
    """Write COCO keypoints: OUT/images, OUT/annotations/keypoints_train.json and _heldout.json.

    An image in which nothing of the robot can be seen, nor any keypoint lies, has no annotation.

    Args:
        recording: complete or not.
        out: a new or empty folder.

    Returns:
        Lines for the user.

    Raises:
        RecordingError: a shard is damaged.
        FileError: the folder holds something, or cannot be written.
    """
    recording.check()  # before anything is written
    new_folder(out)
    images, annotations = new_folder(out / "images"), new_folder(out / "annotations")
    sets: dict[str, dict[str, list[Any]]] = {}
    for number, item in enumerate(items(recording), start=1):
        entry = item.entry
        _write(images / f"{entry.key}.png", item.png)
        part = sets.setdefault(entry.split, {"images": [], "annotations": []})
        part["images"].append(_coco_image(entry, number))
        if any(entry.visibility) or entry.area:
            part["annotations"].append(_coco_annotation(entry, number))
    info = {
        "description": "Robot keypoints, rendered by Jointloop. Keypoints: pixel centres at "
        "integers. Boxes: from the image's upper left corner."
    }
    lines = []
    for split, part in sets.items():
        path = annotations / f"keypoints_{split}.json"
        _write_json(
            path, {"info": info, "licenses": [], "categories": [_category(recording)]} | part
        )
        lines.append(f"{path}: {len(part['images'])} images")
    return [*lines, *_missing(recording)]


def _missing(recording: Recording) -> list[str]:
    """A line where a recording is not complete."""
    missing = [recording.path(shard).name for shard in recording.missing]
    if not missing:
        return []
    return [
        f"note: {recording.folder} lacks {len(missing)} of its shards, the first is {missing[0]}"
    ]


def _category(recording: Recording) -> dict[str, Any]:
    robot = recording.about.robot
    return {
        "id": 1,
        "name": robot.name,
        "supercategory": "robot",
        "keypoints": list(robot.keypoints),
        "skeleton": [[a + 1, b + 1] for a, b in robot.bones],  # COCO counts from 1
        "sigmas": list(robot.sigmas),
    }


def _coco_image(entry: Entry, number: int) -> dict[str, Any]:
    name = f"{entry.key}.png"
    return {"id": number, "file_name": name, "width": entry.width, "height": entry.height}


def _coco_annotation(entry: Entry, number: int) -> dict[str, Any]:
    keypoints: list[float] = []
    for (x, y), v in zip(entry.pixels, entry.visibility, strict=True):
        inside = v > OUTSIDE and x is not None and y is not None
        keypoints += [x, y, v] if inside else [0.0, 0.0, 0]  # COCO's form of "not labelled"
    return {
        "id": number,
        "image_id": number,
        "category_id": 1,
        "keypoints": keypoints,
        "num_keypoints": sum(v > OUTSIDE for v in entry.visibility),
        "bbox": list(entry.box),
        "area": entry.area,
        "iscrowd": 0,
    }


def to_dream(recording: Recording, out: Path) -> list[str]:
    """Write what DREAM's loader reads: OUT/train and OUT/heldout with NNNNNN.json, .rgb.png.

    3-D locations are in the camera's frame (+x right, +y down, +z forward) in metres, as DREAM's
    own analysis and its sets of real images have them; its synthetic sets are in centimetres.
    `_camera_settings.json` holds one camera for all: that of the first image. Where focal lengths
    vary, each image's own stands in its `camera_data`.

    Args:
        recording: complete or not.
        out: a new or empty folder.

    Returns:
        Lines for the user.

    Raises:
        RecordingError: a shard is damaged.
        FileError: the folder holds something, or cannot be written.
    """
    recording.check()  # before anything is written
    new_folder(out)
    sets: dict[str, list[Entry]] = {"train": [], "heldout": []}
    for item in items(recording):
        entry, folder = item.entry, out / item.entry.split
        if not sets[entry.split]:
            new_folder(folder)
            _write_json(folder / "_camera_settings.json", _camera_settings(entry))
            _write_json(folder / "_object_settings.json", _object_settings(entry))
        name = f"{len(sets[entry.split]):06d}"
        _write(folder / f"{name}.rgb.png", item.png)
        _write_json(folder / f"{name}.json", _frame(entry, recording.about.robot.angles))
        sets[entry.split].append(entry)
    everything = sets["train"] + sets["heldout"]
    lines = [f"{out / split}: {len(entries)} images" for split, entries in sets.items() if entries]
    if len({entry.K for entry in everything}) > 1:
        lines.append(
            "note: focal lengths vary, and _camera_settings.json holds that of the first image; "
            "each image's own stands in its camera_data (record with a variety of one focal "
            "length for DREAM's pose estimates)"
        )
    if any(any(entry.distortion) for entry in everything):
        lines.append("note: lenses distort, which DREAM's cameras do not know")
    return [*lines, *_missing(recording)]


def _frame(entry: Entry, angles: tuple[str, ...]) -> dict[str, Any]:
    T_world_camera = np.array(entry.T_world_camera)
    T_camera_world = np.linalg.inv(T_world_camera)
    points = np.array(entry.points) @ T_camera_world[:3, :3].T + T_camera_world[:3, 3]
    x, y, width, height = entry.box
    return {
        "camera_data": {
            "location_worldframe": T_world_camera[:3, 3].tolist(),
            "quaternion_xyzw_worldframe": _quaternion(T_world_camera),
            "intrinsics": _intrinsics(entry),
            "distortion": list(entry.distortion),
        },
        "objects": [
            {
                "class": entry.robot,
                "visibility": 1,
                "location": T_camera_world[:3, 3].tolist(),  # the base is the world's origin
                "quaternion_xyzw": _quaternion(T_camera_world),
                "bounding_box": {"top_left": [y, x], "bottom_right": [y + height, x + width]},
                "keypoints": [
                    {"name": name, "location": point, "projected_location": _projected(pixel)}
                    for name, point, pixel in zip(
                        entry.keypoints, points.tolist(), entry.pixels, strict=True
                    )
                ],
            }
        ],
        "sim_state": {
            "joints": [
                {"name": name, "position": angle}
                for name, angle in zip(angles, entry.hidden.q, strict=True)
            ]
        },
    }


def _projected(pixel: tuple[float | None, float | None]) -> list[float]:
    x, y = pixel
    return list(NOWHERE) if x is None or y is None else [x + CORNER, y + CORNER]


def _intrinsics(entry: Entry) -> dict[str, float]:
    (fx, _, cx), (_, fy, cy), _ = entry.K
    return {"fx": fx, "fy": fy, "cx": cx + CORNER, "cy": cy + CORNER}


def _camera_settings(entry: Entry) -> dict[str, Any]:
    size = {"width": entry.width, "height": entry.height}
    return {
        "camera_settings": [
            {
                "name": "camera",
                "intrinsic_settings": _intrinsics(entry) | {"s": 0, "resolution": size},
                "captured_image_size": size,
            }
        ]
    }


def _object_settings(entry: Entry) -> dict[str, Any]:
    return {"exported_object_classes": [entry.robot], "exported_objects": [{"class": entry.robot}]}


def _quaternion(T: NDArray[np.float64]) -> list[float]:
    """x, y, z, w of a pose's rotation."""
    return Rotation.from_matrix(T[:3, :3]).as_quat().tolist()


def _write_json(path: Path, data: dict[str, Any]) -> None:
    _write(path, json.dumps(data, indent=1, allow_nan=False).encode())


def _write(path: Path, data: bytes) -> None:
    write_bytes(path, data, durable=False)  # a conversion can be made again
