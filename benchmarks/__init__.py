"""Measurements: run them by hand, alone on the machine."""
