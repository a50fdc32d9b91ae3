//! Where a directory is: one address, all addresses of a name, or a list of addresses.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use http::Uri;

/// So many addresses one target has at most; more are left out.
pub(super) const MOST_ADDRESSES: usize = 64;

/// Where a directory is, as settings spell it:
///
/// | text | the calls go to |
/// |---|---|
/// | `http://host:port` or `https://host:port` | this one address |
/// | `dns:///name:port` | every address of the name, which is looked up again from time to time |
/// | `10.0.0.7:50051,10.0.0.8:50051` | every address of the list |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub(super) place: Place,
    /// The scheme, where the text has one: `Some(true)` is https.
    encrypted: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `host:port`. A name is looked up for each new connection.
    One(Arc<str>),
    /// Every address of a name.
    Name { host: Arc<str>, port: u16 },
    /// These addresses, as `address:port`.
    Addresses(Vec<Arc<str>>),
}

/// A text says no place where a directory could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the directory's address must look like http://127.0.0.1:50051, https://directory.example.com:50051, \
     dns:///directory-service:50051, or 10.0.0.7:50051,10.0.0.8:50051"
)]
pub struct InvalidTarget;

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        if let Some(name) = text.strip_prefix("dns:///") {
            let (host, port) = host_and_port(name)?;
            let place = Place::Name { host, port };
            return Ok(Self { place, encrypted: None });
        }
        if text.contains("://") {
            return Self::of_url(text);
        }
        let addresses = text.split(',').map(|address| address.trim().parse::<SocketAddr>());
        let addresses: Vec<SocketAddr> = addresses.collect::<Result<_, _>>().map_err(|_| InvalidTarget)?;
        if addresses.len() > MOST_ADDRESSES {
            return Err(InvalidTarget);
        }
        let addresses = addresses.iter().map(|address| address.to_string().into()).collect();
        Ok(Self {
            place: Place::Addresses(addresses),
            encrypted: None,
        })
    }
}

impl Default for Target {
    /// The directory of this machine, at its usual port.
    fn default() -> Self {
        Self {
            place: Place::One("127.0.0.1:50051".into()),
            encrypted: Some(false),
        }
    }
}

impl Target {
    fn of_url(text: &str) -> Result<Self, InvalidTarget> {
        let url: Uri = text.parse().map_err(|_| InvalidTarget)?;
        let encrypted = match url.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(InvalidTarget),
        };
        let host = url.host().filter(|host| !host.is_empty()).ok_or(InvalidTarget)?;
        let is_bare = matches!(url.path(), "" | "/") && url.query().is_none();
        let has_user = url
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'));
        if !is_bare || has_user {
            return Err(InvalidTarget);
        }
        let port = match url.authority().map(|authority| authority.as_str()) {
            Some(authority) if authority != host => url.port_u16().filter(|port| *port > 0).ok_or(InvalidTarget)?,
            _ if encrypted => 443,
            _ => 80,
        };
        Ok(Self {
            place: Place::One(format!("{host}:{port}").into()),
            encrypted: Some(encrypted),
        })
    }

    /// What the text says about encryption: yes, no, or nothing.
    pub const fn encrypted(&self) -> Option<bool> {
        self.encrypted
    }

    /// The host that the text names, without brackets; none for a list of addresses.
    pub fn host(&self) -> Option<&str> {
        match &self.place {
            Place::One(address) => address.rsplit_once(':').map(|(host, _)| host.trim_matches(['[', ']'])),
            Place::Name { host, .. } => Some(host),
            Place::Addresses(_) => None,
        }
    }

    /// Whether nobody outside this machine can be meant, by what the text says.
    pub fn is_loopback(&self) -> bool {
        match &self.place {
            Place::One(_) | Place::Name { .. } => self.host().is_some_and(|host| {
                host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }),
            Place::Addresses(addresses) => addresses.iter().all(|address| {
                address
                    .parse::<SocketAddr>()
                    .is_ok_and(|address| address.ip().is_loopback())
            }),
        }
    }
}

fn host_and_port(text: &str) -> Result<(Arc<str>, u16), InvalidTarget> {
    let (host, port) = text.rsplit_once(':').ok_or(InvalidTarget)?;
    let is_name = (1..=253).contains(&host.len())
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let port = port.parse().ok().filter(|port| *port > 0).ok_or(InvalidTarget)?;
    if is_name {
        Ok((host.into(), port))
    } else {
        Err(InvalidTarget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_spellings_are_told_apart() {
        let target = |text: &str| text.parse::<Target>().unwrap();

        assert_eq!(
            target("http://127.0.0.1:50051").place,
            Place::One("127.0.0.1:50051".into())
        );
        assert_eq!(target("http://127.0.0.1:50051").encrypted(), Some(false));
        assert_eq!(target("http://127.0.0.1:50051"), Target::default());
        assert_eq!(target("https://[::1]:7/").place, Place::One("[::1]:7".into()));
        assert_eq!(target("https://directory").place, Place::One("directory:443".into()));
        let name = target("dns:///directory-service:50051");
        assert_eq!(name.host(), Some("directory-service"));
        assert_eq!(name.encrypted(), None);
        let list = target("127.0.0.2:50051, [::1]:50051");
        assert_eq!(
            list.place,
            Place::Addresses(vec!["127.0.0.2:50051".into(), "[::1]:50051".into()])
        );
        assert_eq!(list.host(), None);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let many = vec!["127.0.0.1:1"; MOST_ADDRESSES + 1].join(",");
        for text in [
            "",
            "127.0.0.1",
            "directory:50051",
            "/tmp/socket",
            "http://",
            "ftp://directory",
            "http://ada@directory:1",
            "http://directory:",
            "http://directory:0",
            "http://directory:99999",
            "http://directory:abc",
            "http://directory/path",
            "http://directory?x",
            "dns:///",
            "dns:///directory",
            "dns:///directory:0",
            "dns://10.0.0.1/directory:1",
            "dns:///dir ectory:1",
            "127.0.0.1:1,",
            &many,
        ] {
            assert_eq!(text.parse::<Target>(), Err(InvalidTarget), "{text}");
        }
    }

    #[test]
    fn only_addresses_of_this_machine_are_loopback() {
        for (text, loopback) in [
            ("http://localhost:1", true),
            ("http://127.9.9.9:1", true),
            ("https://[::1]:1", true),
            ("127.0.0.2:1,127.0.0.3:1", true),
            ("127.0.0.2:1,10.0.0.3:1", false),
            ("dns:///directory-service:1", false),
            ("http://10.0.0.1:1", false),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().is_loopback(), loopback, "{text}");
        }
    }
}
