"""What plugins are given and what they answer. The meaning of every field is in the contract, wit/*.wit."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Attribute:
    name: str
    value: str


@dataclass
class Principal:
    id: str
    kind: str = "human"
    groups: list[str] = field(default_factory=list)
    attributes: list[Attribute] = field(default_factory=list)


@dataclass
class SessionInfo:
    id: str
    resource_name: str = ""
    protocol: str = ""
    who: Principal = field(default_factory=lambda: Principal(""))
    client_address: str = ""
    started_ms: int = 0
    attributes: list[Attribute] = field(default_factory=list)
    claimed: list[Attribute] = field(default_factory=list)


@dataclass
class Parameter:
    name: str
    type_name: str = ""
    value: str | None = None


@dataclass
class Operation:
    kind: str
    action: str = "unknown"
    text: str = ""
    objects: list[str] = field(default_factory=list)
    parameters: list[Parameter] = field(default_factory=list)
    attributes: list[Attribute] = field(default_factory=list)
    claimed: list[Attribute] = field(default_factory=list)


@dataclass
class Column:
    name: str
    relation: str = ""
    source: str = ""
    type_name: str = ""
    labels: list[str] = field(default_factory=list)


def attribute(of, name: str) -> str | None:
    """The value of the first attribute of that name, of an operation, a session or a principal."""
    return next((each.value for each in of.attributes if each.name == name), None)


@dataclass
class Fault(Exception):
    """Raise it when the plugin cannot do its work: the operation is refused, and the operator reads why."""

    code: str
    message: str


@dataclass
class Finding:
    rule: str
    place: str
    score: int


@dataclass
class Decision:
    """A verdict, with what the trail shall keep."""

    verdict: str
    code: str = ""
    reason: str = ""
    reviewers: list[str] = field(default_factory=list)
    text: str = ""
    findings: list[Finding] = field(default_factory=list)
    tags: list[Attribute] = field(default_factory=list)
    # Holds for operations of this session that differ in nothing but the values of their parameters: not asked about those.
    reusable: bool = False
    # And whatever their text is.
    for_any_text: bool = False

    def tag(self, name: str, value: str) -> Decision:
        self.tags.append(Attribute(name, value))
        return self

    def finding(self, rule: str, place: str, score: int) -> Decision:
        """`score` from 0 to 100; never the value itself."""
        self.findings.append(Finding(rule, place, score))
        return self


def abstain() -> Decision:
    """No opinion: the other policies decide."""
    return Decision("abstain")


def allow() -> Decision:
    return Decision("allow")


def deny(code: str, reason: str) -> Decision:
    """The client reads `reason`: no values in it."""
    return Decision("deny", code=code, reason=reason)


def hold(code: str, reason: str, reviewers: list[str] | None = None) -> Decision:
    """Waits for a person: `group:NAME` or `user:NAME`; without any, the resource's reviewers."""
    return Decision("hold", code=code, reason=reason, reviewers=reviewers or [])


def rewrite(text: str) -> Decision:
    """The text to run instead; every policy judges it again."""
    return Decision("rewrite", text=text)


class _Plugin:
    #: for people; the configuration names a plugin by its file
    name = ""
    version = "0.1.0"
    description = ""
    #: JSON Schema of the settings as a dict; None when it takes none
    settings_schema: dict | None = None

    def __init__(self, settings: dict):
        """Once per session, before `open`. The settings match the schema; raise Fault for what it cannot say."""
        self.settings = settings

    def open(self, session: SessionInfo) -> None:
        """Who is there. An instance never sees a second session."""


class Policy(_Plugin):
    def decide(self, operation: Operation) -> Decision:
        """Once per operation. An exception refuses the operation."""
        raise NotImplementedError


@dataclass
class Signs:
    """What values of `columns` must show to be sent: so many ASCII digits (0: they do not count), one of the bytes, or
    one of the words, in whatever case. A sign that is missing lets a value pass in clear."""

    columns: list[int]
    digits: int = 0
    bytes: bytes = b""
    words: list[str] = field(default_factory=list)
    #: a text about an operation (in a column with labels) that `mask` has left once it leaves each time
    settled: bool = False


@dataclass
class Plan:
    """What a masker wants: indices of columns, and the names of the rules it may apply."""

    wanted: list[int] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    #: the same columns get the same answer whatever the operation
    reusable: bool = False
    #: what values must show to be sent; none: all are
    signs: Signs | None = None


@dataclass
class Batch:
    """Cells of many rows in one blob: cell i is `cells[ends[i-1]:ends[i]]`, of column `columns[i]`."""

    cells: bytes
    ends: list[int]
    columns: list[int]

    def __iter__(self):
        """Each cell: its column's index and its bytes (UTF-8)."""
        start = 0
        for end, column in zip(self.ends, self.columns):
            yield column, self.cells[start:end]
            start = end

    @classmethod
    def of(cls, *values: tuple[int, str]) -> Batch:
        """For tests: columns and texts."""
        batch = cls(b"", [], [])
        for column, text in values:
            batch.cells += text.encode()
            batch.ends.append(len(batch.cells))
            batch.columns.append(column)
        return batch


class Edits:
    """What becomes of cells, in ascending order of cells and places."""

    def __init__(self) -> None:
        self.cells: list[int] = []
        self.starts: list[int] = []
        self.stops: list[int] = []
        self.replacements = bytearray()
        self.ends: list[int] = []
        self.rules: list[int] = []
        self.nulls: list[int] = []
        self.null_rules: list[int] = []

    def replace(self, cell: int, start: int, stop: int, text: str, rule: int) -> None:
        """The bytes `start:stop` of the cell become `text`; `rule` is an index into the plan's rules."""
        self.cells.append(cell)
        self.starts.append(start)
        self.stops.append(stop)
        self.replacements += text.encode()
        self.ends.append(len(self.replacements))
        self.rules.append(rule)

    def null(self, cell: int, rule: int) -> None:
        """The cell becomes NULL."""
        self.nulls.append(cell)
        self.null_rules.append(rule)


class Masker(_Plugin):
    def plan(self, shape: int, columns: list[Column], operation: Operation) -> Plan:
        """Which columns of a result it wants to see. The answer holds until the next `plan` with that number."""
        raise NotImplementedError

    def mask(self, shape: int, values: Batch) -> Edits:
        """Edits of the cells of those columns. NULLs are not sent."""
        raise NotImplementedError


def log(level: str, message: str) -> None:
    """To the gateway's log, `level` one of trace, debug, info, warn, error. No values: the log is not masked."""
    from . import _sink

    _sink.write(level, message)
