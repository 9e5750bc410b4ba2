"""Networks for dislocation lines, their losses, and simulated pile-ups to train them with."""
