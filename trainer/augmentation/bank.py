"""The user's photos at hand for replaced backgrounds: a part drawn anew at every use.

A window moves over the pictures in a shuffled order, by one every few batches; a batch draws from
those in its window. What a batch sees so follows from its number alone, however many came before it
in this process, and little is decoded at a time. Pictures are held at about twice the images' size.
"""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blender_scenes.photos import Photos, crop, filled
from blender_scenes.pictures import PhotoError
from simulator.randomization.draw_parts import pool

HELD = 256 << 20
"""Memory of the pictures in the window [bytes]."""
FINER = 2
"""Pictures are held at so many times the images' size: as far as zooms go, none is magnified."""
OVERHANG = 4
"""Bytes of a held picture for each pixel of a frame: three, and what lies beyond the frame."""
STEP = 4
"""Batches after which one picture of the window gives way to the next."""


class Bank:
    """Parts of the pictures in a folder, of those alone that training samples may show.

    Args:
        folder: as simulators draw from it.
        width: of the parts [px].
        height: of the parts [px].
        seed: of the pictures' order.
        say: takes a line on each picture that is left out.

    Raises:
        PhotoError: the folder cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        width: int,
        height: int,
        seed: int = 0,
        say: Callable[[str], None] = print,
    ) -> None:
        self._photos = Photos(folder, say)
        if line := self._photos.too_small(width, height):
            say(f"note: {line}")
        self._size = width, height
        names = pool(self._photos.names, held_out=False)
        if not names:
            raise PhotoError(
                f"backgrounds {folder}: it has one readable picture; wanted at least 2, since "
                "held-out samples see others than training samples"
            )
        self._names = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
        self.window = min(len(names), max(1, HELD // (OVERHANG * width * height * FINER**2)))
        """Pictures that a batch draws from."""
        self._held: OrderedDict[str, NDArray[np.uint8]] = OrderedDict()

    def parts(self, count: int, number: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        """So many parts (count, 3, height, width), RGB.

        Args:
            count: of parts.
            number: of the batch that they are for.
            rng: its random source.

        Raises:
            PhotoError: a picture can no longer be read.
        """
        places = number // STEP + rng.integers(self.window, size=count)
        return np.stack([self._part(self._names[i % len(self._names)], rng) for i in places])

    def _part(self, name: str, rng: np.random.Generator) -> NDArray[np.uint8]:
        picture, (width, height) = self._picture(name), self._size
        room = min(picture.shape[1] / width, picture.shape[0] / height)
        zoom, place = rng.uniform(1, max(room, 1)), (float(rng.random()), float(rng.random()))
        part = crop(picture, float(zoom), place, width / height)
        return filled(part, width, height, bool(rng.random() < 0.5)).transpose(2, 0, 1)

    def _picture(self, name: str) -> NDArray[np.uint8]:
        held, (width, height) = self._held, self._size
        if name not in held:
            held[name] = self._photos.covering(name, FINER * width, FINER * height)
        held.move_to_end(name)
        while len(held) > 1 and sum(one.nbytes for one in held.values()) > HELD:
            held.popitem(last=False)
        return held[name]
