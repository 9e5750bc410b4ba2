"""How every dislocation line runs and moves: masks → skeletons → splines, their statistics, and tracks over a video."""
