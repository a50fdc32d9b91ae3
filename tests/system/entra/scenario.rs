//! Reads scenario files and plays them; the format is in `tests/fixtures/entra/README.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::check;
use crate::support::scim::{Answer, Scim, encode};
use crate::support::unique;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The file's name without its ending.
    #[serde(skip)]
    pub file: String,
    name: String,
    source: String,
    why: String,
    #[serde(default, rename = "tags")]
    _tags: Vec<String>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    name: String,
    #[serde(default)]
    repeat: Option<u32>,
    request: Request,
    expect: Expect,
    #[serde(default)]
    save: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Request {
    method: String,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, Option<String>>,
    body: Option<Value>,
    body_raw: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    status: Vec<u16>,
    #[serde(default)]
    headers: BTreeMap<String, Map<String, Value>>,
    #[serde(default)]
    json: Vec<Map<String, Value>>,
}

impl Scenario {
    /// Reads one file's text.
    pub fn parse(file: &str, text: &str) -> Self {
        let mut scenario: Self = serde_json::from_str(text).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(
            !scenario.source.is_empty() && !scenario.why.is_empty(),
            "{file}: source and why must be given"
        );
        file.clone_into(&mut scenario.file);
        scenario
    }
}

/// Every scenario, in the order of the files' names.
pub fn all() -> Vec<Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/entra");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let file = path.file_stem().unwrap().to_string_lossy().into_owned();
        Scenario::parse(&file, &std::fs::read_to_string(path).unwrap())
    };
    paths.iter().map(read).collect()
}

/// What playing a scenario gave.
pub struct Outcome {
    /// The first step that went wrong, with its request and answer.
    pub failure: Option<String>,
    /// What was sent.
    pub sent: Sent,
}

/// What playing a scenario sent.
#[derive(Default)]
pub struct Sent {
    pub bodies: Vec<Value>,
    /// The bodies that need not be JSON.
    pub raw_bodies: Vec<String>,
    /// The tokens that stood in `Authorization`, the tenant's own among them.
    pub tokens: BTreeSet<String>,
}

/// Plays a scenario up to its first failure, then deletes what it created.
pub async fn run(scim: &Scim, scenario: &Scenario) -> Outcome {
    let mut player = Player {
        scim,
        variables: BTreeMap::from([
            ("base".to_owned(), scim.base().into()),
            ("token".to_owned(), scim.token().into()),
            (
                "now".to_owned(),
                time::OffsetDateTime::now_utc().unix_timestamp().to_string().into(),
            ),
        ]),
        created: Vec::new(),
        sent: Sent::default(),
    };
    let mut failure = None;
    for step in &scenario.steps {
        if let Err(why) = player.play(step).await {
            failure = Some(format!(
                "{} ({}), step \"{}\"\n{why}",
                scenario.file, scenario.name, step.name
            ));
            break;
        }
    }
    while let Some(path) = player.created.pop() {
        let answer = scim.delete(&path).await;
        if ![204, 404].contains(&answer.status) && failure.is_none() {
            failure = Some(format!(
                "{}: DELETE {path} at the end was answered {}",
                scenario.file, answer.status
            ));
        }
    }
    Outcome {
        failure,
        sent: player.sent,
    }
}

struct Player<'a> {
    scim: &'a Scim,
    variables: BTreeMap<String, Value>,
    created: Vec<String>,
    sent: Sent,
}

impl Player<'_> {
    async fn play(&mut self, step: &Step) -> Result<(), String> {
        for i in 1..=step.repeat.unwrap_or(1) {
            self.variables.insert("i".to_owned(), i.to_string().into());
            let unsent = |missing: String| format!("  not sent: ${{{missing}}} was never saved");
            let path = self.insert(&step.request.path, true).map_err(unsent)?;
            let body = self.body(&step.request).map_err(unsent)?;
            let headers = self.headers(&step.request).map_err(unsent)?;
            let expect = self.expectation(&step.expect).map_err(unsent)?;
            let method: Method = step.request.method.parse().unwrap();
            let answer = self.scim.send(method, &path, headers.clone(), body.clone()).await;
            self.remember(&step.request, &answer);

            let problems = problems(&expect, &answer);
            if !problems.is_empty() {
                return Err(report(
                    &step.request.method,
                    &path,
                    &headers,
                    body.as_deref(),
                    &answer,
                    &problems,
                ));
            }
            for (name, place) in &step.save {
                let value = match place.strip_prefix("header:") {
                    Some(header) => Some(Value::from(answer.header(header))).filter(|value| value != ""),
                    None => check::find(&answer.body, place),
                };
                self.variables.extend(value.map(|value| (name.clone(), value)));
            }
        }
        Ok(())
    }

    fn body(&mut self, request: &Request) -> Result<Option<String>, String> {
        if let Some(raw) = &request.body_raw {
            let raw = self.insert(raw, false)?;
            self.sent.raw_bodies.push(raw.clone());
            return Ok(Some(raw));
        }
        let Some(body) = &request.body else { return Ok(None) };
        let body = self.insert_into(body)?;
        self.sent.bodies.push(body.clone());
        Ok(Some(body.to_string()))
    }

    fn headers(&mut self, request: &Request) -> Result<HeaderMap, String> {
        let mut headers = self.scim.headers();
        for (name, value) in &request.headers {
            let name: HeaderName = name.parse().unwrap();
            match value {
                Some(value) => headers.insert(name, HeaderValue::from_str(&self.insert(value, false)?).unwrap()),
                None => headers.remove(name),
            };
        }
        let authorization = headers.get("authorization").map(|value| value.to_str().unwrap());
        let token = authorization.and_then(|value| value.split_whitespace().last());
        self.sent.tokens.extend(token.map(str::to_owned));
        Ok(headers)
    }

    fn expectation(&mut self, expect: &Expect) -> Result<Expect, String> {
        let mut headers = BTreeMap::new();
        for (name, checks) in &expect.headers {
            headers.insert(name.clone(), self.insert_into_all(checks)?);
        }
        let json = expect
            .json
            .iter()
            .map(|rule| self.insert_into_all(rule))
            .collect::<Result<_, _>>()?;
        Ok(Expect {
            status: expect.status.clone(),
            headers,
            json,
        })
    }

    fn remember(&mut self, request: &Request, answer: &Answer) {
        let endpoint = request.path.split('?').next().unwrap_or_default();
        if request.method == "POST" && ["/Users", "/Groups"].contains(&endpoint) && answer.status == 201 {
            self.created
                .extend(answer.body["id"].as_str().map(|id| format!("{endpoint}/{id}")));
        }
    }

    /// A variable's value; those that are made up are made up once.
    fn variable(&mut self, name: &str) -> Result<Value, String> {
        if let Some(value) = self.variables.get(name) {
            return Ok(value.clone());
        }
        let (kind, rest) = name.split_once(':').unwrap_or((name, ""));
        let value = match kind {
            "uuid" => Value::from(Uuid::now_v7().to_string()),
            "rand" => unique().into(),
            "uuidhex" => {
                let sibling = if rest.is_empty() {
                    "uuid".to_owned()
                } else {
                    format!("uuid:{rest}")
                };
                check::text(&self.variable(&sibling)?).replace('-', "").into()
            }
            _ => return Err(name.to_owned()),
        };
        self.variables.insert(name.to_owned(), value.clone());
        Ok(value)
    }

    fn insert(&mut self, template: &str, encoded: bool) -> Result<String, String> {
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after
                .split_once('}')
                .unwrap_or_else(|| panic!("no closing brace in {template}"));
            let value = check::text(&self.variable(name)?);
            text += before;
            text += &if encoded { encode(&value) } else { value };
            rest = after;
        }
        Ok(text + rest)
    }

    fn insert_into(&mut self, value: &Value) -> Result<Value, String> {
        match value {
            Value::String(text) => {
                let whole = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
                match whole.filter(|name| !name.contains("${")) {
                    Some(name) => self.variable(name), // keeps the saved JSON type
                    None => self.insert(text, false).map(Value::from),
                }
            }
            Value::Array(elements) => elements.iter().map(|element| self.insert_into(element)).collect(),
            Value::Object(members) => self.insert_into_all(members).map(Value::Object),
            other => Ok(other.clone()),
        }
    }

    fn insert_into_all(&mut self, members: &Map<String, Value>) -> Result<Map<String, Value>, String> {
        let inserted = members
            .iter()
            .map(|(name, value)| Ok((self.insert(name, false)?, self.insert_into(value)?)));
        inserted.collect()
    }
}

fn problems(expect: &Expect, answer: &Answer) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, checks) in &expect.headers {
        let found = Some(Value::from(answer.header(name))).filter(|value| value != "");
        problems.extend(
            check::violations(checks, found.as_ref())
                .into_iter()
                .map(|why| format!("{name}: {why}")),
        );
    }
    if !expect.status.contains(&answer.status) {
        problems.insert(
            0,
            format!("status {}, expected one of {:?}", answer.status, expect.status),
        );
        return problems; // the body of another answer would only mislead
    }
    for rule in &expect.json {
        let mut checks = rule.clone();
        let pointer = checks.remove("pointer").expect("a rule has a pointer");
        let pointer = check::text(&pointer);
        let found = check::find(&answer.body, &pointer);
        problems.extend(
            check::violations(&checks, found.as_ref())
                .into_iter()
                .map(|why| format!("{pointer}: {why}")),
        );
    }
    problems
}

fn report(
    method: &str,
    path: &str,
    headers: &HeaderMap,
    body: Option<&str>,
    answer: &Answer,
    problems: &[String],
) -> String {
    let mut text = String::new();
    for problem in problems {
        let _ = writeln!(text, "  - {problem}");
    }
    let _ = writeln!(text, "  request: {method} {path}");
    for (name, value) in headers.iter().filter(|(name, _)| *name != "authorization") {
        let _ = writeln!(text, "    {name}: {}", value.to_str().unwrap_or("?"));
    }
    let _ = writeln!(text, "    {}", body.unwrap_or("(no body)"));
    let _ = write!(text, "  answer: {} {}", answer.status, answer.text);
    text
}
