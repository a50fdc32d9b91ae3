//! What is made from files that are replaced while the process runs, as Kubernetes replaces those of a Secret.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(5);
/// What is longer is no certificate, key or URL.
const MOST_BYTES: u64 = 1024 * 1024;

/// Why files cannot be used; says which and what is wrong, and shows nothing of what they hold.
pub type Unusable = Box<dyn std::error::Error + Send + Sync>;

type Make<T> = dyn Fn() -> Result<T, Unusable> + Send + Sync;

/// A value that is made anew when its files change. What cannot be used is logged once, and the value stays as it was.
pub struct Reloaded<T> {
    value: watch::Sender<Arc<T>>,
    files: Vec<PathBuf>,
    last: Mutex<Last>,
    make: Box<Make<T>>,
}

/// How the last look at the files went.
#[derive(Default)]
struct Last {
    /// A hash of what they held: secrets need not be kept twice.
    contents: u64,
    /// What was wrong with it, until it is mended: its owner or mode may be what is wrong, so it is tried at every look.
    failure: Option<String>,
}

impl<T> std::fmt::Debug for Reloaded<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Reloaded")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl<T: Send + Sync + 'static> Reloaded<T> {
    /// Makes the value for the first time. `make` reads the files by itself.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn new<E: Into<Unusable>>(
        files: Vec<PathBuf>,
        make: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Self, E> {
        let last = Last {
            contents: contents(&files),
            failure: None,
        };
        let value = Arc::new(make()?);
        Ok(Self {
            value: watch::Sender::new(value),
            files,
            last: Mutex::new(last),
            make: Box::new(move || make().map_err(Into::into)),
        })
    }

    /// A value that has no files and never changes.
    pub fn fixed(value: T) -> Self {
        Self {
            value: watch::Sender::new(Arc::new(value)),
            files: Vec::new(),
            last: Mutex::default(),
            make: Box::new(|| Err("it has no files".into())),
        }
    }

    /// The value as the files say.
    pub fn current(&self) -> Arc<T> {
        self.value.borrow().clone()
    }

    /// Tells of new values.
    pub fn changes(&self) -> watch::Receiver<Arc<T>> {
        self.value.subscribe()
    }

    /// Looks at the files every few seconds. Never ends.
    pub async fn follow(&self) {
        if self.files.is_empty() {
            return std::future::pending().await;
        }
        loop {
            sleep(INTERVAL).await;
            self.look();
        }
    }

    /// Looks at the files now.
    pub fn look(&self) {
        if self.files.is_empty() {
            return;
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let contents = contents(&self.files);
        if last.contents == contents && last.failure.is_none() {
            return;
        }
        last.contents = contents;
        match (self.make)() {
            Ok(value) => {
                self.value.send_replace(Arc::new(value));
                last.failure = None;
                tracing::info!(files = ?self.files, "files were replaced and are in use");
            }
            Err(error) => {
                let failure = Some(error.to_string());
                if last.failure != failure {
                    tracing::error!(
                        error = &*error as &dyn std::error::Error,
                        files = ?self.files,
                        "files were replaced and cannot be used; what they held before stays in use"
                    );
                }
                last.failure = failure;
            }
        }
    }
}

fn contents(files: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        read(file).ok().hash(&mut hasher);
    }
    hasher.finish()
}

/// Reads a file that is no longer than a setting can be.
///
/// # Errors
/// Those of the system, and `FileTooLarge`.
pub fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(file)?
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(file: &Path) -> Result<u32, Unusable> {
        Ok(String::from_utf8(read(file)?)?.trim().parse()?)
    }

    #[test]
    fn a_replaced_file_is_used_and_one_that_cannot_be_used_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("number");
        std::fs::write(&file, "1\n").unwrap();
        let path = file.clone();
        let value = Reloaded::new(vec![file.clone()], move || number(&path)).unwrap();
        let mut changes = value.changes();
        assert_eq!(*value.current(), 1);

        value.look();
        assert!(!changes.has_changed().unwrap(), "nothing was replaced");

        std::fs::write(&file, "two").unwrap();
        value.look();
        assert_eq!(*value.current(), 1);

        std::fs::remove_file(&file).unwrap();
        value.look();
        assert_eq!(*value.current(), 1);

        std::fs::write(&file, "2").unwrap();
        value.look();
        assert_eq!(*value.current(), 2);
        assert!(changes.has_changed().unwrap());
        assert_eq!(**changes.borrow_and_update(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_is_mended_without_being_written_is_used() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("number");
        let mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        std::fs::write(&file, "1").unwrap();
        mode(0o600);
        let path = file.clone();
        let private = move || match std::fs::metadata(&path)?.permissions().mode() & 0o7777 {
            0o600 => number(&path),
            _ => Err("others can read it".into()),
        };
        let value = Reloaded::new(vec![file.clone()], private).unwrap();

        std::fs::write(&file, "2").unwrap();
        mode(0o644);
        value.look();
        assert_eq!(*value.current(), 1);

        mode(0o600);
        value.look();
        assert_eq!(*value.current(), 2);
    }

    #[test]
    fn what_has_no_files_stays_as_it_is() {
        let value = Reloaded::fixed(1);
        let changes = value.changes();

        value.look();

        assert_eq!(*value.current(), 1);
        assert!(!changes.has_changed().unwrap());
        assert!(value.last.lock().unwrap().failure.is_none());
    }

    #[test]
    fn files_that_cannot_be_used_are_refused_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("number");

        assert!(Reloaded::new(vec![file.clone()], move || number(&file)).is_err());
    }
}
