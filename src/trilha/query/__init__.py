"""Questions to a store, and answers as plain data that the command line and the pages both show.

`runs` tells which runs there are, `finding` what the user means, `lineage` where it came from, `trail` puts a
lineage in the order in which people read it, `account` tells all about one run.
"""
