//! What a mail says: a text and an HTML template for each language, built in and replaceable by files.
//!
//! `fr.txt` begins with a line `Subject: …` and a blank one; `fr.html` is the same mail in HTML, where values are escaped. Both
//! are Jinja templates of `tenant`, `user_name`, `display_name`, `code`, `link` (the last two but one and the last may be
//! none), `days` and `language`.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{Environment, UndefinedBehavior, context};

use crate::domain::language::{DEFAULT_LANGUAGE, LanguageTag};

macro_rules! embedded {
    ($($language:literal),+) => {
        [$(
            (concat!($language, ".txt"), include_str!(concat!("templates/", $language, ".txt"))),
            (concat!($language, ".html"), include_str!(concat!("templates/", $language, ".html"))),
        )+]
    };
}

const EMBEDDED: [(&str, &str); 14] = embedded!("de", "en", "es", "fr", "it", "nl", "pt");
const SUBJECT: &str = "Subject:";
const MOST_FILE_BYTES: u64 = 256 * 1024;

/// What stands in a mail. Everything in it is one line.
#[derive(Clone)]
pub struct Words {
    /// The name of the tenant.
    pub tenant: String,
    /// The user's name.
    pub user_name: String,
    /// The user's display name, if there is one.
    pub display_name: Option<String>,
    /// The code, in groups.
    pub code: String,
    /// The link that holds the code, if the tenant has one.
    pub link: Option<String>,
    /// For how many days the code is good.
    pub days: u16,
}

/// A mail's three texts.
#[derive(Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// HTML.
    pub html: String,
}

/// The templates of all languages. Cheap to clone.
#[derive(Clone)]
pub struct Templates {
    environment: Arc<Environment<'static>>,
    /// The languages, in the spelling of their files.
    languages: Arc<[String]>,
}

impl Templates {
    /// Those that are built in.
    pub fn embedded() -> Self {
        Self::checked(Sources::embedded()).expect("the tests render every one of them")
    }

    /// Those that are built in, replaced and added to by the files of a folder. Every one is tried out.
    ///
    /// # Errors
    /// Everything that is wrong, each with the file and, in a template, the line.
    pub fn load(folder: &Path) -> Result<Self, Vec<String>> {
        let mut sources = Sources::embedded();
        let mut problems = sources.add(folder);
        let languages = sources.languages();
        for language in &languages {
            for missing in [format!("{language}.txt"), format!("{language}.html")] {
                if !sources.has(&missing) {
                    problems.push(format!("{missing} is missing: a language has both"));
                }
            }
        }
        if problems.is_empty() {
            Self::checked(sources)
        } else {
            Err(problems)
        }
    }

    fn checked(sources: Sources) -> Result<Self, Vec<String>> {
        let languages = sources.languages();
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut syntax = SyntaxConfig::builder();
        syntax.trim_blocks(true).lstrip_blocks(true);
        environment.set_syntax(syntax.build().map_err(|error| vec![error.to_string()])?);
        let mut problems = Vec::new();
        for (name, source) in sources.0 {
            if let Err(error) = environment.add_template_owned(name, source) {
                problems.push(told(&error));
            }
        }
        let templates = Self {
            environment: Arc::new(environment),
            languages: languages.into(),
        };
        if problems.is_empty() {
            problems = templates.try_out();
        }
        if problems.is_empty() {
            Ok(templates)
        } else {
            Err(problems)
        }
    }

    /// Renders everything with and without what may be none.
    fn try_out(&self) -> Vec<String> {
        let whole = Words {
            tenant: "Example".to_owned(),
            user_name: "ada@example.com".to_owned(),
            display_name: Some("Ada".to_owned()),
            code: "ABCD-EFGH-JKMN".to_owned(),
            link: Some("https://example.com/".to_owned()),
            days: 21,
        };
        let bare = Words {
            display_name: None,
            link: None,
            days: 1,
            ..whole.clone()
        };
        let mut problems = Vec::new();
        for language in self.languages.iter() {
            match self.render(language, &whole).and_then(|_| self.render(language, &bare)) {
                Ok(Rendered { text, html, .. }) => {
                    let without = [("txt", text), ("html", html)]
                        .into_iter()
                        .filter(|(_, said)| !said.contains(&bare.code));
                    problems.extend(without.map(|(kind, _)| format!("{language}.{kind} does not show {{{{ code }}}}")));
                }
                Err(problem) => problems.push(problem),
            }
        }
        problems
    }

    /// The language for somebody who would like these, the best first (RFC 4647 §3.4): the first that leads to one that is
    /// there, else what the tenant's default leads to, else English.
    pub fn language(&self, preferred: &[LanguageTag], default: &LanguageTag) -> &str {
        let available: Vec<&str> = self.languages.iter().map(String::as_str).collect();
        let mut wanted = preferred.iter().chain([default]);
        wanted
            .find_map(|tag| tag.look_up(&available))
            .unwrap_or(DEFAULT_LANGUAGE)
    }

    /// The mail in this language.
    ///
    /// # Errors
    /// What is wrong with a template, with its file and line.
    pub fn render(&self, language: &str, words: &Words) -> Result<Rendered, String> {
        let Words {
            tenant,
            user_name,
            display_name,
            code,
            link,
            days,
        } = words;
        let values = context! { tenant, user_name, display_name, code, link, days, language };
        let txt = format!("{language}.txt");
        let text = self.render_one(&txt, &values)?;
        let (subject, text) = text.split_once('\n').unwrap_or((&text, ""));
        let subject = subject
            .strip_prefix(SUBJECT)
            .map(str::trim)
            .filter(|subject| !subject.is_empty());
        Ok(Rendered {
            subject: subject
                .ok_or_else(|| format!("{txt}:1: must begin with a line `{SUBJECT} …`"))?
                .to_owned(),
            text: format!("{}\n", text.trim_matches(['\r', '\n'])),
            html: self.render_one(&format!("{language}.html"), &values)?,
        })
    }

    fn render_one(&self, name: &str, values: &Value) -> Result<String, String> {
        let template = self.environment.get_template(name).map_err(|error| told(&error))?;
        template.render(values).map_err(|error| told(&error))
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Templates({})", self.languages.join(" "))
    }
}

/// The error of a template, without the values that it was rendered with.
fn told(error: &minijinja::Error) -> String {
    let name = error.name().unwrap_or("a template");
    let line = error.line().map(|line| format!(":{line}")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{name}{line}: {}{detail}", error.kind())
}

/// Templates by the name of their files.
struct Sources(Vec<(String, String)>);

impl Sources {
    fn embedded() -> Self {
        Self(
            EMBEDDED
                .map(|(name, source)| (name.to_owned(), source.to_owned()))
                .to_vec(),
        )
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(there, _)| there == name)
    }

    fn languages(&self) -> Vec<String> {
        let names = self.0.iter().filter_map(|(name, _)| name.split_once('.'));
        let mut languages: Vec<String> = names.map(|(language, _)| language.to_owned()).collect();
        languages.sort_unstable();
        languages.dedup();
        languages
    }

    /// Adds the files of a folder; what is wrong with them.
    fn add(&mut self, folder: &Path) -> Vec<String> {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return vec![format!("{} cannot be read: {error}", folder.display())],
        };
        let mut problems = Vec::new();
        for entry in entries {
            let added = entry
                .map_err(|error| error.to_string())
                .and_then(|entry| self.add_file(&entry.path()));
            problems.extend(added.err());
        }
        problems.sort_unstable();
        problems
    }

    fn add_file(&mut self, file: &Path) -> Result<(), String> {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with('.') {
            return Ok(()); // Kubernetes keeps such beside the files of a volume
        }
        let language = name.strip_suffix(".txt").or_else(|| name.strip_suffix(".html"));
        let is_language = language.is_some_and(|language| LanguageTag::parse("language", language).is_ok());
        if !is_language {
            return Err(format!(
                "{}: a template is named like fr.txt or fr.html",
                file.display()
            ));
        }
        let cannot = |error: &dyn fmt::Display| format!("{} cannot be read: {error}", file.display());
        let length = std::fs::metadata(file).map_err(|error| cannot(&error))?.len();
        if length > MOST_FILE_BYTES {
            return Err(format!("{} has more than {MOST_FILE_BYTES} bytes", file.display()));
        }
        let source = std::fs::read_to_string(file).map_err(|error| cannot(&error))?;
        match self.0.iter_mut().find(|(there, _)| there.eq_ignore_ascii_case(name)) {
            Some((_, there)) => *there = source,
            None => self.0.push((name.to_owned(), source)),
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn words() -> Words {
        Words {
            tenant: "Acme".to_owned(),
            user_name: "ada@example.com".to_owned(),
            display_name: Some("Ada".to_owned()),
            code: "ABCD-EFGH-JKMN".to_owned(),
            link: Some("https://login.example.com/activate?code=ABCD-EFGH-JKMN".to_owned()),
            days: 21,
        }
    }

    fn tag(text: &str) -> LanguageTag {
        LanguageTag::parse("tag", text).unwrap()
    }

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, source) in files {
            std::fs::write(folder.path().join(name), source).unwrap();
        }
        folder
    }

    #[test]
    fn every_language_says_everything_in_its_own_words() {
        let templates = Templates::embedded();
        assert_eq!(templates.languages[..], ["de", "en", "es", "fr", "it", "nl", "pt"]);
        let english = templates.render("en", &words()).unwrap();

        for language in templates.languages.iter() {
            let mail = templates.render(language, &words()).unwrap();
            for said in [
                "Acme",
                "ada@example.com",
                "Ada",
                "ABCD-EFGH-JKMN",
                "https://login.example.com/activate",
                "21",
            ] {
                assert!(mail.text.contains(said), "{language}.txt says {said}: {}", mail.text);
                let escaped = said.replace('/', "&#x2f;");
                assert!(
                    mail.html.contains(&escaped),
                    "{language}.html says {said}: {}",
                    mail.html
                );
            }
            assert!(mail.subject.contains("Acme"), "{}", mail.subject);
            assert!(mail.html.contains(&format!("<html lang=\"{language}\">")));
            assert!(
                !mail.text.contains("\n\n\n") && mail.text.ends_with(".\n"),
                "{}",
                mail.text
            );
            if language != "en" {
                let shared = english
                    .text
                    .lines()
                    .filter(|line| line.contains(' ') && mail.text.contains(line));
                assert_eq!(shared.count(), 0, "{language} has its own words");
                assert_ne!(mail.subject, english.subject);
            }
        }
    }

    #[test]
    fn a_mail_without_a_name_and_a_link_speaks_of_neither() {
        let templates = Templates::embedded();
        let bare = Words {
            display_name: None,
            link: None,
            days: 1,
            ..words()
        };
        let mail = templates.render("en", &bare).unwrap();

        assert_eq!(
            mail.text,
            "Hello,\n\nAn account was created for you at Acme.\n\nUser name: ada@example.com\n\
             Activation code: ABCD-EFGH-JKMN\n\nThe code is valid for one day after this e-mail was sent, and it works once.\n\n\
             If you did not expect this e-mail, you can ignore it.\n"
        );
        assert!(!mail.html.contains("href"), "{}", mail.html);
    }

    #[test]
    fn names_are_escaped_in_html() {
        let hostile = Words {
            tenant: "<b>A & B</b>".to_owned(),
            display_name: Some("\"><script>alert('x')</script>".to_owned()),
            user_name: "<img src=x>".to_owned(),
            ..words()
        };
        for language in ["de", "en", "es", "fr", "it", "nl", "pt"] {
            let html = Templates::embedded().render(language, &hostile).unwrap().html;
            assert!(
                !html.contains("<script") && !html.contains("<img") && !html.contains("<b>A &"),
                "{html}"
            );
            assert!(html.contains("&lt;b&gt;A &amp; B"), "{html}");
        }
    }

    #[test]
    fn the_language_is_looked_up_for_every_wish_then_for_the_tenant_and_is_english_at_last() {
        let templates = Templates::embedded();
        for (wishes, default, expected) in [
            (&["fr-CH"][..], "en", "fr"),
            (&["da", "DE-at"], "it", "de"),
            (&["da", "sv"], "pt-BR", "pt"),
            (&[], "nl", "nl"),
            (&["da"], "zh-Hant", "en"),
        ] {
            let wishes: Vec<_> = wishes.iter().map(|wish| tag(wish)).collect();
            assert_eq!(templates.language(&wishes, &tag(default)), expected);
        }
    }

    #[test]
    fn files_replace_some_templates_and_add_languages() {
        let folder = folder(&[
            ("DE.txt", "Subject: Hallo {{ tenant }}\n\n{{ code }}\n"),
            ("gsw.txt", "Subject: Hoi\n\n{{ code }}"),
            ("gsw.html", "<p>{{ code }} {{ tenant }}"),
            ("..data", ""),
        ]);
        let templates = Templates::load(folder.path()).unwrap();

        let german = templates.render("de", &words()).unwrap();
        assert_eq!((&*german.subject, &*german.text), ("Hallo Acme", "ABCD-EFGH-JKMN\n"));
        assert!(german.html.contains("Benutzername"), "the built-in one");
        assert_eq!(templates.language(&[tag("gsw-CH")], &tag("en")), "gsw");
        assert_eq!(
            templates.render("gsw", &words()).unwrap().html,
            "<p>ABCD-EFGH-JKMN Acme"
        );
        assert_eq!(
            templates.render("fr", &words()),
            Templates::embedded().render("fr", &words())
        );
    }

    #[test]
    fn what_is_wrong_with_files_is_told_with_file_and_line() {
        for (files, expected) in [
            (&[("de.txt", "Subject: x\n\n{{ code }\n")][..], "de.txt:3: syntax error"),
            (&[("de.html", "<p>\n{{ kode }}")], "de.html:2: undefined value"),
            (
                &[("de.html", "<p>\n{{ display_name.first }}")],
                "de.html:2: undefined value",
            ),
            (
                &[("de.txt", "Hallo {{ tenant }}\n")],
                "de.txt:1: must begin with a line `Subject: …`",
            ),
            (&[("de.txt", "")], "de.txt:1: must begin with a line `Subject: …`"),
            (&[("de.html", "<p>{{ tenant }}")], "de.html does not show {{ code }}"),
            (&[("sv.txt", "Subject: x\n")], "sv.html is missing: a language has both"),
            (
                &[("read me.txt", "")],
                "read me.txt: a template is named like fr.txt or fr.html",
            ),
            (
                &[("en_GB.html", "")],
                "en_GB.html: a template is named like fr.txt or fr.html",
            ),
        ] {
            let folder = folder(files);
            let problems = Templates::load(folder.path()).unwrap_err();
            assert!(
                problems.iter().any(|problem| problem.contains(expected)),
                "{expected}: {problems:?}"
            );
        }
        let missing = Templates::load(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(missing[0].starts_with("/nowhere/at/all cannot be read"), "{missing:?}");
    }
}
