"""A page on which a person marks keypoints in photos, and which the robot's kinematics check.

photos      the pictures to be marked: of folders, or frames of a video
book        one person's marks, saved after every change
advice      the detector's first guess, and what the kinematics make of marks
server      what the page asks for
page/       the page itself: plain JavaScript, served as it stands
"""
