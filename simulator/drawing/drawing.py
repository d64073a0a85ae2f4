"""Pictures in pixels: skeletons drawn into images, belief maps in colour."""

import base64
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointloop.common.errors import JointloopError
from jointloop.common.files import write_bytes

Image = NDArray[np.uint8]
TRUE_COLOUR = (61, 220, 132)
"""RGB of true skeletons, green."""
PREDICTED_COLOUR = (255, 64, 160)
"""RGB of predicted skeletons, magenta: told from green by colour-blind eyes too."""
SHIFT = 4
"""cv2 draws at sixteenths of a pixel."""


class PlotError(JointloopError):
    """Something that cannot be drawn."""


def draw_skeleton(
    image: Image,
    pixels: ArrayLike,
    visibility: ArrayLike,
    skeleton: Sequence[Sequence[int]],
    colour: tuple[int, int, int],
    bone: float = 1.5,
    dot: float = 2.5,
) -> Image:
    """A copy of the image with bones and keypoints drawn into it.

    Args:
        image: (H, W, 3) RGB.
        pixels: (J, 2) keypoints [px]; one that is not finite is left out with its bones.
        visibility: (J,) 0 left out, 1 drawn as a ring, 2 as a disc.
        skeleton: pairs of keypoints that a bone joins.
        colour: RGB, 0 to 255.
        bone: thickness of bones in an image of 240 rows [px].
        dot: radius of keypoints likewise.

    Raises:
        PlotError: the shapes do not fit.
    """
    points, seen = np.asarray(pixels, np.float64), np.asarray(visibility)
    if image.ndim != 3 or points.shape != (len(seen), 2):
        raise PlotError(
            f"image {image.shape}, pixels {points.shape} and visibility {seen.shape} do not fit; "
            "expected (H, W, 3), (J, 2), (J,)"
        )
    drawn = np.ascontiguousarray(image).copy()
    scale = max(image.shape[0] / 240, 0.5)
    shown = (seen > 0) & np.isfinite(points).all(axis=1)
    # Far outside, fixed-point coordinates would overflow.
    fixed = np.rint(np.clip(np.where(shown[:, None], points, 0), -1e4, 1e4) * 2**SHIFT).astype(int)
    thickness = max(round(bone * scale), 1)
    for a, b in skeleton:
        if shown[a] and shown[b]:
            ends = (tuple(fixed[a].tolist()), tuple(fixed[b].tolist()))
            cv2.line(drawn, *ends, colour, thickness, cv2.LINE_AA, SHIFT)
    radius = round(dot * scale * 2**SHIFT)
    for j in np.flatnonzero(shown):
        filled = cv2.FILLED if seen[j] == 2 else 1
        cv2.circle(drawn, tuple(fixed[j].tolist()), radius, colour, filled, cv2.LINE_AA, SHIFT)
    return drawn


def draw_box(image: Image, box: Sequence[float], colour: tuple[int, int, int]) -> Image:
    """A copy of the image with the outline of a box drawn into it.

    Args:
        image: (H, W, 3) RGB.
        box: x, y, width, height [px] from the image's corner; one without width is not drawn.
        colour: RGB, 0 to 255.
    """
    drawn = np.ascontiguousarray(image).copy()
    x, y, width, height = (round(v) for v in box)
    if width > 0 and height > 0:
        cv2.rectangle(drawn, (x, y), (x + width - 1, y + height - 1), colour, 1)
    return drawn


def contact_sheet(images: Sequence[Image], gap: int = 2) -> Image:
    """Images of one size side by side in rows, on white, about as wide as high.

    Args:
        images: each (H, W, 3).
        gap: between them [px].

    Raises:
        PlotError: there is none.
    """
    if not images:
        raise PlotError("a contact sheet of no images: expected at least one")
    height, width = images[0].shape[:2]
    columns = min(len(images), max(1, math.ceil(math.sqrt(len(images) * height / width * 1.5))))
    rows = -(-len(images) // columns)
    size = (rows * (height + gap) - gap, columns * (width + gap) - gap, 3)
    sheet = np.full(size, 255, np.uint8)
    for i, image in enumerate(images):
        y, x = i // columns * (height + gap), i % columns * (width + gap)
        sheet[y : y + height, x : x + width] = image
    return sheet


def colour_beliefs(beliefs: ArrayLike) -> Image:
    """Belief maps in colour, black at 0 over violet and orange to light yellow at 1.

    Args:
        beliefs: (..., h, w), uint8 in steps of 1/255 or floats in [0, 1].

    Returns:
        (..., h, w, 3) RGB.
    """
    values = np.asarray(beliefs)
    if values.dtype != np.uint8:
        values = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    table = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_INFERNO)
    return table[:, 0, ::-1].astype(np.uint8)[values]


def overlay_beliefs(image: Image, beliefs: ArrayLike) -> Image:
    """The image, darkened, with all of its belief maps glowing before it.

    Args:
        image: (H, W, 3) RGB.
        beliefs: (J, h, w), h and w parts of H and W alike, in [0, 1].
    """
    height, width = image.shape[:2]
    highest = np.asarray(beliefs, np.float32).max(axis=0)
    # Resizing keeps pixel centres as belief maps do: cell c's at (c + 0.5) s - 0.5.
    belief = np.clip(cv2.resize(highest, (width, height)), 0, 1)[..., None]
    mixed = (1 - belief) * 0.5 * image + belief * colour_beliefs(belief[..., 0])
    return np.rint(mixed).astype(np.uint8)


def draw_outline(image: Image, mask: NDArray[np.uint8], colour: tuple[int, int, int]) -> Image:
    """A copy of the image with the edge of what a mask (H, W) covers by half drawn into it."""
    drawn = np.ascontiguousarray(image).copy()
    covered = (mask >= 128).astype(np.uint8)
    edges, _ = cv2.findContours(covered, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(drawn, edges, -1, colour, 1)
    return drawn


def belief_strip(beliefs: ArrayLike, gap: int = 1) -> Image:
    """J belief maps (J, h, w) side by side as one RGB picture (h, J w + (J - 1) gap, 3)."""
    maps = colour_beliefs(beliefs)
    maps = np.pad(maps, ((0, 0), (0, 0), (0, gap), (0, 0)), constant_values=128)
    strip = np.concatenate(list(maps), axis=1)
    return strip[:, : strip.shape[1] - gap] if gap else strip


def write_png(image: Image, path: Path) -> Path:
    """Write an RGB image (H, W, 3) to a PNG file, beside first and then renamed; gives the path.

    Raises:
        FileError: it cannot be written.
    """
    write_bytes(path, _encoded(image, ".png"), durable=False)
    return path


def data_uri(image: Image, photo: bool = False) -> str:
    """An RGB image as a data URI: PNG, or JPEG for a photo."""
    kind = "jpeg" if photo else "png"
    return f"data:image/{kind};base64,{base64.b64encode(_encoded(image, '.' + kind)).decode()}"


def _encoded(image: Image, extension: str) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, 90] if extension == ".jpeg" else []
    done, data = cv2.imencode(extension, np.ascontiguousarray(image[..., ::-1]), options)
    if not done:
        raise PlotError(f"an image of shape {image.shape} cannot be written as {extension}")
    return data.tobytes()


def enlarged(image: Image, scale: int) -> Image:
    """An image (H, W) or (H, W, 3), each pixel as a square of `scale` times `scale`."""
    return image.repeat(scale, axis=0).repeat(scale, axis=1)


def gallery_picture(
    gallery: Mapping[str, NDArray[Any]],
    skeleton: Sequence[Sequence[int]],
    columns: int = 4,
    scale: int = 2,
) -> Image:
    """Held-out images side by side, enlarged, with true and predicted skeletons.

    Args:
        gallery: the arrays of a run's gallery, best image first.
        skeleton: pairs of keypoints that a bone joins.
        columns: images in a row.
        scale: whole number by which the images are enlarged.
    """
    tiles = []
    for i, image in enumerate(gallery["images"]):
        large = enlarged(image, scale)
        seen = gallery["visibility"][i]
        found = np.where((seen > 0) & gallery["found"][i], 2, 0)
        true, predicted = ((gallery[key][i] + 0.5) * scale - 0.5 for key in ("pixels", "predicted"))
        marked = draw_skeleton(large, true, seen, skeleton, TRUE_COLOUR)
        tiles.append(draw_skeleton(marked, predicted, found, skeleton, PREDICTED_COLOUR))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    return np.vstack([np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)])
