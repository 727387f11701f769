"""The store: journals become tables, and tables become documents again.

`store` opens and refreshes, `refreshing` finds what is new, `loading` makes rows of it, `document` makes a
PROV document of a run's rows, `memory` a store in memory of a document, `facts` notes what runs are told
apart by. `schema` and `sql` hold all SQL text.
"""

from __future__ import annotations

from trilha.store.store import Damage, Refreshed, Store, open, reindex

__all__ = ["Damage", "Refreshed", "Store", "open", "reindex"]
