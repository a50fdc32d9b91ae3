//! How both services read their settings: each is checked, and everything that is wrong is told at once. An empty variable
//! counts as none.

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::tls::IdentityFiles;

/// Everything that is wrong with the settings, a line each.
#[derive(Debug, PartialEq, Eq)]
pub struct SettingsError(pub Vec<String>);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings are not usable:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for SettingsError {}

/// Reads the path of a file, which may be empty like every other setting.
pub fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// A text, unless it is empty.
pub fn given(value: Option<String>) -> Option<String> {
    value.filter(|text| !text.is_empty())
}

/// The path of a file, unless it is empty.
pub fn given_path(value: Option<PathBuf>) -> Option<PathBuf> {
    value.filter(|path| !path.as_os_str().is_empty())
}

/// What was found wrong so far. Where a setting cannot be used, its default stands in for it until all is told.
#[derive(Debug, Default)]
pub struct Problems(Vec<String>);

impl Problems {
    /// Notes one.
    pub fn add(&mut self, problem: impl Into<String>) {
        self.0.push(problem.into());
    }

    /// What was made of the settings, if nothing is wrong with them.
    ///
    /// # Errors
    /// [`SettingsError`]: every problem.
    pub fn none_or<T>(self, value: T) -> Result<T, SettingsError> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(SettingsError(self.0))
        }
    }

    /// A value, or the setting's name with what is wrong.
    pub fn usable<T, E: fmt::Display>(&mut self, name: &str, value: Result<T, E>) -> Option<T> {
        value.map_err(|error| self.add(format!("{name}: {error}"))).ok()
    }

    /// An address to listen on.
    pub fn address(&mut self, name: &str, value: Option<String>, default: SocketAddr) -> SocketAddr {
        given(value)
            .map_or(Ok(default), |text| text.parse())
            .unwrap_or_else(|_| {
                self.add(format!("{name} must be an address and a port, such as {default}"));
                default
            })
    }

    /// `true` or `false`; without a text `false`.
    pub fn boolean(&mut self, name: &str, value: Option<String>) -> bool {
        given(value).is_some_and(|text| {
            text.to_ascii_lowercase().parse().unwrap_or_else(|_| {
                self.add(format!("{name} must be true or false"));
                false
            })
        })
    }

    /// A number within a range.
    pub fn number<T: FromStr + PartialOrd + fmt::Display>(
        &mut self,
        name: &str,
        value: Option<String>,
        range: RangeInclusive<T>,
    ) -> Option<T> {
        let parsed = given(value)?.parse().ok().filter(|number| range.contains(number));
        if parsed.is_none() {
            self.add(format!(
                "{name} must be a whole number from {} to {}",
                range.start(),
                range.end()
            ));
        }
        parsed
    }

    /// A certificate and its key, which go together.
    pub fn identity(
        &mut self,
        (certificate_name, certificate): (&str, Option<PathBuf>),
        (key_name, key): (&str, Option<PathBuf>),
    ) -> Option<IdentityFiles> {
        match (given_path(certificate), given_path(key)) {
            (Some(certificate), Some(key)) => Some(IdentityFiles { certificate, key }),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                self.add(format!(
                    "{certificate_name} and {key_name} go together: set both or neither"
                ));
                None
            }
        }
    }
}
