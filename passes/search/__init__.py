"""Search passes: each turns facts and a budget into a plan."""
