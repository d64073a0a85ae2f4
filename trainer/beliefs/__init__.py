"""Belief maps (others call them heatmaps): painted, compared, decoded into keypoints."""
