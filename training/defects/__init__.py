"""Irradiation defects: where the Mask R-CNNs of the store come from."""
