"""The folder of `sitecustomize`, which stands in the PYTHONPATH of processes that a recorded one starts."""
