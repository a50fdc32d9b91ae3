//! What `/metrics` of both services says, as `k8s/metrics.txt` has it for those who write alerts and dashboards without running
//! anything. `ROLLCALL_WRITE_METRICS=1 tests/run --test system metrics` writes the file anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use directory_proto::v1::{self, Scope};

use crate::support::databases::run_on_postgresql;
use crate::support::scim::user;
use crate::support::system::{SOURCE, Settings, System};
use crate::support::{eventually, mailbox};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/k8s/metrics.txt");
/// Labels whose few values are part of the contract.
const TELLING: [&str; 3] = ["state", "certificate", "result"];

#[test]
fn the_metrics_of_both_services_are_those_that_are_written_down() {
    run_on_postgresql("the_metrics_are_written_down", async |database| {
        let settings = Settings {
            encrypted: true,
            environment: mailbox::nobody(),
            ..Settings::default()
        };
        let mut system = System::start_with(database, settings).await;
        let scim = system.mailing_tenant("measured").await.scim;
        let token = v1::Token {
            name: "ends".to_owned(),
            scopes: vec![Scope::Provision.into()],
            source: SOURCE.to_owned(),
            expire_time: Some(prost_types::Timestamp {
                seconds: 32_000_000_000,
                nanos: 0,
            }),
            ..Default::default()
        };
        let operator = system.operator().for_tenant("measured").unwrap();
        let issued = v1::IssueTokenRequest { token: Some(token) };
        operator.tokens().issue_token(issued).await.unwrap();
        system.restart().await; // the ends of tokens are looked at there at once
        scim.create_user(&user("ada")).await;

        let scrape = eventually("the tokens were looked at and a mail was tried", async || {
            let scrape = system.scrape().await.concat();
            let all = ["directory_token_expires_seconds ", "directory_outbox_attempts_total{"];
            all.iter().all(|name| scrape.contains(name)).then_some(scrape)
        })
        .await;

        let measured = digest(&scrape);
        if std::env::var_os("ROLLCALL_WRITE_METRICS").is_some() {
            fs::write(FILE, &measured).unwrap();
        }
        assert_eq!(
            shape(&fs::read_to_string(FILE).unwrap()),
            shape(&measured),
            "see the head of this file"
        );
    });
}

/// A scrape without what differs from one to the next: numbers, and values of labels that tell nothing here.
fn digest(scrape: &str) -> String {
    let mut families: BTreeMap<&str, Vec<&str>> = BTreeMap::new(); // `# HELP` and `# TYPE`
    let mut samples: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for line in scrape.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let name = rest.split(' ').nth(1).unwrap();
            let heads = families.entry(name).or_default();
            if !heads.contains(&line) {
                heads.push(line);
            }
        } else if let Some(sample) = sample(line) {
            let name = sample.split(['{', ' ']).next().unwrap();
            let is_of = |family: &&&str| {
                name.strip_prefix(**family)
                    .is_some_and(|rest| ["", "_bucket", "_sum", "_count"].contains(&rest))
            };
            let family = families.keys().find(is_of).unwrap();
            samples.entry(family).or_default().insert(sample);
        }
    }
    let mut text = String::new();
    for (family, heads) in &families {
        for line in heads
            .iter()
            .map(|head| (*head).to_owned())
            .chain(samples.remove(family).into_iter().flatten())
        {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

/// `name{label="value",…} 0`; of a histogram's buckets the last one.
fn sample(line: &str) -> Option<String> {
    let (sample, _number) = line.rsplit_once(' ')?;
    let Some((name, labels)) = sample.split_once('{') else {
        return Some(format!("{sample} 0"));
    };
    let labels = labels
        .strip_suffix('}')
        .unwrap()
        .split("\",")
        .map(|label| label.trim_end_matches('"'));
    let mut shown = Vec::new();
    for label in labels {
        let (label, value) = label.split_once("=\"").unwrap();
        if label == "le" && value != "+Inf" {
            return None;
        }
        let told = TELLING.contains(&label) || label == "le";
        shown.push(format!("{label}=\"{}\"", if told { value } else { "…" }));
    }
    Some(format!("{name}{{{}}} 0", shown.join(",")))
}

/// The names with the names of their labels.
fn shape(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(sample).collect()
}

#[test]
fn a_metric_that_is_renamed_is_noticed() {
    let written = "# HELP a_total A.\n# TYPE a_total counter\na_total{code=\"…\"} 0\n";
    let same = shape(&digest(
        "# HELP a_total A.\n# TYPE a_total counter\na_total{code=\"200\"} 7\na_total{code=\"404\"} 1\n",
    ));
    assert_eq!(shape(written), same);
    for other in ["b_total{code=\"…\"} 0", "a_total{status=\"…\"} 0", "a_total 0"] {
        assert_ne!(shape(other), same, "{other}");
    }
}
