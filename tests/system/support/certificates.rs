//! An authority of the test's own, and certificates of it, as files that can be replaced.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// The names that every certificate has, beside its own.
const LOCAL: [&str; 5] = ["localhost", "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"];

/// A folder with `ca.crt`, and `NAME.crt` and `NAME.key` for each certificate.
pub struct Certificates {
    folder: PathBuf,
    authority: Issuer<'static, KeyPair>,
}

impl Certificates {
    /// Makes an authority.
    pub fn new(folder: &Path) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        fs::write(folder.join("ca.crt"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self {
            folder: folder.to_owned(),
            authority: Issuer::new(params, key),
        }
    }

    /// Issues a certificate that ends with this year, in the place of the one that was there.
    pub fn issue(&self, name: &str, ends: i32) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = LOCAL.iter().chain([&name]).map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_after = rcgen::date_time_ymd(ends, 12, 31);
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        let replace = |file: String, text: &str| {
            let draft = self.folder.join(format!(".{file}"));
            fs::write(&draft, text).unwrap();
            fs::rename(draft, self.folder.join(file)).unwrap();
        };
        replace(format!("{name}.crt"), &certificate.pem());
        replace(format!("{name}.key"), &key.serialize_pem());
    }

    /// The path of a file.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }
}
