//! Columns in one piece of memory, to be compared: what was planned for is compared with each result's columns, and a text
//! of its own for each name would come from all over the memory.

use weir_model::Column;

/// Columns that are only compared.
#[derive(Debug)]
pub(crate) struct FlatColumns {
    texts: Box<str>,
    /// The length of each text; before the labels of a column, how many there are.
    lengths: Box<[usize]>,
}

impl FlatColumns {
    pub(crate) fn new(columns: &[Column]) -> Self {
        let (mut texts, mut lengths) = (String::new(), Vec::new());
        for column in columns {
            for text in own(column) {
                texts.push_str(text);
                lengths.push(text.len());
            }
            lengths.push(column.labels.len());
            for label in &column.labels {
                texts.push_str(label);
                lengths.push(label.len());
            }
        }
        Self { texts: texts.into(), lengths: lengths.into() }
    }

    /// Whether these are the very same.
    pub(crate) fn are(&self, columns: &[Column]) -> bool {
        let mut rest = Rest { texts: &self.texts, lengths: &self.lengths };
        let are = columns.iter().all(|column| {
            own(column).into_iter().all(|text| rest.has(text))
                && rest.next() == Some(column.labels.len())
                && column.labels.iter().all(|label| rest.has(label))
        });
        are && rest.lengths.is_empty()
    }
}

/// What has not been compared yet.
struct Rest<'f> {
    texts: &'f str,
    lengths: &'f [usize],
}

impl Rest<'_> {
    fn next(&mut self) -> Option<usize> {
        let (first, behind) = self.lengths.split_first()?;
        self.lengths = behind;
        Some(*first)
    }

    fn has(&mut self, text: &str) -> bool {
        if self.next() != Some(text.len()) {
            return false;
        }
        let Some((first, behind)) = self.texts.split_at_checked(text.len()) else { return false };
        self.texts = behind;
        first == text
    }
}

fn own(column: &Column) -> [&str; 4] {
    [&column.name, &column.relation, &column.source, &column.type_name]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(texts: [&str; 4], labels: &[&str]) -> Column {
        let [name, relation, source, type_name] = texts.map(str::to_owned);
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        Column { name, relation, source, type_name, labels }
    }

    #[test]
    fn only_the_very_same_are_the_same() {
        let all = [
            vec![],
            vec![column(["", "", "", ""], &[])],
            vec![column(["", "", "", ""], &[""])],
            vec![column(["", "", "", ""], &[]), column(["", "", "", ""], &[])],
            vec![column(["ab", "c", "", "t"], &[])],
            vec![column(["a", "bc", "", "t"], &[])],
            vec![column(["ab", "c", "", ""], &["t"])],
            vec![column(["ab", "c", "", "t"], &["l"])],
            vec![column(["ab", "c", "", "t"], &["l", "m"])],
            vec![column(["ab", "c", "", "t"], &["lm"])],
            vec![column(["\u{e9}", "c", "", "t"], &[])],
            vec![column(["ab", "c", "", "t"], &[]), column(["ab", "c", "", "t"], &[])],
            vec![column(["ab", "c", "", "t"], &[]), column(["ab", "c", "", "u"], &[])],
        ];
        for (at, one) in all.iter().enumerate() {
            let flat = FlatColumns::new(one);
            for (other_at, other) in all.iter().enumerate() {
                assert_eq!(flat.are(other), at == other_at, "{one:?} {other:?}");
            }
        }
    }
}
