"""A notebook: its cells as activities, and the names by which data goes from one to the next.

`cells` hears of the cells that are run; `text` reads from a cell's text which names it looks up and binds;
`variables` knows what is behind each name of the notebook, and states what a cell took and gave.
"""
