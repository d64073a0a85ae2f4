"""Pictures that people look at: skeletons, belief maps, contact sheets, captions."""
