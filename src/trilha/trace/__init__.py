"""What a script did, evaluation by evaluation: read back from a journal, asked, and stated as PROV.

`evaluations` has the words; how a trace is written while a script runs is `capture.script`'s.
"""
