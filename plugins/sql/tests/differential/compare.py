#!/usr/bin/env python3
"""Holds the analyser against PostgreSQL's own parser (libpg_query, through PyPI's pglast).

    python3 plugins/sql/tests/differential/compare.py CORPUS_DIR...

Every *.sql file below the folders is cut into statements the way psql does it (meta-commands, COPY data and
psql's variables dropped), every statement is also mutated, and for each of them:

  (a) PostgreSQL and we find the same number of statements;
  (b) where PostgreSQL's tree holds anything but SELECT, we do not say `read`; where it holds an UPDATE or
      DELETE without WHERE, we do not say `write`;
  (c) what PostgreSQL refuses and we call `read` is counted and shown, with its reason;
  (d) the share of `unknown` among what PostgreSQL accepts is at most 3 % for each common command;
  (e) both cut the text into the same tokens;
  (f) in what we call `read` or `write`, every function call of PostgreSQL's tree is one we have seen;
  (g) and every relation is one we have listed, unless WITH defines a name like it.

It exits with 1 if any of them but (c) fails. It needs pglast and cargo; it skips nothing.
"""
import json
import os
import random
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pglast
from pglast import ast, enums, parser

ROOT = Path(__file__).resolve().parents[4]
COMMON = {
    "SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "CreateStmt", "CreateTableAsStmt",
    "ViewStmt", "IndexStmt", "AlterTableStmt", "DropStmt", "TruncateStmt", "CopyStmt", "ExplainStmt",
    "TransactionStmt", "VariableSetStmt", "VariableShowStmt", "PrepareStmt", "ExecuteStmt", "DeallocateStmt",
    "DeclareCursorStmt", "FetchStmt", "ClosePortalStmt", "GrantStmt", "CreateSeqStmt", "CommentStmt",
    "CreateFunctionStmt", "CreateTrigStmt", "LockStmt", "VacuumStmt",
}
# libpg_query's scanner accepts letters after a parameter, PostgreSQL's does not since version 15
LIBPG_QUERY_ONLY = re.compile(r"\$\d+[A-Za-z_]")
MOST_UNKNOWN = 0.03
# statements that are not queries but that `read` is right for
READING = {"ExplainStmt", "CopyStmt"}


def statements_of(path):
    """The statements of a psql script, roughly: enough to feed both sides the same text."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    lines, in_copy = [], False
    for line in text.split("\n"):
        if in_copy:
            in_copy = line.strip() != "\\."
            continue
        if line.startswith("\\"):
            lines.append(";" if line.startswith(("\\g", "\\crosstab")) else "")
            continue
        line = re.sub(r"\\(gset|gexec|gdesc|g|gx|crosstabview|watch|bind|parse|;|if|endif|else|quit).*$", ";", line)
        lines.append(line)
        if re.search(r"\bcopy\b.*\bfrom\s+stdin\b.*;\s*$", line, re.I):
            in_copy = True
    text = "\n".join(lines)
    text = re.sub(r"(?<![:\w]):'(\w+)'", r"'\1'", text)
    text = re.sub(r'(?<![:\w]):"(\w+)"', r'"\1"', text)
    text = re.sub(r"(?<![:\w\[\d]):([a-z_]\w*)\b", r"\1", text)
    try:
        pieces = parser.split(text, with_parser=False, only_slices=True)
        for piece in pieces:
            yield text[piece].strip()
    except Exception:  # a script the scanner refuses as a whole: line by line at least
        for piece in text.split(";\n"):
            yield piece.strip()


def mutations(sql, rng):
    """Variants that must keep their meaning, and some that may break."""
    yield sql + ";"
    yield sql + "; select 1"
    yield "select 1; " + sql
    if "'" not in sql and '"' not in sql and "$" not in sql:
        yield re.sub(r"\s", "/* ; */", sql)
        yield sql.swapcase() if sql.isascii() else sql
    words = sql.split(" ")
    if len(words) > 2:
        at = rng.randrange(len(words))
        yield " ".join(words[:at] + words[at + 1:])
        yield " ".join(words[:at] + [words[at], words[at]] + words[at + 1:])
        other = rng.choice([";", "--", "/*", "*/", "'", "$$", "(", ")", "into x", "as (delete from t)", "union",
                            "begin atomic", "end;", "for update", "u&\"x\" uescape '!'", "e'\\''", "+-", "1a"])
        yield " ".join(words[:at] + [other] + words[at:])


class Facts:
    def __init__(self):
        self.nodes = Counter()
        self.bulk = False
        self.into = False
        self.functions = set()
        self.relations = set()
        self.ctes = set()


MADE_BY_GRAMMAR = [["pg_catalog", "like_escape"], ["pg_catalog", "similar_to_escape"]]


def quoted(part):
    return '"' + part.replace('"', '""') + '"' if "." in part or '"' in part else part


def walk(node, facts):
    stack = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, (tuple, list)):
            stack.extend(item)
            continue
        # FOR UPDATE OF names aliases
        if not isinstance(item, ast.Node) or isinstance(item, ast.LockingClause):
            continue
        name = type(item).__name__
        if name.endswith("Stmt") and name != "RawStmt":
            facts.nodes[name] += 1
        if name in ("UpdateStmt", "DeleteStmt") and item.whereClause is None:
            facts.bulk = True
        if name == "IntoClause":
            facts.into = True
        if name == "FuncCall" and item.funcformat != enums.CoercionForm.COERCE_SQL_SYNTAX:
            parts = [part.sval for part in item.funcname]
            if len(parts) == 2 and parts[0] == "pg_catalog" and parts[1] == "json_object":
                parts = ["json_object"]
            # what the grammar itself makes of LIKE ... ESCAPE and its like
            if parts not in MADE_BY_GRAMMAR:
                facts.functions.add(".".join(quoted(part) for part in parts))
        if name == "RangeVar":
            parts = [item.catalogname, item.schemaname, item.relname]
            facts.relations.add(".".join(quoted(part) for part in parts if part))
        if name == "CommonTableExpr":
            facts.ctes.add(quoted(item.ctename))
        for slot in item:
            value = getattr(item, slot, None)
            if isinstance(value, (tuple, list, ast.Node)):
                stack.append(value)


PIECES = ["'", "''", "\"", "a", "e", "E'", "x'", "b'", "n'", "u&", "U&'", "U&\"", "\\", "\\'", "\\0061", "$", "$$", "$a$", "$1",
          "\n", " ", "--", "/*", "*/", "/", "*", "+", "-", "@", "=", "<", ">", "!", "1", "0x", "1.", ".", "..", "e5", "_", ":",
          "::", ":=", ";", "(", "uescape '!'", "!0061", "\u00e9", "\t", "\r", "~", "|", "%", "`", "?", "#", "&", "^", "9", "f"]


def soups(rng, count):
    """Texts without grammar, for the scanners."""
    for _ in range(count):
        yield "".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 12)))


def tokens_of(sql):
    """Spans in bytes, as PostgreSQL's scanner cuts them; a U& token with its UESCAPE is one."""
    try:
        found = [t for t in parser.scan(sql) if t.name not in ("SQL_COMMENT", "C_COMMENT")]
    except (pglast.Error, ValueError):
        return None
    spans, at = [], 0
    while at < len(found):
        start, end = found[at].start, found[at].end
        if found[at].name in ("UIDENT", "USCONST") and at + 2 < len(found) and found[at + 1].name == "UESCAPE":
            end, at = found[at + 2].end, at + 2
        spans.append([start, end + 1])
        at += 1
    if not sql.isascii():  # scan counts characters
        offsets = [0]
        for character in sql:
            offsets.append(offsets[-1] + len(character.encode()))
        spans = [[offsets[a], offsets[b]] for a, b in spans]
    return spans


def classify(texts):
    target = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target"))
    subprocess.run(["cargo", "build", "-q", "--release", "-p", "weir-sql", "--example", "classify"], cwd=ROOT, check=True)
    data = "\0".join(texts).encode("utf-8", "surrogatepass")
    done = subprocess.run([str(Path(target) / "release/examples/classify")], input=data, capture_output=True, check=True)
    lines = done.stdout.decode().splitlines()
    assert len(lines) == len(texts), (len(lines), len(texts))
    return [json.loads(line) for line in lines]


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    rng = random.Random(20260101)
    originals = []
    for folder in sys.argv[1:]:
        for path in sorted(Path(folder).rglob("*.sql")):
            originals.extend(s for s in statements_of(path) if s and "\0" not in s)
    originals = list(dict.fromkeys(originals))
    texts = list(originals)
    for sql in originals:
        texts.extend(m for m in mutations(sql, rng) if "\0" not in m)
    texts.extend(soups(rng, 100_000))
    texts = list(dict.fromkeys(texts))
    originals = set(originals)
    print(f"{len(originals)} statements, {len(texts)} with mutations")
    ours = classify(texts)

    failures = defaultdict(list)
    refused_reads, refused, accepted, compared = [], 0, 0, 0
    total, unknown, unknown_examples = Counter(), Counter(), defaultdict(list)
    classes_by_node = defaultdict(Counter)
    for sql, answer in zip(texts, ours):
        tokens = tokens_of(sql)
        # what only PostgreSQL's grammar refuses, such as a stray `{`, we refuse at once: no difference
        if answer["error"] is None:
            compared += 1
            if tokens is None:
                failures["(e) we lex what PostgreSQL does not"].append((sql, ""))
            elif tokens != answer["tokens"]:
                where = next((f"{a} != {b}" for a, b in zip(tokens, answer["tokens"]) if a != b), "count")
                failures["(e) tokens"].append((sql, where))
        try:
            tree = parser.parse_sql(sql)
        except (pglast.Error, ValueError, RecursionError) as error:
            refused += 1
            if answer["error"] is None and answer["classes"] and all(c == "read" for c in answer["classes"]):
                refused_reads.append((sql, str(error)))
            continue
        accepted += 1
        if answer["error"] is not None and LIBPG_QUERY_ONLY.search(sql):
            continue
        if answer["error"] is not None:
            failures["(a) we refuse what PostgreSQL lexes"].append((sql, answer["error"]))
            continue
        if len(tree) != len(answer["classes"]):
            failures["(a) number of statements"].append((sql, f"{len(tree)} != {len(answer['classes'])}"))
            continue
        for number, (raw, cls) in enumerate(zip(tree, answer["classes"])):
            facts = Facts()
            walk(raw.stmt, facts)
            node = type(raw.stmt).__name__
            effects = set(facts.nodes) - {"SelectStmt"} - ({node} & READING)
            explained = node == "ExplainStmt" and not any(
                option.defname == "analyze" for option in (raw.stmt.options or ()))
            if node == "CopyStmt":
                if (raw.stmt.is_from or raw.stmt.filename or raw.stmt.is_program) and cls == "read":
                    failures["(b) COPY called read"].append((sql, cls))
            if (effects or (facts.into and not explained)) and cls == "read" and not explained:
                failures["(b) effect called read"].append((sql, f"{sorted(effects)}"))
            if facts.bulk and cls in ("read", "write") and not explained and node not in ("PrepareStmt", "RuleStmt"):
                failures["(b) bulk called " + cls].append((sql, cls))
            if cls in ("read", "write") and node not in ("CopyStmt",):
                missed = facts.functions - set(answer["functions"][number])
                if missed:
                    failures["(f) call not seen"].append((sql, f"{sorted(missed)}"))
                missed = facts.relations - facts.ctes - set(answer["objects"][number])
                if missed:
                    failures["(g) relation not listed"].append((sql, f"{sorted(missed)}"))
            if sql in originals:
                total[node] += 1
                classes_by_node[node][cls] += 1
                if cls == "unknown":
                    unknown[node] += 1
                    unknown_examples[node].append(sql)

    print(f"accepted by PostgreSQL {accepted}, refused {refused}")
    print(f"(e) tokens compared: {compared}")
    print(f"(c) refused by PostgreSQL, called read by us: {len(refused_reads)} of {refused}")
    reasons = Counter(re.sub(r'".*?"|\d+', "*", reason.split(",")[0])[:70] for _, reason in refused_reads)
    for reason, count in reasons.most_common(12):
        example = next(s for s, r in refused_reads if re.sub(r'".*?"|\d+', "*", r.split(",")[0])[:70] == reason)
        print(f"    {count:6} {reason}   e.g. {example[:110]!r}")
    print("(d) unknown, of the statements PostgreSQL accepts:")
    common_total = sum(total[n] for n in COMMON)
    common_unknown = sum(unknown[n] for n in COMMON)
    for node, count in total.most_common():
        share = unknown[node] / count
        mark = " !" if node in COMMON and share > MOST_UNKNOWN else ""
        print(f"    {node:28} {count:6}  unknown {unknown[node]:5}  {share:6.1%}{mark}  {dict(classes_by_node[node].most_common(4))}")
        if mark and count >= 50:
            failures["(d) too many unknown"].append((node, f"{share:.1%}"))
    print(f"    all {sum(total.values())}: unknown {sum(unknown.values()) / max(1, sum(total.values())):.2%}; "
          f"common {common_total}: unknown {common_unknown / max(1, common_total):.2%}")
    if os.environ.get("SHOW_UNKNOWN"):
        for node, examples in unknown_examples.items():
            for sql in examples[: int(os.environ["SHOW_UNKNOWN"])]:
                print(f"  unknown {node}: {sql[:300]!r}")
    for what, cases in failures.items():
        print(f"FAIL {what}: {len(cases)}")
        for sql, why in cases[:25]:
            print(f"    {why}: {sql[:260]!r}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
