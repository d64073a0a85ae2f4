"""From keypoints to poses: where a robot stands before a camera, and how it is bent.

problem    what is unknown, residuals and their derivatives
start      where the search begins: PnP, draws of joint angles
solve      the best answer, those that fit alike, and what cannot be told
errors     the error of this package
"""
