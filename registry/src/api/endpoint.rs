//! What a path names: parsed here, and trusted below.

use axum::http::Uri;
use oci::{Digest, Reference, RepositoryName};
use percent_encoding::percent_decode_str;
use store::UploadId;

use super::error::{ApiError, Code};
use super::query::Query;

/// Names what a request is for.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) endpoint: Endpoint,
    pub(crate) query: Query,
}

/// Names a thing of the API.
#[derive(Debug)]
pub(crate) enum Endpoint {
    /// `/v2/`
    Ping,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/blobs/<digest>`
    Blob(RepositoryName, Digest),
    /// `/v2/<name>/blobs/uploads/`
    Uploads(RepositoryName),
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload(RepositoryName, UploadId),
    /// `/v2/<name>/manifests/<reference>`
    Manifest(RepositoryName, Reference),
    /// `/v2/<name>/tags/list`
    Tags(RepositoryName),
    /// `/v2/<name>/referrers/<digest>`
    Referrers(RepositoryName, Digest),
}

impl Target {
    pub(crate) fn parse(uri: &Uri) -> Result<Self, ApiError> {
        let endpoint = Endpoint::parse(uri.path())?;
        let query = Query::parse(uri.query().unwrap_or_default());
        Ok(Self { endpoint, query })
    }
}

impl Endpoint {
    /// Reads a path. It is split before it is decoded, so that an encoded
    /// slash is no separator.
    fn parse(path: &str) -> Result<Self, ApiError> {
        let nowhere = ApiError::nowhere;
        let rest = path
            .strip_prefix("/v2")
            .filter(|rest| rest.is_empty() || rest.starts_with('/'))
            .ok_or_else(nowhere)?;
        let segments: Vec<String> = rest
            .split('/')
            .skip(1)
            .map(|segment| percent_decode_str(segment).decode_utf8().map(Into::into))
            .collect::<Result<_, _>>()
            .map_err(|_not_utf8| {
                ApiError::new(400, Code::NameInvalid, "the path is not UTF-8 text")
            })?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            [] | [""] if rest.len() <= 1 => Ok(Self::Ping),
            ["_catalog"] => Ok(Self::Catalog),
            [name @ .., "blobs", "uploads" | "uploads/"] | [name @ .., "blobs", "uploads", ""] => {
                Ok(Self::Uploads(repository(name)?))
            }
            [name @ .., "blobs", "uploads", id] => Ok(Self::Upload(repository(name)?, id.parse()?)),
            [name @ .., "blobs", digest] => Ok(Self::Blob(repository(name)?, parse(digest)?)),
            [name @ .., "manifests", reference] => {
                Ok(Self::Manifest(repository(name)?, parse(reference)?))
            }
            [name @ .., "tags", "list"] => Ok(Self::Tags(repository(name)?)),
            [name @ .., "referrers", digest] => {
                Ok(Self::Referrers(repository(name)?, parse(digest)?))
            }
            _ => Err(nowhere()),
        }
    }

    /// Names the route, for counts and spans: with no word of a client in it.
    pub(crate) fn route(&self) -> &'static str {
        match self {
            Self::Ping => "/v2/",
            Self::Catalog => "/v2/_catalog",
            Self::Blob(..) => "/v2/{name}/blobs/{digest}",
            Self::Uploads(_) => "/v2/{name}/blobs/uploads/",
            Self::Upload(..) => "/v2/{name}/blobs/uploads/{id}",
            Self::Manifest(..) => "/v2/{name}/manifests/{reference}",
            Self::Tags(_) => "/v2/{name}/tags/list",
            Self::Referrers(..) => "/v2/{name}/referrers/{digest}",
        }
    }

    /// Lists what can be done, for the `Allow` header (RFC 9110, 15.5.6).
    pub(crate) fn methods(&self) -> &'static str {
        match self {
            Self::Ping | Self::Catalog | Self::Tags(_) | Self::Referrers(..) => "GET, HEAD",
            Self::Blob(..) => "GET, HEAD, DELETE",
            Self::Uploads(_) => "POST",
            Self::Upload(..) => "GET, HEAD, PATCH, PUT, DELETE",
            Self::Manifest(..) => "GET, HEAD, PUT, DELETE",
        }
    }
}

fn repository(segments: &[&str]) -> Result<RepositoryName, ApiError> {
    // An encoded slash is no separator, so it is no part of a name either.
    if segments.iter().any(|segment| segment.contains('/')) {
        return Err(ApiError::new(
            400,
            Code::NameInvalid,
            "a repository name has no encoded slash",
        ));
    }
    parse(&segments.join("/"))
}

/// Reads a noun, and names it in the error.
pub(super) fn parse<T: std::str::FromStr<Err = oci::ParseError>>(
    text: &str,
) -> Result<T, ApiError> {
    Ok(text.parse()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shape(path: &str) -> String {
        match Endpoint::parse(path) {
            Ok(endpoint) => format!("{endpoint:?}"),
            Err(error) => error.code().to_owned(),
        }
    }

    #[test]
    fn paths_are_read_from_their_end() {
        let digest = Digest::sha256(b"x");
        let id = "0123456789abcdef0123456789abcdef";
        for (path, expected) in [
            ("/v2", "Ping".to_owned()),
            ("/v2/", "Ping".into()),
            ("/v2/_catalog", "Catalog".into()),
            ("/v2/a/b/tags/list", "Tags(a/b)".into()),
            ("/v2/blobs/blobs/uploads/", "Uploads(blobs)".into()),
            ("/v2/a/blobs/uploads", "Uploads(a)".into()),
            (
                &format!("/v2/a/blobs/uploads/{id}"),
                format!("Upload(a, UploadId(\"{id}\"))"),
            ),
            (
                &format!("/v2/a/blobs/{digest}"),
                format!("Blob(a, {digest})"),
            ),
            (
                "/v2/a/manifests/b/manifests/c",
                "Manifest(a/manifests/b, Tag(c))".into(),
            ),
            (
                &format!("/v2/a/referrers/{}", digest.to_string().replace(':', "%3A")),
                format!("Referrers(a, {digest})"),
            ),
            ("/v2/a/manifests/sha256:bad", "DIGEST_INVALID".into()),
            ("/v2/a/manifests/.bad", "TAG_INVALID".into()),
            ("/v2/A/tags/list", "NAME_INVALID".into()),
            ("/v2/a%2Fb/tags/list", "NAME_INVALID".into()),
            ("/v2/../tags/list", "NAME_INVALID".into()),
            ("/v2/a//b/tags/list", "NAME_INVALID".into()),
            ("/v2/%ff/tags/list", "NAME_INVALID".into()),
            ("/v2//tags/list", "NAME_INVALID".into()),
            ("/v2/tags/list", "NAME_INVALID".into()),
            ("/v2/a/blobs/uploads/../x", "UNSUPPORTED".into()),
            ("/v2/a/blobs/uploads/x", "BLOB_UPLOAD_UNKNOWN".into()),
            ("/v2/x", "UNSUPPORTED".into()),
            ("/", "UNSUPPORTED".into()),
            ("/v22/a/tags/list", "UNSUPPORTED".into()),
        ] {
            assert_eq!(shape(path), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_path_has_an_answer(path in "(/v2)?(/[a-z%.0-9A-F]{0,4}|/blobs|/uploads|/manifests|/tags|/list){0,6}") {
            let _ = Endpoint::parse(&path);
        }
    }
}
