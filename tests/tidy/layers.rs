//! Who may import what. Imports go one way: `main → http, duties → store → domain → shared ← worker`.

use crate::{
    report,
    sources::{Source, under},
};

/// A word that the files of a folder must not use, and why.
struct Ban {
    folder: &'static str,
    except: &'static [&'static str],
    words: &'static [&'static str],
    reason: &'static str,
}

const BANS: [Ban; 19] = [
    Ban {
        folder: "orchestrator/src/domain",
        except: &[],
        words: &[
            "tokio",
            "axum",
            "redis",
            "reqwest",
            "aws_sdk_s3",
            "SystemTime",
            "time::Instant",
            "std::fs",
            "std::net",
            "std::env",
            "std::process",
            "now_utc",
            "async",
        ],
        reason: "the domain decides; it has no clock, no chance and no outside world",
    },
    Ban {
        folder: "orchestrator/src",
        // `relevo dev` starts a server of its own, in a module of that name.
        except: &["orchestrator/src/store/", "orchestrator/src/cli/dev"],
        words: &["redis::", "deadpool_redis"],
        reason: "only the store speaks to Redis",
    },
    Ban {
        folder: "orchestrator/src",
        // Serving begins where the parts are put together.
        except: &["orchestrator/src/http/", "orchestrator/src/cli/serve.rs"],
        words: &["axum", "tower", "tower_http"],
        reason: "only http knows of the web framework",
    },
    Ban {
        folder: "orchestrator/src/domain",
        except: &[],
        words: &[
            "crate::engine",
            "crate::dispatch",
            "crate::store",
            "crate::http",
            "crate::duties",
            "crate::cli",
            "crate::blobs",
            "crate::webhooks",
        ],
        reason: "imports go one way, and the domain is at the bottom",
    },
    Ban {
        folder: "orchestrator/src/store",
        except: &[],
        words: &[
            "crate::engine",
            "crate::dispatch",
            "crate::live",
            "crate::view",
            "crate::rows",
            "crate::webhooks",
            "crate::http",
            "crate::duties",
            "crate::cli",
        ],
        reason: "imports go one way: the store serves the layers above it",
    },
    Ban {
        folder: "orchestrator/src/clients",
        except: &[],
        words: &["crate::engine", "crate::dispatch", "crate::store", "crate::http", "crate::duties", "crate::cli"],
        reason: "imports go one way: who may ask is known to all above the domain",
    },
    Ban {
        folder: "orchestrator/src/engine",
        except: &[],
        words: &["crate::webhooks", "crate::http", "crate::duties", "crate::cli"],
        reason: "imports go one way: the engine serves http and the duties",
    },
    Ban {
        folder: "orchestrator/src/dispatch",
        except: &[],
        words: &["crate::webhooks", "crate::http", "crate::duties", "crate::cli"],
        reason: "imports go one way: dispatch serves http",
    },
    Ban {
        folder: "orchestrator/src/live",
        except: &[],
        words: &["crate::engine", "crate::webhooks", "crate::http", "crate::duties", "crate::cli"],
        reason: "imports go one way: what is seen of running jobs is known to http",
    },
    Ban {
        folder: "orchestrator/src/view",
        except: &[],
        words: &["crate::engine", "crate::dispatch", "crate::webhooks", "crate::http", "crate::duties", "crate::cli"],
        reason: "imports go one way: how a job is told of is known to http",
    },
    Ban {
        folder: "orchestrator/src/rows",
        except: &[],
        words: &["crate::engine", "crate::dispatch", "crate::webhooks", "crate::http", "crate::duties", "crate::cli"],
        reason: "imports go one way: the rows of a table are read for http",
    },
    Ban {
        folder: "orchestrator/src/blobs",
        except: &[],
        words: &["crate::engine", "crate::dispatch", "crate::view", "crate::http", "crate::duties", "crate::cli"],
        reason: "imports go one way: S3 serves all but the store, whose archive it is",
    },
    Ban {
        folder: "orchestrator/src/webhooks",
        except: &[],
        words: &["crate::http", "crate::duties", "crate::cli"],
        reason: "imports go one way: webhooks serve http",
    },
    Ban {
        folder: "shared/src",
        except: &[],
        words: &["tokio", "reqwest", "axum", "redis::", "relevo_worker", "std::fs", "std::net"],
        reason: "shared holds types that cross the wire, and nothing that acts",
    },
    Ban {
        folder: "worker/src",
        except: &[],
        words: &["redis", "axum", "relevo::"],
        reason: "a worker knows the orchestrator only over HTTP",
    },
    Ban {
        folder: "worker/src/skills/torch",
        except: &[],
        words: &["beto::", "boltzmann::", "audit::"],
        reason: "what every skill on libtorch shares knows of no model",
    },
    Ban {
        folder: "worker/src/skills/learning",
        except: &[],
        words: &["tch::", "torch::", "beto::", "boltzmann::", "audit::"],
        reason: "what every training shares knows of no tensor and no model",
    },
    Ban {
        folder: "worker/src/skills/beto",
        except: &[],
        words: &["boltzmann::", "audit::"],
        reason: "models of one kind do not lean on another kind's",
    },
    Ban {
        folder: "worker/src/skills/boltzmann",
        except: &[],
        words: &["beto::", "audit::"],
        reason: "models of one kind do not lean on another kind's",
    },
];

#[test]
fn each_layer_imports_only_what_lies_below_it() {
    report(&BANS.iter().flat_map(breaches).collect::<Vec<_>>());
}

#[test]
fn one_version_of_each_dependency_stands_in_one_place() {
    let mut faults = Vec::new();
    for manifest in under("", &["toml"]).iter().filter(|file| file.path.ends_with("/Cargo.toml")) {
        let dependencies = manifest
            .text
            .split("\n[")
            .filter(|part| part.split(']').next().is_some_and(|name| name.ends_with("dependencies")));
        for line in dependencies.flat_map(|part| part.lines().skip(1)).filter(|line| line.contains('=')) {
            if !line.contains("workspace = true") {
                faults.push(format!("{}: '{line}' does not take the workspace's version", manifest.path));
            }
        }
    }

    report(&faults);
}

#[test]
fn the_orchestrator_does_not_link_libtorch() {
    let manifest = &under("orchestrator", &["toml"])[0];

    for name in ["tch", "relevo-worker"] {
        let named = manifest.text.lines().any(|line| line.split([' ', '.']).next() == Some(name));
        assert!(!named, "{} names {name}", manifest.path);
    }
}

/// A ban is tried on a text that breaks it, so that a search that finds nothing cannot pass for a tidy house.
#[test]
fn a_breach_is_found_where_there_is_one() {
    let [domain, ..] = &BANS;
    let text = "//! Says.\n// redis is only named here\nuse tokio::time::Instant;\nlet instantly = \"axum\";\n";
    let source = Source { path: "orchestrator/src/domain/x.rs".to_owned(), text: text.to_owned() };

    let found = breaches_in(&source, domain);

    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|fault| fault.starts_with("orchestrator/src/domain/x.rs:3: ")), "{found:?}");
}

#[test]
fn a_breach_in_a_group_of_imports_is_found_too() {
    let store = BANS.iter().find(|ban| ban.folder == "orchestrator/src/store").unwrap();
    let text =
        "use crate::{\n    domain::{http, job},\n    http::App, time::http,\n};\nuse crate::{engine, error::Error};\n";
    let source = Source { path: "x.rs".to_owned(), text: text.to_owned() };

    let found = breaches_in(&source, store);

    let told: Vec<&str> = found.iter().map(|fault| fault.split(" (").next().unwrap()).collect();
    assert_eq!(told, ["x.rs:3: 'crate::http'", "x.rs:5: 'crate::engine'"]);
}

fn breaches(ban: &Ban) -> Vec<String> {
    let sources = under(ban.folder, &["rs"]);
    assert!(!sources.is_empty(), "{} holds no source: the ban on it guards nothing", ban.folder);
    let bound = |source: &&Source| !ban.except.iter().any(|folder| source.path.starts_with(folder));
    sources.iter().filter(bound).flat_map(|source| breaches_in(source, ban)).collect()
}

fn breaches_in(source: &Source, ban: &Ban) -> Vec<String> {
    let mut faults = Vec::new();
    let mut depth = 0;
    for (number, line) in source.text.lines().enumerate() {
        let code = ungrouped(&code_of(line), &mut depth);
        for word in ban.words.iter().filter(|word| has_word(&code, word)) {
            faults.push(format!("{}:{}: '{word}' ({})", source.path, number + 1, ban.reason));
        }
    }
    faults
}

/// A line without its comment and without what stands in quotes.
fn code_of(line: &str) -> String {
    let line = line.split("//").next().unwrap_or_default();
    line.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

/// A line in which the members of `use crate::{…}` have the `crate::` that stands before them all. `depth` tells how many of its
/// brackets are open, from one line to the next.
fn ungrouped(code: &str, depth: &mut usize) -> String {
    const GROUP: &str = "use crate::{";
    let (mut text, rest) = match code.split_once(GROUP) {
        Some((before, rest)) if *depth == 0 => {
            *depth = 1;
            (before.to_owned(), rest)
        }
        _ if *depth == 0 => return code.to_owned(),
        _ => (String::new(), code),
    };
    let mut begins = *depth == 1;
    for c in rest.chars() {
        if *depth == 1 && begins && (c.is_alphabetic() || c == '_') {
            text.push_str("crate::");
            begins = false;
        }
        match c {
            '{' => *depth += 1,
            '}' => *depth = depth.saturating_sub(1),
            ',' => begins = true,
            _ => {}
        }
        text.push(c);
    }
    text
}

/// Whether the word stands in the line by itself, not as a part of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        let after = line[at + word.len()..].chars().next();
        !inside(line[..at].chars().next_back()) && (word.ends_with(':') || !inside(after))
    })
}
