//! Asking a token endpoint (Docker's token authentication and its OAuth2
//! form). How a request is sent is not known here: this writes the question
//! and reads the answer.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use tokio::time::Instant;
use url::Url;

use super::scope::Scopes;
use super::{basic, bearer};
use crate::credentials::{Credential, Secret};
use crate::error::{Error, shown};

/// The largest answer of a token endpoint that is read, in bytes. Tokens that
/// list many scopes reach some kilobytes.
pub(crate) const TOKEN_LIMIT: usize = 256 * 1024;

/// How long a token is taken to live where the endpoint does not say so
/// (Docker's token authentication: "defaults to 60 seconds").
const DEFAULT_LIFE: Duration = Duration::from_secs(60);

/// The longest life that is believed. What is longer is asked for again.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long before its end a token is no longer used, so that it does not end
/// on the way. At most a quarter of the life, for very short ones.
const LEEWAY: Duration = Duration::from_secs(10);

/// The name that wharf gives itself in the OAuth2 form.
const CLIENT_ID: &str = "wharf";

/// Names a token endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) realm: Url,
    pub(crate) service: String,
}

/// Is a request to a token endpoint.
pub(crate) struct Question {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// Asks by GET, with one `scope` for each resource.
pub(crate) fn by_get(endpoint: &Endpoint, scopes: &Scopes, credential: &Credential) -> Question {
    let mut url = endpoint.realm.clone();
    {
        let mut query = url.query_pairs_mut();
        if !endpoint.service.is_empty() {
            query.append_pair("service", &endpoint.service);
        }
        for scope in scopes.to_parameters() {
            query.append_pair("scope", &scope);
        }
    }
    let mut headers = HeaderMap::new();
    let authorization = match credential {
        Credential::Basic { username, password } => basic(username, password),
        // What Docker writes in place of a name beside an identity token.
        Credential::IdentityToken(token) => basic("<token>", token),
        Credential::Anonymous | Credential::Bearer(_) => None,
    };
    if let Some(authorization) = authorization {
        headers.insert(header::AUTHORIZATION, authorization);
    }
    Question {
        method: Method::GET,
        url,
        headers,
        body: String::new(),
    }
}

/// Asks by POST, which alone takes an identity token (RFC 6749, section 6).
pub(crate) fn by_post(endpoint: &Endpoint, scopes: &Scopes, token: &Secret) -> Question {
    let scopes: Vec<_> = scopes.to_parameters().collect();
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "refresh_token")
        .append_pair("service", &endpoint.service)
        .append_pair("client_id", CLIENT_ID)
        .append_pair("scope", &scopes.join(" "))
        .append_pair("refresh_token", token.expose())
        .finish();
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    Question {
        method: Method::POST,
        url: endpoint.realm.clone(),
        headers,
        body,
    }
}

/// Is a token, ready to be sent, and when it ends.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) header: HeaderValue,
    good_until: Instant,
}

impl Token {
    pub(crate) fn is_good(&self) -> bool {
        Instant::now() < self.good_until
    }
}

#[derive(serde::Deserialize)]
struct Answer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<f64>,
}

/// Reads the answer of a token endpoint, which was asked at `asked`.
///
/// # Errors
///
/// Fails when there is no token in it that a header can carry.
pub(crate) fn read(realm: &Url, body: &[u8], asked: Instant) -> Result<Token, Error> {
    let place = shown(realm);
    let answer: Answer = serde_json::from_slice(body).map_err(|error| {
        // The cause names positions and types, never the text of the token.
        let _ = error;
        Error::protocol(format!("the token endpoint `{place}` answered no token"))
    })?;
    let token = [answer.token, answer.access_token]
        .into_iter()
        .flatten()
        .find(|token| !token.is_empty())
        .ok_or_else(|| {
            Error::protocol(format!("the token endpoint `{place}` answered no token"))
        })?;
    let header = bearer(&Secret::new(token)).ok_or_else(|| {
        Error::protocol(format!(
            "the token endpoint `{place}` answered a token that no header can carry"
        ))
    })?;
    let life = match answer.expires_in {
        Some(seconds) if seconds > 0.0 => {
            Duration::try_from_secs_f64(seconds).map_or(LONGEST_LIFE, |life| life.min(LONGEST_LIFE))
        }
        _ => DEFAULT_LIFE,
    };
    Ok(Token {
        header,
        good_until: asked + life - LEEWAY.min(life / 4),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> Endpoint {
        Endpoint {
            realm: "https://auth.example/token?account=x"
                .parse()
                .expect("a URL"),
            service: "reg istry".into(),
        }
    }

    #[test]
    fn each_scope_is_a_parameter_of_its_own() {
        let scopes = Scopes::none().widened("repository:a:pull,push repository:b:pull");
        let question = by_get(&endpoint(), &scopes, &Credential::Anonymous);
        assert_eq!(
            question.url.as_str(),
            "https://auth.example/token?account=x&service=reg+istry\
             &scope=repository%3Aa%3Apull%2Cpush&scope=repository%3Ab%3Apull"
        );
        assert!(question.headers.is_empty());
    }

    #[test]
    fn an_identity_token_goes_into_the_body() {
        let scopes = Scopes::none().widened("repository:a:pull repository:b:pull");
        let question = by_post(&endpoint(), &scopes, &Secret::new("s&cret"));
        assert_eq!(question.url, endpoint().realm);
        assert_eq!(
            question.body,
            "grant_type=refresh_token&service=reg+istry&client_id=wharf\
             &scope=repository%3Aa%3Apull+repository%3Ab%3Apull&refresh_token=s%26cret"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_used_until_shortly_before_its_end() {
        let realm = endpoint().realm;
        for (body, good, bad) in [
            (r#"{"token":"t"}"#, 49, 50),
            (r#"{"access_token":"t","expires_in":300}"#, 289, 290),
            (r#"{"token":"","access_token":"t","expires_in":4}"#, 2, 3),
            (r#"{"token":"t","expires_in":0}"#, 49, 50),
            (r#"{"token":"t","expires_in":-5}"#, 49, 50),
            (r#"{"token":"t","expires_in":1e300}"#, 86_389, 86_390),
        ] {
            let token = read(&realm, body.as_bytes(), Instant::now()).expect(body);
            assert!(token.header.is_sensitive());
            tokio::time::advance(Duration::from_secs(good)).await;
            assert!(token.is_good(), "{body}");
            tokio::time::advance(Duration::from_secs(bad - good)).await;
            assert!(!token.is_good(), "{body}");
        }
    }

    #[test]
    fn answers_without_a_token() {
        let realm = endpoint().realm;
        for body in ["", "{}", "[]", r#"{"token":""}"#, r#"{"token":"a\nb"}"#] {
            let answer = read(&realm, body.as_bytes(), Instant::now());
            let error = answer.err().expect(body).to_string();
            assert!(!error.contains("account"), "{error}");
        }
    }
}
