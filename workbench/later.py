"""Large libraries that most commands and processes never use are imported when first used.

``workbench --help``, a search of plates, and each of the processes that a server or a run starts
would else wait seconds for statistics, graphs and cluster software.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any


class _Later(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # whoever looks through a module's names wants none of it
            raise AttributeError(name)
        return getattr(import_module(self.__name__), name)


def later(name: str) -> Any:
    """Return what stands for a module until a name of it is asked for; only then it is imported.

    For annotations the module is imported under ``TYPE_CHECKING`` by the same name. Not for base
    classes and decorators, which are used while importing.

    >>> fractions = later("fractions")
    >>> fractions.Fraction(2, 4)
    Fraction(1, 2)
    """
    return _Later(name)
