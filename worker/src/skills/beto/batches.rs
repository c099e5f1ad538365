//! Sorts rows into batches of like length under a token budget. Pure.

/// The rows of each batch, longest rows first, so that a batch that does not fit shows at once.
///
/// A batch costs its row count times its longest row, padding included, and at most `budget` tokens. A row that is longer
/// than the budget has a batch to itself. Rows of equal length keep their order, so the same rows always give the same batches.
#[must_use]
pub fn batches(lengths: &[usize], budget: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&row| std::cmp::Reverse(lengths[row]));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for row in order {
        match batches.last_mut() {
            // The first row of a batch is its longest.
            Some(batch) if (batch.len() + 1) * lengths[batch[0]] <= budget => batch.push(row),
            _ => batches.push(vec![row]),
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn like_lengths_share_a_batch() {
        assert_eq!(batches(&[3, 9, 4, 9, 30], 18), vec![vec![4], vec![1, 3], vec![2, 0]]);
    }

    #[test]
    fn no_rows_make_no_batches() {
        assert!(batches(&[], 1024).is_empty());
    }

    proptest! {
        #[test]
        fn every_row_is_in_one_batch_within_the_budget(lengths in prop::collection::vec(1_usize..200, 0..300), budget in 16_usize..2000) {
            let made = batches(&lengths, budget);

            let mut rows: Vec<usize> = made.iter().flatten().copied().collect();
            rows.sort_unstable();
            prop_assert_eq!(rows, (0..lengths.len()).collect::<Vec<_>>());
            for batch in made {
                let longest = batch.iter().map(|&row| lengths[row]).max().unwrap();
                prop_assert!(batch.len() == 1 || batch.len() * longest <= budget);
            }
        }
    }
}
