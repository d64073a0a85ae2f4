"""Marks of one picture against the robot: can it stand and bend so that it looks like this?

many        many guesses at once, each moved to where it fits best
explain     what a picture's marks come to: explained, one of them off, two of them swapped, or none
flags       visibility that contradicts the robot's own meshes
faults      a set of pictures, looked through
table       what was found, for people and as JSON
"""
