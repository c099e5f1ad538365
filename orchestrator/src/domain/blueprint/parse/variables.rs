//! Checks where variables are assigned and read, when all states have been read.

use std::collections::HashMap;

use crate::domain::blueprint::{
    fault::{Faults, Use},
    suggest::did_you_mean,
};

/// The scopes of a machine: one for each `States` object, those of branches within that of their state.
#[derive(Default)]
pub(super) struct Scopes {
    ended: Vec<Scope>,
}

struct Scope {
    nesting: usize,
    uses: Vec<Use>,
    inner: Vec<Scope>,
}

impl Scopes {
    /// Notes the variables of a scope when all states in it have been read, and after the scopes within it.
    pub(super) fn end(&mut self, nesting: usize, uses: Vec<Use>) {
        let first_inner = self.ended.iter().rposition(|scope| scope.nesting <= nesting).map_or(0, |outer| outer + 1);
        let inner = self.ended.split_off(first_inner);
        self.ended.push(Scope { nesting, uses, inner });
    }

    /// Finds fault with variables that are read and assigned nowhere, or assigned in two scopes of which one lies within
    /// the other.
    pub(super) fn check(&self, faults: &mut Faults) {
        for scope in &self.ended {
            scope.check(&HashMap::new(), faults);
        }
    }
}

impl Scope {
    /// `outer` are the variables of the scopes around it, and where each is assigned.
    fn check<'s>(&'s self, outer: &HashMap<&'s str, &'s str>, faults: &mut Faults) {
        let mut known = outer.clone();
        for Use { path, variable, .. } in self.uses.iter().filter(|one| one.assigns) {
            match outer.get(variable.as_str()) {
                Some(elsewhere) => faults.add(
                    path,
                    format!(
                        "`{variable}` is a variable of the machine around this branch, assigned at {elsewhere}: a branch \
                         reads it, and needs another name for its own"
                    ),
                ),
                None => {
                    known.entry(variable).or_insert(path);
                }
            }
        }
        for Use { path, variable, .. } in self.uses.iter().filter(|one| !one.assigns) {
            if !known.contains_key(variable.as_str()) {
                let mut names: Vec<&str> = known.keys().copied().collect();
                names.sort_unstable();
                let hint = did_you_mean(variable, names);
                faults.add(path, format!("no state that could come before assigns `${variable}`{hint}"));
            }
        }
        for scope in &self.inner {
            scope.check(&known, faults);
        }
    }
}
