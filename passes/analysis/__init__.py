"""Analysis passes: each adds facts and leaves the program alone."""
