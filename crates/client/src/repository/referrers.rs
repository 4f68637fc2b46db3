//! What refers to a manifest: signatures, inventories, attestations
//! (distribution-spec, "Listing Referrers" and "Referrers Tag Schema").

use http::{HeaderValue, Method, StatusCode, header};
use oci::{Descriptor, Digest, Index, MANIFEST_LIMIT, Manifest, MediaType, Reference, Tag};

use super::page::next_page;
use super::{Failures, Repository, Route};
use crate::error::{Error, ErrorKind};
use crate::transport::Request;

/// The most pages of referrers that are read.
const PAGES: u32 = 1000;

impl Repository {
    /// Lists what refers to a manifest. Where the registry has no list of its
    /// own, the one under the fallback tag is read.
    ///
    /// # Errors
    ///
    /// Fails when the registry does, or answers no list. That nothing refers
    /// to the manifest is no error, nor is that there is no such manifest.
    pub async fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>, Error> {
        self.listed(digest, "").await
    }

    /// Lists what refers to a manifest and is of one artifact type.
    ///
    /// # Errors
    ///
    /// Fails as [`Repository::referrers`] does.
    pub async fn referrers_of_type(
        &self,
        digest: &Digest,
        artifact_type: &str,
    ) -> Result<Vec<Descriptor>, Error> {
        let mut found = self.listed(digest, artifact_type).await?;
        // Registries need not know the filter, and the fallback has none.
        found.retain(|referrer| referrer.artifact_type.as_deref() == Some(artifact_type));
        Ok(found)
    }

    async fn listed(&self, digest: &Digest, filter: &str) -> Result<Vec<Descriptor>, Error> {
        let mut failures = Failures::default();
        for route in &self.reading {
            match self.listed_at(route, digest, filter).await {
                Ok(found) => return Ok(found),
                Err(error) => failures.add(route, error),
            }
        }
        Err(failures.into_error())
    }

    async fn listed_at(
        &self,
        route: &Route,
        digest: &Digest,
        filter: &str,
    ) -> Result<Vec<Descriptor>, Error> {
        let path = format!("referrers/{digest}");
        let mut request = self
            .request(route, Method::GET, &path, &["pull"])
            .await?
            .with_header(
                header::ACCEPT,
                HeaderValue::from_static("application/vnd.oci.image.index.v1+json"),
            );
        if !filter.is_empty() {
            let mut query = request.url.query_pairs_mut();
            query.append_pair("artifactType", filter);
        }
        let mut found = Vec::new();
        for page in 0..PAGES {
            let limit = usize::try_from(MANIFEST_LIMIT).unwrap_or(usize::MAX);
            let answer = self.exchange(route, &request, limit).await?;
            // Registries without the list say so in several ways.
            let unknown = matches!(
                answer.status,
                StatusCode::NOT_FOUND
                    | StatusCode::METHOD_NOT_ALLOWED
                    | StatusCode::BAD_REQUEST
                    | StatusCode::NOT_ACCEPTABLE
                    | StatusCode::NOT_IMPLEMENTED
            );
            if unknown && page == 0 {
                return self.listed_by_tag(route, digest).await;
            }
            let answer = answer.successful(&request)?;
            let index = Manifest::parse(answer.body, &MediaType::OCI_INDEX)
                .map_err(|error| no_list(&request, error))?;
            found.extend_from_slice(index.children());
            match next_page(&request.url, &answer.headers)? {
                Some(url) => request.url = url,
                None => return Ok(found),
            }
        }
        Err(Error::protocol(format!(
            "{} has more than {PAGES} pages",
            request.asked()
        )))
    }

    /// Reads the list under the fallback tag; no tag is an empty list.
    async fn listed_by_tag(
        &self,
        route: &Route,
        digest: &Digest,
    ) -> Result<Vec<Descriptor>, Error> {
        let reference = Reference::Tag(fallback_tag(digest)?);
        match self.manifest_at(route, &reference).await {
            Ok(fetched) => Ok(fetched.manifest.children().to_vec()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Adds a manifest that was pushed to the list under the fallback tag of
    /// its subject. Two clients that do so at once can lose one of the two
    /// entries; the specification has no way to prevent it.
    pub(super) async fn list_by_tag(
        &self,
        subject: &Descriptor,
        manifest: &Manifest,
        digest: &Digest,
    ) -> Result<(), Error> {
        let mut listed = self.listed_by_tag(&self.own, &subject.digest).await?;
        if listed.iter().any(|known| known.digest == *digest) {
            return Ok(());
        }
        let size = manifest.bytes().len() as u64;
        let mut entry = Descriptor::new(manifest.media_type().clone(), *digest, size);
        entry.artifact_type = manifest.artifact_type().map(str::to_owned);
        entry.annotations = manifest.annotations().clone();
        listed.push(entry);
        let list = Manifest::parse(Index::new(listed).to_bytes(), &MediaType::OCI_INDEX).map_err(
            |error| {
                let context = "the list of referrers can not be written";
                Error::caused(ErrorKind::Protocol, context, error)
            },
        )?;
        let tag = Reference::Tag(fallback_tag(&subject.digest)?);
        let digest = list.descriptor().digest;
        self.put_bytes(&tag, &list, &digest).await.map(|_put| ())
    }
}

/// Names the tag that lists what refers to a manifest: the digest with a dash,
/// its hash cut to 64 characters.
fn fallback_tag(digest: &Digest) -> Result<Tag, Error> {
    let hex = digest.hex();
    let cut = hex.get(..64).unwrap_or(&hex);
    format!("{}-{cut}", digest.algorithm())
        .parse()
        .map_err(|error| Error::caused(ErrorKind::Protocol, "a digest makes no tag", error))
}

fn no_list(request: &Request, cause: oci::ManifestError) -> Error {
    Error::caused(
        ErrorKind::Protocol,
        format!("{} answered no list of referrers", request.asked()),
        cause,
    )
}

#[cfg(test)]
mod tests {
    use oci::Algorithm;

    use super::*;

    #[test]
    fn fallback_tags() {
        let short = Digest::sha256(b"x");
        let tag = fallback_tag(&short).expect("a tag");
        assert_eq!(tag.as_str(), format!("sha256-{}", short.hex()));
        let long = Digest::of(Algorithm::Sha512, b"x");
        let tag = fallback_tag(&long).expect("a tag");
        assert_eq!(tag.as_str(), format!("sha512-{}", &long.hex()[..64]));
    }
}
