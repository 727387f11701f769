"""One module a library, each loaded only when the program imports that library.

An integration has two functions: ``begin(recorder, library)`` and ``end(recorder)``. It uses only what the
recorder offers to everyone, so that it could as well have been written by a third party.
"""
