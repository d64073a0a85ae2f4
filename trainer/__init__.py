"""The trainer side: belief network, closed loop, runs."""
