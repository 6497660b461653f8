// Plugins for weir in JavaScript. A plugin is a folder with `world.wit` and `plugin.js` (or `plugin.ts`), which exports a
// class `Plugin` that extends `Policy` or `Masker`. Everything here is plain JavaScript, so a plugin's logic is tested
// with `node --test`. The meaning of every field is in the contract, wit/*.wit.

/** Throw it when the plugin cannot do its work: the operation is refused, and the operator reads why. */
export class Fault extends Error {
    constructor(code, message) {
        super(message);
        this.code = code;
    }
}

/** A verdict, with what the trail shall keep. */
export class Decision {
    constructor(verdict) {
        this.verdict = verdict;
        this.findings = [];
        this.tags = [];
        /** Holds for operations of this session that differ in nothing but the values of their parameters. */
        this.reusable = false;
        /** And whatever their text is. */
        this.forAnyText = false;
    }

    tag(name, value) {
        this.tags.push({ name, value });
        return this;
    }

    /** `score` from 0 to 100; never the value itself. */
    finding(rule, place, score) {
        this.findings.push({ rule, place, score });
        return this;
    }
}

/** No opinion: the other policies decide. */
export const abstain = () => new Decision({ tag: "abstain" });

export const allow = () => new Decision({ tag: "allow" });

/** The client reads `reason`: no values in it. */
export const deny = (code, reason) => new Decision({ tag: "deny", val: { code, reason } });

/** Waits for a person: `group:NAME` or `user:NAME`; without any, the resource's reviewers. */
export const hold = (code, reason, reviewers = []) => new Decision({ tag: "hold", val: { code, reason, reviewers } });

/** The text to run instead; every policy judges it again. */
export const rewrite = (text) => new Decision({ tag: "rewrite", val: text });

/** The value of the first attribute of that name, of an operation, a session or a principal; undefined without one. */
export const attribute = (of, name) => of.attributes.find((each) => each.name === name)?.value;

class Plugin {
    /** Once per session, before `open`. The settings match the schema; throw a Fault for what it cannot say. */
    constructor(settings = {}) {
        this.settings = settings;
    }

    /** Who is there. An instance never sees a second session. */
    open(_session) {}
}

/** Has `decide(operation)`: once per operation, answers a Decision. An exception refuses the operation. */
export class Policy extends Plugin {}

/**
 * Has `plan(shape, columns, operation)`: answers `{ wanted, rules, reusable, signs }`, indices of columns and names of rules; and
 * `mask(shape, values)`: answers Edits of the cells of those columns. NULLs are not sent.
 */
export class Masker extends Plugin {}

/** Cells of many rows in one blob of UTF-8: cell i is `cells.subarray(ends[i-1], ends[i])`, of column `columns[i]`. */
export class Batch {
    constructor({ cells, ends, columns }) {
        Object.assign(this, { cells, ends, columns });
    }

    /** Each cell: its number, its column's index and its bytes. */
    *[Symbol.iterator]() {
        for (let cell = 0; cell < this.ends.length; cell++) {
            yield [cell, this.columns[cell], this.bytes(cell)];
        }
    }

    /** The bytes of a cell. Counting through the cells is faster than iterating, where that matters. */
    bytes(cell) {
        return this.cells.subarray(cell === 0 ? 0 : this.ends[cell - 1], this.ends[cell]);
    }

    /** For tests: pairs of column and text. */
    static of(...values) {
        const texts = values.map(([, text]) => utf8(text));
        const cells = Uint8Array.from(texts.flat());
        let end = 0;
        return new Batch({ cells, ends: texts.map((text) => (end += text.length)), columns: values.map(([column]) => column) });
    }
}

/** What becomes of cells, in ascending order of cells and places. */
export class Edits {
    cells = [];
    starts = [];
    stops = [];
    replacements = [];
    ends = [];
    rules = [];
    nulls = [];
    nullRules = [];
    #text;
    #bytes = [];

    /** The bytes `start` to `stop` of the cell become `text`; `rule` is an index into the plan's rules. */
    replace(cell, start, stop, text, rule) {
        this.cells.push(cell);
        this.starts.push(start);
        this.stops.push(stop);
        // Mostly the same text again.
        if (text !== this.#text) {
            this.#text = text;
            this.#bytes = utf8(text);
        }
        this.replacements.push(...this.#bytes);
        this.ends.push(this.replacements.length);
        this.rules.push(rule);
    }

    /** The cell becomes NULL. */
    null(cell, rule) {
        this.nulls.push(cell);
        this.nullRules.push(rule);
    }
}

/** A text's bytes. QuickJS has no TextEncoder. */
export function utf8(text) {
    const bytes = [];
    for (const letter of text) {
        const code = letter.codePointAt(0);
        if (code < 0x80) {
            bytes.push(code);
        } else if (code < 0x800) {
            bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
        } else if (code < 0x10000) {
            bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
        } else {
            bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
        }
    }
    return bytes;
}

/** A text of bytes, which are well-formed: the gateway sees to that. */
export function text(bytes) {
    let out = "";
    for (let at = 0; at < bytes.length; ) {
        const first = bytes[at++];
        let code = first;
        if (first >= 0xf0) {
            code = ((first & 7) << 18) | ((bytes[at++] & 63) << 12) | ((bytes[at++] & 63) << 6) | (bytes[at++] & 63);
        } else if (first >= 0xe0) {
            code = ((first & 15) << 12) | ((bytes[at++] & 63) << 6) | (bytes[at++] & 63);
        } else if (first >= 0xc0) {
            code = ((first & 31) << 6) | (bytes[at++] & 63);
        }
        out += String.fromCodePoint(code);
    }
    return out;
}

const LEVELS = ["trace", "debug", "info", "warn", "error"];
let sink = (level, message) => globalThis.console?.error(`${LEVELS[level]}: ${message}`);

/** Where lines go; the build sets it. */
export const logTo = (to) => (sink = to);

/** To the gateway's log, `level` one of trace, debug, info, warn, error. No values: the log is not masked. */
export const log = (level, message) => sink(LEVELS.indexOf(level), message);
