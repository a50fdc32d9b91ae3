//! The data directory of `rollcall up`: who may read it, who uses it, and the operator token in it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use crate::failure::Failure;

/// Where the operator token of a data directory is.
pub fn operator_token_file(data_dir: &Path) -> PathBuf {
    data_dir.join("operator.token")
}

/// A data directory that this process alone uses.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Locked as long as it is open; the system lets go of it even when the process is killed.
    _lock: File,
}

impl DataDir {
    /// Opens the directory, made with mode 0700 if it is not there, and locks it.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        make_private(path)?;
        let absolute = fs::canonicalize(path).map_err(|error| cannot("find", path, &error))?;
        let lock_file = absolute.join("rollcall.lock");
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_file)
            .map_err(|error| cannot("open", &lock_file, &error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: absolute,
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(Failure::new(format!(
                "another `rollcall up` is using the data directory {}: stop it, or name another one with --data-dir",
                path.display()
            ))),
            Err(TryLockError::Error(error)) => Err(cannot("lock", &lock_file, &error)),
        }
    }

    /// A file in the directory, as an absolute path.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The address of the embedded database, whose file is made here: SQLite would let others read it, and it gives
    /// the files beside it the same mode.
    pub fn database_url(&self) -> Result<SecretString, Failure> {
        let file = self.file("directory.db");
        let text = file.to_str().ok_or_else(|| {
            Failure::new(format!(
                "the data directory {} is not UTF-8: name another with --data-dir",
                self.path.display()
            ))
        })?;
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&file)
            .map_err(|error| cannot("open", &file, &error))?;
        // The path stands in a URL: what would end it there, or start an escape, is escaped.
        let escaped = text.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
        Ok(format!("sqlite://{escaped}").into())
    }

    /// The operator token of an earlier start, or a new one that is safely in its file before anybody hears of it.
    pub fn operator_token(&self, make: impl FnOnce() -> SecretString) -> Result<OperatorToken, Failure> {
        let file = operator_token_file(&self.path);
        if file.try_exists().map_err(|error| cannot("read", &file, &error))? {
            return Ok(OperatorToken {
                secret: read_token(&file)?,
                file,
                new: false,
            });
        }
        let secret = make();
        self.write_durably(&file, secret.expose_secret())
            .map_err(|error| cannot("write", &file, &error))?;
        Ok(OperatorToken {
            secret,
            file,
            new: true,
        })
    }

    /// Writes a file of mode 0600 that is there whole or not at all, also after a power cut.
    fn write_durably(&self, file: &Path, text: &str) -> io::Result<()> {
        let partial = file.with_extension("partial");
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut writer = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&partial)?;
        writeln!(writer, "{text}")?;
        writer.sync_all()?;
        fs::rename(&partial, file)?;
        File::open(&self.path)?.sync_all()
    }
}

/// The operator token of a data directory.
pub struct OperatorToken {
    /// The token itself.
    pub secret: SecretString,
    /// Where it is kept.
    pub file: PathBuf,
    /// Whether it was made by this start.
    pub new: bool,
}

/// Reads a token file that only its owner may read.
pub fn read_token(file: &Path) -> Result<SecretString, Failure> {
    let mut opened = File::open(file).map_err(|error| cannot("read", file, &error))?;
    // Of the opened file, not of the path: nobody can exchange it in between.
    let mode = mode_of(
        &opened
            .metadata()
            .map_err(|error| cannot("read", file, &error))?
            .permissions(),
    );
    if mode & !0o600 != 0 {
        return Err(Failure::new(format!(
            "the token file {0} has mode {mode:04o}, so others may use the token: run `chmod 600 {0}`",
            file.display()
        )));
    }
    let mut text = String::new();
    opened
        .read_to_string(&mut text)
        .map_err(|error| cannot("read", file, &error))?;
    let token = text.trim();
    if token.is_empty() {
        return Err(Failure::new(format!(
            "the token file {} is empty: put a token in it",
            file.display()
        )));
    }
    Ok(token.into())
}

fn make_private(path: &Path) -> Result<(), Failure> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_dir() => Err(Failure::new(format!(
            "{} is not a directory: name another with --data-dir",
            path.display()
        ))),
        Ok(metadata) => keep_private(path, mode_of(&metadata.permissions())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| cannot("make", path, &error)),
        Err(error) => Err(cannot("read", path, &error)),
    }
}

/// An empty directory, as a volume is at first, is made private. Any other is the owner's to decide about.
fn keep_private(path: &Path, mode: u32) -> Result<(), Failure> {
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let empty = fs::read_dir(path)
        .map_err(|error| cannot("read", path, &error))?
        .next()
        .is_none();
    if empty && fs::set_permissions(path, Permissions::from_mode(0o700)).is_ok() {
        eprintln!(
            "rollcall: set the mode of the empty data directory {} to 0700 (was {mode:04o})",
            path.display()
        );
        return Ok(());
    }
    Err(Failure::new(format!(
        "the data directory {0} has mode {mode:04o}, so others may read it: run `chmod 700 {0}`, or name another one \
         with --data-dir",
        path.display()
    )))
}

fn mode_of(permissions: &Permissions) -> u32 {
    permissions.mode() & 0o7777
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot {what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token_file(dir: &Path, text: &str, mode: u32) -> PathBuf {
        let file = dir.join("a.token");
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        file
    }

    fn mode(path: &Path) -> u32 {
        mode_of(&fs::metadata(path).unwrap().permissions())
    }

    #[test]
    fn a_token_file_is_read_without_its_line_end() {
        let dir = tempfile::tempdir().unwrap();

        for mode in [0o600, 0o400] {
            let file = token_file(dir.path(), "rc_a_b\n", 0o600);
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_token(&file).unwrap().expose_secret(), "rc_a_b");
        }
    }

    #[test]
    fn a_token_file_that_others_may_read_is_refused_with_the_command_that_mends_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = token_file(dir.path(), "rc_a_b\n", 0o640);

        let failure = read_token(&file).unwrap_err().to_string();

        let path = file.display();
        assert_eq!(
            failure,
            format!("the token file {path} has mode 0640, so others may use the token: run `chmod 600 {path}`")
        );
    }

    #[test]
    fn an_empty_token_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = token_file(dir.path(), " \n", 0o600);

        let failure = read_token(&file).unwrap_err().to_string();

        assert_eq!(
            failure,
            format!("the token file {} is empty: put a token in it", file.display())
        );
    }

    #[test]
    fn a_new_data_directory_and_its_token_are_private_and_the_token_stays() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(&dir.path().join("data")).unwrap();

        let first = data_dir.operator_token(|| "rc_first".into()).unwrap();
        let second = data_dir.operator_token(|| "rc_second".into()).unwrap();

        assert_eq!((first.new, first.secret.expose_secret()), (true, "rc_first"));
        assert_eq!((second.new, second.secret.expose_secret()), (false, "rc_first"));
        assert_eq!(mode(&dir.path().join("data")), 0o700);
        assert_eq!(mode(&first.file), 0o600);
        assert!(!first.file.with_extension("partial").exists());
    }

    #[test]
    fn a_token_that_was_half_written_when_the_power_went_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(&dir.path().join("data")).unwrap();
        fs::write(data_dir.file("operator.partial"), "rc_ha").unwrap();

        let token = data_dir.operator_token(|| "rc_whole".into()).unwrap();

        assert_eq!((token.new, token.secret.expose_secret()), (true, "rc_whole"));
    }

    #[test]
    fn one_data_directory_serves_one_process() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let first = DataDir::open(&path).unwrap();

        let failure = DataDir::open(&path).unwrap_err().to_string();
        assert_eq!(
            failure,
            format!(
                "another `rollcall up` is using the data directory {}: stop it, or name another one with --data-dir",
                path.display()
            )
        );

        drop(first);
        DataDir::open(&path).expect("the lock ends with its holder");
    }

    #[test]
    fn an_empty_data_directory_is_made_private_and_a_used_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (empty, used) = (dir.path().join("empty"), dir.path().join("used"));
        for path in [&empty, &used] {
            fs::create_dir(path).unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(used.join("photo.jpg"), "").unwrap();

        DataDir::open(&empty).unwrap();
        let failure = DataDir::open(&used).unwrap_err().to_string();

        assert_eq!(mode(&empty), 0o700);
        assert_eq!(mode(&used), 0o755);
        let path = used.display();
        assert_eq!(
            failure,
            format!(
                "the data directory {path} has mode 0755, so others may read it: run `chmod 700 {path}`, or name \
                 another one with --data-dir"
            )
        );
    }

    #[test]
    fn the_database_url_escapes_what_a_url_would_read_as_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(&dir.path().join("50% or less?")).unwrap();

        let url = data_dir.database_url().unwrap();

        assert!(url.expose_secret().ends_with("/50%25 or less%3F/directory.db"));
    }
}
