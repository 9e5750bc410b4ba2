"""HTTP in, HTTP out: the service, its errors, limits and access. No science."""
