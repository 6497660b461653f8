//! What a type's name says: can its values hold text, and how is that text framed?

/// How the text of a value is framed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// nothing around it
    Text,
    /// edits stay inside JSON strings
    Json,
    /// PostgreSQL's `{a,"b c"}`
    Array,
}

/// Whether values of a type are worth looking at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest {
    /// they cannot hold anything detectable
    Never,
    /// only when the column's name says so
    Hinted,
    Always,
}

impl Form {
    pub fn of_type(type_name: &str) -> Form {
        match base(type_name) {
            (_, true) => Form::Array,
            ("json" | "jsonb", false) => Form::Json,
            _ => Form::Text,
        }
    }
}

impl Interest {
    pub fn of_type(type_name: &str) -> Interest {
        match base(type_name).0 {
            "bool" | "boolean" | "date" | "time" | "timetz" | "timestamp" | "timestamptz" | "interval"
            | "float4" | "float8" | "real" | "double precision" | "uuid" | "oid" | "xid" | "xid8" | "cid"
            | "tid" | "bit" | "varbit" | "point" | "line" | "lseg" | "box" | "path" | "polygon"
            | "circle" | "money" | "pg_lsn" | "bytea" | "int4range" | "int8range" | "numrange"
            | "daterange" | "tsrange" | "tstzrange" | "int2vector" | "oidvector" | "void" | "regtype"
            | "regclass" | "regproc" => Interest::Never,
            "timestamp without time zone"
            | "timestamp with time zone"
            | "time without time zone"
            | "time with time zone" => Interest::Never,
            "int2" | "int4" | "smallint" | "integer" | "int" | "serial" => Interest::Hinted,
            _ => Interest::Always,
        }
    }
}

/// A number of a type that a statement's small literals have too.
pub fn is_scalar(type_name: &str) -> bool {
    matches!(type_name, "bool" | "int2" | "int4" | "int8" | "oid" | "float4" | "float8" | "numeric" | "money")
}

/// The type of the elements, and whether it is an array.
fn base(type_name: &str) -> (&str, bool) {
    if let Some(element) = type_name.strip_suffix("[]") {
        return (element, true);
    }
    match type_name.strip_prefix('_') {
        Some(element) if !element.is_empty() => (element, true),
        _ => (type_name.split_once('(').map_or(type_name, |(base, _)| base), false),
    }
}
