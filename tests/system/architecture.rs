//! Imports point inward. This test reads the source and fails when an arrow of `ARCHITECTURE.md` points the wrong way:
//! fix the arrow, not the test.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// What the modules of one crate may name. A module that is not listed wires the others together and may name all.
struct Rule {
    folder: &'static str,
    /// The module, as the first part of its path below `src`.
    module: &'static str,
    /// The modules of the same crate that it may name, beside itself.
    inward: &'static [&'static str],
    /// The crates that it must not name.
    foreign: &'static [&'static str],
}

const SQL: [&str; 3] = ["sea_orm", "sea_orm_migration", "sea_query"];

const RULES: [Rule; 14] = [
    Rule {
        folder: "directory-service",
        module: "domain",
        inward: &[],
        foreign: &[
            "tonic",
            "sea_orm",
            "sea_orm_migration",
            "sea_query",
            "tokio",
            "directory_proto",
            "prost_types",
        ],
    },
    Rule {
        folder: "directory-service",
        module: "store",
        inward: &["domain", "config", "clock"],
        foreign: &["tonic", "directory_proto", "prost_types"],
    },
    Rule {
        folder: "directory-service",
        module: "directory",
        inward: &["store", "domain", "clock", "activation_code", "outbox"],
        foreign: &["tonic", "directory_proto", "prost_types"],
    },
    Rule {
        folder: "directory-service",
        module: "auth",
        inward: &["directory", "domain", "clock", "grpc"],
        foreign: &SQL,
    },
    Rule {
        folder: "directory-service",
        module: "grpc",
        inward: &["auth", "directory", "domain", "page_token", "clock", "activation_code"],
        foreign: &SQL,
    },
    Rule {
        folder: "directory-service",
        module: "mail",
        inward: &["directory", "domain", "clock", "activation_code", "outbox", "metrics"],
        foreign: &[
            "tonic",
            "directory_proto",
            "prost_types",
            "sea_orm",
            "sea_orm_migration",
            "sea_query",
        ],
    },
    Rule {
        folder: "directory-service",
        module: "page_token",
        inward: &["domain", "keyring", "clock"],
        foreign: &["tonic", "sea_orm"],
    },
    Rule {
        folder: "gateway",
        module: "scim",
        inward: &[],
        foreign: &["axum", "tonic", "directory_proto", "tokio", "hyper", "prost_types"],
    },
    Rule {
        folder: "gateway",
        module: "error",
        inward: &["scim"],
        foreign: &["directory_proto"],
    },
    Rule {
        folder: "gateway",
        module: "translate",
        inward: &["scim", "error"],
        foreign: &["axum", "hyper"],
    },
    Rule {
        folder: "gateway",
        module: "extract",
        inward: &["scim", "error", "translate", "auth", "upstream"],
        foreign: &SQL,
    },
    Rule {
        folder: "gateway",
        module: "upstream",
        inward: &["scim", "error", "auth", "translate", "extract"],
        foreign: &SQL,
    },
    Rule {
        folder: "gateway",
        module: "auth",
        inward: &["scim", "error", "translate"],
        foreign: &SQL,
    },
    Rule {
        folder: "gateway",
        module: "routes",
        inward: &[
            "translate",
            "scim",
            "error",
            "extract",
            "auth",
            "upstream",
            "response",
            "config",
        ],
        foreign: &SQL,
    },
];

/// The crates that each folder must not name anywhere: the two services share the contract and nothing more.
const CRATES: [(&str, &[&str]); 4] = [
    ("proto", &["gateway", "directory_service", "rollcall", "sea_orm"]),
    ("gateway", &["directory_service", "rollcall", "sea_orm"]),
    ("directory-service", &["gateway", "rollcall"]),
    ("src", &["sea_orm"]),
];

#[test]
fn every_import_points_inward() {
    let wrong: Vec<String> = sources()
        .iter()
        .flat_map(|(path, text)| wrong_arrows(path, text))
        .collect();

    assert!(
        wrong.is_empty(),
        "arrows that point the wrong way:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_rule_is_about_a_module_that_exists() {
    let sources = sources();
    for Rule { folder, module, .. } in RULES {
        let about = |path: &Path| place(path).is_some_and(|place| place == (folder, module.to_owned()));
        assert!(
            sources.iter().any(|(path, _)| about(path)),
            "{folder} has no module {module}"
        );
    }
}

#[test]
fn a_planted_arrow_that_points_outward_is_found() {
    let planted = |path: &str, text: &str| wrong_arrows(Path::new(path), text);

    for (path, text, arrow) in [
        (
            "directory-service/src/domain/user.rs",
            "use crate::store::users;",
            "domain -> store",
        ),
        (
            "directory-service/src/domain/user.rs",
            "use tokio::sync::Mutex;",
            "domain -> tokio",
        ),
        (
            "directory-service/src/grpc/users.rs",
            "use crate::{auth::Caller, store};",
            "grpc -> store",
        ),
        (
            "directory-service/src/grpc/users.rs",
            "use crate::{\n    auth::Caller,\n    store::{users, groups},\n};",
            "grpc -> store",
        ),
        (
            "directory-service/src/grpc/users.rs",
            "fn f() { crate::store::users::find() }",
            "grpc -> store",
        ),
        (
            "directory-service/src/store/users.rs",
            "use super::super::directory::Directory;",
            "store -> directory",
        ),
        (
            "directory-service/src/store.rs",
            "use super::directory::Directory;",
            "store -> directory",
        ),
        (
            "directory-service/src/directory/mod.rs",
            "use tonic::Status;",
            "directory -> tonic",
        ),
        (
            "gateway/src/scim/patch/apply.rs",
            "use crate::error::ScimError;",
            "scim -> error",
        ),
        (
            "gateway/src/scim/filter.rs",
            "pub use directory_proto::v1;",
            "scim -> directory_proto",
        ),
        ("gateway/src/translate/user.rs", "use axum::Json;", "translate -> axum"),
        (
            "gateway/src/server.rs",
            "use directory_service::Config;",
            "gateway -> directory_service",
        ),
        (
            "directory-service/src/server.rs",
            "use gateway::Config;",
            "directory-service -> gateway",
        ),
    ] {
        let found = planted(path, text);
        assert!(
            found.len() == 1 && found[0].contains(arrow),
            "{path}, {text}: {found:?}"
        );
    }
    for (path, text) in [
        (
            "directory-service/src/grpc/users.rs",
            "use crate::directory::Directory;\nuse super::status;",
        ),
        (
            "directory-service/src/grpc/users.rs",
            "// use crate::store::users;\n#[cfg(test)]\nmod tests { use crate::store; }",
        ),
        (
            "directory-service/src/server.rs",
            "use crate::store::connect; use sea_orm::Database;",
        ),
        (
            "gateway/src/translate/user.rs",
            "use crate::scim::resource::Resource;\nuse directory_proto::v1;",
        ),
    ] {
        assert_eq!(planted(path, text), Vec::<String>::new(), "{path}, {text}");
    }
}

/// Every source file of the product, with its path below the repository's root.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for (folder, _) in CRATES {
        let start = if folder == "src" {
            root.join("src")
        } else {
            root.join(folder).join("src")
        };
        read_into(&start, &mut found);
    }
    assert!(found.len() > 40, "only {} source files were found", found.len());
    found
        .into_iter()
        .map(|(path, text)| (path.strip_prefix(root).unwrap().to_owned(), text))
        .collect()
}

fn read_into(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_into(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
}

/// The folder of a source file's crate and the file's module below it.
fn place(path: &Path) -> Option<(&'static str, String)> {
    let (folder, _) = CRATES.into_iter().find(|(folder, _)| path.starts_with(folder))?;
    let below = path.strip_prefix(if folder == "src" {
        PathBuf::from("src")
    } else {
        Path::new(folder).join("src")
    });
    let first = below.ok()?.iter().next()?.to_str()?.trim_end_matches(".rs").to_owned();
    Some((folder, first))
}

fn wrong_arrows(path: &Path, text: &str) -> Vec<String> {
    let Some((folder, module)) = place(path) else {
        return Vec::new();
    };
    let is_test = path
        .iter()
        .any(|part| ["tests", "tests.rs", "testing.rs"].iter().any(|name| part == *name));
    if is_test {
        return Vec::new(); // tests may stand a whole service up
    }
    let names = names(path, &module, &code_of(text));
    let mut wrong = Vec::new();
    let mut refuse = |from: &str, to: &str| {
        let arrow = format!("{}: {from} -> {to}", path.display());
        if !wrong.contains(&arrow) {
            wrong.push(arrow);
        }
    };
    let (_, strangers) = CRATES.into_iter().find(|(name, _)| *name == folder).unwrap();
    for stranger in names.crates.iter().filter(|name| strangers.contains(&name.as_str())) {
        refuse(folder, stranger);
    }
    let Some(rule) = RULES.iter().find(|rule| rule.folder == folder && rule.module == module) else {
        return wrong;
    };
    let modules: Vec<&str> = RULES
        .iter()
        .filter(|rule| rule.folder == folder)
        .map(|rule| rule.module)
        .collect();
    let outer = [
        "server",
        "main",
        "init",
        "migrate",
        "config",
        "metrics",
        "keyring",
        "page_token",
        "response",
    ];
    for name in &names.modules {
        let known = modules.contains(&name.as_str()) || outer.contains(&name.as_str());
        if known && *name != module && !rule.inward.contains(&name.as_str()) {
            refuse(&module, name);
        }
    }
    for name in names.crates.iter().filter(|name| rule.foreign.contains(&name.as_str())) {
        refuse(&module, name);
    }
    wrong
}

/// The code without comments and without its test module, which stands last.
fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// What a file names: modules of its own crate, and other crates.
struct Names {
    modules: Vec<String>,
    crates: Vec<String>,
}

fn names(path: &Path, module: &str, code: &str) -> Names {
    let mut names = Names {
        modules: Vec::new(),
        crates: Vec::new(),
    };
    for start in Regex::new(r"\bcrate::").unwrap().find_iter(code) {
        names.modules.extend(heads(&code[start.end()..]));
    }
    // `super` leaves the module only from its own file, and `super::super` and so on from those below.
    let above_src = path.iter().skip_while(|part| *part != "src").count().saturating_sub(2);
    let is_root_of_module = path.file_name().is_some_and(|name| name == "mod.rs");
    let depth = if is_root_of_module { above_src } else { above_src + 1 };
    for chain in Regex::new(r"\b(?:super::)+").unwrap().find_iter(code) {
        if chain.as_str().len() / "super::".len() >= depth {
            names
                .modules
                .extend(heads(&code[chain.end()..]).into_iter().filter(|name| name != module));
        }
    }
    let path_start = Regex::new(r"(?:^|[^:\w])(?:::)?([a-z_][a-z0-9_]*)::").unwrap();
    for found in path_start.captures_iter(code) {
        names.crates.push(found[1].to_owned());
    }
    names
}

/// The first parts of a path or of a group of paths in braces.
fn heads(rest: &str) -> Vec<String> {
    let word = |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let Some(group) = rest.strip_prefix('{') else {
        return vec![word(rest)];
    };
    let (mut depth, mut heads, mut at_start) = (0_usize, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            c if at_start && !c.is_whitespace() => {
                heads.push(word(&group[at..]));
                at_start = false;
            }
            _ => {}
        }
    }
    heads
}
