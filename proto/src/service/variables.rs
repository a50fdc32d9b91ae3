//! Environment variables that nobody reads: a mistyped setting must not pass in silence.

use std::ffi::OsString;

/// Warns of variables that begin with `prefix` and are no setting of the program's `serve`, with the closest name that is one.
/// The names that Kubernetes makes of a Service (`…_SERVICE_HOST`, `…_PORT`) are left alone.
pub fn warn_of_unknown(program: &clap::Command, prefix: &str, present: impl IntoIterator<Item = OsString>) {
    for (unknown, closest) in unknown(program, prefix, present) {
        tracing::warn!(variable = unknown, "no setting has this name; the closest is {closest}");
    }
}

fn unknown(
    program: &clap::Command,
    prefix: &str,
    present: impl IntoIterator<Item = OsString>,
) -> Vec<(String, String)> {
    let serve = program
        .find_subcommand("serve")
        .into_iter()
        .flat_map(clap::Command::get_arguments);
    let known: Vec<&str> = serve.filter_map(|argument| argument.get_env()?.to_str()).collect();
    let names = present.into_iter().filter_map(|name| name.into_string().ok());
    let unknown = names.filter(|name| {
        let rest = name.strip_prefix(prefix);
        rest.is_some_and(|rest| !rest.starts_with("SERVICE_") && !rest.starts_with("PORT"))
            && !known.contains(&name.as_str())
    });
    unknown
        .filter_map(|name| {
            let closest = known.iter().min_by_key(|candidate| distance(&name, candidate))?;
            Some((name, (*closest).to_owned()))
        })
        .collect()
}

/// Levenshtein's distance.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in right.bytes().enumerate() {
            let cost = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Command};

    use super::*;

    #[test]
    fn a_mistyped_variable_is_met_with_the_closest_name() {
        let settings = ["GATEWAY_HTTP_LISTEN", "GATEWAY_PUBLIC_URL"];
        let serve = Command::new("serve").args(settings.map(|name| Arg::new(name).env(name)));
        let program = Command::new("gateway").subcommand(serve);
        let present = [
            "GATEWAY_HTTP_LISTENER",
            "GATEWAY_PUBLIC_URL",
            "GATEWAY_SERVICE_HOST",
            "GATEWAY_PORT_8080_TCP",
            "PATH",
        ];

        let unknown = unknown(&program, "GATEWAY_", present.map(OsString::from));

        assert_eq!(
            unknown,
            [("GATEWAY_HTTP_LISTENER".to_owned(), "GATEWAY_HTTP_LISTEN".to_owned())]
        );
    }
}
