"""Where batches come from: simulators, or a recording."""
