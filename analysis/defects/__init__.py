"""Irradiation defects: how many of each kind, how large, of what shape, and how much they harden the alloy."""
