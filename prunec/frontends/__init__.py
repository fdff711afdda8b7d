"""Frontends: a Hugging Face directory, or a module with example inputs, becomes a `Program`."""
