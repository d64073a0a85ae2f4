"""One run shared by several processes."""
