//! Scopes: what a token is asked for (Docker's token authentication:
//! `repository:<name>:<action>,<action>`).

use std::collections::{BTreeMap, BTreeSet};

use oci::RepositoryName;

/// The most resources of a challenge that are asked for.
const RESOURCES: usize = 16;

/// Lists resources and what is to be done with each. An ordered value, so that
/// equal wishes find the same token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Scopes(BTreeMap<String, BTreeSet<String>>);

impl Scopes {
    /// Asks for nothing but to be known.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    pub(crate) fn repository(name: &RepositoryName, actions: &[&str]) -> Self {
        Self::none().and(format!("repository:{name}"), actions)
    }

    pub(crate) fn catalog() -> Self {
        Self::none().and("registry:catalog".to_owned(), &["*"])
    }

    /// Asks for pulling from another repository besides, as a mount does.
    pub(crate) fn and_pull(self, name: &RepositoryName) -> Self {
        self.and(format!("repository:{name}"), &["pull"])
    }

    fn and(mut self, resource: String, actions: &[&str]) -> Self {
        self.0
            .entry(resource)
            .or_default()
            .extend(actions.iter().map(|action| (*action).to_owned()));
        self
    }

    /// Asks for what a challenge names besides. What is no scope is left out.
    pub(crate) fn widened(&self, challenge: &str) -> Self {
        let mut wide = self.clone();
        for text in challenge.split_ascii_whitespace() {
            // The name in the middle may hold a colon of a port.
            let Some((resource, actions)) = text.rsplit_once(':') else {
                continue;
            };
            if !resource.contains(':')
                || (wide.0.len() == RESOURCES && !wide.0.contains_key(resource))
            {
                continue;
            }
            let actions: Vec<_> = actions.split(',').filter(|a| !a.is_empty()).collect();
            wide = wide.and(resource.to_owned(), &actions);
        }
        wide
    }

    /// Writes each scope as the token endpoint wants it.
    pub(crate) fn to_parameters(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(resource, actions)| {
            let actions: Vec<_> = actions.iter().map(String::as_str).collect();
            format!("{resource}:{}", actions.join(","))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(scopes: &Scopes) -> Vec<String> {
        scopes.to_parameters().collect()
    }

    #[test]
    fn wishes_are_merged() {
        let name: RepositoryName = "a/b".parse().expect("a name");
        let other: RepositoryName = "c".parse().expect("a name");
        let scopes = Scopes::repository(&name, &["pull", "push"]).and_pull(&other);
        assert_eq!(
            text(&scopes),
            ["repository:a/b:pull,push", "repository:c:pull"]
        );
        let wide = scopes
            .widened("repository:a/b:delete  registry:catalog:* bad repository:h:5000/x:pull");
        assert_eq!(
            text(&wide),
            [
                "registry:catalog:*",
                "repository:a/b:delete,pull,push",
                "repository:c:pull",
                "repository:h:5000/x:pull",
            ]
        );
        assert_eq!(text(&Scopes::none()), [""; 0]);
    }

    #[test]
    fn a_challenge_can_not_ask_without_end() {
        let challenge: String = (0..1000)
            .map(|n| format!("repository:r{n}:pull "))
            .collect();
        let name: RepositoryName = "a".parse().expect("a name");
        let wide = Scopes::repository(&name, &["pull"]).widened(&challenge);
        assert_eq!(text(&wide).len(), RESOURCES);
    }
}
