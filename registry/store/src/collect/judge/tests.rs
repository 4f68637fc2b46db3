use proptest::prelude::*;

use super::*;

const NOW: u64 = 1000;
const GRACE: u64 = 100;
const AGE: Age = Age {
    now: NOW,
    grace: GRACE,
};

/// Makes a version in the one way that there is outside of its crate.
fn version(text: &str) -> Version {
    serde_json::from_value(serde_json::Value::from(text)).expect("a version")
}

fn fact(name: &str, since: u64) -> Fact {
    Fact {
        key: Key::top(name),
        version: version(name),
        since,
    }
}

fn since() -> impl Strategy<Value = u64> {
    prop_oneof![0..NOW - GRACE, NOW - GRACE..NOW + 2, Just(u64::MAX)]
}

fn facts(name: &'static str) -> impl Strategy<Value = Vec<Fact>> {
    proptest::collection::vec(since(), 0..3).prop_map(move |all| {
        let all = all.into_iter().enumerate();
        all.map(|(number, since)| fact(&format!("{name}{number}"), since))
            .collect()
    })
}

prop_compose! {
    fn place()(
        manifest in proptest::bool::weighted(0.2),
        link in proptest::option::of(since()),
        holder in proptest::option::of(since()),
        live in proptest::bool::weighted(0.3),
        more in proptest::bool::weighted(0.1),
        stale in facts("reference"),
        remains in facts("tag"),
    ) -> Place {
        Place {
            manifest,
            link: link.map(|since| fact("link", since)),
            holder: holder.map(|since| fact("holder", since)),
            references: References { live, stale, more },
            remains,
        }
    }
}

prop_compose! {
    fn seen()(
        places in proptest::collection::vec(place(), 0..4),
        elsewhere in proptest::bool::weighted(0.3),
        size in proptest::option::of(0..100_u64),
    ) -> Content {
        Content {
            places: places.into_iter().enumerate().map(|(number, place)| at(number, place)).collect(),
            elsewhere,
            bytes: size.map(|size| Bytes { key: Key::top("bytes"), version: version("bytes"), size }),
        }
    }
}

/// Gives a place keys of its own.
fn at(number: usize, mut place: Place) -> Place {
    let facts = place.link.iter_mut().chain(&mut place.holder);
    let facts = facts.chain(&mut place.references.stale);
    for fact in facts.chain(&mut place.remains) {
        fact.key = fact.key.child(&number.to_string());
    }
    place
}

fn goes(verdict: &Verdict, fact: &Fact) -> bool {
    verdict.facts.contains(fact)
}

proptest! {
    #[test]
    fn what_a_manifest_needs_stays(seen in seen()) {
        let verdict = content(&seen, AGE);
        for place in &seen.places {
            let needed = place.manifest || (place.link.is_some() && place.references.live);
            if needed {
                for fact in place.link.iter().chain(&place.holder).chain(&place.remains) {
                    prop_assert!(!goes(&verdict, fact));
                }
                prop_assert_eq!(&verdict.bytes, &None);
            }
        }
    }

    #[test]
    fn what_is_young_stays_and_is_looked_at_again(seen in seen()) {
        let verdict = content(&seen, AGE);
        prop_assert_eq!(verdict.again.len(), seen.places.len());
        for (place, again) in seen.places.iter().zip(&verdict.again) {
            let facts = place.link.iter().chain(&place.holder).chain(&place.references.stale);
            for fact in facts.filter(|fact| AGE.young_until(fact.since).is_some()) {
                prop_assert!(!goes(&verdict, fact));
                if !(place.manifest || place.link.is_some() && place.references.live) {
                    prop_assert_eq!(&verdict.bytes, &None);
                    let again = again.expect("a time");
                    prop_assert!(again > NOW && again <= NOW + GRACE, "{}", again);
                }
            }
        }
    }

    #[test]
    fn bytes_go_only_with_every_holder(seen in seen()) {
        let verdict = content(&seen, AGE);
        if verdict.bytes.is_some() {
            prop_assert!(!seen.elsewhere);
            for place in &seen.places {
                prop_assert!(!place.manifest);
                for fact in place.link.iter().chain(&place.holder) {
                    prop_assert!(goes(&verdict, fact));
                }
            }
        }
    }

    #[test]
    fn what_nothing_needs_goes_whole(seen in seen()) {
        let verdict = content(&seen, AGE);
        let mut over = !seen.elsewhere;
        for (place, again) in seen.places.iter().zip(&verdict.again) {
            let facts = place.link.iter().chain(&place.holder).chain(&place.references.stale);
            let old = facts.clone().all(|fact| fact.since.saturating_add(GRACE) <= NOW);
            let lives = place.manifest || (place.link.is_some() && place.references.live);
            if old && !lives && !place.references.more {
                for fact in facts.chain(&place.remains) {
                    prop_assert!(goes(&verdict, fact));
                }
                prop_assert_eq!(*again, None);
            } else {
                over = false;
            }
        }
        if over {
            prop_assert_eq!(verdict.bytes, seen.bytes);
        }
    }

    #[test]
    fn only_what_was_seen_goes_and_once(seen in seen()) {
        let verdict = content(&seen, AGE);
        let mut all: Vec<&Fact> = Vec::new();
        for place in &seen.places {
            all.extend(place.link.iter().chain(&place.holder));
            all.extend(place.references.stale.iter().chain(&place.remains));
        }
        for fact in &verdict.facts {
            prop_assert!(all.contains(&fact));
        }
        let mut keys: Vec<_> = verdict.facts.iter().map(|fact| &fact.key).collect();
        keys.sort();
        keys.dedup();
        prop_assert_eq!(keys.len(), verdict.facts.len());
    }

    #[test]
    fn more_needs_never_let_more_go(seen in seen(), which in 0..4_usize) {
        let before = content(&seen, AGE);
        let mut more = seen.clone();
        if let Some(place) = more.places.get_mut(which) {
            place.references.live = true;
        }
        more.elsewhere |= which == 3;
        let after = content(&more, AGE);
        prop_assert!(after.facts.iter().all(|fact| before.facts.contains(fact)));
        prop_assert!(after.bytes.is_none() || before.bytes.is_some());
    }

    #[test]
    fn time_only_adds_to_what_goes(seen in seen(), later in 0..1000_u64) {
        let facts = |seen: &Content| {
            let mut seen = seen.clone();
            // A clock that runs ahead makes things young for ever.
            for place in &mut seen.places {
                let facts = place.link.iter_mut().chain(&mut place.holder);
                for fact in facts.chain(&mut place.references.stale) {
                    fact.since = fact.since.min(NOW);
                }
            }
            seen
        };
        let seen = facts(&seen);
        let before = content(&seen, AGE);
        let after = content(&seen, Age { now: NOW + later, ..AGE });
        prop_assert!(before.facts.iter().all(|fact| after.facts.contains(fact)));
        prop_assert!(before.bytes.is_none() || after.bytes.is_some());
    }

    #[test]
    fn a_manifest_goes_only_by_a_policy(
        (tagged, child, refers) in any::<(bool, bool, bool)>(),
        (pushed, lost, after) in (0..NOW * 2, 0..NOW * 2, 0..NOW),
    ) {
        let seen = Manifest { record: fact("manifest", pushed), tagged, child, refers };
        let held = tagged || child || refers;
        let untagged = manifest(&seen, Why::Untagged { since: lost, after }, NOW);
        let since = pushed.max(lost).min(NOW);
        prop_assert_eq!(untagged, match since + after {
            _ if held => Fate::Stays,
            due if due <= NOW => Fate::Goes,
            due => Fate::Later(due),
        });
        let orphaned = manifest(&seen, Why::SubjectGone { since: lost }, NOW);
        let expected = if !held && pushed < lost { Fate::Goes } else { Fate::Stays };
        prop_assert_eq!(orphaned, expected);
    }
}

#[test]
fn leftovers_that_are_too_many_become_fewer() {
    let place = Place {
        holder: Some(fact("holder", 0)),
        references: References {
            live: false,
            stale: vec![fact("reference", 0)],
            more: true,
        },
        remains: vec![fact("tag", 0)],
        ..Place::default()
    };
    let verdict = content(
        &Content {
            places: vec![place],
            ..Content::default()
        },
        AGE,
    );
    assert_eq!(verdict.facts, [fact("reference", 0), fact("tag", 0)]);
    assert_eq!(verdict.again, [Some(NOW)]);
}
