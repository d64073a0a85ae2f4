"""Intrinsics as people have them: four numbers, or a calibration file of OpenCV or ROS."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from jointloop.common.files import shown
from trainer.pose.errors import PoseError
from trainer.pose.problem import Array, Lens

MATRIX = ("camera_matrix", "cameraMatrix", "K", "k", "intrinsic_matrix")
"""What files call K."""
BENT = ("distortion_coefficients", "distCoeffs", "dist_coeffs", "D", "d")
"""What files call the distortion."""
MODELS = ("plumb_bob", "rational_polynomial")
"""Distortion models of ROS whose coefficients are OpenCV's."""
COUNTS = (0, 4, 5, 8, 12, 14)
"""Coefficients that OpenCV's model may have."""
WANTED = "expected fx,fy,cx,cy or a JSON or YAML file as OpenCV and ROS write them"


class _Loader(yaml.SafeLoader):
    """YAML with the matrices that OpenCV writes."""


def _matrix(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:opencv-matrix", _matrix)


def lens_in(text: str) -> tuple[Lens, tuple[int, int] | None]:
    """A lens, and width and height [px] of the pictures it is for, where a file says so.

    Args:
        text: `fx,fy,cx,cy` [px], or the path of a file.

    Raises:
        PoseError: it is neither.
    """
    parts = text.split(",")
    if len(parts) == 4 and (numbers := _numbers(parts)) is not None:
        fx, fy, cx, cy = numbers
        return _lens([fx, 0, cx, 0, fy, cy, 0, 0, 1], [], f"K {text}"), None
    if not Path(text).is_file():
        raise PoseError(f"K is {text!r}; {WANTED}")
    said = read_mapping(Path(text))
    return lens_of(said, shown(text))


def lens_of(said: Mapping[str, Any], where: str) -> tuple[Lens, tuple[int, int] | None]:
    """The lens that a calibration tells of, and its pictures' size; see `lens_in`."""
    matrix = next((said[name] for name in MATRIX if name in said), None)
    if matrix is None:
        raise PoseError(f"{where} names no camera matrix; expected one of {', '.join(MATRIX)}")
    model = said.get("distortion_model", MODELS[0])
    if model not in MODELS:
        raise PoseError(f"{where} has distortion_model {model!r}; known: {', '.join(MODELS)}")
    bent = next((said[name] for name in BENT if name in said), [])
    lens = _lens(_flat(matrix), _flat(bent), where)
    size = (
        said.get("image_width", said.get("width")),
        said.get("image_height", said.get("height")),
    )
    whole = all(isinstance(side, int) and side > 0 for side in size)
    return lens, (int(size[0]), int(size[1])) if whole else None  # type: ignore[arg-type]


def read_mapping(path: Path) -> dict[str, Any]:
    """What a JSON or YAML file maps names to.

    Raises:
        PoseError: it cannot be read, or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = text.splitlines()
        if lines and lines[0].startswith("%YAML:"):  # OpenCV's header, which YAML does not have
            text = "\n".join(lines[1:])
        said = yaml.load(text, _Loader)
    except OSError as error:
        raise PoseError(f"cannot read {shown(path)}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError):
        raise PoseError(f"{shown(path)} is neither JSON nor YAML") from None
    if not isinstance(said, dict):
        raise PoseError(f"{shown(path)} holds no names with values; {WANTED}")
    return said


def _flat(matrix: Any) -> list[Any]:
    if isinstance(matrix, dict):
        matrix = matrix.get("data", [])
    if not isinstance(matrix, list):
        return [matrix]
    return [number for row in matrix for number in (row if isinstance(row, list) else [row])]


def _lens(matrix: list[Any], bent: list[Any], where: str) -> Lens:
    K, distortion = _numbers(matrix), _numbers(bent)
    if K is None or len(K) != 9:
        raise PoseError(f"{where}: K is {matrix}; expected 3 x 3 numbers")
    fx, skew, _, a, fy, _, *last = K
    if min(fx, fy) <= 0 or any((skew, a)) or last != [0, 0, 1]:
        raise PoseError(
            f"{where}: K is {matrix}; expected fx, 0, cx, 0, fy, cy, 0, 0, 1 with fx and fy above 0"
        )
    if distortion is None or len(distortion) not in COUNTS:
        raise PoseError(
            f"{where}: distortion is {bent}; expected {', '.join(map(str, COUNTS))} numbers"
        )
    return Lens(np.array(K).reshape(3, 3), np.array(distortion or [0.0] * 5))


def _numbers(values: list[Any]) -> list[float] | None:
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        return None
    return numbers if all(math.isfinite(number) for number in numbers) else None


def same_lens(a: Lens, b: Lens) -> bool:
    """Whether two lenses are one."""
    return _same(a.K, b.K) and _same(a.distortion, b.distortion)


def _same(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b))
