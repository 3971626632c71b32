//! What the tests of an archive have in common: events of a source `test`, whose rules ask for two fields.

use std::collections::HashMap;
use std::sync::Arc;

use virga_archive::Layout;
use virga_engine::event::{ProjectedField, Projection};

/// The two fields.
pub fn projection() -> Arc<Projection> {
    let field = |name: &str| ProjectedField {
        name: name.into(),
        paths: vec![name.into()],
        computed: false,
        column: None,
    };
    Arc::new(Projection { fields: vec![field("a"), field("b")], dispatch: None })
}

/// The columns of the one source.
pub fn layouts() -> HashMap<String, Layout> {
    HashMap::from([("test".to_owned(), Layout::new(&[], &projection()))])
}
