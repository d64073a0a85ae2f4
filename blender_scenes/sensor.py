"""What becomes of a picture on its way through the camera: blurred, tinted, noisy, compressed.

All of it works on the 8-bit sRGB picture, as a camera's own processing leaves it; no pixel moves.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from blender_scenes.processing_spec import NO_SENSOR, Sensor
from jointloop.common.errors import SceneError

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in a grey (ITU-R BT.601)."""
STREAM = 0x5E4504
"""Tells the sensor's noise from other draws of the same seed."""


def expose(image: NDArray[np.uint8], sensor: Sensor, seed: int) -> NDArray[np.uint8]:
    """The picture that the sensor makes of an image: blur, gain, saturation, noise, JPEG.

    Args:
        image: (H, W, 3) sRGB; left as it is.
        sensor: what to do.
        seed: of the noise; the same one gives the same bytes.

    Returns:
        (H, W, 3), C-contiguous.

    Raises:
        SceneError: a JPEG quality out of 1 to 100.
    """
    if sensor == NO_SENSOR:
        return image
    picture = image.astype(np.float32)
    if sensor.blur > 0:
        picture = cv2.GaussianBlur(picture, (0, 0), sensor.blur, borderType=cv2.BORDER_REFLECT_101)
    picture = cv2.transform(picture, _tint(sensor))
    if sensor.noise > 0:
        rng = np.random.default_rng((STREAM, seed))
        picture += rng.standard_normal(picture.shape, np.float32) * np.float32(sensor.noise)
    exposed = np.rint(np.clip(picture, 0, 255)).astype(np.uint8)
    return exposed if sensor.jpeg is None else compressed(exposed, sensor.jpeg)


def _tint(sensor: Sensor) -> NDArray[np.float32]:
    """(3, 3) gain, then saturation, as one matrix on colours."""
    grey = np.tile(LUMA, (3, 1))
    saturation = grey + sensor.saturation * (np.eye(3) - grey)
    return (saturation * np.array(sensor.gain)).astype(np.float32)


def compressed(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """What is left of an image (H, W, 3) in a JPEG file, whose colours have half its size.

    Raises:
        SceneError: a quality out of 1 to 100.
    """
    if not 1 <= quality <= 100:
        raise SceneError(f"JPEG quality is {quality}; expected 1 to 100")
    done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise SceneError(f"an image of shape {image.shape} cannot be written as JPEG")
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return np.ascontiguousarray(decoded[..., ::-1]).astype(np.uint8, copy=False)
