"""Judging a network: held-out samples, recordings, labelled photos."""
