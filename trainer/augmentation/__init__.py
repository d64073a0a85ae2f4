"""What training batches go through on the device; labels follow."""
