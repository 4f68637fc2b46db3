//! Following `Link` headers to the end of a list.

use spec_tests::{Answer, Registry};

/// Most pages that a list may have here; more is a loop.
const PAGE_LIMIT: usize = 2_000;

/// Reads the target of `Link: <...>; rel="next"`, if the answer has one.
///
/// # Panics
/// When there is a `Link` that RFC 8288 does not know.
pub(crate) fn next(answer: &Answer) -> Option<String> {
    let link = answer.header("link")?;
    let (target, parameters) = link
        .strip_prefix('<')
        .and_then(|rest| rest.split_once('>'))
        .unwrap_or_else(|| panic!("`Link: {link}` has no target in angle brackets"));
    let relation = parameters.replace(' ', "");
    assert!(
        relation == ";rel=\"next\"" || relation == ";rel=next",
        "`Link: {link}` is not of the relation `next`"
    );
    Some(target.to_owned())
}

/// Gets a list page by page until there is no `Link` any more.
pub(crate) fn pages(registry: &Registry, first: &str) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut path = Some(first.to_owned());
    while let Some(here) = path {
        assert!(answers.len() < PAGE_LIMIT, "the pages of {first} never end");
        let answer = registry.get(&here).send().expect(200);
        path = next(&answer);
        answers.push(answer);
    }
    answers
}

/// Reads an array of strings out of a JSON body.
pub(crate) fn strings(answer: &Answer, member: &str) -> Vec<String> {
    let body = answer.json();
    let list = body[member].as_array();
    let list = list.unwrap_or_else(|| panic!("no array `{member}` in {}", answer.summary()));
    let texts = list.iter().map(|item| item.as_str().expect("a string"));
    texts.map(str::to_owned).collect()
}
