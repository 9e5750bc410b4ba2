"""What is served: one folder per model, found, verified by checksum and opened."""
