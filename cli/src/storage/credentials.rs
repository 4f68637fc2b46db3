//! Which credentials a bucket of S3 is reached with, by what the configuration
//! and the environment say: keys of the configuration, then of the
//! environment, then a web identity, a container, the machine. Nothing is
//! asked here: who gives out keys for a while is asked when the first request
//! is signed.

use blob::S3Credentials;

use crate::config::{S3, Secret, Sources};
use crate::environment::Environment;
use crate::report::{WithHint as _, usage};

/// The variables by which other programs choose among the credentials of a
/// file.
const PROFILES: [&str; 3] = [
    "AWS_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
];

/// The variables that lead to an agent of the container.
const CONTAINERS: [&str; 2] = [
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

const INSTEAD: &str = "set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or `access-key-id` and `secret-access-key` in `[serve.s3]`";

/// Chooses the credentials, and refuses what would not be used.
pub(super) fn choose(
    environment: &Environment,
    s3: &S3,
    sources: &Sources,
) -> anyhow::Result<S3Credentials> {
    let variable = |name: &str| environment.variable(name);
    let expose = |secret: &Option<Secret>| secret.as_ref().map(|it| it.expose().to_owned());
    let id = (
        expose(&s3.access_key_id),
        sources.name("serve.s3.access-key-id"),
    );
    let secret = (
        expose(&s3.secret_access_key),
        sources.name("serve.s3.secret-access-key"),
    );
    if let Some((id, secret)) = pair(id, secret)? {
        let token = expose(&s3.session_token);
        return Ok(S3Credentials::Keys { id, secret, token });
    }
    if s3.session_token.is_some() {
        return Err(usage(format!(
            "{} belongs to a key, and `serve.s3.access-key-id` is not set",
            sources.name("serve.s3.session-token")
        )));
    }
    let inherited = |name: &str| {
        let value = variable(name).map(str::to_owned);
        (value, format!("the environment variable `{name}`"))
    };
    let keys = pair(
        inherited("AWS_ACCESS_KEY_ID"),
        inherited("AWS_SECRET_ACCESS_KEY"),
    )?;
    if keys.is_some() {
        return Ok(S3Credentials::Environment);
    }
    if let Some(set) = PROFILES.iter().find(|name| variable(name).is_some()) {
        return Err(usage(format!(
            "the environment variable `{set}` is set, and files of profiles are not read"
        )))
        .hint(INSTEAD);
    }
    let identity = variable("AWS_WEB_IDENTITY_TOKEN_FILE").is_some();
    if identity && variable("AWS_ROLE_ARN").is_none() {
        return Err(usage(
            "the environment variable `AWS_WEB_IDENTITY_TOKEN_FILE` needs `AWS_ROLE_ARN` beside it",
        ));
    }
    let container = CONTAINERS.iter().any(|name| variable(name).is_some());
    if container && variable("AWS_CONTAINER_AUTHORIZATION_TOKEN").is_some() {
        return Err(usage(
            "the environment variable `AWS_CONTAINER_AUTHORIZATION_TOKEN` is set, and only a file with the token is read",
        ))
        .hint("set `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE` to a file with the token");
    }
    let forbidden = variable("AWS_EC2_METADATA_DISABLED")
        .is_some_and(|disabled| disabled.eq_ignore_ascii_case("true"));
    if !identity && !container && forbidden {
        return Err(usage(
            "nothing says with which credentials the bucket is reached, and `AWS_EC2_METADATA_DISABLED` forbids to ask the machine",
        ))
        .hint(INSTEAD);
    }
    Ok(S3Credentials::Environment)
}

/// Takes both halves of a key, or neither.
fn pair(
    (id, id_name): (Option<String>, String),
    (secret, secret_name): (Option<String>, String),
) -> anyhow::Result<Option<(String, String)>> {
    match (id, secret) {
        (Some(id), Some(secret)) => Ok(Some((id, secret))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(usage(format!("{id_name} lacks the secret half of the key"))),
        (None, Some(_)) => Err(usage(format!("{secret_name} lacks the name of the key"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(variables: &[(&str, &str)], s3: &S3) -> Result<S3Credentials, String> {
        let chosen = choose(&Environment::of(variables), s3, &Sources::default());
        chosen.map_err(|error| format!("{:#}", error.root_cause()))
    }

    #[test]
    fn the_nearest_credentials_count() {
        let configured = S3 {
            access_key_id: Some(Secret::new("a")),
            secret_access_key: Some(Secret::new("b")),
            ..S3::default()
        };
        let variables = [
            ("AWS_ACCESS_KEY_ID", "c"),
            ("AWS_SECRET_ACCESS_KEY", "d"),
            ("AWS_PROFILE", "work"),
        ];
        let keys = chosen(&variables, &configured).expect("chosen");
        assert!(
            matches!(keys, S3Credentials::Keys { id, secret, token: None } if id == "a" && secret == "b")
        );
        let identity = [
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
            ("AWS_ROLE_ARN", "arn:aws:iam::1:role/x"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        for variables in [&variables[..], &identity, &[]] {
            let inherited = chosen(variables, &S3::default()).expect("chosen");
            assert!(matches!(inherited, S3Credentials::Environment));
        }
    }

    #[test]
    fn halves_and_profiles_are_refused() {
        let none = S3::default();
        let token = S3 {
            session_token: Some(Secret::new("hunter2")),
            ..S3::default()
        };
        let half = S3 {
            secret_access_key: Some(Secret::new("hunter2")),
            ..S3::default()
        };
        for (variables, s3, expected) in [
            (
                &[("AWS_ACCESS_KEY_ID", "a")][..],
                &none,
                "the environment variable `AWS_ACCESS_KEY_ID` lacks the secret half of the key",
            ),
            (
                &[],
                &half,
                "`serve.s3.secret-access-key` (the default) lacks the name of the key",
            ),
            (
                &[],
                &token,
                "`serve.s3.session-token` (the default) belongs to a key, and `serve.s3.access-key-id` is not set",
            ),
            (
                &[("AWS_PROFILE", "work")],
                &none,
                "the environment variable `AWS_PROFILE` is set, and files of profiles are not read",
            ),
            (
                &[("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")],
                &none,
                "the environment variable `AWS_WEB_IDENTITY_TOKEN_FILE` needs `AWS_ROLE_ARN` beside it",
            ),
            (
                &[
                    (
                        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                        "http://169.254.170.23/v1",
                    ),
                    ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hunter2"),
                ],
                &none,
                "the environment variable `AWS_CONTAINER_AUTHORIZATION_TOKEN` is set, and only a file with the token is read",
            ),
            (
                &[("AWS_EC2_METADATA_DISABLED", "true")],
                &none,
                "nothing says with which credentials the bucket is reached, and `AWS_EC2_METADATA_DISABLED` forbids to ask the machine",
            ),
        ] {
            let refused = chosen(variables, s3).expect_err("refused");
            assert_eq!(refused, expected);
        }
    }
}
