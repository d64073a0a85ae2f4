"""Typed settings of a run, and the presets it can begin as."""
