//! `T`: the columns of rows to come.

use crate::messages::bind::Format;
use crate::types;
use crate::wire::Reader;
use weir_sdk::inspector::WireColumn;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub relation: u32,
    pub number: u16,
    pub type_oid: u32,
    pub modifier: i32,
    pub format: Format,
}

/// Columns of one result.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Shape {
    /// As the upstream described them.
    pub body: Box<[u8]>,
    pub columns: Vec<Column>,
}

impl Shape {
    pub fn wire_columns(&self) -> Vec<WireColumn> {
        let wire = |column: &Column| WireColumn {
            name: column.name.clone(),
            type_id: column.type_oid,
            type_modifier: column.modifier,
            relation_id: column.relation,
            column_number: column.number,
            type_name: types::name(column.type_oid),
        };
        self.columns.iter().map(wire).collect()
    }
}

pub fn decode(body: &[u8]) -> Option<Shape> {
    let mut reader = Reader::new(body);
    let count = usize::from(reader.u16()?);
    let mut columns = Vec::with_capacity(count.min(body.len() / 19));
    for _ in 0..count {
        let name = String::from_utf8_lossy(reader.cstr()?).into_owned();
        let relation = reader.u32()?;
        let number = reader.u16()?;
        let type_oid = reader.u32()?;
        reader.u16()?;
        let modifier = reader.i32()?;
        let format = Format::from_code(reader.u16()?);
        columns.push(Column { name, relation, number, type_oid, modifier, format });
    }
    reader.at_end().then_some(Shape { body: body.into(), columns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_in_order() {
        let body = b"\0\x01email\0\0\0\x40\0\0\x02\0\0\x04\x13\xff\xff\0\0\0\x24\0\x01";
        let shape = decode(body).unwrap();
        let expected = Column {
            name: "email".into(),
            relation: 16_384,
            number: 2,
            type_oid: 1043,
            modifier: 36,
            format: Format::Binary,
        };
        assert_eq!(shape.columns, [expected]);
        assert_eq!(shape.wire_columns()[0].type_name, "varchar");
        assert_eq!(decode(&body[..20]), None);
        assert_eq!(decode(b"\xff\xff"), None);
    }
}
