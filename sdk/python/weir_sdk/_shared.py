"""What policies and maskers share between the contract's types and ours."""

import json
import sys
import traceback

import plugin as author
from componentize_py_types import Err
from wit_world.exports import lifecycle
from wit_world.imports import types as wire

from . import _sink
from .types import Fault

try:
    from wit_world.imports import host_log

    _sink.write = lambda level, message: host_log.log(_sink.LEVELS.index(level), message)
except ImportError:
    pass

if not hasattr(author, "Plugin"):
    raise ImportError("plugin.py has no class Plugin")

Plugin = author.Plugin
#: this instance's plugin, once it is configured
current: list = []


def guarded(call):
    """Exceptions become faults, told by their kind and place: their texts may hold values."""
    try:
        return call()
    except Fault as fault:
        raise Err(wire.Fault(fault.code, fault.message)) from None
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{last.filename.rsplit('/', 1)[-1]}:{last.lineno}"
        raise Err(wire.Fault("exception", f"{type(error).__name__} at {place}")) from None


class Lifecycle:
    def describe(self):
        schema = "" if Plugin.settings_schema is None else json.dumps(Plugin.settings_schema)
        return lifecycle.Manifest(Plugin.name, Plugin.version, Plugin.description, schema)

    def configure(self, settings: str) -> None:
        current[:] = [guarded(lambda: Plugin(json.loads(settings)))]
