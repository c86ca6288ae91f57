"""All tables of the server as one metadata, for migrations and for the tests that compare the two."""

import importlib
import pkgutil

from sqlalchemy import MetaData

import lending
from lending import tables


def metadata() -> MetaData:
    """Return the tables of `lending.tables` and of every module `lending.*_tables`."""
    for found in pkgutil.iter_modules(lending.__path__):
        if found.name.endswith("_tables"):
            importlib.import_module(f"lending.{found.name}")
    return tables.Row.metadata
