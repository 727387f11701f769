"""Versioned-PROV: entities whose members change, in plain PROV with types and attributes of a namespace.

Source: Pimentel, Missier, Murta, Braganholo, "Versioned-PROV: A PROV extension to support mutable data
entities" (IPAW 2018), and its companion site. docs/reference/versioned.md has the rules in full.
"""

from trilha.prov.versioned.terms import SCRIPT, VERSION

__all__ = ["SCRIPT", "VERSION"]
