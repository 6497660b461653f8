//! Columns named in the settings: `customers.full_name`, `*.ssn`, `public.customers.notes`.
//!
//! A pattern is matched against what the column is in truth, relation and source; an alias changes nothing. A
//! column without an origin is matched by the name the client sees. A pattern without a schema fits every schema.

use crate::method::Method;
use weir_glob::matches_in_any_case;
use weir_sdk::masker::Column;

#[derive(Debug, Clone)]
pub struct Named {
    /// as written
    pub pattern: String,
    /// `table` or `schema.table`; none for any
    relation: Option<String>,
    /// its last part
    table: Option<String>,
    column: String,
    any_column: bool,
    pub method: Method,
}

impl Named {
    pub fn parse(pattern: &str, method: Method) -> Option<Named> {
        let trimmed = pattern.trim();
        let (relation, column) = match trimmed.rsplit_once('.') {
            Some((relation, column)) => (Some(relation), column),
            None => (None, trimmed),
        };
        let empty =
            column.is_empty() || relation.is_some_and(|relation| relation.split('.').any(str::is_empty));
        let relation = relation.filter(|relation| relation.chars().any(|c| c != '*' && c != '.'));
        (!empty).then(|| Named {
            pattern: trimmed.to_owned(),
            relation: relation.map(str::to_owned),
            table: relation.and_then(|relation| relation.rsplit('.').next()).map(str::to_owned),
            any_column: column.chars().all(|c| c == '*'),
            column: column.to_owned(),
            method,
        })
    }

    /// What a database keeps of the values of all columns: samples for its planner, and pieces of long ones.
    pub fn statistics() -> impl Iterator<Item = Named> {
        const KEPT: [&str; 9] = [
            "pg_stats.most_common_vals",
            "pg_stats.histogram_bounds",
            "pg_stats.most_common_elems",
            "pg_stats.range_bounds_histogram",
            "pg_statistic.stavalues*",
            "pg_stats_ext.most_common_vals",
            "pg_stats_ext_exprs.*",
            "pg_statistic_ext_data.*",
            "pg_toast_*.chunk_data",
        ];
        KEPT.into_iter().filter_map(|pattern| Named::parse(pattern, Method::Redact))
    }

    pub fn matches(&self, column: &Column) -> bool {
        if column.source.is_empty() {
            // By the visible name, if the pattern says anything about names.
            return !self.is_any_column() && matches_in_any_case(&self.column, &column.name);
        }
        self.fits_source(&column.source) && self.fits_relation(&column.relation)
    }

    fn fits_source(&self, source: &str) -> bool {
        matches_in_any_case(&self.column, source)
            || source.rsplit_once('.').is_some_and(|(_, last)| matches_in_any_case(&self.column, last))
    }

    fn fits_relation(&self, relation: &str) -> bool {
        let Some(pattern) = &self.relation else { return true };
        matches_in_any_case(pattern, relation)
            || relation
                .match_indices('.')
                .any(|(dot, _)| matches_in_any_case(pattern, relation.get(dot + 1..).unwrap_or_default()))
    }

    /// Whether a value of a request stands under the column's name: `query.full_name`, `body.people[0].full_name.last`.
    /// Nobody can say of which relation it is, so a pattern's relation counts for nothing; of a pattern for all columns
    /// it is all there is, and has to be a part of the name.
    pub fn names_parameter(&self, parameter: &str) -> bool {
        // The first part is where it stands: `query`, `body`, `arguments`.
        let mut parts = parameter.split(['.', '[', ']', '"', '/']).skip(1).filter(|part| !part.is_empty());
        match self.is_any_column() {
            true => self.is_any_table() || parts.any(|part| self.may_name_table(part)),
            false => parts.any(|part| self.may_name_column(part)),
        }
    }

    /// The pattern protects whole tables.
    pub fn is_any_column(&self) -> bool {
        self.any_column
    }

    /// The pattern protects columns of whatever table.
    pub fn is_any_table(&self) -> bool {
        self.relation.is_none()
    }

    /// Whether a name in a statement may be the column's. Any name could be one of a whole table's columns.
    pub fn may_name_column(&self, name: &str) -> bool {
        matches_in_any_case(&self.column, name)
    }

    /// Whether a name in a statement may be the table's. Schemas are left out of account: `search_path` says
    /// what an unqualified name means.
    pub fn may_name_table(&self, name: &str) -> bool {
        self.table.as_ref().is_some_and(|table| matches_in_any_case(table, name))
    }

    /// The fixed parts of the pattern, to look for in a text that nobody can read: any of them is a mention.
    pub fn fixed_parts(&self) -> impl Iterator<Item = &str> {
        [Some(self.column.as_str()), self.table.as_deref()]
            .into_iter()
            .flatten()
            .flat_map(|part| part.split('*'))
            .filter(|part| part.len() > 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, relation: &str, source: &str) -> Column {
        Column {
            name: name.into(),
            relation: relation.into(),
            source: source.into(),
            type_name: "text".into(),
            labels: vec![],
        }
    }

    #[test]
    fn origins() {
        let fits = |pattern: &str, relation: &str, source: &str| {
            Named::parse(pattern, Method::Redact).unwrap().matches(&column("x", relation, source))
        };
        assert!(fits("customers.full_name", "public.customers", "full_name"));
        assert!(fits("customers.full_name", "customers", "FULL_NAME"));
        assert!(fits("public.customers.full_name", "public.customers", "full_name"));
        assert!(!fits("private.customers.full_name", "public.customers", "full_name"));
        assert!(!fits("customers.full_name", "public.old_customers", "full_name"));
        assert!(fits("*.ssn", "hr.people", "ssn"));
        assert!(fits("ssn", "hr.people", "ssn"));
        assert!(fits("cust*.*name", "public.customers", "last_name"));
        assert!(fits("customers.*", "public.customers", "id"));
        assert!(fits("city", "GET /v1/customers/{id}", "address.city"));
    }

    #[test]
    fn copies_that_the_database_keeps_are_protected() {
        let kept: Vec<_> = Named::statistics().collect();
        let protected = |relation: &str, source: &str| {
            kept.iter().any(|named| named.matches(&column("x", relation, source)))
        };
        assert!(protected("pg_catalog.pg_stats", "most_common_vals"));
        assert!(protected("pg_toast.pg_toast_16402", "chunk_data"));
        assert!(!protected("pg_toast.pg_toast_16402", "chunk_seq"));
        assert!(!protected("public.uploads", "chunk_data"));
    }

    #[test]
    fn values_of_requests() {
        let names = |pattern: &str, parameter: &str| {
            Named::parse(pattern, Method::Redact).unwrap().names_parameter(parameter)
        };
        for parameter in [
            "query.full_name",
            "query.full_name[1]",
            "body.people[0].Full_Name",
            "arguments.full_name.last",
            "body[3].full_name",
            "arguments[\"a.full_name\"]",
        ] {
            for pattern in
                ["full_name", "*.full_name", "customers.full_name", "GET /v1/customers/{id}.full_name"]
            {
                assert!(names(pattern, parameter), "{pattern} {parameter}");
            }
        }
        for parameter in
            ["full_name", "query.name", "body.full_names", "body", "arguments.full_name_of", "$1"]
        {
            assert!(!names("*.full_name", parameter), "{parameter}");
        }
        assert!(names("customers.*", "body.customers[0].city") && !names("customers.*", "body.city"));
        assert!(names("*", "query.q"));
    }

    #[test]
    fn without_an_origin_the_visible_name_counts() {
        let named = Named::parse("customers.full_name", Method::Redact).unwrap();
        assert!(named.matches(&column("Full_Name", "", "")));
        assert!(!named.matches(&column("full_name", "public.pets", "full_name")));
        assert!(!named.matches(&column("x", "", "")));
        assert!(!Named::parse("customers.*", Method::Redact).unwrap().matches(&column("x", "", "")));
    }
}
