//! What a fetched file is called, where nobody says: as its URL ends, else as
//! its server says (RFC 6266, `Content-Disposition`).

use percent_encoding::percent_decode_str;
use url::Url;

/// Gives the last part of a URL's path, decoded.
pub(super) fn of_url(url: &Url) -> Option<String> {
    let path = percent_decode_str(url.path()).decode_utf8().ok()?;
    plain(&path)
}

/// Reads the name that a server gives: `filename*` before `filename`.
pub(super) fn of_disposition(value: &str) -> Option<String> {
    let mut parameters = Parameters(value).skip(1);
    let mut usual = None;
    for (key, value) in &mut parameters {
        if key.eq_ignore_ascii_case("filename*") {
            let mut parts = value.splitn(3, '\'');
            let charset = parts.next().unwrap_or_default();
            if charset.eq_ignore_ascii_case("utf-8")
                && let Some(encoded) = parts.nth(1)
                && let Ok(name) = percent_decode_str(encoded).decode_utf8()
                && let Some(name) = plain(&name)
            {
                return Some(name);
            }
        } else if key.eq_ignore_ascii_case("filename") && usual.is_none() {
            usual = plain(&value);
        }
    }
    usual
}

/// Takes the last part of a path, if it can be the name of a file.
fn plain(path: &str) -> Option<String> {
    let name = path.trim_end_matches('/').rsplit(['/', '\\']).next()?;
    let odd = name.is_empty() || name == "." || name == ".." || name.contains(char::is_control);
    (!odd).then(|| name.to_owned())
}

/// Goes through what stands between semicolons, each a key and a value; the
/// first has no value.
struct Parameters<'a>(&'a str);

impl Iterator for Parameters<'_> {
    type Item = (String, String);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let (mut quoted, mut escaped, mut valued) = (false, false, false);
        let (mut key, mut value) = (String::new(), String::new());
        let mut end = self.0.len();
        for (position, c) in self.0.char_indices() {
            let part = if valued { &mut value } else { &mut key };
            match c {
                _ if escaped => {
                    part.push(c);
                    escaped = false;
                }
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                ';' if !quoted => {
                    end = position;
                    break;
                }
                '=' if !quoted && !valued => valued = true,
                _ => part.push(c),
            }
        }
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        Some((key.trim().to_owned(), value.trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_urls() {
        for (url, expected) in [
            ("http://h/a/b.tar?x=y#z", Some("b.tar")),
            ("http://h/dir/", Some("dir")),
            ("http://h/a%20b", Some("a b")),
            ("http://h/a%2Fb", Some("b")),
            ("http://h/a%2F..", None),
            ("http://h", None),
            ("http://h/", None),
            ("http://h/%00", None),
            ("http://h/%ff", None),
        ] {
            let url = Url::parse(url).expect("a URL");
            assert_eq!(of_url(&url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn names_of_servers() {
        for (value, expected) in [
            ("attachment", None),
            ("attachment; filename=a.txt", Some("a.txt")),
            ("attachment; FileName=\"a b.txt\"", Some("a b.txt")),
            ("attachment; filename=\"a;\\\"b\"; x=y", Some("a;\"b")),
            ("attachment; filename=\"../../etc/passwd\"", Some("passwd")),
            ("attachment; filename=\"C:\\\\x\\\\y\"", Some("y")),
            ("attachment; filename=..", None),
            ("attachment; filename=\"\"", None),
            (
                "attachment; filename=a; filename*=UTF-8'en'%e2%82%ac",
                Some("€"),
            ),
            ("attachment; filename*=latin1''a; filename=b", Some("b")),
            ("filename=a", None),
            ("", None),
            (";;=;\"", None),
        ] {
            assert_eq!(of_disposition(value).as_deref(), expected, "{value}");
        }
    }
}
