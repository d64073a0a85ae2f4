"""How far keypoints are off, with denominators and intervals."""
