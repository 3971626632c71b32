//! What a store has served: whom to ask whether a refusal is of one object or of all.
//!
//! In: objects that were opened. Out: whether the store still gives any of the last ones. A right that is withdrawn,
//! or credentials that are over, deny them all, and that is waited for; the policy of one object denies it alone.
//! A byte of each is asked for and not what the store says of it, for where only the key of its encryption is denied
//! the store still tells of an object. That it lists objects proves nothing: it is another right.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore};

use crate::limits::SERVED_KEPT;

/// The last objects that a store has served.
#[derive(Debug, Default)]
pub struct Served(Mutex<VecDeque<Path>>);

impl Served {
    /// An object was opened. One without bytes proves nothing later.
    pub fn remember(&self, meta: &ObjectMeta) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if meta.size == 0 || last.contains(&meta.location) {
            return;
        }
        last.push_back(meta.location.clone());
        if last.len() > SERVED_KEPT {
            last.pop_front();
        }
    }

    /// Whether the store gives a byte of any of them, the last first.
    pub async fn is_any_given(&self, store: &dyn ObjectStore) -> bool {
        let last: Vec<Path> = {
            let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            last.iter().rev().cloned().collect()
        };
        for location in last {
            if gives(store, &location).await {
                return true;
            }
        }
        false
    }

    /// Whether nothing was served yet.
    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// Whether a store gives the first byte of an object.
pub async fn gives(store: &dyn ObjectStore, location: &Path) -> bool {
    let range = Some(GetRange::Bounded(0..1));
    store.get_opts(location, GetOptions { range, ..GetOptions::default() }).await.is_ok()
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;
    use object_store::{ObjectStoreExt as _, PutPayload};

    use super::*;

    #[tokio::test]
    async fn one_of_the_last_objects_is_enough_and_what_was_never_served_proves_nothing() {
        let (store, served) = (InMemory::new(), Served::default());
        let put = async |key: &str, body: &'static str| {
            let location = Path::from(key);
            store.put(&location, PutPayload::from_static(body.as_bytes())).await.unwrap();
            served.remember(&store.head(&location).await.unwrap());
            location
        };
        assert!(!served.is_any_given(&store).await);
        put("empty", "").await;
        assert!(!served.is_any_given(&store).await);
        let first = put("first", "{}").await;
        for number in 1..SERVED_KEPT {
            let key = put(&format!("later/{number}"), "{}").await;
            store.delete(&key).await.unwrap();
        }
        assert!(served.is_any_given(&store).await, "the first of the last is still there");
        store.delete(&first).await.unwrap();
        assert!(!served.is_any_given(&store).await);
    }
}
