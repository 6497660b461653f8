//! Operators of `pg_catalog`, and of the extensions one meets everywhere (pg_trgm, hstore, ltree, intarray,
//! vector, PostGIS). All are free of side effects. An operator is a function: one that is not here counts
//! as a call of an unknown function.
//!
//! Sorted, for binary search; a test holds it to that.

#[rustfmt::skip]
pub(super) static OPERATORS: &[&str] = &[
    "!!", "!=", "!~", "!~*", "!~~", "!~~*", "#", "##", "#-", "#=", "#>", "#>>", "%", "%#", "%%", "%>",
    "%>>", "&", "&&", "&&&", "&<", "&<|", "&>", "*", "**", "*<", "*<=", "*<>", "*=", "*>", "*>=", "+", "-",
    "->", "->>", "-|-", "/", "<", "<#>", "<%", "<%>", "<+>", "<->", "<->>", "<->>>", "<<", "<<#>>", "<<%",
    "<<->", "<<<->", "<<=", "<<|", "<=", "<=>", "<>", "<@", "<^", "<~>", "=", ">", ">=", ">>", ">>=", ">^",
    "?", "?#", "?&", "?-", "?-|", "?<@", "?@", "?@>", "?|", "?||", "?~", "@", "@-@", "@>", "@?", "@@",
    "@@@", "^", "^<@", "^?", "^@", "^@>", "|", "|&>", "|/", "|=|", "|>>", "||", "||/", "~", "~*", "~<=~",
    "~<~", "~=", "~==", "~>=~", "~>~", "~~", "~~*",
];
