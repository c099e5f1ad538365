//! How many rows each stratum gives. Pure.

/// Rows of one stratum that may be drawn, in whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stratum {
    /// How many there are.
    pub rows: u64,
    /// The position of its first row: strata that stand alike in every other way are taken in the order of the source.
    pub first: u64,
}

/// The strata cannot give what they must.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFew {
    /// What the least shares add up to.
    pub needed: u64,
}

/// Shares out `total` rows in proportion to the strata by the method of largest remainders (Hamilton): each gets the
/// whole part of its quota, and those with the largest remainders one more. None gets more than it has or less than
/// `least`, as far as it has that many; what that costs is taken from the others, again in proportion. The shares add
/// up to `total`, or to all rows when there are fewer.
///
/// # Errors
/// The least shares alone add up to more than `total`.
pub fn largest_remainders(strata: &[Stratum], total: u64, least: u64) -> Result<Vec<u64>, TooFew> {
    let all: u64 = strata.iter().map(|stratum| stratum.rows).sum();
    let total = total.min(all);
    let floor = |stratum: &Stratum| least.min(stratum.rows);
    let needed = strata.iter().map(floor).sum();
    if total < needed {
        return Err(TooFew { needed });
    }
    let mut raised = vec![false; strata.len()];
    loop {
        let (mut left, mut rows) = (total, all);
        for (stratum, _) in strata.iter().zip(&raised).filter(|(_, raised)| **raised) {
            left -= floor(stratum);
            rows -= stratum.rows;
        }
        let mut shares = proportional(strata, &raised, left, rows);
        let mut short = false;
        for ((share, stratum), raised) in shares.iter_mut().zip(strata).zip(&mut raised) {
            if *raised {
                *share = floor(stratum);
            } else if *share < floor(stratum) {
                *raised = true;
                short = true;
            }
        }
        if !short {
            return Ok(shares);
        }
    }
}

/// Shares of `total` for the strata that are not `fixed`, which have `rows` rows together; 0 for the others.
fn proportional(strata: &[Stratum], fixed: &[bool], total: u64, rows: u64) -> Vec<u64> {
    let mut shares = vec![0; strata.len()];
    if rows == 0 {
        return shares;
    }
    let mut given = 0;
    let mut remainders = Vec::new();
    for (place, stratum) in strata.iter().enumerate().filter(|(place, _)| !fixed[*place]) {
        let quota = u128::from(total) * u128::from(stratum.rows);
        shares[place] = (quota / u128::from(rows)) as u64;
        given += shares[place];
        remainders.push((quota % u128::from(rows), place));
    }
    // Larger remainders first; among equal ones the larger stratum, then the one that comes first in the source.
    remainders.sort_unstable_by(|(a, at), (b, bt)| {
        let (at, bt) = (&strata[*at], &strata[*bt]);
        b.cmp(a).then(bt.rows.cmp(&at.rows)).then(at.first.cmp(&bt.first))
    });
    for (_, place) in remainders.iter().take((total - given) as usize) {
        shares[*place] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn strata(rows: &[u64]) -> Vec<Stratum> {
        rows.iter().zip(0..).map(|(&rows, first)| Stratum { rows, first }).collect()
    }

    fn shares(rows: &[u64], total: u64, least: u64) -> Vec<u64> {
        largest_remainders(&strata(rows), total, least).unwrap()
    }

    #[test]
    fn seats_go_to_the_largest_remainders() {
        // The textbook case: 47 000, 16 000, 15 900, 12 000, 6 000 and 3 100 votes for ten seats.
        assert_eq!(shares(&[47_000, 16_000, 15_900, 12_000, 6_000, 3_100], 10, 0), [5, 2, 1, 1, 1, 0]);
        assert_eq!(shares(&[1, 1, 1], 2, 0), [1, 1, 0]);
        assert_eq!(shares(&[5, 3], 100, 0), [5, 3]);
        assert_eq!(shares(&[], 5, 0), [0; 0]);
        assert_eq!(shares(&[u64::MAX / 2, u64::MAX / 2], 3, 0), [2, 1]);
    }

    #[test]
    fn a_least_share_is_taken_from_the_others() {
        assert_eq!(shares(&[970, 20, 10], 10, 2), [6, 2, 2]);
        assert_eq!(shares(&[970, 20, 1], 10, 2), [7, 2, 1]);
        assert_eq!(largest_remainders(&strata(&[9, 9, 9]), 5, 2), Err(TooFew { needed: 6 }));
    }

    /// The same by fractions instead of whole numbers, and by giving seats one at a time.
    fn naive(rows: &[u64], total: u64) -> Vec<u64> {
        let all: u64 = rows.iter().sum();
        let total = total.min(all);
        let mut shares: Vec<u64> = rows.iter().map(|rows| total * rows / all.max(1)).collect();
        let mut given = vec![false; rows.len()];
        while shares.iter().sum::<u64>() < total {
            let left = |place: &usize| (total * rows[*place]) % all;
            let next = (0..rows.len())
                .filter(|place| !given[*place])
                .max_by(|a, b| left(a).cmp(&left(b)).then(rows[*a].cmp(&rows[*b])).then(b.cmp(a)))
                .unwrap();
            shares[next] += 1;
            given[next] = true;
        }
        shares
    }

    proptest! {
        #[test]
        fn shares_are_those_of_the_naive_way(rows in proptest::collection::vec(0_u64..500, 0..30), total in 0_u64..5000) {
            prop_assert_eq!(shares(&rows, total, 0), naive(&rows, total));
        }

        #[test]
        fn shares_add_up_and_stay_within_their_bounds(
            rows in proptest::collection::vec(0_u64..1000, 0..30),
            total in 0_u64..5000,
            least in 0_u64..20,
        ) {
            let all: u64 = rows.iter().sum();
            match largest_remainders(&strata(&rows), total, least) {
                Ok(shares) => {
                    prop_assert_eq!(shares.iter().sum::<u64>(), total.min(all));
                    for (share, rows) in shares.iter().zip(&rows) {
                        prop_assert!(least.min(*rows) <= *share && share <= rows);
                    }
                }
                Err(TooFew { needed }) => {
                    prop_assert!(total < needed);
                    prop_assert_eq!(needed, rows.iter().map(|rows| least.min(*rows)).sum::<u64>());
                }
            }
        }
    }
}
