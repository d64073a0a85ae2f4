"""The folder of a run and what is said of it."""
