//! Checks of pages: order, completeness, and where one page ends.

use std::sync::Arc;

use bytes::Bytes;

use super::Checked;
use super::content::{content, key, publish, record};
use crate::backend::{Backend, Page, Swapped};
use crate::key::Key;

const VALUE: Bytes = Bytes::from_static(b"value");

/// Names that sort otherwise as soon as a directory is thought of with a `/`
/// behind it. The second of each pair says whether it is a directory.
const NAMES: [(&str, bool); 18] = [
    ("a", true),
    ("a%", false),
    ("a-", true),
    ("a--", false),
    ("a-.b", true),
    ("a-b", false),
    ("a.", true),
    ("a.b", false),
    ("a.b-c", true),
    ("a.b.c", false),
    ("a0", true),
    ("aa", false),
    ("b", false),
    ("b-", true),
    ("v1", true),
    ("v1.0", true),
    ("v1.0.0", true),
    ("v1.0.0-rc", false),
];

fn top() -> Key {
    Key::top("conformance")
}

pub(super) async fn a_page_of_nothing_is_empty(backend: Arc<dyn Backend>) -> Checked {
    for after in ["", "a"] {
        ensure_eq!(backend.page(&top(), after, 10).await?, Page::default());
    }
    // A record is no directory.
    ensure_eq!(backend.create(&key("a"), VALUE).await?, Swapped::Done);
    ensure_eq!(backend.page(&key("a"), "", 10).await?, Page::default());
    Ok(())
}

pub(super) async fn a_page_of_one_is_whole(backend: Arc<dyn Backend>) -> Checked {
    ensure_eq!(backend.create(&key("m"), VALUE).await?, Swapped::Done);
    for (after, limit, found) in [
        ("", 1, true),
        ("", 9, true),
        ("l", 1, true),
        ("m", 1, false),
    ] {
        let page = backend.page(&top(), after, limit).await?;
        ensure_eq!(page.names, if found { vec!["m"] } else { vec![] });
        ensure_eq!(page.more, false);
    }
    let none = backend.page(&top(), "", 0).await?;
    ensure_eq!(none.names.len(), 0);
    ensure_eq!(none.more, true);
    Ok(())
}

pub(super) async fn pages_follow_each_other(backend: Arc<dyn Backend>) -> Checked {
    const COUNT: usize = 230;
    let mut names: Vec<String> = (0..COUNT).map(|number| format!("{number}")).collect();
    for name in &names {
        ensure_eq!(backend.create(&key(name), VALUE).await?, Swapped::Done);
    }
    names.sort_unstable();
    for limit in [1, 7, 23, COUNT - 1, COUNT, COUNT + 1] {
        ensure_eq!(walk(&*backend, limit).await?, names);
    }
    Ok(())
}

/// Collects all names, page by page.
async fn walk(backend: &dyn Backend, limit: usize) -> Result<Vec<String>, super::Failure> {
    let mut names: Vec<String> = Vec::new();
    loop {
        let after = names.last().cloned().unwrap_or_default();
        let page = backend.page(&top(), &after, limit).await?;
        ensure!(
            page.names.len() <= limit,
            "a page of {limit} has {} names",
            page.names.len()
        );
        ensure!(
            !page.more || page.names.len() == limit,
            "a page of {} names has room for more",
            page.names.len()
        );
        names.extend(page.names);
        if !page.more {
            return Ok(names);
        }
    }
}

pub(super) async fn more_is_exact(backend: Arc<dyn Backend>) -> Checked {
    for name in ["a", "b", "c"] {
        ensure_eq!(backend.create(&key(name), VALUE).await?, Swapped::Done);
    }
    for (after, limit, more) in [
        ("", 2, true),
        ("", 3, false),
        ("", 4, false),
        ("a", 1, true),
        ("a", 2, false),
        ("b", 1, false),
        ("c", 1, false),
    ] {
        ensure_eq!(
            (after, limit, backend.page(&top(), after, limit).await?.more),
            (after, limit, more)
        );
    }
    Ok(())
}

async fn fill(backend: &dyn Backend) -> Result<Vec<String>, super::Failure> {
    for (name, is_directory) in NAMES {
        if is_directory {
            for below in ["-", "x", "y"] {
                let key = key(name).child(below);
                ensure_eq!(backend.create(&key, VALUE).await?, Swapped::Done);
            }
        } else {
            ensure_eq!(backend.create(&key(name), VALUE).await?, Swapped::Done);
        }
    }
    let mut names: Vec<String> = NAMES
        .iter()
        .map(|(name, _)| key(name).name().to_owned())
        .collect();
    names.sort_unstable();
    Ok(names)
}

pub(super) async fn names_are_in_byte_order(backend: Arc<dyn Backend>) -> Checked {
    let names = fill(&*backend).await?;
    for limit in 1..=names.len() + 1 {
        ensure_eq!(walk(&*backend, limit).await?, names);
    }
    Ok(())
}

pub(super) async fn any_text_can_be_after(backend: Arc<dyn Backend>) -> Checked {
    let names = fill(&*backend).await?;
    let others = ["0", "a!", "a-.", "a-.a", "a.b.", "b.", "v1.0.", "zz", "~"];
    let texts = names.iter().map(String::as_str).chain(others);
    for after in texts {
        for limit in 1..5 {
            let page = backend.page(&top(), after, limit).await?;
            let rest: Vec<&String> = names.iter().filter(|name| name.as_str() > after).collect();
            let wanted: Vec<&String> = rest.iter().copied().take(limit).collect();
            ensure_eq!(page.names.iter().collect::<Vec<_>>(), wanted);
            ensure_eq!(page.more, rest.len() > limit);
        }
    }
    Ok(())
}

pub(super) async fn deleted_names_are_gone(backend: Arc<dyn Backend>) -> Checked {
    const COUNT: usize = 40;
    for number in 0..COUNT {
        let name = format!("{number:02}");
        ensure_eq!(backend.create(&key(&name), VALUE).await?, Swapped::Done);
    }
    for number in (0..COUNT).filter(|number| number % 5 != 0) {
        let key = key(&format!("{number:02}"));
        if number % 2 == 0 {
            backend.delete(&key).await?;
        } else {
            let version = record(&*backend, &key).await?.version;
            ensure_eq!(backend.delete_if(&key, &version).await?, Swapped::Done);
        }
    }
    let left = ["00", "05", "10", "15", "20", "25", "30", "35"];
    for limit in [1, 3, 8] {
        ensure_eq!(walk(&*backend, limit).await?, left);
    }
    ensure_eq!(backend.page(&top(), "30", 1).await?.more, false);
    Ok(())
}

pub(super) async fn only_the_key_itself_is_listed(backend: Arc<dyn Backend>) -> Checked {
    for key in [
        key("a").child("one"),
        key("a").child("two").child("three"),
        key("ab").child("x"),
        key("a-").child("x"),
        Key::top("other").child("a").child("x"),
    ] {
        ensure_eq!(backend.create(&key, VALUE).await?, Swapped::Done);
    }
    publish(&*backend, &key("a").child("blob"), &content(1, 1000)).await?;
    let page = backend.page(&key("a"), "", 10).await?;
    ensure_eq!(page.names, ["blob", "one", "two"]);
    let page = backend.page(&top(), "", 10).await?;
    ensure_eq!(page.names, ["a", "a-", "ab"]);
    Ok(())
}
