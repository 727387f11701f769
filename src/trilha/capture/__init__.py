"""What runs inside the user's program.

Capture behaves like a guest: it does nothing when off, never raises into the program, never waits for a
network, counts what it drops, and does not record itself. It knows the PROV model and the journal; it
never imports the store, the queries or the pages, so that importing Trilha stays cheap.
"""
