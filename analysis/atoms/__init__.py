"""Atom columns: where they are, how strong they are, and what lattice they form."""
