// Types of the contract, wit/*.wit, and of this SDK. Hand-written and small; tests/languages/test_types.py holds templates
// and examples against them, and them against the contract. `weir plugin build` takes types out without looking at them:
// run `tsc --noEmit` yourself.

export interface Attribute { name: string; value: string }
export interface Principal { id: string; kind: string; groups: string[]; attributes: Attribute[] }
export interface SessionInfo {
    id: string;
    resourceName: string;
    protocol: string;
    who: Principal;
    clientAddress: string;
    startedMs: number | bigint;
    attributes: Attribute[];
    claimed: Attribute[];
}
export interface Parameter { name: string; typeName: string; value?: string | null }
export interface Operation {
    kind: string;
    action: string;
    text: string;
    objects: string[];
    parameters: Parameter[];
    attributes: Attribute[];
    claimed: Attribute[];
}
export interface Column { name: string; relation: string; source: string; typeName: string; labels: string[] }
export interface Finding { rule: string; place: string; score: number }
export type Verdict =
    | { tag: "abstain" }
    | { tag: "allow" }
    | { tag: "deny"; val: { code: string; reason: string } }
    | { tag: "hold"; val: { code: string; reason: string; reviewers: string[] } }
    | { tag: "rewrite"; val: string };

export declare class Fault extends Error {
    constructor(code: string, message: string);
    code: string;
}
export declare class Decision {
    verdict: Verdict;
    findings: Finding[];
    tags: Attribute[];
    reusable: boolean;
    forAnyText: boolean;
    tag(name: string, value: string): this;
    finding(rule: string, place: string, score: number): this;
}
export declare function abstain(): Decision;
export declare function allow(): Decision;
export declare function deny(code: string, reason: string): Decision;
export declare function hold(code: string, reason: string, reviewers?: string[]): Decision;
export declare function rewrite(text: string): Decision;
export declare function attribute(of: { attributes: Attribute[] }, name: string): string | undefined;

declare abstract class Base<Settings> {
    constructor(settings?: Settings);
    settings: Settings;
    open(session: SessionInfo): void;
}
export declare abstract class Policy<Settings = object> extends Base<Settings> {
    abstract decide(operation: Operation): Decision;
}
/** What values of `columns` must show to be sent: so many ASCII digits (0: they do not count), one of the bytes, or one of
 * the words, in whatever case. A sign that is missing lets a value pass in clear. `settled`: a text about an operation (in
 * a column with labels) that `mask` has left once it leaves each time. */
export interface Signs { columns: number[]; digits?: number; bytes?: Iterable<number>; words?: string[]; settled?: boolean }
export interface Plan { wanted: number[]; rules: string[]; reusable?: boolean; signs?: Signs }
export declare class Batch implements Iterable<[cell: number, column: number, bytes: Uint8Array]> {
    cells: Uint8Array;
    ends: ArrayLike<number>;
    columns: ArrayLike<number>;
    [Symbol.iterator](): Iterator<[cell: number, column: number, bytes: Uint8Array]>;
    bytes(cell: number): Uint8Array;
    static of(...values: [column: number, text: string][]): Batch;
}
export declare class Edits {
    cells: number[];
    starts: number[];
    stops: number[];
    replacements: number[];
    ends: number[];
    rules: number[];
    nulls: number[];
    nullRules: number[];
    replace(cell: number, start: number, stop: number, text: string, rule: number): void;
    null(cell: number, rule: number): void;
}
export declare abstract class Masker<Settings = object> extends Base<Settings> {
    abstract plan(shape: number, columns: Column[], operation: Operation): Plan;
    abstract mask(shape: number, values: Batch): Edits;
}
export declare function utf8(text: string): number[];
export declare function text(bytes: Uint8Array): string;
export declare function log(level: "trace" | "debug" | "info" | "warn" | "error", message: string): void;
