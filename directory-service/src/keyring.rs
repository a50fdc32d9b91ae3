//! The keyring: one file of secret keys, the newest first. The newest signs and encrypts, all of them verify, so keys
//! can be rotated without an outage: the file is read again when it changes. No key is used as it is: each purpose has its own,
//! derived by HKDF-SHA256.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use directory_proto::reload::Reloaded;
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom as _, SystemRandom};

/// The bytes of one key.
pub const KEY_BYTES: usize = 32;

const MOST_KEYS: usize = 16;
const MOST_FILE_BYTES: u64 = 16 * 1024;
/// Group may read (Kubernetes mounts a Secret for the pod's group); group may not write, others may do nothing.
const FORBIDDEN_MODE: u32 = 0o027;

/// The keyring cannot be used; the message names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The file cannot be read or written.
    #[error("the keyring {path} cannot be used")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than the owner and its group can get at the file.
    #[error("the keyring {path} has mode {mode:04o}, so others can get at the keys: chmod 600 {path}")]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A line is no key.
    #[error("line {line} of the keyring {path} is not 32 bytes in base64 or hexadecimal")]
    Key {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The file holds no key, or far too many.
    #[error("the keyring {0} must hold 1 to 16 keys, one a line, the newest first")]
    Count(PathBuf),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes for a new key")]
    Random,
}

/// What a derived key is for. A key of one purpose never serves another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Encrypts page tokens.
    PageTokens,
    /// Derives activation codes.
    ActivationCodes,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::PageTokens => b"rollcall page tokens v1",
            Self::ActivationCodes => b"rollcall activation codes v1",
        }
    }
}

/// A key for one purpose.
pub struct Subkey {
    /// Tells which key of the ring made a thing; says nothing about the key.
    pub id: [u8; 4],
    /// The key.
    pub bytes: [u8; KEY_BYTES],
}

/// The keys, the newest first.
pub struct Keyring {
    page_tokens: Vec<Subkey>,
    activation_codes: Vec<Subkey>,
}

/// The keyring as its file says at the moment.
pub type CurrentKeyring = Arc<Reloaded<Keyring>>;

impl Keyring {
    /// Reads the keys: one a line, base64 or hexadecimal; blank lines and lines that start with `#` do not count.
    ///
    /// # Errors
    /// [`KeyringError`]: missing, open to others, or not a list of keys.
    pub fn load(path: &Path) -> Result<Self, KeyringError> {
        let failed = |source| KeyringError::Io {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        check_mode(path, &file)?;
        let mut text = String::new();
        file.take(MOST_FILE_BYTES).read_to_string(&mut text).map_err(failed)?;

        let mut keys = Vec::new();
        for (index, line) in text.lines().map(str::trim).enumerate() {
            if !line.is_empty() && !line.starts_with('#') {
                keys.push(parse_key(line).ok_or_else(|| KeyringError::Key {
                    path: path.to_owned(),
                    line: index + 1,
                })?);
            }
        }
        if keys.is_empty() || keys.len() > MOST_KEYS {
            return Err(KeyringError::Count(path.to_owned()));
        }
        Ok(Self::of(&keys))
    }

    /// Reads the keys, and is to follow the file.
    ///
    /// # Errors
    /// [`KeyringError`], as [`Keyring::load`].
    pub fn open(path: PathBuf) -> Result<CurrentKeyring, KeyringError> {
        let files = vec![path.clone()];
        Ok(Arc::new(Reloaded::new(files, move || Self::load(&path))?))
    }

    /// Makes a keyring of one new key, mode 0600, unless the file is there already. Says whether it made one.
    ///
    /// # Errors
    /// [`KeyringError::Io`] or [`KeyringError::Random`].
    pub fn create_if_absent(path: &Path) -> Result<bool, KeyringError> {
        let failed = |source| KeyringError::Io {
            path: path.to_owned(),
            source,
        };
        if path.try_exists().map_err(failed)? {
            return Ok(false);
        }
        let mut key = [0_u8; KEY_BYTES];
        SystemRandom::new().fill(&mut key).map_err(|_| KeyringError::Random)?;

        // Written beside and linked into place: nobody ever reads half a key, and of two makers one wins.
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("keyring");
        let draft = path.with_file_name(format!(".{name}.{}", uuid::Uuid::now_v7()));
        let linked = write_key(&draft, &key).and_then(|()| std::fs::hard_link(&draft, path));
        let removed = std::fs::remove_file(&draft);
        match linked {
            Ok(()) => removed.map(|()| true).map_err(failed),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// The keys for one purpose, the newest first; at least one.
    pub fn subkeys(&self, purpose: Purpose) -> &[Subkey] {
        match purpose {
            Purpose::PageTokens => &self.page_tokens,
            Purpose::ActivationCodes => &self.activation_codes,
        }
    }

    /// A ring of these keys, of which there is at least one.
    fn of(keys: &[[u8; KEY_BYTES]]) -> Self {
        let subkeys = |purpose: Purpose| {
            let of_key = |key| Subkey {
                id: derive(key, purpose.label(), b"id"),
                bytes: derive(key, purpose.label(), b"key"),
            };
            keys.iter().map(of_key).collect()
        };
        Self {
            page_tokens: subkeys(Purpose::PageTokens),
            activation_codes: subkeys(Purpose::ActivationCodes),
        }
    }

    /// A ring of these keys that stays as it is.
    #[cfg(test)]
    pub(crate) fn fixed(keys: &[[u8; KEY_BYTES]]) -> CurrentKeyring {
        Arc::new(Reloaded::fixed(Self::of(keys)))
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyring({} keys)", self.page_tokens.len())
    }
}

fn write_key(path: &Path, key: &[u8; KEY_BYTES]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{}", STANDARD.encode(key))?;
    file.sync_all()
}

#[cfg(unix)]
fn check_mode(path: &Path, file: &File) -> Result<(), KeyringError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = file.metadata().map_err(|source| KeyringError::Io {
        path: path.to_owned(),
        source,
    })?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & FORBIDDEN_MODE != 0 {
        return Err(KeyringError::Mode {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: &File) -> Result<(), KeyringError> {
    Ok(())
}

fn parse_key(line: &str) -> Option<[u8; KEY_BYTES]> {
    if line.len() == 2 * KEY_BYTES {
        let digits: Option<Vec<u8>> = line
            .chars()
            .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
            .collect();
        let bytes: Vec<u8> = digits?.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        return bytes.try_into().ok();
    }
    [STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD]
        .iter()
        .find_map(|spelling| spelling.decode(line).ok())
        .and_then(|bytes| bytes.try_into().ok())
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn derive<const N: usize>(key: &[u8; KEY_BYTES], label: &[u8], part: &[u8]) -> [u8; N] {
    let mut derived = [0; N];
    Salt::new(HKDF_SHA256, b"rollcall directory keyring")
        .extract(key)
        .expand(&[label, part], Length(N))
        .and_then(|okm| okm.fill(&mut derived))
        .expect("HKDF-SHA256 gives up to 8,160 bytes");
    derived
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(mode: u32, text: &str) -> (tempfile::TempDir, PathBuf) {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("directory.keyring");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn a_new_keyring_is_private_and_made_once() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("directory.keyring");

        assert!(Keyring::create_if_absent(&path).unwrap());
        let made = std::fs::read(&path).unwrap();
        assert!(!Keyring::create_if_absent(&path).unwrap());

        assert_eq!(std::fs::read(&path).unwrap(), made);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
        assert_eq!(Keyring::load(&path).unwrap().subkeys(Purpose::PageTokens).len(), 1);
    }

    #[test]
    fn keys_are_read_in_either_spelling_the_newest_first() {
        let text = format!(
            "# rotated in May\n{}\n\n{}\n",
            STANDARD.encode([7; 32]),
            "0A".repeat(32)
        );
        let (_folder, path) = write(0o600, &text);

        let read = Keyring::load(&path).unwrap();
        let written = Keyring::of(&[[7; 32], [10; 32]]);
        let ids = |ring: &Keyring| {
            ring.subkeys(Purpose::PageTokens)
                .iter()
                .map(|key| key.id)
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(&read), ids(&written));
    }

    #[test]
    fn a_keyring_open_to_others_is_refused() {
        for mode in [0o644, 0o660, 0o604, 0o666] {
            let (_folder, path) = write(mode, &STANDARD.encode([7; 32]));
            let error = Keyring::load(&path).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "the keyring {0} has mode {mode:04o}, so others can get at the keys: chmod 600 {0}",
                    path.display()
                )
            );
        }
        for mode in [0o400, 0o600, 0o440, 0o640] {
            let (_folder, path) = write(mode, &STANDARD.encode([7; 32]));
            assert!(
                Keyring::load(&path).is_ok(),
                "{mode:o} is what a pod's Secret looks like"
            );
        }
    }

    #[test]
    fn what_is_no_key_is_named_by_its_line_and_never_shown() {
        let (_folder, path) = write(0o600, &format!("{}\nc2hvcnQ=\n", STANDARD.encode([7; 32])));
        let error = Keyring::load(&path).unwrap_err();
        assert!(matches!(&error, KeyringError::Key { line: 2, .. }), "{error}");
        assert!(!error.to_string().contains("c2hvcnQ"));

        let (_folder, path) = write(0o600, "\n# nothing\n");
        assert!(matches!(Keyring::load(&path), Err(KeyringError::Count(_))));

        let missing = path.with_file_name("missing");
        assert!(matches!(Keyring::load(&missing), Err(KeyringError::Io { .. })));
    }

    #[test]
    fn subkeys_differ_by_key_and_never_are_the_key() {
        let ring = Keyring::of(&[[1; 32], [2; 32]]);

        let subkeys = ring.subkeys(Purpose::PageTokens);

        assert_eq!(subkeys.len(), 2);
        assert_ne!(subkeys[0].bytes, subkeys[1].bytes);
        assert_ne!(subkeys[0].id, subkeys[1].id);
        assert_ne!(subkeys[0].bytes, [1; 32]);
    }
}
