"""Verbs that look at what the simulators make: gallery, check-labels."""
