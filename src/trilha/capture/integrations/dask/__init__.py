"""Dask: each task of each graph, each attempt of it, what goes from task to task, on one machine or many.

`local` listens to the schedulers in this process, `client` to the program that hands graphs to a distributed
scheduler, `scheduler` to that one and `worker` to those that execute its tasks.
"""
