//! A set of slots of one chunk, and the two forms in which the index keeps one.

use relevo_shared::job::JobState;

use super::state_of;

/// Slots of a chunk, as `CHUNK` of the prelude.
pub const SLOTS: usize = 4096;
const WORDS: usize = SLOTS / 64;

/// A set of slots of one chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotSet(Box<[u64; WORDS]>);

impl SlotSet {
    /// None of them.
    #[must_use]
    pub fn none() -> Self {
        Self(Box::new([0; WORDS]))
    }

    /// The slots of a value, as `submit_job` keeps them: two bytes a slot while they are few, of even length therefore; or a
    /// byte of no meaning and one bit a slot.
    #[must_use]
    pub fn of_value(kept: &[u8]) -> Self {
        let mut set = Self::none();
        if kept.len().is_multiple_of(2) {
            for pair in kept.chunks_exact(2) {
                set.insert(usize::from(u16::from_be_bytes([pair[0], pair[1]])));
            }
        } else {
            for (word, bytes) in set.0.iter_mut().zip(kept[1..].chunks_exact(8)) {
                let bytes = bytes.try_into().expect("a chunk of eight bytes has eight");
                // Redis counts the bits of a byte from the highest, as humans write them.
                *word = u64::from_be_bytes(bytes).reverse_bits();
            }
        }
        set
    }

    /// The slots whose job is in one of these states, of four bits a slot; in any state when there are none.
    #[must_use]
    pub fn of_states(kept: &[u8], wanted: &[JobState]) -> Self {
        let wants = |code: u8| state_of(code).is_some_and(|state| wanted.is_empty() || wanted.contains(&state));
        let mut known = [false; 16];
        for (known, code) in known.iter_mut().zip(0..) {
            *known = wants(code);
        }
        let mut set = Self::none();
        for (at, byte) in kept.iter().enumerate().take(SLOTS / 2) {
            let high = u64::from(known[usize::from(byte >> 4)]);
            let low = u64::from(known[usize::from(byte & 15)]);
            set.0[at / 32] |= (high | low << 1) << (at % 32 * 2);
        }
        set
    }

    fn insert(&mut self, slot: usize) {
        if let Some(word) = self.0.get_mut(slot / 64) {
            *word |= 1 << (slot % 64);
        }
    }

    /// Leaves only what is in the other set too.
    pub fn keep(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(other.0.iter()) {
            *word &= other;
        }
    }

    /// Leaves only slots from this one on.
    pub fn keep_from(&mut self, first: usize) {
        for (at, word) in self.0.iter_mut().enumerate() {
            *word &= !ones_below(first.saturating_sub(at * 64));
        }
    }

    /// Leaves only slots before this one.
    pub fn keep_below(&mut self, end: usize) {
        for (at, word) in self.0.iter_mut().enumerate() {
            *word &= ones_below(end.saturating_sub(at * 64));
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// The slots, highest first.
    pub fn newest_first(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().rev().flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = 63_u32.checked_sub(left.leading_zeros())? as usize;
                left &= !(1 << bit);
                Some(at * 64 + bit)
            })
        })
    }
}

/// A word whose lowest bits are set: so many, at most all.
const fn ones_below(bits: usize) -> u64 {
    if bits >= 64 { u64::MAX } else { (1 << bits) - 1 }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn list(slots: &BTreeSet<usize>) -> Vec<u8> {
        slots.iter().flat_map(|slot| u16::try_from(*slot).expect("a slot is small").to_be_bytes()).collect()
    }

    /// As SETBIT would write it, behind a byte of no meaning.
    fn bitmap(slots: &BTreeSet<usize>) -> Vec<u8> {
        let mut bytes = vec![0; 1 + SLOTS / 8];
        for slot in slots {
            bytes[1 + slot / 8] |= 0x80 >> (slot % 8);
        }
        bytes
    }

    fn slots() -> impl Strategy<Value = BTreeSet<usize>> {
        proptest::collection::btree_set(0..SLOTS, 0..300)
    }

    fn told(set: &SlotSet) -> Vec<usize> {
        set.newest_first().collect()
    }

    proptest! {
        #[test]
        fn both_forms_of_a_value_mean_the_same(slots in slots()) {
            let set = SlotSet::of_value(&list(&slots));

            prop_assert_eq!(&set, &SlotSet::of_value(&bitmap(&slots)));
            prop_assert_eq!(told(&set), slots.iter().rev().copied().collect::<Vec<_>>());
            prop_assert_eq!(set.len(), slots.len());
            prop_assert_eq!(set.is_empty(), slots.is_empty());
        }

        #[test]
        fn sets_are_cut_and_intersected_as_sets_are(one in slots(), other in slots(), first in 0..=SLOTS, end in 0..=SLOTS) {
            let mut set = SlotSet::of_value(&list(&one));
            set.keep(&SlotSet::of_value(&list(&other)));
            set.keep_from(first);
            set.keep_below(end);

            let naive: BTreeSet<usize> = one.intersection(&other).copied().filter(|slot| (first..end).contains(slot)).collect();
            prop_assert_eq!(told(&set), naive.into_iter().rev().collect::<Vec<_>>());
        }

        #[test]
        fn a_column_of_states_gives_the_slots_in_those_states(codes in proptest::collection::vec(0_u8..8, 0..200), wanted in 0_usize..8) {
            let column: Vec<u8> = codes.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0)).collect();
            let states: Vec<JobState> = (1..=7).filter_map(state_of).take(wanted).collect();

            let set = SlotSet::of_states(&column, &states);

            let fits = |code: u8| code > 0 && (states.is_empty() || usize::from(code) <= wanted);
            let naive: Vec<usize> = codes.iter().enumerate().filter(|(_, code)| fits(**code)).map(|(at, _)| at).rev().collect();
            prop_assert_eq!(told(&set), naive);
        }
    }

    #[test]
    fn what_was_never_written_is_no_member() {
        assert!(SlotSet::of_value(&[]).is_empty());
        assert!(SlotSet::of_value(&[0]).is_empty());
        // A slot beyond the chunk.
        assert!(SlotSet::of_value(&[0xff, 0xff]).is_empty());
        assert!(SlotSet::of_states(&[], &[]).is_empty());
    }
}
