"""What is served: one folder a model, found, verified by checksum and opened."""
