"""The simulated providers behind `changeover demo`."""
