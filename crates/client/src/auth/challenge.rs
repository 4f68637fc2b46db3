//! Reading `WWW-Authenticate` (RFC 9110, section 11.6.1): several challenges
//! in one line, several lines, quoted strings with commas in them.

use http::{HeaderMap, header};

/// The most challenges that are read of one answer.
const CHALLENGES: usize = 16;

/// The most parameters that are read of one challenge.
const PARAMETERS: usize = 32;

/// Is one way to authenticate that a server offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// The scheme, in lower case.
    pub(crate) scheme: String,
    /// Names, in lower case, and values.
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// Gives the first value of a parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Reads every challenge of an answer, in order.
pub(crate) fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    let mut all = Vec::new();
    for line in headers.get_all(header::WWW_AUTHENTICATE) {
        parse(&String::from_utf8_lossy(line.as_bytes()), &mut all);
    }
    all
}

/// Reads one header line. What can not be read ends the line; the challenges
/// before it stand.
fn parse(line: &str, all: &mut Vec<Challenge>) {
    let mut cursor = Cursor(line);
    // Parameters belong to a challenge of the same line.
    let first = all.len();
    loop {
        cursor.skip(|c| c == ',' || is_space(c));
        let word = cursor.token();
        if word.is_empty() {
            return;
        }
        let before_space = cursor;
        cursor.skip(is_space);
        if cursor.eat('=') && all.len() > first {
            cursor.skip(is_space);
            let value = cursor.value();
            if let Some(challenge) = all.last_mut()
                && challenge.parameters.len() < PARAMETERS
            {
                challenge
                    .parameters
                    .push((word.to_ascii_lowercase(), value));
            }
            continue;
        }
        if all.len() == CHALLENGES {
            return;
        }
        all.push(Challenge {
            scheme: word.to_ascii_lowercase(),
            parameters: Vec::new(),
        });
        cursor = before_space;
        cursor.skip(is_space);
        cursor.skip_token68();
    }
}

/// Is what is still to be read.
#[derive(Clone, Copy)]
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn skip(&mut self, unwanted: impl Fn(char) -> bool) {
        self.0 = self.0.trim_start_matches(unwanted);
    }

    fn eat(&mut self, wanted: char) -> bool {
        match self.0.strip_prefix(wanted) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|c| !wanted(c)).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        word
    }

    fn token(&mut self) -> &'a str {
        self.take_while(is_token)
    }

    /// Reads a quoted string, or whatever stands up to the next comma or
    /// space: some registries leave the quotes out around URLs.
    fn value(&mut self) -> String {
        if !self.eat('"') {
            return self.take_while(|c| c != ',' && !is_space(c)).to_owned();
        }
        let mut value = String::new();
        let mut characters = self.0.char_indices();
        while let Some((index, character)) = characters.next() {
            match character {
                '"' => {
                    self.0 = &self.0[index + 1..];
                    return value;
                }
                '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
                other => value.push(other),
            }
        }
        self.0 = "";
        value
    }

    /// Skips the single value that schemes such as `Negotiate` carry in place
    /// of parameters: it stands alone up to a comma or the end, with no more
    /// than `=` after it.
    fn skip_token68(&mut self) {
        let mut ahead = *self;
        ahead.skip(|c| c.is_ascii_alphanumeric() || "-._~+/".contains(c));
        ahead.skip(|c| c == '=');
        let consumed = ahead.0.len() < self.0.len();
        ahead.skip(is_space);
        if consumed && (ahead.0.is_empty() || ahead.0.starts_with(',')) {
            *self = ahead;
        }
    }
}

fn is_space(character: char) -> bool {
    character == ' ' || character == '\t'
}

fn is_token(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(lines: &[&str]) -> Vec<(String, Vec<(String, String)>)> {
        let mut all = Vec::new();
        for line in lines {
            parse(line, &mut all);
        }
        all.into_iter().map(|c| (c.scheme, c.parameters)).collect()
    }

    fn expect(line: &str, expected: &[(&str, &[(&str, &str)])]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(scheme, parameters)| {
                let parameters = parameters
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect::<Vec<_>>();
                ((*scheme).to_owned(), parameters)
            })
            .collect();
        assert_eq!(read(&[line]), expected, "{line}");
    }

    #[test]
    fn what_registries_send() {
        expect(
            r#"Bearer realm="https://auth.example/token",service="reg",scope="repository:a/b:pull,push""#,
            &[(
                "bearer",
                &[
                    ("realm", "https://auth.example/token"),
                    ("service", "reg"),
                    ("scope", "repository:a/b:pull,push"),
                ],
            )],
        );
        expect(
            r#"Basic realm="wharf""#,
            &[("basic", &[("realm", "wharf")])],
        );
        expect(
            r#"BEARER Realm = "x" , SERVICE=y"#,
            &[("bearer", &[("realm", "x"), ("service", "y")])],
        );
        expect(
            r#"Bearer realm="a",service="b", Basic realm="c \"d\", e""#,
            &[
                ("bearer", &[("realm", "a"), ("service", "b")]),
                ("basic", &[("realm", r#"c "d", e"#)]),
            ],
        );
        expect(
            r#"Negotiate, Basic realm="x""#,
            &[("negotiate", &[]), ("basic", &[("realm", "x")])],
        );
        expect(
            r#"Negotiate YII+/==, Basic realm="x""#,
            &[("negotiate", &[]), ("basic", &[("realm", "x")])],
        );
        expect("Basic", &[("basic", &[])]);
        expect(
            "Bearer realm=https://a/token?x=1,service=y",
            &[(
                "bearer",
                &[("realm", "https://a/token?x=1"), ("service", "y")],
            )],
        );
    }

    #[test]
    fn several_lines_are_several_challenges() {
        let read = read(&[r#"Bearer realm="a""#, r#"Basic realm="b""#]);
        assert_eq!(read.len(), 2);
        assert_eq!(read[1].1, [("realm".to_owned(), "b".to_owned())]);
    }

    #[test]
    fn damaged_lines_end_without_harm() {
        expect("", &[]);
        expect(",,, ,", &[]);
        expect("\"", &[]);
        expect("=x", &[]);
        expect(
            r#"Bearer realm="unfinished"#,
            &[("bearer", &[("realm", "unfinished")])],
        );
        expect(r#"Bearer realm="x\"#, &[("bearer", &[("realm", "x")])]);
    }

    proptest! {
        #[test]
        fn any_line_has_an_answer(line: String) {
            prop_assert!(read(&[&line]).len() <= CHALLENGES);
        }

        #[test]
        fn near_misses_have_an_answer(line in r#"(Bearer|Basic|[a-z]{1,4}|[ ,="\\]|realm="[a-z,]{0,4}"){0,12}"#) {
            prop_assert!(read(&[&line]).len() <= CHALLENGES);
        }

        #[test]
        fn what_is_written_is_read(
            schemes in proptest::collection::vec(
                ("[a-z]{1,8}", proptest::collection::vec(("[a-z_]{1,8}", "[ -~]{0,20}"), 1..4)),
                1..4,
            )
        ) {
            let line = schemes
                .iter()
                .map(|(scheme, parameters)| {
                    let parameters: Vec<_> = parameters
                        .iter()
                        .map(|(name, value)| {
                            let value = value.replace('\\', r"\\").replace('"', r#"\""#);
                            format!(r#"{name}="{value}""#)
                        })
                        .collect();
                    format!("{scheme} {}", parameters.join(", "))
                })
                .collect::<Vec<_>>()
                .join(", ");
            prop_assert_eq!(read(&[&line]), schemes, "{}", line);
        }
    }
}
