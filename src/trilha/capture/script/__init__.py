"""Capture of a script's own code, by rewriting it before it runs."""
