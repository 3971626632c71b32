//! The schema of a session: tables are put into it by whoever holds it, and by no statement.
//!
//! In: tables, by [`Sealed::put`]. Out: a schema that refuses every other way to add or to remove one. All connections
//! share it: a table that one of them could make, the others would see.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::error::{DataFusionError, Result};

use super::error::SqlError;

/// A schema that only its holder changes.
#[derive(Debug, Default)]
pub(crate) struct Sealed {
    tables: MemorySchemaProvider,
}

impl Sealed {
    /// Shows a table, in place of the one that had its name.
    pub fn put(&self, name: &str, table: Arc<dyn TableProvider>) -> Result<()> {
        self.tables.deregister_table(name)?;
        self.tables.register_table(name.to_owned(), table)?;
        Ok(())
    }
}

fn refused(what: &str, name: &str) -> DataFusionError {
    DataFusionError::External(Box::new(SqlError::refused(&format!("{what} TABLE {name}"))))
}

#[async_trait]
impl SchemaProvider for Sealed {
    fn table_names(&self) -> Vec<String> {
        self.tables.table_names()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        self.tables.table(name).await
    }

    fn register_table(
        &self,
        name: String,
        _: Arc<dyn TableProvider>,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        Err(refused("CREATE", &name))
    }

    fn deregister_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        Err(refused("DROP", name))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.tables.table_exist(name)
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Schema;
    use datafusion::datasource::empty::EmptyTable;

    use super::*;

    #[tokio::test]
    async fn only_the_holder_changes_what_is_there() {
        let table = || Arc::new(EmptyTable::new(Arc::new(Schema::empty())));
        let sealed = Sealed::default();
        sealed.put("events", table()).unwrap();
        sealed.put("events", table()).unwrap();
        let schema: &dyn SchemaProvider = &sealed;
        assert!(schema.register_table("other".to_owned(), table()).is_err());
        assert!(schema.deregister_table("events").is_err());
        assert_eq!(schema.table_names(), ["events"]);
        assert!(schema.table("events").await.unwrap().is_some());
    }
}
