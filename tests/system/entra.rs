//! Requests exactly as Entra ID sends them: every scenario of `tests/fixtures/entra` against the running system.

mod check;
pub mod scenario;

use serde_json::json;

use crate::support::databases::Database;
use crate::support::system::System;
use scenario::Scenario;

on_every_database! { every_scenario_of_entra_passes, a_scenario_that_expects_too_much_fails }

async fn every_scenario_of_entra_passes(database: Database) {
    let scenarios = scenario::all();
    assert!(scenarios.len() >= 70, "only {} scenarios were found", scenarios.len());
    let system = System::start(database).await;
    let tenant = system.mailing_tenant("entra-corpus").await;

    let mut failures = Vec::new();
    for scenario in &scenarios {
        failures.extend(scenario::run(&tenant.scim, scenario).await.failure);
    }
    assert!(
        failures.is_empty(),
        "{} of {} scenarios failed:\n\n{}",
        failures.len(),
        scenarios.len(),
        failures.join("\n\n")
    );
}

/// The runner itself can fail: otherwise the test above would prove nothing.
async fn a_scenario_that_expects_too_much_fails(database: Database) {
    let system = System::start(database).await;
    let tenant = system.tenant("self-check").await;
    let probe = |expect: serde_json::Value, path: &str| {
        let step = json!({"name": "probe", "request": {"method": "GET", "path": path}, "expect": expect});
        let text = json!({"name": "self-check", "source": "ours", "why": "a check of the checks", "steps": [step]});
        Scenario::parse("self-check", &text.to_string())
    };
    let absent = "/Users?filter=userName+eq+%22${uuid}%22";

    for (expect, path, words) in [
        (
            json!({"status": [200], "json": [{"pointer": "/totalResults", "equals": 0}]}),
            absent,
            None,
        ),
        (
            json!({"status": [200], "json": [{"pointer": "/totalResults", "equals": 1}]}),
            absent,
            Some("/totalResults"),
        ),
        (
            json!({"status": [204]}),
            absent,
            Some("status 200, expected one of [204]"),
        ),
        (
            json!({"status": [200], "headers": {"content-type": {"matches": "^text/"}}}),
            absent,
            Some("content-type"),
        ),
        (json!({"status": [200]}), "/Users/${never}", Some("not sent")),
    ] {
        let failure = scenario::run(&tenant.scim, &probe(expect.clone(), path)).await.failure;
        match (failure, words) {
            (None, None) => {}
            (Some(failure), Some(words)) => assert!(failure.contains(words), "{words} is not in: {failure}"),
            (failure, _) => panic!("{expect} at {path} gave {failure:?}"),
        }
    }
}
