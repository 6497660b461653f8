//! PostgreSQL's built-in types: their names, and their values between binary form and text.
//!
//! Text is what the server itself would print with `DateStyle = ISO`, `TimeZone = UTC` and
//! `extra_float_digits = 1`, so a policy or masker sees one form whatever the client asked for.

pub mod array;
pub mod composite;
pub mod datetime;
pub mod decode;
pub mod encode;
pub mod fit;
pub mod json;
pub mod net;
pub mod numeric;
pub mod search;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Bool,
    Bytea,
    Char,
    /// Bytes are the text in both formats: `text`, `name`, `varchar`, `bpchar`, `xml`, `unknown`.
    Text,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric,
    Json,
    Jsonb,
    Uuid,
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
    Interval,
    Inet,
    Cidr,
    MacAddr,
    /// Its elements have this OID.
    Array(u32),
    /// An OID of something else: `regclass`, `xid`; only ever shown.
    Number,
    /// Bounds have this OID.
    Range(u32),
    Multirange(u32),
    Record,
    TsVector,
    TsQuery,
    Money,
    Bits,
    /// As many floats as fit: `point`, `box`.
    Floats,
    Lsn,
    /// A version byte in front of text.
    JsonPath,
    /// Known by name at most.
    Other,
}

pub mod oid {
    pub const BPCHAR: u32 = 1042;
    pub const VARCHAR: u32 = 1043;
    pub const NAME: u32 = 19;
}

/// OID, name, kind, OID of the array of it.
const BUILT_IN: [(u32, &str, Type, u32); 74] = [
    (16, "bool", Type::Bool, 1000),
    (17, "bytea", Type::Bytea, 1001),
    (18, "char", Type::Char, 1002),
    (19, "name", Type::Text, 1003),
    (20, "int8", Type::Int8, 1016),
    (21, "int2", Type::Int2, 1005),
    (22, "int2vector", Type::Other, 1006),
    (23, "int4", Type::Int4, 1007),
    (24, "regproc", Type::Number, 1008),
    (25, "text", Type::Text, 1009),
    (26, "oid", Type::Oid, 1028),
    (27, "tid", Type::Other, 1010),
    (28, "xid", Type::Number, 1011),
    (29, "cid", Type::Number, 1012),
    (30, "oidvector", Type::Other, 1013),
    (114, "json", Type::Json, 199),
    (142, "xml", Type::Text, 143),
    (194, "pg_node_tree", Type::Text, 0),
    (600, "point", Type::Floats, 1017),
    (601, "lseg", Type::Floats, 1018),
    (603, "box", Type::Floats, 1020),
    (628, "line", Type::Floats, 629),
    (650, "cidr", Type::Cidr, 651),
    (700, "float4", Type::Float4, 1021),
    (701, "float8", Type::Float8, 1022),
    (705, "unknown", Type::Text, 0),
    (718, "circle", Type::Floats, 719),
    (790, "money", Type::Money, 791),
    (829, "macaddr", Type::MacAddr, 1040),
    (869, "inet", Type::Inet, 1041),
    (1033, "aclitem", Type::Other, 1034),
    (1042, "bpchar", Type::Text, 1014),
    (1043, "varchar", Type::Text, 1015),
    (1082, "date", Type::Date, 1182),
    (1083, "time", Type::Time, 1183),
    (1114, "timestamp", Type::Timestamp, 1115),
    (1184, "timestamptz", Type::TimestampTz, 1185),
    (1186, "interval", Type::Interval, 1187),
    (1266, "timetz", Type::TimeTz, 1270),
    (1560, "bit", Type::Bits, 1561),
    (1562, "varbit", Type::Bits, 1563),
    (1700, "numeric", Type::Numeric, 1231),
    (1790, "refcursor", Type::Text, 2201),
    (2202, "regprocedure", Type::Number, 2207),
    (2203, "regoper", Type::Number, 2208),
    (2204, "regoperator", Type::Number, 2209),
    (2205, "regclass", Type::Number, 2210),
    (2206, "regtype", Type::Number, 2211),
    (2249, "record", Type::Record, 2287),
    (2275, "cstring", Type::Text, 1263),
    (2278, "void", Type::Other, 0),
    (2950, "uuid", Type::Uuid, 2951),
    (3220, "pg_lsn", Type::Lsn, 3221),
    (3614, "tsvector", Type::TsVector, 3643),
    (3615, "tsquery", Type::TsQuery, 3645),
    (3734, "regconfig", Type::Number, 3735),
    (3769, "regdictionary", Type::Number, 3770),
    (3802, "jsonb", Type::Jsonb, 3807),
    (3904, "int4range", Type::Range(23), 3905),
    (3906, "numrange", Type::Range(1700), 3907),
    (3908, "tsrange", Type::Range(1114), 3909),
    (3910, "tstzrange", Type::Range(1184), 3911),
    (3912, "daterange", Type::Range(1082), 3913),
    (3926, "int8range", Type::Range(20), 3927),
    (4072, "jsonpath", Type::JsonPath, 4073),
    (4089, "regnamespace", Type::Number, 4090),
    (4096, "regrole", Type::Number, 4097),
    (4191, "regcollation", Type::Number, 4192),
    (4451, "int4multirange", Type::Multirange(23), 6150),
    (4532, "nummultirange", Type::Multirange(1700), 6151),
    (4533, "tsmultirange", Type::Multirange(1114), 6152),
    (4534, "tstzmultirange", Type::Multirange(1184), 6153),
    (4535, "datemultirange", Type::Multirange(1082), 6155),
    (4536, "int8multirange", Type::Multirange(20), 6157),
];

pub fn of(oid: u32) -> Type {
    if let Ok(at) = BUILT_IN.binary_search_by_key(&oid, |(oid, ..)| *oid) {
        return BUILT_IN.get(at).map_or(Type::Other, |(_, _, kind, _)| *kind);
    }
    match BUILT_IN.iter().find(|(.., array)| *array == oid && oid != 0) {
        Some((element, ..)) => Type::Array(*element),
        None => Type::Other,
    }
}

/// The server's own name of a built-in type: `int4`, `_int4` for its array; empty when unknown.
pub fn name(oid: u32) -> String {
    if let Ok(at) = BUILT_IN.binary_search_by_key(&oid, |(oid, ..)| *oid) {
        return BUILT_IN.get(at).map_or_else(String::new, |(_, name, ..)| (*name).to_owned());
    }
    match BUILT_IN.iter().find(|(.., array)| *array == oid && oid != 0) {
        Some((_, name, ..)) => format!("_{name}"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_it_can_be_searched() {
        assert!(BUILT_IN.is_sorted_by_key(|(oid, ..)| *oid));
        assert_eq!(of(23), Type::Int4);
        assert_eq!(of(1007), Type::Array(23));
        assert_eq!(of(0), Type::Other);
        assert_eq!(of(99_999), Type::Other);
        assert_eq!(
            (name(1700), name(1231), name(99_999)),
            ("numeric".into(), "_numeric".into(), String::new())
        );
    }
}
