"""Medians, ratios and tables."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

Figures = dict[str, float]
COLUMNS = {
    "tps": ("tps", "{:.0f}"), "rps": ("requests/s", "{:.0f}"), "p50": ("p50 µs", "{:.0f}"), "p99": ("p99 µs", "{:.0f}"), "cpu_us": ("CPU µs", "{:.1f}"),
    "mb_s": ("MB/s", "{:.0f}"), "cpu_s_gb": ("CPU s/GB", "{:.2f}"), "kib": ("KiB/session", "{:.0f}"),
    "base_mib": ("with one session, MiB", "{:.0f}"), "delay_ms": ("to effect, ms", "{:.0f}"),
    "worst_ms": ("slowest query, ms", "{:.1f}"), "failed": ("failed", "{:.0f}"),
}
# Whose share of what: a figure is divided by the reference's of the same round. A reference that does not do a work is not
# in its table.
RATIOS = {"tps": ("direct",), "rps": ("direct", "nginx"), "mb_s": ("direct", "nginx"), "cpu_us": ("floor", "nginx"), "cpu_s_gb": ("floor", "nginx")}


@dataclass
class Results:
    """Figures of each round, by work and target; and what failed."""

    rounds: dict[str, dict[str, list[Figures]]] = field(default_factory=dict)
    failures: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, work: str, target: str, figures: Figures) -> None:
        self.rounds.setdefault(work, {}).setdefault(target, []).append(figures)

    def fail(self, work: str, target: str, problem: str) -> None:
        self.failures.setdefault(work, {})[target] = problem
        # Rounds stay side by side.
        self.add(work, target, {})

    def figure(self, work: str, target: str, key: str) -> float | None:
        found = [figures[key] for figures in self.rounds.get(work, {}).get(target, []) if key in figures]
        return statistics.median(found) if found else None

    def ratio(self, work: str, target: str, key: str, to: str) -> float | None:
        pairs = zip(self.rounds.get(work, {}).get(target, []), self.rounds.get(work, {}).get(to, []))
        found = [mine[key] / theirs[key] for mine, theirs in pairs if key in mine and theirs.get(key)]
        return statistics.median(found) if found else None


@dataclass(frozen=True)
class Target:
    """What weir is meant to reach: at most `milestone`, or at least."""

    title: str
    work: str
    value: Callable[[Results, str], float | None]
    milestone: float
    goal: float
    unit: str
    at_least: bool = False

    def line(self, results: Results) -> str:
        value = self.value(results, self.work)
        limit = "≥" if self.at_least else "≤"
        cells = [self.title, "–" if value is None else f"{value:.2f} {self.unit}"]
        for bound in (self.milestone, self.goal):
            met = value is not None and (value >= bound if self.at_least else value <= bound)
            cells.append(f"{limit} {bound:g} {self.unit}: " + ("not measured" if value is None else "met" if met else "**not met**"))
        return row(cells)


def times_floor(results: Results, work: str) -> float | None:
    return results.ratio(work, "weir", "cpu_us", "floor")


def times_nginx(results: Results, work: str) -> float | None:
    return results.ratio(work, "weir", "cpu_us", "nginx")


def share_of_direct(results: Results, work: str) -> float | None:
    return results.ratio(work, "weir", "tps", "direct")


def plain(key: str, divisor: float = 1) -> Callable[[Results, str], float | None]:
    def value(results: Results, work: str) -> float | None:
        found = results.figure(work, "weir", key)
        return None if found is None else found / divisor
    return value


def delay(results: Results, work: str) -> float | None:
    """A change that lets operations fail has no effect that counts."""
    return float("inf") if results.figure(work, "weir", "failed") else plain("delay_ms", 1000)(results, work)


TARGETS = [
    Target("simple query, 16 clients: CPU", "simple-16", times_floor, 4, 1.5, "x floor"),
    Target("prepared query, 16 clients: CPU", "prepared-16", times_floor, 3.5, 1.4, "x floor"),
    Target("simple query, 16 clients: tps", "simple-16", share_of_direct, 0.35, 0.68, "x direct", at_least=True),
    Target("1,000,000 rows, no masker interested: CPU", "rows-plain", plain("cpu_s_gb"), 1.5, 1.05, "s/GB"),
    Target("1,000,000 rows, three columns masked", "rows-masked", plain("mb_s"), 50, 250, "MB/s", at_least=True),
    Target("login, SCRAM on both legs: CPU", "logins", plain("cpu_us", 1000), 1, 0.25, "ms"),
    # The goal is what Envoy takes: 30.9 µs where nginx takes 13.9.
    Target("HTTP request, 1 KB of JSON, 32 connections, inspected: CPU", "http-32", times_nginx, 4, 2.2, "x nginx"),
    Target("memory of an idle session", "memory", plain("kib", 1024), 1, 0.2, "MiB"),
    Target("plugin change to effect, nothing failed", "plugin-change", delay, 2, 0.1, "s"),
]


def tables(results: Results, titles: dict[str, str]) -> str:
    works = [work for work in titles if work in results.rounds or work in results.failures]
    parts = [work_table(results, work, titles[work]) for work in works]
    measured = [target.line(results) for target in TARGETS if target.work in works]
    if measured and any("weir" in results.rounds.get(work, {}) for work in works):
        parts.append("\n".join(["### First milestone and goal", "", header(["weir", "measured", "first milestone", "goal"]), *measured]))
    return "\n\n".join(parts)


def work_table(results: Results, work: str, title: str) -> str:
    keys = [key for key in COLUMNS if any(key in figures for rounds in results.rounds.get(work, {}).values() for figures in rounds)]
    names = ["target"]
    for key in keys:
        names += [COLUMNS[key][0], *(f"x {to}" for to in references(results, work, key))]
    lines = [f"### {title}", "", header(names)]
    for target in results.rounds.get(work, {}):
        lines.append(row([target, *cells(results, work, target, keys)]))
    lines += [f"\n{target} failed: {problem}" for target, problem in results.failures.get(work, {}).items()]
    return "\n".join(lines)


def references(results: Results, work: str, key: str) -> list[str]:
    return [to for to in RATIOS.get(key, ()) if to in results.rounds.get(work, {})]


def cells(results: Results, work: str, target: str, keys: list[str]):
    for key in keys:
        value = results.figure(work, target, key)
        # Direct has no proxy, so no CPU time of one.
        is_absent = value is None or (target == "direct" and key.startswith("cpu"))
        yield "–" if is_absent else COLUMNS[key][1].format(value)
        for to in references(results, work, key):
            ratio = None if is_absent else results.ratio(work, target, key, to)
            yield "–" if ratio is None else f"{ratio:.2f}"


@dataclass(frozen=True)
class ReadmeTable:
    """Works, and which of their figures; targets and what they are called; what weir is divided by."""

    works: dict[str, tuple[str, tuple[str, ...]]]
    targets: dict[str, str]
    references: tuple[str, ...]

    def text(self, results: Results) -> str:
        ratios = [f"weir / {self.targets[to]}" for to in self.references]
        lines = [header(["work", "", *self.targets.values(), *ratios])]
        for work, (title, keys) in self.works.items():
            for key in keys:
                of_proxy = key.startswith(("cpu", "kib"))
                label, form = ("KiB" if key == "kib" else COLUMNS[key][0]), COLUMNS[key][1]
                figures = [None if target == "direct" and of_proxy else results.figure(work, target, key) for target in self.targets]
                ratios = [None if key == "kib" or to == "direct" and of_proxy else results.ratio(work, "weir", key, to) for to in self.references]
                lines.append(row([title, label, *(form.format(each) if each is not None else "" for each in figures),
                                  *(f"{each:.2f}" if each is not None else "" for each in ratios)]))
                title = ""
        return "\n".join(lines)


README = [
    ReadmeTable(
        {
            "simple-16": ("simple query, 16 clients", ("tps", "p50", "p99", "cpu_us")),
            "prepared-16": ("prepared query, 16 clients", ("tps", "p50", "p99", "cpu_us")),
            "logins": ("login and one query", ("tps", "cpu_us")),
            "rows-plain": ("1,000,000 rows, no masker interested", ("mb_s", "cpu_s_gb")),
            "rows-masked": ("1,000,000 rows, three columns masked", ("mb_s", "cpu_s_gb")),
            "memory": ("idle session", ("kib",)),
        },
        {"direct": "direct", "floor": "copy loop", "pgbouncer": "PgBouncer", "weir": "weir"}, ("direct", "floor")),
    ReadmeTable(
        {
            "http-1": ("HTTP, 1 KB of JSON, 1 connection", ("rps", "p50", "p99", "cpu_us")),
            "http-32": ("the same, 32 connections", ("rps", "p50", "p99", "cpu_us")),
            "http-32-masked": ("the same, 5 e-mail addresses masked", ("rps", "cpu_us")),
            "http-10m": ("10 MB that nobody looks into", ("mb_s", "cpu_s_gb")),
            "http-10m-json": ("10 MB of JSON, searched", ("mb_s", "cpu_s_gb")),
        },
        {"direct": "direct", "nginx": "nginx", "envoy": "Envoy", "weir": "weir"}, ("direct", "nginx")),
]
README_BLOCK = re.compile(r"(?<=<!-- benchmark:start -->\n).*?(?=<!-- benchmark:end -->)", re.DOTALL)


def readme_tables(results: Results) -> str:
    return "\n\n".join(table.text(results) for table in README)


def into_readme(text: str, results: Results, about: str) -> str:
    """README's text with this run's figures between the markers."""
    if missing := [work for table in README for work in table.works if work in results.failures or "weir" not in results.rounds.get(work, {})]:
        raise RuntimeError(f"README.md stays as it is: it needs figures of {', '.join(missing)}")
    if not README_BLOCK.search(text):
        raise RuntimeError("README.md has no lines <!-- benchmark:start --> and <!-- benchmark:end -->")
    return README_BLOCK.sub(lambda _: f"{readme_tables(results)}\n\n{about}\n", text, count=1)


def header(names: list[str]) -> str:
    return row(names) + "\n" + row(["---"] * len(names))


def row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
