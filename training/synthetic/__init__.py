"""What the generators of all families share: random numbers and fields, ribbons, folders of pictures, files."""
