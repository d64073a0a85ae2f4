"""Files of weights: written, read, taken over, shipped."""
