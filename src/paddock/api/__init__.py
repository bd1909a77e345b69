"""HTTP in and out. The only area that knows status codes and wire formats."""
