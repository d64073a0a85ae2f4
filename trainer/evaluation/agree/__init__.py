"""How well people agree who mark the same images.

marks       the same images in several files
spread      how far marks lie apart, and what all of them say together
pictures    where people disagree, and the spread as kernels on an image
"""
