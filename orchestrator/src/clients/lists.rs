//! Reads the lists of clients and workers and checks them: all faults at once, each with its place.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use relevo_shared::WorkerId;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{Client, ClientEntry, Clients, WorkerEntry, WorkerToken, start, token::read_hash};
use crate::domain::{quota::Plan, scope::Scope};

/// The plan of a client that names none.
const DEFAULT_PLAN: &str = "default";
/// Bytes of a webhook secret, as the Standard Webhooks specification has it.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Entries that have been read but not compared with one another, each with its place, and what was wrong so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Lists {
    pub(super) plans: Vec<(String, String, Plan)>,
    pub(super) clients: Vec<(String, ClientEntry)>,
    pub(super) workers: Vec<(String, WorkerEntry)>,
    pub(super) faults: Vec<String>,
}

impl Lists {
    /// Adds what a file holds; other tables than those that are expected in it are faults.
    pub(super) fn add_file(&mut self, file: &str, text: &str, expected: &[&str]) {
        let table = match text.parse::<Table>() {
            Ok(table) => table,
            // Only the message: the error's own text shows the line, which may hold a secret.
            Err(error) => {
                let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
                return self.faults.push(format!("{file}:{line}: this is no TOML: {}", error.message()));
            }
        };
        for (name, value) in table {
            match (name.as_str(), value) {
                (name, _) if !expected.contains(&name) => {
                    self.faults.push(format!("{file}: {name} does not belong here; expected: {}", expected.join(", ")));
                }
                ("plans", Value::Table(plans)) => {
                    for (name, plan) in plans {
                        let place = format!("{file}: plans.{name}");
                        if let Some(plan) = self.read(&place, plan) {
                            self.plans.push((place, name, plan));
                        }
                    }
                }
                ("clients", Value::Array(entries)) => {
                    let read = self.read_list(file, "clients", "name", entries);
                    self.clients.extend(read);
                }
                ("workers", Value::Array(entries)) => {
                    let read = self.read_list(file, "workers", "worker_id", entries);
                    self.workers.extend(read);
                }
                (name, _) => self.faults.push(format!("{file}: {name} must be written as {}", form(name))),
            }
        }
    }

    fn read_list<T: DeserializeOwned>(
        &mut self,
        file: &str,
        list: &str,
        naming: &str,
        entries: Vec<Value>,
    ) -> Vec<(String, T)> {
        let mut read = Vec::new();
        for (index, entry) in entries.into_iter().enumerate() {
            let name = entry.get(naming).and_then(Value::as_str).map(|name| format!(" ({name:?})"));
            let place = format!("{file}: {list}[{index}]{}", name.unwrap_or_default());
            read.extend(self.read(&place, entry).map(|entry| (place, entry)));
        }
        read
    }

    fn read<T: DeserializeOwned>(&mut self, place: &str, value: Value) -> Option<T> {
        value.try_into().map_err(|error| self.faults.push(format!("{place}: {}", error.message()))).ok()
    }

    /// Puts the lists together; with any fault, there are only faults.
    pub(super) fn finish(self) -> Result<Clients, Vec<String>> {
        let Self { plans, clients, workers, mut faults } = self;
        let plans = check_plans(plans, &mut faults);
        let mut made = Clients::default();
        for (place, entry) in clients {
            let mut fault = |what: String| faults.push(format!("{place}: {what}"));
            if !is_name(&entry.name) {
                fault("name must be 1 to 128 letters, digits, `_`, `-` and `.`".to_owned());
            }
            if made.names.contains_key(&entry.name) {
                fault("another client has this name".to_owned());
            }
            let hashes = check_hashes(&entry.token_sha256, &mut fault);
            let client = Arc::new(check_client(entry, &plans, &mut fault));
            for hash in hashes {
                if made.clients.contains(&hash) {
                    fault("one of its tokens is listed before".to_owned());
                }
                made.clients.insert(hash, Arc::clone(&client));
            }
            made.names.insert(client.name.clone(), client);
        }
        for (place, entry) in workers {
            let mut fault = |what: String| faults.push(format!("{place}: {what}"));
            if let Some(Err(wrong)) = entry.worker_id.as_deref().map(str::parse::<WorkerId>) {
                fault(wrong.to_string());
            }
            for hash in check_hashes(&entry.token_sha256, &mut fault) {
                if made.workers.contains(&hash) {
                    fault("one of its tokens is listed before".to_owned());
                }
                let token = WorkerToken {
                    worker_id: entry.worker_id.clone(),
                    signatures: entry.signatures,
                    fingerprint: start(&hash),
                };
                made.workers.insert(hash, token);
            }
        }
        if faults.is_empty() { Ok(made) } else { Err(faults) }
    }
}

fn form(list: &str) -> &'static str {
    match list {
        "plans" => "tables [plans.<name>]",
        "clients" => "a list of tables [[clients]]",
        _ => "a list of tables [[workers]]",
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (1..=128).contains(&name.len()) && name.chars().all(allowed)
}

fn check_plans(plans: Vec<(String, String, Plan)>, faults: &mut Vec<String>) -> BTreeMap<String, Plan> {
    let mut checked = BTreeMap::new();
    for (place, name, plan) in plans {
        faults.extend(plan.faults().into_iter().map(|(limit, what)| format!("{place}: {limit} {what}")));
        if checked.insert(name, plan).is_some() {
            faults.push(format!("{place}: another plan has this name"));
        }
    }
    checked
}

fn check_hashes(texts: &[String], fault: &mut impl FnMut(String)) -> HashSet<super::Hash> {
    if texts.is_empty() {
        fault("token_sha256 names no token".to_owned());
    }
    let read: HashSet<_> = texts.iter().filter_map(|text| read_hash(text)).collect();
    if texts.iter().any(|text| read_hash(text).is_none()) {
        fault("a token_sha256 is not 64 hex digits".to_owned());
    }
    read
}

fn check_client(entry: ClientEntry, plans: &BTreeMap<String, Plan>, fault: &mut impl FnMut(String)) -> Client {
    for (limit, what) in entry.limits.faults() {
        fault(format!("limits.{limit} {what}"));
    }
    let plan = plans.get(entry.plan.as_deref().unwrap_or(DEFAULT_PLAN));
    if let (Some(wanted), None) = (&entry.plan, plan) {
        let known: Vec<_> = plans.keys().map(String::as_str).collect();
        fault(format!("there is no plan {wanted:?}; there is: {}", known.join(", ")));
    }
    let scopes = match entry.scopes {
        None => Scope::USUAL.to_vec(),
        Some(words) => words
            .iter()
            .filter_map(|word| {
                let scope = Scope::from_word(word);
                if scope.is_none() {
                    let known = Scope::ALL.map(Scope::word).join(", ");
                    fault(format!("scopes names {word:?}, which is not one of {known}"));
                }
                scope
            })
            .collect(),
    };
    for secret in &entry.webhook_secrets {
        let bytes = secret.reveal().strip_prefix("whsec_").and_then(|text| BASE64_STANDARD.decode(text).ok());
        if !bytes.is_some_and(|bytes| SECRET_BYTES.contains(&bytes.len())) {
            fault("a webhook_secrets is not `whsec_` and the base64 of 24 to 64 bytes".to_owned());
        }
    }
    Client {
        name: entry.name,
        scopes,
        plan: plan.map_or_else(|| entry.limits.clone(), |plan| entry.limits.clone().or(plan)),
        user_id: entry.user_id,
        user_soeid: entry.user_soeid,
        webhook_secrets: entry.webhook_secrets,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::token, *};

    fn read(text: &str) -> Result<Clients, Vec<String>> {
        let mut lists = Lists::default();
        lists.add_file("c.toml", text, &["plans", "clients", "workers"]);
        lists.finish()
    }

    fn client(name: &str, tokens: &[&str], more: &str) -> String {
        let hashes: Vec<_> = tokens.iter().map(|token| token::hash_hex(token)).collect();
        format!("[[clients]]\nname = {name:?}\ntoken_sha256 = {hashes:?}\n{more}\n")
    }

    #[test]
    fn each_of_a_clients_tokens_is_its_own() {
        let text = client("shop", &["old", "new"], "user_id = \"7\"") + &client("bank", &["gold"], "");

        let clients = read(&text).expect("the file is right");

        for token in ["old", "new"] {
            let shop = clients.by_token(token).expect("the token is known");
            assert_eq!((shop.name.as_str(), shop.user_id.as_deref()), ("shop", Some("7")));
        }
        assert_eq!(clients.by_token("gold").map(|client| client.name.as_str()), Some("bank"));
        assert!(clients.by_token("").is_none() && clients.by_token("ol").is_none());
        assert_eq!(clients.by_name("shop").map(|client| client.scopes.as_slice()), Some(Scope::USUAL.as_slice()));
    }

    #[test]
    fn a_client_without_a_plan_has_the_default_one() {
        let plans = "[plans.default]\nburst = 3\nrequests_per_second = 1\n[plans.large]\njobs_per_day = 9\n";
        let text = [plans, &client("a", &["1"], ""), &client("b", &["2"], "plan = \"large\"\nlimits = { burst = 8 }")];

        let clients = read(&text.concat()).expect("the file is right");

        let plan = |name| clients.by_name(name).expect("it is listed").plan.clone();
        assert_eq!((plan("a").burst, plan("a").jobs_per_day), (Some(3), None));
        assert_eq!((plan("b").burst, plan("b").jobs_per_day), (Some(8), Some(9)));
    }

    #[test]
    fn a_worker_token_is_for_one_worker_or_for_any() {
        let (one, any) = (token::hash_hex("one"), token::hash_hex("any"));
        let text = format!(
            "[[workers]]\nworker_id = \"gpu-1\"\ntoken_sha256 = \"{one}\"\n[[workers]]\ntoken_sha256 = [\"{any}\"]\n"
        );

        let clients = read(&text).expect("the file is right");

        let whose = |token: &str| clients.worker(token).map(|token| token.worker_id.as_deref());
        assert_eq!(whose("one"), Some(Some("gpu-1")));
        assert_eq!(whose("any"), Some(None));
        assert_eq!((whose("other"), clients.counts()), (None, (0, 2)));
    }

    #[test]
    fn every_fault_of_a_file_is_told_with_its_place() {
        let text = [
            "[plans.small]\nburst = 0\n",
            &client("a b", &["1"], "plan = \"large\""),
            &client("shop", &["2"], "scopes = [\"jobs:red\"]"),
            &client("shop", &["2"], "webhook_secrets = [\"whsec_dG9vIHNob3J0\"]"),
            "[[clients]]\nname = \"bare\"\n",
            "[[clients]]\nname = \"odd\"\ntoken_sha256 = \"abc\"\ncolour = 1\n",
            "[[workers]]\nworker_id = \"a/b\"\ntoken_sha256 = []\n",
        ];

        let faults = read(&text.concat()).expect_err("the file is wrong");

        let expected = [
            "clients[3] (\"bare\"): missing field `token_sha256`",
            "clients[4] (\"odd\"): unknown field `colour`",
            "plans.small: burst is 0",
            "clients[0] (\"a b\"): name must be",
            "clients[0] (\"a b\"): there is no plan \"large\"; there is: small",
            "clients[1] (\"shop\"): scopes names \"jobs:red\"",
            "clients[2] (\"shop\"): another client has this name",
            "clients[2] (\"shop\"): a webhook_secrets is not",
            "clients[2] (\"shop\"): one of its tokens is listed before",
            "workers[0] (\"a/b\"): worker_id must be",
            "workers[0] (\"a/b\"): token_sha256 names no token",
        ];
        assert_eq!(faults.len(), expected.len(), "{faults:#?}");
        for (fault, expected) in faults.iter().zip(expected) {
            assert!(fault.starts_with(&format!("c.toml: {expected}")), "{fault}\n{expected}");
        }
    }

    #[test]
    fn a_fault_of_form_is_told_without_the_line_that_may_hold_a_secret() {
        let faults = read("[plans.a]\n\nkey = \"whsec_hush\n").expect_err("the file is wrong");

        assert!(faults[0].starts_with("c.toml:3: this is no TOML: "), "{faults:?}");
        assert!(!faults[0].contains("hush"), "{faults:?}");
    }

    #[test]
    fn a_table_of_another_file_is_refused() {
        let mut lists = Lists::default();
        lists.add_file("w.toml", "[plans.a]\n", &["workers"]);
        lists.add_file("w.toml", "workers = 3\n", &["workers"]);

        let faults = lists.finish().expect_err("the files are wrong");

        assert_eq!(faults[0], "w.toml: plans does not belong here; expected: workers");
        assert_eq!(faults[1], "w.toml: workers must be written as a list of tables [[workers]]");
    }
}
