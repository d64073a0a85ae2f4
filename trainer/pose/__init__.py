"""From keypoints to poses: where a robot stands before a camera, and how it is bent.

find       poses of many images, written into a folder
shots      keypoints of a detector, a file or a recording
lenses     intrinsics as people have them
joints     joint angles of images, from a file
arrange    which images are one problem
solve      the best answer, those that fit alike, and what cannot be told
observe    what keypoints can tell at all, and how well
start      where the search begins: PnP, draws of joint angles
problem    what is unknown, residuals and their derivatives
report     JSON, and pictures with the robot laid over them
accuracy   how far poses are off where the truth is known
errors     the error of this package
"""
