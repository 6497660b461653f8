#!/usr/bin/env python3
"""Verifies an exported audit trail with nothing but the standard library.

    verify.py FILE [SEQ HASH]

Each line is {"body": {...}, "hash": hex, "payload": {...}, "salt": hex, "seq": n}; payload and salt are missing
together. SEQ and HASH are an anchor: a record known to exist. Written from the documentation of the chain.
"""

import base64
import hashlib
import json
import sys


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def link(previous, seq, body):
    return hashlib.sha256(b"weir-audit/v1\0" + previous + seq.to_bytes(8, "big") + canonical(body)).digest()


def commitment(salt, payload):
    digest = hashlib.sha256(b"weir-audit-payload/v1\0" + salt + canonical(payload)).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def verify(lines, anchor=None):
    previous, expected, without_payload, erased = bytes(32), 1, [], []
    for line in lines:
        record = json.loads(line)
        seq, body = record["seq"], record["body"]
        if seq != expected or body["seq"] != seq:
            return f"record {expected}: missing or moved"
        previous = link(previous, seq, body)
        if previous.hex() != record["hash"]:
            return f"record {seq}: body or hash edited"
        if ("commit" in body) != ("payload" in record):
            without_payload.append(seq)
        elif "commit" in body and commitment(bytes.fromhex(record["salt"]), record["payload"]) != body["commit"]:
            return f"record {seq}: payload edited"
        if body["kind"] == "payloads-erased":
            erased += [(r["from"], r["to"]) for r in body["detail"].get("records", [])]
        if anchor and anchor[0] == seq and anchor[1] != record["hash"]:
            return f"record {seq}: not the known hash"
        expected += 1
    for seq in without_payload:
        if not any(first <= seq <= last for first, last in erased):
            return f"record {seq}: payload missing"
    if anchor and anchor[0] >= expected:
        return f"record {expected}: missing, known up to {anchor[0]}"
    return f"ok {expected - 1} records, {len(without_payload)} erased, head {previous.hex()}"


if __name__ == "__main__":
    known = (int(sys.argv[2]), sys.argv[3]) if len(sys.argv) > 3 else None
    with open(sys.argv[1], encoding="utf-8", newline="\n") as file:
        result = verify(file, known)
    print(result)
    sys.exit(0 if result.startswith("ok") else 1)
