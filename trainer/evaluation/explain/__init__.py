"""Which hidden variables a detector's loss hangs on."""
