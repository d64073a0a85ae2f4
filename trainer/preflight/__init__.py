"""Checks to make before a long run."""
