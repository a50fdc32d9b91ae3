//! The settings of mail: where activation mails go, what they say, and where their links may lead.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use directory_proto::service::settings::{Problems, SettingsError, given, given_path, path};
use lettre::Address;

use crate::mail::{Delivery, Encryption, FIRST_PAUSE, LONGEST_ATTEMPT, MailServer, Mailing, Templates};

const MOST_RETRY_SECONDS: u64 = 3_600;

/// The settings of mail, as given.
#[derive(Args, Clone, Debug, Default)]
pub struct MailArgs {
    /// The mail server that takes activation mails.
    #[arg(long, env = "DIRECTORY_SMTP_HOST")]
    smtp_host: Option<String>,
    /// Its port [default: 587 with starttls, 465 with tls, 25 with none].
    #[arg(long, env = "DIRECTORY_SMTP_PORT")]
    smtp_port: Option<String>,
    /// starttls, tls, or none for a server on this machine [default: starttls].
    #[arg(long, env = "DIRECTORY_SMTP_TLS")]
    smtp_tls: Option<String>,
    /// A file with the certificates, in PEM, of an authority of yours that vouches for the mail server.
    #[arg(long, env = "DIRECTORY_SMTP_CA_FILE", value_parser = path())]
    smtp_ca_file: Option<PathBuf>,
    /// Who logs in to the mail server.
    #[arg(long, env = "DIRECTORY_SMTP_USERNAME")]
    smtp_username: Option<String>,
    /// A file with the password, read again for each mail.
    #[arg(long, env = "DIRECTORY_SMTP_PASSWORD_FILE", value_parser = path())]
    smtp_password_file: Option<PathBuf>,
    /// How long an attempt to send a mail may take, 1 to 30 seconds [default: 30].
    #[arg(long, env = "DIRECTORY_SMTP_TIMEOUT_SECONDS")]
    smtp_timeout_seconds: Option<String>,
    /// The address of the sender; required with a mail server.
    #[arg(long, env = "DIRECTORY_MAIL_FROM")]
    mail_from: Option<String>,
    /// A folder with templates that replace the built-in ones and add languages.
    #[arg(long, env = "DIRECTORY_MAIL_TEMPLATES", value_parser = path())]
    mail_templates: Option<PathBuf>,
    /// The pause after the first failure that may go away; it doubles up to four hours [default: 60].
    #[arg(long, env = "DIRECTORY_MAIL_RETRY_SECONDS")]
    mail_retry_seconds: Option<String>,
    /// The hosts that links in mails may have, with commas between them [default: none].
    #[arg(long, env = "DIRECTORY_ACTIVATION_URL_HOSTS")]
    activation_url_hosts: Option<String>,
}

impl MailArgs {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`SettingsError`]: every problem at once.
    pub fn check(self) -> Result<Mailing, SettingsError> {
        let mut problems = Problems::default();
        let mailing = self.read(&mut problems);
        problems.none_or(mailing)
    }

    pub(super) fn read(self, problems: &mut Problems) -> Mailing {
        let defaults = Mailing::default();
        let from = given(self.mail_from.clone());
        let host = given(self.smtp_host.clone());
        if host.is_some() && from.is_none() {
            problems.add("DIRECTORY_MAIL_FROM is required with DIRECTORY_SMTP_HOST: the address of the sender");
        }
        let from = from.and_then(|text| match text.parse::<Address>() {
            Ok(address) => Some(address),
            Err(_) => {
                problems.add("DIRECTORY_MAIL_FROM must be a mail address alone, such as accounts@example.com");
                None
            }
        });
        let folder = given_path(self.mail_templates.clone());
        let templates = folder.map_or_else(Templates::embedded, |folder| {
            Templates::load(&folder).unwrap_or_else(|wrong| {
                wrong
                    .iter()
                    .for_each(|wrong| problems.add(format!("DIRECTORY_MAIL_TEMPLATES: {wrong}")));
                Templates::embedded()
            })
        });
        let retry = problems.number(
            "DIRECTORY_MAIL_RETRY_SECONDS",
            self.mail_retry_seconds.clone(),
            1..=MOST_RETRY_SECONDS,
        );
        let timeout = self.smtp_timeout_seconds.clone();
        let timeout = problems.number("DIRECTORY_SMTP_TIMEOUT_SECONDS", timeout, 1..=LONGEST_ATTEMPT.as_secs());
        let hosts = given(self.activation_url_hosts.clone()).unwrap_or_default();
        let server = self.server(host, problems);
        Mailing {
            left_files: None,
            delivery: server.map_or(Delivery::Nowhere, |server| Delivery::Smtp(Box::new(server))),
            from: from.unwrap_or(defaults.from),
            templates,
            link_hosts: link_hosts(&hosts, problems),
            first_pause: retry.map_or(FIRST_PAUSE, Duration::from_secs),
            longest_attempt: timeout.map_or(LONGEST_ATTEMPT, Duration::from_secs),
        }
    }

    fn server(self, host: Option<String>, problems: &mut Problems) -> Option<MailServer> {
        let encryption = match given(self.smtp_tls).as_deref() {
            None | Some("starttls") => Encryption::StartTls,
            Some("tls") => Encryption::Tls,
            Some("none") => Encryption::None,
            Some(_) => {
                problems.add("DIRECTORY_SMTP_TLS must be starttls, tls, or none");
                Encryption::StartTls
            }
        };
        let port = problems.number("DIRECTORY_SMTP_PORT", self.smtp_port, 1..=u16::MAX);
        let default_port = match encryption {
            Encryption::StartTls => 587,
            Encryption::Tls => 465,
            Encryption::None => 25,
        };
        if encryption == Encryption::None && host.as_deref().is_some_and(|host| !is_loopback(host)) {
            problems
                .add("DIRECTORY_SMTP_TLS may be none only for a mail server on this machine: localhost or 127.0.0.1");
        }
        let login = match (given(self.smtp_username), given_path(self.smtp_password_file)) {
            (Some(user), Some(file)) => {
                if let Err(error) = std::fs::read_to_string(&file) {
                    problems.add(format!(
                        "DIRECTORY_SMTP_PASSWORD_FILE: {} cannot be read: {error}",
                        file.display()
                    ));
                }
                Some((user, file))
            }
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                problems
                    .add("DIRECTORY_SMTP_USERNAME and DIRECTORY_SMTP_PASSWORD_FILE go together: set both or neither");
                None
            }
        };
        let authorities = given_path(self.smtp_ca_file).and_then(|file| match std::fs::read(&file) {
            Ok(pem) => Some((file, pem)),
            Err(error) => {
                problems.add(format!(
                    "DIRECTORY_SMTP_CA_FILE: {} cannot be read: {error}",
                    file.display()
                ));
                None
            }
        });
        let port = port.unwrap_or(default_port);
        let pem = authorities.as_ref().map(|(_, pem)| pem.as_slice());
        let server = MailServer::new(&host?, port, encryption, login, pem);
        server
            .map_err(|error| {
                let file = authorities.map(|(file, _)| file).unwrap_or_default();
                problems.add(format!("DIRECTORY_SMTP_CA_FILE: {} {error}", file.display()));
            })
            .ok()
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The hosts of a list, in lower case.
fn link_hosts(list: &str, problems: &mut Problems) -> Vec<String> {
    let hosts = list.split(',').map(str::trim).filter(|host| !host.is_empty());
    let hosts: Vec<String> = hosts.map(str::to_ascii_lowercase).collect();
    let is_host = |host: &String| {
        host.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte))
    };
    let has_port = |host: &String| !host.starts_with('[') && host.contains(':');
    if !hosts.iter().all(|host| is_host(host) && !has_port(host)) {
        problems.add(
            "DIRECTORY_ACTIVATION_URL_HOSTS must be names of hosts alone, such as login.example.com,id.example.org",
        );
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(change: impl FnOnce(&mut MailArgs)) -> Result<Mailing, Vec<String>> {
        let mut args = MailArgs {
            smtp_host: Some("mail.example.com".to_owned()),
            mail_from: Some("accounts@example.com".to_owned()),
            ..MailArgs::default()
        };
        change(&mut args);
        args.check().map_err(|errors| errors.0)
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn without_a_mail_server_mails_go_nowhere() {
        let mailing = MailArgs::default().check().unwrap();
        assert!(matches!(mailing.delivery, Delivery::Nowhere));
        assert_eq!(
            (mailing.first_pause, mailing.longest_attempt),
            (FIRST_PAUSE, LONGEST_ATTEMPT)
        );
        let empty = checked(|args| args.smtp_host = some(""));
        assert!(
            matches!(empty.unwrap().delivery, Delivery::Nowhere),
            "an empty variable counts as none"
        );
    }

    #[test]
    fn a_mail_server_has_the_port_of_its_encryption() {
        for (tls, expected) in [
            (None, "MailServer(mail.example.com:587 StartTls)"),
            (some("starttls"), "MailServer(mail.example.com:587 StartTls)"),
            (some("tls"), "MailServer(mail.example.com:465 Tls)"),
        ] {
            let Delivery::Smtp(server) = checked(|args| args.smtp_tls = tls).unwrap().delivery else {
                panic!("a mail server was given")
            };
            assert_eq!(format!("{server:?}"), expected);
        }
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let problems = checked(|args| {
            args.mail_from = None;
            args.mail_templates = Some("/nowhere/at/all".into());
            args.mail_retry_seconds = some("0");
            args.smtp_timeout_seconds = some("31");
            args.smtp_tls = some("ssl");
            args.smtp_port = some("0");
            args.smtp_username = some("ada");
            args.smtp_ca_file = Some("/nowhere/ca.pem".into());
            args.activation_url_hosts = some("https://login.example.com");
        });
        let gone = "No such file or directory (os error 2)";
        assert_eq!(
            problems.unwrap_err(),
            [
                "DIRECTORY_MAIL_FROM is required with DIRECTORY_SMTP_HOST: the address of the sender".to_owned(),
                format!("DIRECTORY_MAIL_TEMPLATES: /nowhere/at/all cannot be read: {gone}"),
                "DIRECTORY_MAIL_RETRY_SECONDS must be a whole number from 1 to 3600".to_owned(),
                "DIRECTORY_SMTP_TIMEOUT_SECONDS must be a whole number from 1 to 30".to_owned(),
                "DIRECTORY_SMTP_TLS must be starttls, tls, or none".to_owned(),
                "DIRECTORY_SMTP_PORT must be a whole number from 1 to 65535".to_owned(),
                "DIRECTORY_SMTP_USERNAME and DIRECTORY_SMTP_PASSWORD_FILE go together: set both or neither".to_owned(),
                format!("DIRECTORY_SMTP_CA_FILE: /nowhere/ca.pem cannot be read: {gone}"),
                "DIRECTORY_ACTIVATION_URL_HOSTS must be names of hosts alone, such as login.example.com,id.example.org"
                    .to_owned(),
            ]
        );
    }

    #[test]
    fn mail_is_sent_in_the_clear_only_within_this_machine() {
        for local in ["localhost", "127.0.0.1", "::1"] {
            let mailing = checked(|args| {
                args.smtp_host = some(local);
                args.smtp_tls = some("none");
            });
            assert!(mailing.is_ok(), "{local}");
        }
        let refused = checked(|args| args.smtp_tls = some("none")).unwrap_err();
        assert_eq!(
            refused,
            ["DIRECTORY_SMTP_TLS may be none only for a mail server on this machine: localhost or 127.0.0.1"]
        );
    }

    #[test]
    fn a_sender_is_an_address_and_nothing_else() {
        for bad in [
            "Accounts <a@example.com>",
            "example.com",
            "a@b.c\r\nBcc: x@y.z",
            "a@b.c,d@e.f",
        ] {
            let problems = checked(|args| args.mail_from = some(bad)).unwrap_err();
            assert_eq!(
                problems,
                ["DIRECTORY_MAIL_FROM must be a mail address alone, such as accounts@example.com"],
                "{bad}"
            );
        }
    }

    #[test]
    fn hosts_of_links_are_kept_in_lower_case() {
        let mailing = checked(|args| args.activation_url_hosts = some(" Login.example.com, [2001:DB8::1],"));
        assert_eq!(mailing.unwrap().link_hosts, ["login.example.com", "[2001:db8::1]"]);
        for bad in ["login.example.com:8443", "*", "login.example.com/x"] {
            assert!(checked(|args| args.activation_url_hosts = some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn neither_a_password_nor_what_is_no_certificate_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "hunter2\n").unwrap();
        let with_login = |args: &mut MailArgs| {
            args.smtp_username = some("ada");
            args.smtp_password_file = Some(file.clone());
        };
        assert!(!format!("{:?}", checked(with_login).unwrap()).contains("hunter2"));
        let problems = checked(|args| args.smtp_ca_file = Some(file.clone())).unwrap_err();
        assert_eq!(
            problems,
            [format!(
                "DIRECTORY_SMTP_CA_FILE: {} holds no certificate in PEM",
                file.display()
            )]
        );
    }
}
