"""Typed data sets over files: what `trilha.data` gives.

`shapes` reads the declared type, `mappers` say which file is which member, `sets` are the data sets that a
program iterates and indexes, `stating` records them.

Source of the idea: Swift's data sets and mappers (Zhao et al., "Swift: Fast, Reliable, Loosely Coupled
Parallel Computation", 2007; Gadelha et al., "Provenance management in Swift", FGCS 2011).
"""
