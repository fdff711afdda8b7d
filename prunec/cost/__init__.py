"""What a program costs on the target: workloads, timing, cost tables."""
