"""How fast and how good it is, side by side with its peers."""
