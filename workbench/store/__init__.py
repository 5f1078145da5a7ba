"""The sole writer of the workbench's own data: ward, archive, catalogue, ledger and sightings."""

from workbench.store.imports import Imported, is_imported
from workbench.store.ledger import Head
from workbench.store.live import PROVISIONAL, LiveRows, provisional_name
from workbench.store.root import Store
from workbench.store.searched import Searched

__all__ = [
    "PROVISIONAL", "Head", "Imported", "LiveRows", "Searched", "Store", "is_imported",
    "provisional_name",
]  # fmt: skip
