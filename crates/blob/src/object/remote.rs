//! The object stores that are reached over the network, made from options:
//! their clients, their patience, and nothing of what is kept in them.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::list::PaginatedListStore;
use object_store::multipart::MultipartStore;
use object_store::signer::Signer;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use super::bucket::Store;
use super::failure::answer;
use super::options::{
    AzureOptions, GcsOptions, S3Addressing, S3Credentials, S3Encryption, S3Options, Variables,
};
use super::removal::SignedRemoval;
use crate::error::{Error, ErrorKind};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a store may be silent, while it takes a part or gives the next
/// bytes. A part of 16 MiB passes in that time at 280 KiB a second.
const SILENCE: Duration = Duration::from_secs(60);

/// How often a request is tried again: on errors of the server, on `SlowDown`
/// and where the connection broke.
const RETRIES: usize = 6;

/// How long after its first try a request is still tried again. What is asked
/// here has a client waiting.
const RETRY_TIME: Duration = Duration::from_secs(60);

/// The first pause between tries; each is longer, and not by the same.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause between tries.
const LAST_PAUSE: Duration = Duration::from_secs(10);

/// The variables that say how to get in.
const S3_CREDENTIALS: [&str; 11] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ENDPOINT_URL_STS",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_METADATA_ENDPOINT",
];

/// The name that Amazon's own tools have for `AWS_METADATA_ENDPOINT`.
const METADATA: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";

/// The setting of `object_store` for the method of encryption.
const ENCRYPTION: &str = "aws_server_side_encryption";

pub(super) fn s3(options: &S3Options) -> Result<Store, Error> {
    let variables = &options.variables;
    let endpoint = options
        .endpoint
        .as_deref()
        .or_else(|| variables.value("AWS_ENDPOINT_URL_S3"))
        .or_else(|| variables.value("AWS_ENDPOINT_URL"));
    let region = options
        .region
        .as_deref()
        .or_else(|| variables.value("AWS_REGION"))
        .or_else(|| variables.value("AWS_DEFAULT_REGION"));
    if endpoint.is_none() && region.is_none() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("the region of the bucket `{}` is not known", options.bucket),
        ));
    }
    let is_host = match options.addressing {
        S3Addressing::Automatic => endpoint.is_none() && !options.bucket.contains('.'),
        S3Addressing::Path => false,
        S3Addressing::Host => true,
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&options.bucket)
        .with_virtual_hosted_style_request(is_host)
        // One request for one object, which every store knows.
        .with_disable_bulk_delete(true)
        // Where TLS protects the bytes, no thread hashes them once more.
        .with_unsigned_payload(endpoint.is_none_or(|endpoint| endpoint.starts_with("https:")))
        .with_client_options(client(options.allow_http))
        .with_retry(retries());
    if let Some(region) = region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(match is_host {
            true => with_bucket(endpoint, &options.bucket)?,
            false => endpoint.to_owned(),
        });
    }
    builder = enter(builder, &options.credentials, variables);
    builder = encrypt(builder, &options.encryption);
    let built = builder
        .build()
        .map_err(|error| refused("bucket", &options.bucket, &error))?;
    let built = Arc::new(built);
    let removal = SignedRemoval::new(Arc::clone(&built) as _, plain_client(options.allow_http)?);
    Ok(Store {
        removal: Some(Arc::new(removal)),
        ..store(built)
    })
}

/// Sees one store through all its traits.
fn store<S>(built: Arc<S>) -> Store
where
    S: ObjectStore + MultipartStore + PaginatedListStore + Signer,
{
    Store {
        objects: Arc::clone(&built) as _,
        parts: Arc::clone(&built) as _,
        lists: Arc::clone(&built) as _,
        signer: Some(built),
        removal: None,
    }
}

/// Puts a bucket in front of the host of an endpoint.
fn with_bucket(endpoint: &str, bucket: &str) -> Result<String, Error> {
    let (scheme, host) = endpoint.split_once("://").ok_or_else(|| {
        Error::new(
            ErrorKind::Unsupported,
            format!("the endpoint `{endpoint}` is no URL"),
        )
    })?;
    Ok(format!("{scheme}://{bucket}.{host}"))
}

fn enter(
    mut builder: AmazonS3Builder,
    credentials: &S3Credentials,
    variables: &Variables,
) -> AmazonS3Builder {
    match credentials {
        S3Credentials::Keys { id, secret, token } => {
            builder = builder
                .with_access_key_id(id)
                .with_secret_access_key(secret);
            match token {
                Some(token) => builder.with_token(token),
                None => builder,
            }
        }
        S3Credentials::Environment => {
            if let Some(endpoint) = variables.value(METADATA) {
                builder = builder.with_metadata_endpoint(endpoint);
            }
            for name in S3_CREDENTIALS {
                let key = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>();
                if let (Ok(key), Some(value)) = (key, variables.value(name)) {
                    builder = builder.with_config(key, value);
                }
            }
            builder
        }
    }
}

fn encrypt(builder: AmazonS3Builder, encryption: &S3Encryption) -> AmazonS3Builder {
    match encryption {
        S3Encryption::Bucket => builder,
        S3Encryption::Store => match ENCRYPTION.parse() {
            Ok(method) => builder.with_config(method, "AES256"),
            Err(_) => builder,
        },
        S3Encryption::Kms { key } => builder.with_sse_kms_encryption(key),
    }
}

pub(super) fn gcs(options: &GcsOptions) -> Result<Store, Error> {
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_client_options(client(false))
        .with_retry(retries());
    for (name, value) in options.variables.iter() {
        if let Ok(key) = name.to_ascii_lowercase().parse::<GoogleConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    let built = builder
        .with_bucket_name(&options.bucket)
        .build()
        .map_err(|error| refused("bucket", &options.bucket, &error))?;
    Ok(store(Arc::new(built)))
}

pub(super) fn azure(options: &AzureOptions) -> Result<Store, Error> {
    let mut builder = MicrosoftAzureBuilder::new()
        .with_client_options(client(false))
        .with_retry(retries());
    for (name, value) in options.variables.iter() {
        if let Ok(key) = name.to_ascii_lowercase().parse::<AzureConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    let built = builder
        .with_container_name(&options.container)
        .build()
        .map_err(|error| refused("container", &options.container, &error))?;
    Ok(store(Arc::new(built)))
}

fn client(allow_http: bool) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(allow_http)
        .with_connect_timeout(CONNECT)
        .with_read_timeout(SILENCE)
        // A blob may take as long as its reader does.
        .with_timeout_disabled()
}

/// Makes a client for what `object_store` does not ask.
fn plain_client(allow_http: bool) -> Result<reqwest::Client, Error> {
    reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .https_only(!allow_http)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| {
            let context = "an HTTP client can not be made";
            Error::caused(ErrorKind::Unsupported, context, error)
        })
}

fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: FIRST_PAUSE,
            max_backoff: LAST_PAUSE,
            base: 2.0,
        },
        max_retries: RETRIES,
        retry_timeout: RETRY_TIME,
    }
}

fn refused(what: &str, name: &str, error: &object_store::Error) -> Error {
    let context = format!("the {what} `{name}` can not be used as it is configured");
    Error::caused(ErrorKind::Unsupported, context, answer(error))
}
