//! What a start tells the person who made it: the addresses, and what to paste into Entra.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::SCIM_PATH;
use crate::connection::{DEFAULT_DATA_DIR, DEFAULT_GRPC_ENDPOINT};
use crate::failure::Failure;
use crate::tokens::DEFAULT_SOURCE;

/// Where the listeners are reached from this machine.
#[derive(Clone, Copy)]
pub struct Addresses {
    pub scim: SocketAddr,
    pub grpc: SocketAddr,
    pub admin: SocketAddr,
}

/// What a start tells the person who made it.
pub struct Announcement<'a> {
    pub addresses: Addresses,
    pub public_url: Option<String>,
    pub data_dir: &'a Path,
    /// Where mails go, if they go to files.
    pub outbox: Option<PathBuf>,
    /// The secret of the token that was issued now.
    pub secret: Option<SecretString>,
}

impl Announcement<'_> {
    /// Tells it on standard output.
    pub fn print(&self) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        match out.write_all(self.text().as_bytes()).and_then(|()| out.flush()) {
            // Nobody reads it: no reason to stop serving.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(Failure::output),
        }
    }

    fn text(&self) -> String {
        let Addresses { scim, grpc, admin } = self.addresses;
        let local = format!("http://{scim}");
        let base = self.public_url.as_ref().unwrap_or(&local);
        let mut text = format!(
            "Rollcall is running, with its data in {}. Ctrl-C stops it.\n\n\
             SCIM          {local}{SCIM_PATH}\n\
             gRPC          http://{grpc}\n\
             Admin         http://{admin}  (/startupz /livez /readyz /metrics)\n\n\
             Tenant URL    {base}{SCIM_PATH}\n",
            self.data_dir.display()
        );
        // Writing to a String cannot fail.
        let _ = match &self.secret {
            Some(secret) => writeln!(
                text,
                "Secret Token  {}\n\n\
                 Enter both in Entra, in the admin credentials of the application's provisioning. The token is shown \
                 this once.",
                secret.expose_secret()
            ),
            None => writeln!(text, "\nTo issue a new Secret Token:\n  {}", self.issue_command()),
        };
        if let Some(outbox) = &self.outbox {
            text.push_str(&format!(
                "\nActivation mails are written to {}, as no mail server is set (--smtp-host).\n",
                outbox.display()
            ));
        }
        if !base.starts_with("https://") {
            text.push_str(&format!(
                "\nEntra needs a public HTTPS address. Let a reverse proxy or a tunnel forward one to {local}, then \
                 start\nagain with --public-url https://...\n"
            ));
        }
        text
    }

    fn issue_command(&self) -> String {
        let mut command = format!("rollcall token issue --name {DEFAULT_SOURCE} --scope provision");
        if self.data_dir != Path::new(DEFAULT_DATA_DIR) {
            command.push_str(&format!(" --data-dir {}", shell_word(&self.data_dir.to_string_lossy())));
        }
        let endpoint = format!("http://{}", self.addresses.grpc);
        if endpoint != DEFAULT_GRPC_ENDPOINT {
            command.push_str(&format!(" --grpc-endpoint {}", shell_word(&endpoint)));
        }
        command
    }
}

/// A text as a POSIX shell reads it back.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcement(public_url: Option<&str>, secret: Option<&str>) -> String {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Announcement {
            addresses: Addresses {
                scim: address(8080),
                grpc: address(50051),
                admin: address(9090),
            },
            public_url: public_url.map(ToOwned::to_owned),
            data_dir: Path::new(DEFAULT_DATA_DIR),
            outbox: Some(PathBuf::from("/data/outbox")),
            secret: secret.map(Into::into),
        }
        .text()
    }

    #[test]
    fn a_first_start_prints_what_entra_asks_for_and_how_to_be_reached() {
        let text = announcement(None, Some("rc_a_b"));

        assert!(
            text.contains("\nTenant URL    http://127.0.0.1:8080/scim/v2\nSecret Token  rc_a_b\n"),
            "{text}"
        );
        assert!(
            text.contains("reverse proxy or a tunnel forward one to http://127.0.0.1:8080,"),
            "{text}"
        );
    }

    #[test]
    fn a_later_start_prints_the_command_for_a_new_token() {
        let text = announcement(Some("https://scim.example.com"), None);

        assert!(
            text.contains("\nTenant URL    https://scim.example.com/scim/v2\n"),
            "{text}"
        );
        assert!(
            text.contains("\n  rollcall token issue --name entra --scope provision\n"),
            "{text}"
        );
        assert!(!text.contains("rc_"), "{text}");
    }

    #[test]
    fn a_start_without_a_mail_server_says_where_mails_are_written() {
        let text = announcement(Some("https://scim.example.com"), None);

        assert!(
            text.ends_with("\nActivation mails are written to /data/outbox, as no mail server is set (--smtp-host).\n"),
            "{text}"
        );
    }

    #[test]
    fn a_word_is_quoted_for_the_shell_where_it_must_be() {
        assert_eq!(shell_word("/srv/rollcall-1"), "/srv/rollcall-1");
        assert_eq!(shell_word("it's here"), r"'it'\''s here'");
    }
}
