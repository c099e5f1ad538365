//! The separator of a CSV file, from the most consistent number of fields at its head.
//! Bytes only: the encoding has no part in it, and quotes are respected.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use csv_core::{ReadRecordResult, ReaderBuilder};

/// Separators from the one that text holds least to the one that it holds most; a tie goes to the first.
const SEPARATORS: [u8; 4] = [b'\t', b';', b'|', b','];
/// Rows that are enough to tell.
const MOST_ROWS: usize = 1000;

/// The separator that splits the head of a file into rows of one length, as far as any does.
pub(crate) fn sniff_separator(head: &[u8]) -> u8 {
    let splits = SEPARATORS.map(|separator| (separator, Split::by(separator, head)));
    // The last of equals is the greatest, so the list is walked from its end.
    let best = splits.iter().rev().filter(|(_, split)| split.is_credible()).max_by(|(_, a), (_, b)| a.order(b));
    if let Some((separator, _)) = best {
        return *separator;
    }
    // A header of several fields over rows of another length is a table with faults, which reading it names line by line.
    let headed = splits.iter().rev().filter(|(_, split)| 2 <= split.header).max_by_key(|(_, split)| split.header);
    if let Some((separator, _)) = headed {
        return *separator;
    }
    // One column: whatever separator its texts do not hold, so that `Good, but slow` needs no quotes.
    let holds_none = |split: &Split| split.fields == 1 && split.rows == split.agreeing;
    let fitting = splits.iter().rev().find(|(_, split)| holds_none(split));
    fitting.map_or(b',', |(separator, _)| *separator)
}

/// How one separator splits the head.
#[derive(Debug)]
struct Split {
    /// The commonest number of fields in a row; the first row's in a tie.
    fields: usize,
    /// Rows with that number.
    agreeing: usize,
    rows: usize,
    /// The number of fields in the first row.
    header: usize,
    /// Whether the first row has that number too.
    header_agrees: bool,
}

impl Split {
    fn by(separator: u8, head: &[u8]) -> Self {
        let counts = field_counts(separator, head);
        let header = counts.first().copied().unwrap_or(1);
        let mut tally = BTreeMap::<usize, usize>::new();
        counts.iter().for_each(|count| *tally.entry(*count).or_default() += 1);
        let commonest = tally.into_iter().max_by_key(|(fields, rows)| (*rows, *fields == header));
        let (fields, agreeing) = commonest.unwrap_or((1, 0));
        Self { fields, agreeing, rows: counts.len(), header, header_agrees: fields == header }
    }

    /// Whether rows were made by this separator and do not only hold it. Under a header of another length nearly all rows
    /// must agree, or a column of texts with a comma each would pass for two.
    fn is_credible(&self) -> bool {
        let agree = if self.header_agrees {
            self.rows < 2 * self.agreeing
        } else {
            3 <= self.agreeing && 9 * (self.rows - 1) <= 10 * self.agreeing
        };
        2 <= self.fields && agree
    }

    /// Greater where a larger share of the rows agrees, then where there are more fields.
    fn order(&self, other: &Self) -> Ordering {
        let (mine, others) = (self.agreeing * other.rows, other.agreeing * self.rows);
        mine.cmp(&others).then(self.fields.cmp(&other.fields))
    }
}

/// The number of fields in each row of the head; its last row only if no other is whole.
fn field_counts(separator: u8, head: &[u8]) -> Vec<usize> {
    let mut reader = ReaderBuilder::new().delimiter(separator).build();
    let (mut counts, mut fields, mut rest) = (Vec::new(), 0, head);
    let (mut output, mut ends) = ([0; 1024], [0; 64]);
    while counts.len() < MOST_ROWS && (counts.is_empty() || !rest.is_empty()) {
        let (result, read, _, ended) = reader.read_record(rest, &mut output, &mut ends);
        rest = &rest[read..];
        fields += ended;
        match result {
            ReadRecordResult::Record => counts.push(std::mem::take(&mut fields)),
            ReadRecordResult::End => break,
            _ => {}
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_consistent_separator_wins() {
        for (head, expected) in [
            ("a,b\n1,2\n", b','),
            ("a;b\n1,5;2,5\n3,5;4,5\n", b';'),
            ("a\tb\n1,2\t3\n", b'\t'),
            ("a|b|c\n1|2|3\n", b'|'),
            ("a,b,c\n\"x;y;z\",\"1\n;;2\",3\n", b','),
            ("name, surname;age\nPerez, Juan;30\n", b';'),
            ("a;b;c\n1;2;3\n1;2\n4;5;6\n7;8;9\n", b';'),
            ("a,b,c\n1,2,3,\n4,5,6,\n7,8,9,\n", b','),
            ("a,b", b','),
            ("a;b\n", b';'),
        ] {
            assert_eq!(sniff_separator(head.as_bytes()) as char, expected as char, "{head:?}");
        }
    }

    #[test]
    fn a_header_of_several_fields_is_believed_though_no_row_agrees() {
        for (head, expected) in [
            ("id,text\n1,hello, world\n", b','),
            ("a,b\n1,2,3\n4,5,6\n", b','),
            ("a;b;c\n1;2\n", b';'),
            ("name;age\nBob\nAnn\n", b';'),
        ] {
            assert_eq!(sniff_separator(head.as_bytes()) as char, expected as char, "{head:?}");
        }
    }

    #[test]
    fn texts_in_a_single_column_need_no_quotes() {
        assert_eq!(sniff_separator(b"comment\ngood\nbad\n"), b',');
        assert_ne!(sniff_separator(b"comment\nGood, but slow\nBad\nYes, very, really\n"), b',');
        assert_ne!(sniff_separator(b"comment\nGood, but slow\n"), b',');
    }
}
