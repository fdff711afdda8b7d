"""prunec, the pruning compiler: makes trained transformers small and fast enough to deploy, and proves it."""

__version__ = "0.1.0"
