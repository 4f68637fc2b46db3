//! Values that look like secrets. They are put together here: a file that
//! held one would be found by others who look for them.

use crate::{Facts, check, parse};

fn finds(text: &str) -> Vec<String> {
    let (file, parsed) = parse(text.as_bytes());
    let said = check(&file, text.as_bytes(), parsed, &Facts::default());
    let said = said.into_iter().filter(|said| said.code == "SecretInValue");
    said.map(|said| {
        assert!(!said.message.contains("aB1c"), "{said}");
        text[said.span.range()].to_owned()
    })
    .collect()
}

/// Makes letters of which no two neighbours are the same.
fn letters(count: usize) -> String {
    "aB1cD2eF3gH4iJ5kL6mN7oP8qR9"
        .chars()
        .cycle()
        .take(count)
        .collect()
}

#[test]
fn tokens_are_found_by_how_they_begin() {
    let forms = [
        ("AIza", 35),
        ("dckr_pat_", 27),
        ("ghp_", 36),
        ("github_pat_", 82),
        ("glpat-", 20),
        ("hf_", 34),
        ("npm_", 36),
        ("pypi-AgEI", 150),
        ("sk_live_", 24),
        ("xoxb-", 50),
    ];
    for (prefix, length) in forms {
        let token = format!("{prefix}{}", letters(length));
        for text in [
            format!("FROM scratch\nENV A={token}\n"),
            format!("FROM scratch\nENV A=\"https://user:{token}@host\"\n"),
            format!("ARG A={token}\nFROM scratch\n"),
            format!("FROM scratch\nARG B A={token}\n"),
            format!("FROM scratch\nLABEL a={token}\n"),
            format!("FROM a\nRUN curl -H 'Authorization: {token}' b\n"),
            format!("FROM a\nRUN <<EOF\n\techo {token}\nEOF\n"),
            format!("FROM a\nCOPY <<EOF /a\ntoken={token}\nEOF\n"),
            format!("FROM a\nONBUILD ENV A={token}\n"),
        ] {
            assert_eq!(finds(&text), [token.as_str()], "{text}");
        }
        let short = letters(8);
        assert!(finds(&format!("FROM scratch\nENV A={prefix}{short}\n")).is_empty());
        let same = "x".repeat(length);
        assert!(finds(&format!("FROM scratch\nENV A={prefix}{same}\n")).is_empty());
        let words = "config_of_unsafe_builds_and_so_on_".repeat(4);
        assert!(finds(&format!("FROM a\nRUN export {prefix}{words}=1\n")).is_empty());
        let inside = format!("FROM scratch\nENV A=x{token}\n");
        assert!(finds(&inside).is_empty(), "{inside}");
    }
}

#[test]
fn private_keys_are_found_and_others_not() {
    for kind in ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "] {
        let line = format!("-----BEGIN {kind}{} KEY-----", "PRIVATE");
        let text = format!("FROM a\nCOPY <<EOF /key\n{line}\n{}\nEOF\n", letters(60));
        assert_eq!(finds(&text), [line.as_str()]);
    }
    let public = "FROM a\nENV A='-----BEGIN PUBLIC KEY-----'\n";
    assert!(finds(public).is_empty());
    let far = format!(
        "FROM a\nENV A='-----BEGIN {} PRIVATE KEY-----'\n",
        letters(50)
    );
    assert!(finds(&far).is_empty());
}
