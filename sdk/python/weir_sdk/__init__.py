"""Plugins for weir in Python.

A plugin is a folder with `world.wit` and `plugin.py`, in which one class `Plugin` is derived from `Policy` or `Masker`.
Everything here is plain Python, so a plugin's logic is tested without WebAssembly.
"""

from .types import (
    Attribute,
    Batch,
    Column,
    Decision,
    Edits,
    Fault,
    Finding,
    Masker,
    Operation,
    Parameter,
    Plan,
    Signs,
    Policy,
    Principal,
    SessionInfo,
    abstain,
    allow,
    attribute,
    deny,
    hold,
    log,
    rewrite,
)

__all__ = [
    "Attribute", "Batch", "Column", "Decision", "Edits", "Fault", "Finding", "Masker", "Operation", "Parameter", "Plan", "Signs",
    "Policy", "Principal", "SessionInfo", "abstain", "allow", "attribute", "deny", "hold", "log", "rewrite",
]
