//! What operators see: one trace from Entra's request to the SQL, and nowhere in it, nor in the logs, anything personal
//! or secret.

use std::collections::{BTreeSet, HashMap};

use regex::Regex;
use serde_json::{Value, json};

use crate::entra::scenario;
use crate::support::collector::{Collector, Span, new_trace_id};
use crate::support::databases::Database;
use crate::support::scim::{Scim, encode, user};
use crate::support::system::{Settings, System};

on_every_database! {
    one_trace_leads_from_the_request_to_the_sql,
    logs_and_traces_hold_no_personal_data_and_no_secret,
}

const SERVER: i32 = 2;

async fn one_trace_leads_from_the_request_to_the_sql(database: Database) {
    let services = match database {
        Database::Sqlite => ("rollcall", "rollcall"),
        Database::Postgres(_) => ("gateway", "directory-service"),
    };
    let collector = Collector::start().await;
    let settings = Settings {
        environment: collector.environment(),
        ..Settings::default()
    };
    let mut system = System::start_with(database, settings).await;
    let scim = system.tenant("traced").await.scim;
    let id = scim.create_user(&user("ada")).await;

    let trace = new_trace_id();
    let title = json!([{"op": "replace", "path": "title", "value": "Chief"}]);
    let answer = scim
        .traced(&trace)
        .patch(&format!("/Users/{id}"), title)
        .await
        .expect(200);
    system.stop_exported().await;
    let spans = collector.trace(&trace);

    let named = |part: &str| -> Vec<&Span> { spans.iter().filter(|span| span.name.contains(part)).collect() };
    let roots: Vec<&Span> = spans.iter().filter(|span| span.parent == "00f067aa0ba902b7").collect();
    let [root] = roots[..] else {
        panic!("{} spans continue the caller's: {roots:#?}", roots.len())
    };
    assert_eq!(root.kind, SERVER, "{root:#?}");
    assert_eq!(
        root.attributes.get("http.route").map(String::as_str),
        Some("/scim/v2/Users/{id}"),
        "{root:#?}"
    );

    for method in ["UserService/GetUser", "UserService/UpdateUser"] {
        let calls: Vec<&Span> = named(method).into_iter().filter(|span| span.kind == SERVER).collect();
        let [call] = calls[..] else {
            panic!("{} spans of {method}: {:?}", calls.len(), names(&spans))
        };
        assert!(lies_under(call, root, &spans), "{method} belongs to the request");
        assert_eq!((root.service.as_str(), call.service.as_str()), services);
        let statements: Vec<&Span> = spans
            .iter()
            .filter(|span| span.name.starts_with("sea_orm.") && lies_under(span, call, &spans))
            .collect();
        assert!(!statements.is_empty(), "{method} has its SQL: {:?}", names(&spans));
    }
    let update = named("UserService/UpdateUser");
    let writes: Vec<&Span> = spans
        .iter()
        .filter(|span| span.attributes.get("db.operation").is_some_and(|verb| verb == "UPDATE"))
        .collect();
    assert!(!writes.is_empty(), "something is written: {:?}", names(&spans));
    for write in writes {
        assert!(update.iter().any(|call| lies_under(write, call, &spans)), "{write:#?}");
    }
    assert!(
        !answer.header("x-request-id").is_empty(),
        "the answer names its request"
    );
}

fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

fn lies_under(span: &Span, above: &Span, spans: &[Span]) -> bool {
    let parent = |span: &Span| spans.iter().find(|other| other.id == span.parent);
    let mut here = Some(span);
    while let Some(span) = here {
        if span.id == above.id {
            return true;
        }
        here = parent(span);
    }
    false
}

async fn logs_and_traces_hold_no_personal_data_and_no_secret(database: Database) {
    let collector = Collector::start().await;
    let mut settings = Settings {
        environment: collector.environment(),
        ..Settings::default()
    };
    settings.environment.retain(|(name, _)| *name != "OTEL_TRACES_SAMPLER");
    settings
        .environment
        .push(("OTEL_TRACES_SAMPLER", "always_on".to_owned()));
    let ours = "info,rollcall=trace,gateway=trace,directory_service=trace,directory_proto=trace";
    settings.environment.push(("RUST_LOG", ours.to_owned()));
    let up = matches!(database, Database::Sqlite);
    let mut system = System::start_with(database, settings).await;
    let tenant = system.tenant("private").await;
    let wrong = tenant.scim.with_token("rc_0000000000_averyveryverylongsecret");

    let mut secrets = BTreeSet::new();
    let mut tokens = BTreeSet::from([system.operator_token(), tenant.scim.token(), wrong.token()].map(str::to_owned));
    for scenario in scenario::all() {
        let sent = scenario::run(&tenant.scim, &scenario).await.sent;
        sent.bodies.iter().for_each(|body| collect(body, "", &mut secrets));
        sent.raw_bodies.iter().for_each(|body| collect_raw(body, &mut secrets));
        tokens.extend(sent.tokens);
    }
    misbehave(&tenant.scim, &wrong, &mut secrets).await;
    system.stop_exported().await;
    let printed = system.printed();
    let shown: Vec<&str> = Regex::new(r"\brc_\w+")
        .unwrap()
        .find_iter(&printed)
        .map(|found| found.as_str())
        .collect();
    assert_eq!(
        shown.len(),
        usize::from(up),
        "only `up` prints a token, and once:\n{printed}"
    );
    tokens.extend(shown.into_iter().map(str::to_owned));
    assert!(
        tokens.iter().any(|token| token.starts_with("not-the-token-")),
        "scenarios send wrong tokens too"
    );
    tokens.iter().for_each(|token| collect_token(token, &mut secrets));

    let logs = system.logs();
    let spans = collector.spans();
    assert!(spans.len() > 1_000, "only {} spans", spans.len());
    assert!(logs.lines().count() > 20, "only a few log lines:\n{logs}");
    for line in logs.lines() {
        let parsed: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(parsed.is_object());
    }
    let texts: Vec<String> = logs
        .lines()
        .map(str::to_owned)
        .chain(spans.into_iter().map(|span| span.text))
        .collect();

    println!(
        "{} secrets in {} texts of {} bytes",
        secrets.len(),
        texts.len(),
        texts.iter().map(String::len).sum::<usize>()
    );
    // First that the search finds a name, written as a log and as a span would write it, and half a token.
    let name = secrets
        .iter()
        .find(|secret| secret.starts_with("user."))
        .expect("a user name was sent")
        .clone();
    let log = json!({"level": "INFO", "message": format!("created {}", name.to_uppercase())}).to_string();
    let span = format!("Span {{ name: \"x\", value: StringValue({name:?}) }}");
    let half = system.operator_token().rsplit('_').next().unwrap();
    let planted = leaks(&[log, span, format!("secret={half}")], &secrets);
    assert_eq!(planted.len(), 3, "the search is blind: {planted:?}");
    let found = leaks(&texts, &secrets);
    assert!(
        found.is_empty(),
        "{} leaks, the first of them:\n{}",
        found.len(),
        found[..found.len().min(10)].join("\n")
    );
}

/// Requests that fail: errors are where values slip out.
async fn misbehave(scim: &Scim, wrong: &Scim, secrets: &mut BTreeSet<String>) {
    let ada = user("misbehaving.ada");
    collect(&ada, "", secrets);
    let id = scim.create_user(&ada).await;
    let group = scim.create_group("Misbehaving group", &[]).await;
    secrets.insert("Misbehaving group".to_owned());
    scim.post("/Users", &ada).await.expect(409);
    wrong.post("/Users", &ada).await.expect(401);
    let mut spaced = ada.clone();
    spaced["userName"] = json!(" misbehaving.spaced@example.com");
    collect(&spaced, "", secrets);
    scim.post("/Users", &spaced).await.expect(400);
    scim.filter("/Users", "userName zz \"misbehaving.filter@example.com\"")
        .await
        .expect(400);
    scim.filter("/Users", "userName sw \"misbehaving.filter@example.com\" and title pr")
        .await
        .expect(200);
    secrets.insert("misbehaving.filter@example.com".to_owned());
    scim.get("/Users/misbehaving.path@example.com").await.expect(404);
    scim.get("/Nowhere/misbehaving.path@example.com").await.expect(404);
    secrets.insert("misbehaving.path@example.com".to_owned());
    scim.add_members(&group, &["misbehaving.member@example.com"])
        .await
        .expect(400);
    secrets.insert("misbehaving.member@example.com".to_owned());
    let filter = "emails[value eq \"misbehaving.element@example.com\"].display";
    let patch = json!([{"op": "replace", "path": filter, "value": "Misbehaving display"}, {"op": "x"}]);
    scim.patch(&format!("/Users/{id}"), patch).await.expect(400);
    secrets.extend([
        "misbehaving.element@example.com".to_owned(),
        "Misbehaving display".to_owned(),
    ]);
    let broken = "{\"userName\": \"misbehaving.broken@example.com\", ".to_owned();
    scim.send(http::Method::POST, "/Users", scim.headers(), Some(broken))
        .await
        .expect(400);
    secrets.insert("misbehaving.broken@example.com".to_owned());
}

/// The personal values of a body: names, addresses and numbers that are long enough to be told from anything else.
fn collect(value: &Value, attribute: &str, secrets: &mut BTreeSet<String>) {
    const PERSONAL: [&str; 14] = [
        "username",
        "displayname",
        "externalid",
        "value",
        "formatted",
        "givenname",
        "familyname",
        "nickname",
        "department",
        "employeenumber",
        "streetaddress",
        "locality",
        "path",
        "title",
    ];
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            let name = name.rsplit([':', '.']).next().unwrap_or(name).to_lowercase();
            collect(value, &name, secrets);
        }),
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, attribute, secrets)),
        Value::String(text) if PERSONAL.contains(&attribute) => {
            // A path is personal only for what stands in quotes, an id is no secret, a word such as "Two" proves nothing.
            let texts: Vec<&str> = match attribute {
                "path" => text.split('"').skip(1).step_by(2).collect(),
                _ => vec![text],
            };
            let telling =
                |text: &&str| text.len() >= 7 && (text.contains(['@', ' ', '.', '+']) || attribute == "externalid");
            let id = |text: &str| uuid::Uuid::parse_str(text).is_ok() && attribute != "externalid";
            secrets.extend(
                texts
                    .into_iter()
                    .filter(telling)
                    .filter(|text| !id(text))
                    .map(str::to_owned),
            );
        }
        _ => {}
    }
}

/// The personal values of a text that only looks like JSON: those with a name before them, and all addresses.
fn collect_raw(text: &str, secrets: &mut BTreeSet<String>) {
    let string = Regex::new(r#"(?:"([^"]*)"\s*:\s*)?"((?:[^"\\]|\\.)*)""#).unwrap();
    for found in string.captures_iter(text) {
        let (name, value) = (found.get(1).map_or("", |name| name.as_str()), &found[2]);
        let attribute = if value.contains('@') { "value" } else { name };
        let value = serde_json::from_str(&format!("\"{value}\"")).unwrap_or_else(|_| json!(value));
        collect(&json!({attribute: value}), "", secrets);
    }
}

/// A token, and its secret half alone: `rc_<id>_<secret>`, of which the id may be shown.
fn collect_token(token: &str, secrets: &mut BTreeSet<String>) {
    secrets.insert(token.to_owned());
    secrets.extend(token.rsplit_once('_').map(|(_, secret)| secret.to_owned()));
}

/// The texts that hold a secret, without regard to case, plain or escaped as JSON or as a URL does.
fn leaks(texts: &[String], secrets: &BTreeSet<String>) -> Vec<String> {
    const START: usize = 6;
    let mut needles: HashMap<[u8; START], BTreeSet<String>> = HashMap::new();
    for secret in secrets {
        let plain = secret.to_lowercase();
        let json = Value::from(plain.clone()).to_string().trim_matches('"').to_owned();
        for needle in [json, encode(&plain).to_lowercase(), plain] {
            let start = needle.as_bytes().first_chunk().expect("a secret has 7 bytes at least");
            needles.entry(*start).or_default().insert(needle);
        }
    }
    // Tens of megabytes and a thousand needles: look only where one begins.
    let mut begins = vec![false; 1 << 16];
    let place = |start: &[u8]| usize::from(start[START - 2]) << 8 | usize::from(start[START - 1]);
    needles.keys().for_each(|start| begins[place(start)] = true);
    let mut found = Vec::new();
    for text in texts {
        let lower = text.to_lowercase();
        let bytes = lower.as_bytes();
        let leak = bytes
            .windows(START)
            .enumerate()
            .filter(|(_, start)| begins[place(start)])
            .find_map(|(at, start)| {
                let candidates = needles.get(<&[u8; START]>::try_from(start).ok()?)?;
                candidates
                    .iter()
                    .find(|needle| bytes[at..].starts_with(needle.as_bytes()))
            });
        found.extend(leak.map(|needle| format!("{needle} in {text}")));
    }
    found
}

#[test]
fn secrets_are_found_in_broken_json_and_in_both_halves_of_a_token() {
    let mut secrets = BTreeSet::new();
    collect_raw(
        r#"{"displayName" : "Ada \"A\" L", "active": tre, "x": ["a@example.com"], "schemas": ["urn:a.b"], "id": "#,
        &mut secrets,
    );
    collect_token("rc_0000000000_secrethalf", &mut secrets);

    let expected = ["Ada \"A\" L", "a@example.com", "rc_0000000000_secrethalf", "secrethalf"];
    assert_eq!(secrets, BTreeSet::from(expected.map(str::to_owned)));
    assert_eq!(
        leaks(&["SECRETHALF".to_owned(), "rc_0000000000".to_owned()], &secrets).len(),
        1
    );
}
