//! The variables that a command sees.
//!
//! As in other builders there is no `TERM`, since no command has a terminal,
//! and no `HOSTNAME`, which shells work out by themselves.

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind};
use crate::plan::excerpt;

/// Holds what the variables of a command come from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origins<'a> {
    /// `NAME=VALUE`, as the config of the stage has it; of two with one name
    /// the last counts.
    pub(crate) config: &'a [String],
    /// The arguments that the stage has declared so far, with their values.
    pub(crate) declared: &'a BTreeMap<String, String>,
    /// What was given from outside for arguments that need not be declared.
    /// Proxies are used of it.
    pub(crate) given: &'a BTreeMap<String, String>,
    /// The home directory that the image gives to the user.
    pub(crate) home: Option<&'a str>,
    /// Where the socket of an agent is, as the file says it.
    pub(crate) agent: Option<&'a str>,
    /// The time of the build, in seconds since 1970.
    pub(crate) epoch: i64,
}

/// Holds the variables of a command, but for its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Environment {
    /// What the result depends on: it is part of the key.
    pub(crate) kept: BTreeMap<String, String>,
    /// What leads to the network here and elsewhere otherwise: it is not.
    pub(crate) passing: BTreeMap<String, String>,
}

/// Where programs are looked for in an image that does not say.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The home of users that the image knows none of.
const HOME: &str = "/";

/// The variables of proxies, in their two spellings. What is given for one of
/// the two is seen under both.
const PROXIES: [[&str; 2]; 5] = [
    ["ALL_PROXY", "all_proxy"],
    ["FTP_PROXY", "ftp_proxy"],
    ["HTTPS_PROXY", "https_proxy"],
    ["HTTP_PROXY", "http_proxy"],
    ["NO_PROXY", "no_proxy"],
];

impl Environment {
    /// Works the variables out: those of the config before the arguments, and
    /// those before the defaults.
    pub(crate) fn new(origins: &Origins<'_>) -> Result<Self, Error> {
        let mut kept = origins.declared.clone();
        for (name, value) in of_config(origins.config) {
            kept.insert(name.to_owned(), value.to_owned());
        }
        let mut default = |name: &str, value: String| {
            kept.entry(name.to_owned()).or_insert(value);
        };
        default("PATH", PATH.to_owned());
        default("SOURCE_DATE_EPOCH", origins.epoch.to_string());
        if let Some(agent) = origins.agent {
            default("SSH_AUTH_SOCK", agent.to_owned());
        }
        // An empty home is none, as for runtimes of containers.
        let home = kept.entry("HOME".to_owned()).or_default();
        if home.is_empty() {
            origins.home.unwrap_or(HOME).clone_into(home);
        }
        let mut passing = proxies(origins.given);
        passing.retain(|name, _| !kept.contains_key(name));
        for (name, value) in kept.iter().chain(&passing) {
            check(name, value)?;
        }
        Ok(Self { kept, passing })
    }

    /// Gives all variables: secrets before everything else.
    pub(crate) fn with(&self, secrets: &BTreeMap<String, Vec<u8>>) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let own = self.passing.iter().chain(&self.kept);
        let own = own.map(|(name, value)| (name.clone().into_bytes(), value.clone().into_bytes()));
        let secret = secrets.iter();
        let secret = secret.map(|(name, value)| (name.clone().into_bytes(), value.clone()));
        own.chain(secret).collect()
    }
}

/// Gives the variables of a config. What has no name, or no value, is for nobody
/// to see; of two with one name the last counts.
pub(crate) fn of_config(pairs: &[String]) -> BTreeMap<&str, &str> {
    let pairs = pairs.iter().filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| !name.is_empty()).collect()
}

/// Gives the proxies that are given, each in both spellings.
fn proxies(given: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut proxies = BTreeMap::new();
    for [upper, lower] in PROXIES {
        for (name, other) in [(upper, lower), (lower, upper)] {
            if let Some(value) = given.get(name).or_else(|| given.get(other)) {
                proxies.insert(name.to_owned(), value.clone());
            }
        }
    }
    proxies
}

/// Sees to it that the kernel takes a variable.
fn check(name: &str, value: &str) -> Result<(), Error> {
    if name.contains(['\0', '=']) || value.contains('\0') {
        let message = format!(
            "the variable `{}` has a NUL, or a `=` in its name, which no variable can have",
            excerpt(name)
        );
        return Err(Error::new(ErrorKind::Step, message)
            .with_hint("set it to another value with `ENV`, or declare another argument"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// Gives the variables of these origins: config, declared, given.
    fn environment(
        config: &[&str],
        declared: &[(&str, &str)],
        given: &[(&str, &str)],
    ) -> Result<Environment, Error> {
        let config: Vec<String> = config.iter().map(|&pair| pair.to_owned()).collect();
        Environment::new(&Origins {
            config: &config,
            declared: &map(declared),
            given: &map(given),
            home: None,
            agent: None,
            epoch: 77,
        })
    }

    #[test]
    fn an_empty_config_has_defaults() {
        let environment = environment(&[], &[], &[]).expect("valid");
        let expected = map(&[("HOME", "/"), ("PATH", PATH), ("SOURCE_DATE_EPOCH", "77")]);
        assert_eq!(environment.kept, expected);
        assert_eq!(environment.passing, map(&[]));
    }

    #[test]
    fn the_config_is_before_arguments_and_those_before_defaults() {
        let config = ["A=1", "B=x=y", "A=2", "PATH=", "=no", "no", "HOME="];
        let declared = [("A", "3"), ("C", "4"), ("SOURCE_DATE_EPOCH", "5")];
        let environment = environment(&config, &declared, &[("D", "6")]).expect("valid");
        let expected = map(&[
            ("A", "2"),
            ("B", "x=y"),
            ("C", "4"),
            ("HOME", "/"),
            ("PATH", ""),
            ("SOURCE_DATE_EPOCH", "5"),
        ]);
        assert_eq!(environment.kept, expected);
    }

    #[test]
    fn proxies_pass_by_unless_they_are_declared() {
        let given = [
            ("HTTP_PROXY", "a"),
            ("https_proxy", "b"),
            ("HTTPS_PROXY", "c"),
            ("no_proxy", "d"),
            ("SOURCE_DATE_EPOCH", "1"),
        ];
        let found = environment(&["NO_PROXY=own"], &[], &given).expect("valid");
        let expected = map(&[
            ("HTTPS_PROXY", "c"),
            ("HTTP_PROXY", "a"),
            ("http_proxy", "a"),
            ("https_proxy", "b"),
            ("no_proxy", "d"),
        ]);
        assert_eq!(found.passing, expected);
        assert_eq!(found.kept["NO_PROXY"], "own");
        let declared = environment(&[], &[("HTTP_PROXY", "a")], &given).expect("valid");
        assert_eq!(declared.kept["HTTP_PROXY"], "a");
        assert!(!declared.passing.contains_key("HTTP_PROXY"));
    }

    #[test]
    fn home_and_agent_are_of_the_step() {
        let empty = BTreeMap::new();
        let config = ["HOME=/own".to_owned(), "SSH_AUTH_SOCK=/own".to_owned()];
        let mut origins = Origins {
            config: &[],
            declared: &empty,
            given: &empty,
            home: Some("/home/app"),
            agent: Some("/agent"),
            epoch: 0,
        };
        let found = Environment::new(&origins).expect("valid");
        assert_eq!(found.kept["HOME"], "/home/app");
        assert_eq!(found.kept["SSH_AUTH_SOCK"], "/agent");
        origins.config = &config;
        let found = Environment::new(&origins).expect("valid");
        assert_eq!(found.kept["HOME"], "/own");
        assert_eq!(found.kept["SSH_AUTH_SOCK"], "/own");
    }

    #[test]
    fn secrets_are_seen_and_not_kept() {
        let environment = environment(&["A=1", "B=2"], &[], &[("http_proxy", "p")]).expect("valid");
        let before = environment.clone();
        let secrets = BTreeMap::from([("A".to_owned(), b"s\xff".to_vec())]);
        let all = environment.with(&secrets);
        assert_eq!(all[&b"A"[..]], b"s\xff");
        assert_eq!(all[&b"B"[..]], b"2");
        assert_eq!(all[&b"HTTP_PROXY"[..]], b"p");
        assert_eq!(environment, before);
    }

    #[test]
    fn what_has_no_value_changes_nothing() {
        let config = ["A=1", "A", "=2", "B=", "B=x=y"].map(str::to_owned);
        let expected = BTreeMap::from([("A", "1"), ("B", "x=y")]);
        assert_eq!(of_config(&config), expected);
    }

    #[test]
    fn what_the_kernel_does_not_take_is_refused() {
        for (config, declared) in [
            (&["A=\0"][..], &[][..]),
            (&["A\0=1"], &[]),
            (&[], &[("A", "\0")]),
        ] {
            let error = environment(config, declared, &[]).expect_err("a NUL");
            assert!(error.hint().is_some());
        }
    }
}
