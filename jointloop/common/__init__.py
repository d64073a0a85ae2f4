"""The ground that every package may stand on."""
