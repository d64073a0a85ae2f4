"""Are the labels right? Measures, and says."""
