//! What the use cases tell the mail worker of this process: that a mail was queued, and whose files are to go.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Notify;

use crate::domain::id::UserId;

/// The way to the mail worker of this process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    bell: Arc<Notify>,
    folder: Option<Arc<Path>>,
}

impl Outbox {
    /// The outbox of a process that writes its mails to files in `folder`, or to none.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self {
            bell: Arc::default(),
            folder: folder.map(Arc::from),
        }
    }

    /// Says that a mail was queued, so that it need not wait for the worker's next look.
    pub fn wake(&self) {
        self.bell.notify_one();
    }

    /// Waits until somebody [wakes](Self::wake) the worker.
    pub async fn woken(&self) {
        self.bell.notified().await;
    }

    /// The file of a mail of this user, if mails are written to files.
    pub fn file(&self, user: UserId, code_number: i64) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{user}-{code_number}.eml")))
    }

    /// Removes the files of a user that was deleted. A file that cannot be removed is logged: somebody must.
    pub fn erase(&self, user: UserId) {
        let Some(folder) = &self.folder else { return };
        let prefix = format!("{user}-");
        let removed = files(folder).and_then(|mut files| {
            files.try_for_each(|file| match file.file_name().and_then(|name| name.to_str()) {
                Some(name) if name.starts_with(&prefix) => std::fs::remove_file(&file),
                Some(_) | None => Ok(()),
            })
        });
        // Before the first mail there is no folder, and the worker may have been faster.
        if let Err(error) = removed
            && error.kind() != ErrorKind::NotFound
        {
            tracing::error!(user.id = %user, error = &error as &dyn std::error::Error, "the mails of a deleted user are left");
        }
    }

    /// The users who have files, each once.
    pub fn users_with_files(&self) -> Vec<UserId> {
        let Some(files) = self.folder.as_ref().and_then(|folder| files(folder).ok()) else {
            return Vec::new();
        };
        let mut users: Vec<UserId> = files
            .filter_map(|file| UserId::find(file.file_name()?.to_str()?.get(..36)?))
            .collect();
        users.sort_unstable();
        users.dedup();
        users
    }
}

fn files(folder: &Path) -> std::io::Result<impl Iterator<Item = PathBuf>> {
    let entries = std::fs::read_dir(folder)?;
    Ok(entries.filter_map(Result::ok).map(|entry| entry.path()))
}
