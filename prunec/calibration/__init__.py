"""Calibration: where text comes from, how it is split, and the one executor that streams it."""
