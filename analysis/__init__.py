"""What a micrograph means: bytes to pixels with a pixel size, and what a network finds in them, in nm."""
