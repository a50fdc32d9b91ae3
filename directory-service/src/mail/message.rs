//! One mail as it travels: headers, text and HTML. Names come from outside; nothing in one can make a header or an element.

use std::time::{Duration, UNIX_EPOCH};

use lettre::Address;
use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};

use super::templates::{Templates, Words};
use crate::activation_code::ActivationCode;
use crate::directory::MailToSend;
use crate::domain::attribute::TextAttribute;
use crate::domain::language::preferred;

/// Names are cut to so many characters.
const MOST_CHARACTERS: usize = 256;

/// A mail that is ready to be sent.
#[derive(Debug)]
pub struct Letter {
    /// Who sends it.
    pub from: Address,
    /// Who gets it.
    pub to: Address,
    /// What is sent.
    pub bytes: Vec<u8>,
}

/// Why there is no mail.
#[derive(Debug, thiserror::Error)]
pub enum Unwritable {
    /// The user's address is none.
    #[error("the address is not usable")]
    Address,
    /// A template fails, which is the operator's to mend.
    #[error("{0}")]
    Template(String),
    /// Its parts make no mail.
    #[error("the message cannot be built")]
    Parts(#[from] lettre::error::Error),
}

/// Writes the mail that tells a user this code.
///
/// # Errors
/// [`Unwritable`].
pub fn write(
    mail: &MailToSend,
    code: &ActivationCode,
    from: &Address,
    templates: &Templates,
    now_us: i64,
) -> Result<Letter, Unwritable> {
    let MailToSend {
        user,
        address,
        settings,
    } = mail;
    let to: Address = address.as_str().trim().parse().map_err(|_| Unwritable::Address)?;
    let wishes = user.profile.text(TextAttribute::PreferredLanguage);
    let wishes = wishes.map(|list| preferred(list.as_str())).unwrap_or_default();
    let language = templates.language(&wishes, &settings.default_language);
    let code = code.grouped();
    let link = settings.activation_url_template.as_ref();
    let display_name = user
        .profile
        .text(TextAttribute::DisplayName)
        .map(|name| shown(name.as_str()));
    let words = Words {
        tenant: shown(settings.display_name.as_str()),
        user_name: shown(user.user_name.as_str()),
        display_name: display_name.filter(|name| !name.is_empty()),
        link: link.map(|link| link.link(&code, user.id)),
        code,
        days: settings.activation_validity_days,
    };
    let rendered = templates.render(language, &words).map_err(Unwritable::Template)?;
    let sender = settings.mail_sender_name.as_ref().unwrap_or(&settings.display_name);
    let sender = Some(shown(sender.as_str())).filter(|name| !name.is_empty());
    // The same at every attempt: who gets it twice can tell.
    let id = format!("<{}.{}@{}>", user.id, user.activation.code_number, from.domain());
    let now = UNIX_EPOCH + Duration::from_micros(u64::try_from(now_us).unwrap_or_default());
    // Ours, as lettre's own reads the headers again and fails at a quoted local part.
    let envelope = Envelope::new(Some(from.clone()), vec![to.clone()])?;
    let message = Message::builder()
        .envelope(envelope)
        .from(Mailbox::new(sender, from.clone()))
        .to(Mailbox::new(None, to.clone()))
        .subject(shown(&rendered.subject))
        .date(now)
        .message_id(Some(id))
        .raw_header(plain("Auto-Submitted", "auto-generated")) // RFC 3834 §5
        .raw_header(plain("Content-Language", language)) // RFC 3282
        .header(MIME_VERSION_1_0)
        .multipart(
            MultiPart::alternative()
                .singlepart(part(ContentType::TEXT_PLAIN, rendered.text))
                .singlepart(part(ContentType::TEXT_HTML, rendered.html)),
        )?;
    Ok(Letter {
        from: from.clone(),
        to,
        bytes: message.formatted(),
    })
}

fn part(kind: ContentType, text: String) -> SinglePart {
    SinglePart::builder().header(kind).body(text)
}

fn plain(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// A name as a mail may show it: one line, without characters that turn what follows around (Unicode's UAX #9), not longer
/// than a name is.
fn shown(name: &str) -> String {
    let turns =
        |c: &char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let line: String = name
        .chars()
        .filter(|c| !turns(c))
        .map(|c| if breaks(c) { ' ' } else { c })
        .take(MOST_CHARACTERS)
        .collect();
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use mail_parser::{HeaderValue, MessageParser};

    use super::*;
    use crate::activation_code::ActivationCodes;
    use crate::domain::id::{TenantId, UserId};
    use crate::domain::language::LanguageTag;
    use crate::domain::tenant::{ActivationUrlTemplate, DisplayName, Settings, WriteRules};
    use crate::domain::text::Text;
    use crate::domain::user::{Cause, NewUser};
    use crate::keyring::Keyring;

    const NOW_US: i64 = 1_767_225_600_000_000;

    fn mail(user_name: &str, display_name: &str, tenant: &str) -> MailToSend {
        let cause = Cause {
            since_us: 1,
            actor: "token".to_owned(),
        };
        let mut user =
            NewUser::named(user_name.parse().unwrap()).create(UserId::generate(), &cause, &WriteRules::without_mail());
        user.activation.code_number = 7;
        let name = Some(Text::from_row(display_name.to_owned()));
        user.profile.set_text(TextAttribute::DisplayName, name);
        MailToSend {
            user,
            address: Text::from_row("ada@example.com".to_owned()),
            settings: Settings::named(DisplayName::from_row(tenant.to_owned())),
        }
    }

    fn code() -> ActivationCode {
        ActivationCodes::new(Keyring::fixed(&[[7; 32]])).derive(TenantId::generate(), UserId::generate(), 1)
    }

    fn written(mail: &MailToSend) -> Result<Letter, Unwritable> {
        let from = "accounts@example.org".parse().unwrap();
        write(mail, &code(), &from, &Templates::embedded(), NOW_US)
    }

    /// The headers' names, in order, as they stand in the mail.
    fn header_names(bytes: &[u8]) -> Vec<String> {
        let text = std::str::from_utf8(bytes).unwrap();
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        let first_lines = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
        first_lines
            .map(|line| line.split_once(':').unwrap().0.to_owned())
            .collect()
    }

    const HEADERS: [&str; 9] = [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "Content-Language",
        "MIME-Version",
        "Content-Type",
    ];

    #[test]
    fn a_mail_has_both_parts_and_every_header() {
        let mut mail = mail("ada@acme.example", "Ada Lovelace", "Acme");
        mail.settings.mail_sender_name = Some(DisplayName::from_row("Acme Accounts".to_owned()));
        mail.settings.activation_url_template =
            Some(ActivationUrlTemplate::parse("template", "https://login.example.com/?c={code}").unwrap());
        let language = Some(Text::from_row("da, fr-CH;q=0.9, en;q=0.1".to_owned()));
        mail.user.profile.set_text(TextAttribute::PreferredLanguage, language);

        let letter = written(&mail).unwrap();

        assert_eq!(
            (letter.from.to_string(), letter.to.to_string()),
            ("accounts@example.org".into(), "ada@example.com".into())
        );
        let parsed = MessageParser::default().parse(&letter.bytes).unwrap();
        let from = parsed.from().unwrap().first().unwrap();
        assert_eq!(
            (from.name(), from.address()),
            (Some("Acme Accounts"), Some("accounts@example.org"))
        );
        assert_eq!(parsed.to().unwrap().first().unwrap().address(), Some("ada@example.com"));
        assert_eq!(parsed.subject(), Some("Activez votre compte Acme"));
        assert_eq!(parsed.date().unwrap().to_rfc3339(), "2026-01-01T00:00:00Z");
        assert_eq!(parsed.message_id(), Some(&*format!("{}.7@example.org", mail.user.id)));
        assert_eq!(
            parsed.header("Auto-Submitted"),
            Some(&HeaderValue::Text("auto-generated".into()))
        );
        assert_eq!(parsed.header("Content-Language"), Some(&HeaderValue::Text("fr".into())));
        let link = format!("https://login.example.com/?c={}", code_in(&letter.bytes));
        let (text, html) = (parsed.body_text(0).unwrap(), parsed.body_html(0).unwrap());
        assert!(
            text.starts_with("Bonjour Ada Lovelace,") && text.contains(&link),
            "{text}"
        );
        assert!(
            html.contains("<html lang=\"fr\">") && html.contains("<bdi>Ada Lovelace</bdi>"),
            "{html}"
        );
        assert_eq!(header_names(&letter.bytes), HEADERS);
        assert!(letter.bytes.is_ascii(), "any server can carry it");
    }

    fn code_in(bytes: &[u8]) -> String {
        let parsed = MessageParser::default().parse(bytes).unwrap();
        let text = parsed.body_text(0).unwrap();
        let (_, rest) = text.split_once("activation").unwrap();
        let code = rest
            .split_whitespace()
            .find(|word| word.matches('-').count() == 2 && word.len() == 14);
        code.unwrap().to_owned()
    }

    /// Names that try to break out of where they stand.
    fn hostile_names() -> Vec<String> {
        vec![
            "Ada\r\nBcc: victim@example.com".to_owned(),
            "Ada\nSubject: You won\n\nhttp://evil.example".to_owned(),
            "Ada\r\n\r\n<html>a body</html>".to_owned(),
            "Ada\r\n.\r\nMAIL FROM:<x@y.z>".to_owned(),
            "\"Ada\" <evil@example.com>, other@example.com".to_owned(),
            "Ada\\\" (comment) <evil@example.com>".to_owned(),
            "=?utf-8?q?=0D=0ABcc=3A_victim=40example.com?=".to_owned(),
            "<script>alert('x')</script><img src=x onerror=y>".to_owned(),
            "{{ code }}{% raw %}{{ 7*1117 }}".to_owned(),
            "\u{202e}moc.elpmaxe\u{2066}\u{200f}".to_owned(),
            "Ada\u{2028}Bcc: x@y.z\u{85}\u{b}\u{0}".to_owned(),
            "\u{1f469}\u{200d}\u{1f4bb} 日本語 Ærøskøbing".to_owned(),
            "x".repeat(256),
            "é".repeat(256),
            "\u{1f600}".repeat(256),
            "z\r\n".repeat(20_000),
        ]
    }

    #[test]
    fn no_name_makes_a_header_a_recipient_or_an_element() {
        for name in hostile_names() {
            let mail = mail(&user_name(&name), &name, &name);
            let letter = written(&mail).unwrap();

            assert_eq!(header_names(&letter.bytes), HEADERS, "{name:?}");
            let parsed = MessageParser::default().parse(&letter.bytes).unwrap();
            let from = parsed.from().unwrap();
            assert_eq!(from.iter().count(), 1, "{name:?}");
            assert_eq!(from.first().unwrap().address(), Some("accounts@example.org"));
            assert_eq!(parsed.to().unwrap().iter().count(), 1);
            assert_eq!(parsed.to().unwrap().first().unwrap().address(), Some("ada@example.com"));
            assert!(
                parsed.subject().unwrap().starts_with("Activate your account at "),
                "{name:?}"
            );
            assert_eq!(
                (
                    parsed.text_body_count(),
                    parsed.html_body_count(),
                    parsed.attachment_count()
                ),
                (1, 1, 0)
            );
            let (text, html) = (parsed.body_text(0).unwrap(), parsed.body_html(0).unwrap());
            for tag in ["<script", "<img", "<html>", "<evil"] {
                assert!(!html.contains(tag), "{name:?} made {tag}: {html}");
            }
            assert_eq!(html.matches('<').count(), html_tags(), "{name:?}: {html}");
            for line in text.lines().chain(html.lines()) {
                assert!(
                    !line.starts_with("Bcc:") && !line.starts_with("http://evil"),
                    "{name:?}: {line}"
                );
            }
            assert!(
                !text.contains("7819") && !html.contains("7819"),
                "{name:?} was taken for a template"
            );
            let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            assert!(!text.contains(turns) && !html.contains(turns) && !parsed.subject().unwrap().contains(turns));
        }
    }

    /// A user name may hold nearly everything, but neither control characters nor white space at its ends.
    fn user_name(name: &str) -> String {
        let allowed: String = name.chars().filter(|c| !c.is_control()).take(200).collect();
        format!("a{}a", allowed.trim())
    }

    /// How many tags a mail to somebody harmless has.
    fn html_tags() -> usize {
        let letter = written(&mail("ada", "Ada", "Acme")).unwrap();
        let parsed = MessageParser::default().parse(&letter.bytes).unwrap();
        parsed.body_html(0).unwrap().matches('<').count()
    }

    #[test]
    fn names_that_are_harmless_arrive_as_they_are() {
        for name in [
            "Zoë \"Zo\" O'Brien",
            "Ærøskøbing & Søn, A/S",
            "日本語 \u{1f600}",
            "Doe, Jane (HR)",
        ] {
            let letter = written(&mail(name, name, name)).unwrap();
            let parsed = MessageParser::default().parse(&letter.bytes).unwrap();
            assert_eq!(parsed.from().unwrap().first().unwrap().name(), Some(name));
            assert_eq!(parsed.subject(), Some(&*format!("Activate your account at {name}")));
            let text = parsed.body_text(0).unwrap();
            assert!(text.lines().any(|line| line == format!("User name: {name}")), "{text}");
        }
    }

    #[test]
    fn an_address_that_is_none_gets_no_mail() {
        for bad in [
            "",
            "ada",
            "ada@",
            "@example.com",
            "ada@example.com, eve@example.com",
            "Ada <ada@example.com>",
            "ada@example.com\r\nBcc: eve@example.com",
            "ada@example.com>\r\nRCPT TO:<eve@example.com",
            "ada@exa mple.com",
        ] {
            let mut mail = mail("ada", "Ada", "Acme");
            mail.address = Text::from_row(bad.to_owned());
            let error = written(&mail).unwrap_err();
            assert_eq!(error.to_string(), "the address is not usable", "{bad:?}");
        }
    }

    #[test]
    fn an_address_with_a_quoted_local_part_gets_mail() {
        let mut mail = mail("ada", "Ada", "Acme");
        mail.address = Text::from_row("\"a b\"@example.com".to_owned());

        let letter = written(&mail).unwrap();

        assert_eq!(letter.to.to_string(), "\"a b\"@example.com");
        let text = String::from_utf8(letter.bytes).unwrap();
        assert!(text.contains("To: \"a b\"@example.com\r\n"), "{text}");
    }

    #[test]
    fn a_message_id_is_the_same_for_every_attempt_and_another_for_another_code() {
        let id = |mail: &MailToSend| {
            let letter = written(mail).unwrap();
            MessageParser::default()
                .parse(&letter.bytes)
                .unwrap()
                .message_id()
                .unwrap()
                .to_owned()
        };
        let mut mail = mail("ada", "Ada", "Acme");
        let first = id(&mail);
        mail.settings.default_language = LanguageTag::parse("tag", "de").unwrap();
        assert_eq!(id(&mail), first);
        mail.user.activation.code_number += 1;
        assert_ne!(id(&mail), first);
    }
}
