"""Using a detector: images in, keypoints out."""
