//! What is learned from a 401, without any network.

use http::header;

use super::*;

fn headers(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_str(line).expect("a header"),
        );
    }
    headers
}

fn url(text: &str) -> Url {
    text.parse().expect("a URL")
}

#[test]
fn a_token_is_preferred() {
    let origin = url("https://r.example/v2/");
    let found = demanded(
        &headers(&[
            r#"Basic realm="x""#,
            r#"Bearer realm="https://a.example/t",scope="s""#,
        ]),
        &origin,
    );
    let (demand, scope) = found.expect("fine").expect("a demand");
    assert!(matches!(demand, Demand::Bearer(_)));
    assert_eq!(scope, "s");
    let found = demanded(&headers(&["Bearer", "Digest x=y", "Basic"]), &origin);
    assert_eq!(found.expect("fine").expect("a demand").0, Demand::Basic);
    let found = demanded(&headers(&["Digest x=y"]), &origin);
    assert!(found.expect("fine").is_none());
}

#[test]
fn credentials_do_not_go_out_in_the_clear() {
    let secure = url("https://r.example/v2/");
    let plain = url("http://r.example:5000/v2/");
    for (realm, origin, allowed) in [
        ("https://a.example/t", &secure, true),
        ("https://a.example/t", &plain, true),
        ("http://a.example/t", &secure, false),
        ("http://r.example/t", &secure, false),
        ("http://127.0.0.1/t", &secure, false),
        ("http://r.example:5001/t", &plain, true),
        ("http://127.0.0.1:1/t", &plain, true),
        ("http://[::1]:1/t", &plain, true),
        ("http://localhost/t", &plain, true),
        ("http://a.example/t", &plain, false),
        ("http://localhost.example/t", &plain, false),
        ("ftp://r.example/t", &plain, false),
        ("/token", &secure, false),
        ("", &secure, false),
    ] {
        assert_eq!(checked_realm(realm, origin).is_ok(), allowed, "{realm}");
    }
}
