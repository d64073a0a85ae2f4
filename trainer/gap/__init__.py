"""How a user's photos differ from renderings, in numbers.

statistics   numbers of one picture: sharpness, contrast, colour, noise, the robot's box
sources      photos with labels or a detector, and renderings, each to such numbers
comparison   the two side by side, and what to make of it
page         that as a table, JSON, or a page with a figure
"""
