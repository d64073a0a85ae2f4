"""Several simulators as processes: started, watched, replaced."""
