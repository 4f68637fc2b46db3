//! The one list of exemptions from the house's rules. A rule that needs many
//! of them is a wrong rule: change it instead.

use crate::finding::{Finding, Rule};

/// A breach that is allowed: rule, place exactly as the finding prints it, reason.
pub(crate) type Exemption = (Rule, &'static str, &'static str);

/// Every exemption there is. One that nothing needs any more is itself a finding.
pub(crate) const LIST: &[Exemption] = &[];

/// Shortest reason that can be called one, in characters.
const SHORTEST_REASON: usize = 20;

/// Takes the exempted findings away, and adds one for each exemption that is
/// stale or has no reason.
pub(crate) fn settle(findings: Vec<Finding>, exemptions: &[Exemption]) -> Vec<Finding> {
    let covers = |(rule, place, _): &Exemption, finding: &Finding| {
        *rule == finding.rule && *place == finding.place
    };
    let mut kept: Vec<Finding> = exemptions
        .iter()
        .filter_map(|exemption| {
            let (rule, place, reason) = exemption;
            if reason.chars().count() < SHORTEST_REASON {
                return Some(format!("the exemption from {rule:?} has no reason"))
                    .map(|message| Finding::whole(Rule::Exemption, place, message));
            }
            let needed = findings.iter().any(|finding| covers(exemption, finding));
            (!needed).then(|| {
                let message = format!("the exemption from {rule:?} is not needed any more");
                Finding::whole(Rule::Exemption, place, message)
            })
        })
        .collect();
    kept.extend(findings.into_iter().filter(|finding| {
        !exemptions
            .iter()
            .any(|exemption| covers(exemption, finding))
    }));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long_file() -> Finding {
        Finding::whole(Rule::Size, "a.rs", "too long".to_owned())
    }

    #[test]
    fn an_exemption_covers_its_rule_and_place_alone() {
        let other = Finding::whole(Rule::Name, "a.rs", "bad name".to_owned());
        let list = [(Rule::Size, "a.rs", "one table, read from top to bottom")];
        assert_eq!(settle(vec![long_file(), other.clone()], &list), vec![other]);
    }

    #[test]
    fn a_stale_exemption_is_found() {
        let list = [(Rule::Size, "b.rs", "one table, read from top to bottom")];
        let settled = settle(vec![long_file()], &list);
        assert_eq!(settled.len(), 2);
        assert_eq!(settled[0].rule, Rule::Exemption);
        assert_eq!(settled[1], long_file());
    }

    #[test]
    fn an_exemption_without_a_reason_is_found() {
        let settled = settle(vec![long_file()], &[(Rule::Size, "a.rs", "because")]);
        assert_eq!(settled.len(), 1);
        assert_eq!(settled[0].rule, Rule::Exemption);
    }
}
