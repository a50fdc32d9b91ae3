//! Whether the database answers, and closing it.

use super::connect::Database;
use super::error::StoreError;

impl Database {
    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.reader().ping().await?)
    }

    /// Closes every connection, after what is under way.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.writer().close_by_ref().await?;
        Ok(self.reader().close_by_ref().await?)
    }
}
