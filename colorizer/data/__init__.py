"""Data sets, to train on and to measure with."""
