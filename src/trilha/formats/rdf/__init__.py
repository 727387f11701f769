"""PROV-O, the W3C recommendation (https://www.w3.org/TR/prov-o/), in the five syntaxes of RDF.

`parsing` makes a graph of a text, `reading` statements of a graph, `writing` triples of statements, and
`syntax` a text of triples; `vocabulary` holds the terms. The formats themselves are the modules `turtle`,
`trig`, `ntriples`, `nquads` and `rdfxml` beside this package.
"""
