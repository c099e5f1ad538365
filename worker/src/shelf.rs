//! Keeps loaded models within a memory budget.

use std::{
    any::Any,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
};

/// Loaded models, the least recently used given up first when memory runs short. Lives on the device's thread.
#[derive(Debug)]
pub struct Shelf {
    budget: u64,
    /// The last used first.
    models: Vec<Loaded>,
    /// The names, for other threads to see.
    warm: Arc<Mutex<Vec<String>>>,
}

#[derive(Debug)]
struct Loaded {
    key: String,
    name: String,
    bytes: u64,
    model: Rc<dyn Any>,
}

impl Shelf {
    /// An empty shelf for `budget` bytes, which keeps the list of names in `warm` up to date.
    #[must_use]
    pub fn new(budget: u64, warm: Arc<Mutex<Vec<String>>>) -> Self {
        Self { budget, models: Vec::new(), warm }
    }

    /// Gives up every model, for somebody who needs the memory more. Those in use live on until their batch ends.
    pub fn clear(&mut self) {
        self.models.clear();
        self.warm.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The model `key`, loaded now if it is not on the shelf. `load` gives the model and the bytes that it takes. The
    /// newest model stays even when it alone is over the budget.
    ///
    /// # Errors
    /// What `load` fails with.
    pub fn get<M: 'static, E>(
        &mut self,
        key: &str,
        name: &str,
        load: impl FnOnce() -> Result<(M, u64), E>,
    ) -> Result<Rc<M>, E> {
        let place = self.models.iter().position(|loaded| loaded.key == key);
        let kept = place.map(|place| self.models.remove(place));
        let (loaded, model) =
            match kept.and_then(|loaded| Some((Rc::clone(&loaded.model).downcast::<M>().ok()?, loaded))) {
                Some((model, loaded)) => (loaded, model),
                None => {
                    let (model, bytes) = load()?;
                    let model = Rc::new(model);
                    let shared: Rc<dyn Any> = Rc::clone(&model) as _;
                    (Loaded { key: key.to_owned(), name: name.to_owned(), bytes, model: shared }, model)
                }
            };
        self.models.insert(0, loaded);
        while 1 < self.models.len() && self.budget < self.models.iter().map(|loaded| loaded.bytes).sum() {
            self.models.pop();
        }
        let mut names: Vec<String> = Vec::new();
        for loaded in &self.models {
            if !names.contains(&loaded.name) {
                names.push(loaded.name.clone());
            }
        }
        *self.warm.lock().unwrap_or_else(PoisonError::into_inner) = names;
        Ok(model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skills::SkillError;

    #[test]
    fn the_least_recently_used_model_goes_first() {
        let warm = Arc::<Mutex<Vec<String>>>::default();
        let mut shelf = Shelf::new(10, Arc::clone(&warm));
        let mut get = |name: &str| {
            let mut loads = 0;
            let load = || {
                loads += 1;
                Ok::<_, SkillError>((name.to_owned(), 4))
            };
            shelf.get(name, name, load).unwrap();
            loads
        };

        let loads = [get("a"), get("b"), get("a"), get("c"), get("a"), get("b")];

        assert_eq!(loads, [1, 1, 0, 1, 0, 1]);
        assert_eq!(*warm.lock().unwrap(), ["b", "a"]);
    }

    #[test]
    fn a_cleared_shelf_loads_again() {
        let warm = Arc::<Mutex<Vec<String>>>::default();
        let mut shelf = Shelf::new(10, Arc::clone(&warm));
        let in_use = shelf.get("a", "a", || Ok::<_, SkillError>((1, 4))).unwrap();

        shelf.clear();

        assert!(warm.lock().unwrap().is_empty());
        assert_eq!((*in_use, *shelf.get("a", "a", || Ok::<_, SkillError>((2, 4))).unwrap()), (1, 2));
    }

    #[test]
    fn a_model_over_the_budget_is_kept_alone() {
        let mut shelf = Shelf::new(10, Arc::default());
        let mut get = |name: &str, bytes| shelf.get(name, name, || Ok::<_, SkillError>(((), bytes))).map(|_| ());

        get("small", 4).unwrap();
        get("huge", 99).unwrap();

        assert_eq!(shelf.models.len(), 1);
        assert_eq!(shelf.models[0].name, "huge");
    }
}
