//! How many may wait at once, in all and for one party: whoever waits holds a connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Places to wait in.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    most_each: usize,
    /// How many each party has.
    taken: Arc<Mutex<HashMap<i64, usize>>>,
}

/// One place; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    party: i64,
    taken: Arc<Mutex<HashMap<i64, usize>>>,
}

impl Places {
    /// `most` in all, `most_each` for one party.
    pub(super) fn new(most: usize, most_each: usize) -> Self {
        Self { most, most_each, taken: Arc::default() }
    }

    /// A place for a party, if there is one.
    pub(super) fn take(&self, party: i64) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let own = taken.get(&party).copied().unwrap_or(0);
        if all >= self.most || own >= self.most_each {
            return None;
        }
        taken.insert(party, own + 1);
        Some(Place { party, taken: Arc::clone(&self.taken) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.party) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.party);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_the_places_of_all_and_a_place_comes_back() {
        let places = Places::new(3, 2);
        let first = places.take(1);
        let second = places.take(1);
        assert!(first.is_some() && second.is_some());
        assert!(places.take(1).is_none(), "two for one party");
        let other = places.take(2);
        assert!(other.is_some());
        assert!(places.take(3).is_none(), "three in all");
        drop(first);
        assert!(places.take(3).is_some());
        assert!(places.take(1).is_some());
    }
}
