"""Baselines by name, each a small file; all are masked, ordered and cut by one driver."""
