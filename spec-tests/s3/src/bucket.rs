//! What is where: one table under one lock, so that every operation is one step and a
//! condition holds at the very moment of the write.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::SystemTime;

use s3s::dto::{ETag, ETagCondition, Metadata};
use s3s::{S3Result, s3_error};

use crate::content::Content;

/// Smallest part of an upload that is not its last, in bytes.
const SMALLEST_PART: u64 = 5 * 1024 * 1024;

/// An object as it was written.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) contents: Vec<Arc<Content>>,
    pub(crate) length: u64,
    pub(crate) e_tag: String,
    pub(crate) modified: SystemTime,
    pub(crate) content_type: Option<String>,
    pub(crate) metadata: Option<Metadata>,
}

/// A multipart upload that has not ended.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) key: String,
    pub(crate) started: SystemTime,
    pub(crate) parts: BTreeMap<i32, (Arc<Content>, SystemTime)>,
    content_type: Option<String>,
    metadata: Option<Metadata>,
}

/// Conditions of a write.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    pub(crate) if_match: Option<ETagCondition>,
    pub(crate) if_none_match: Option<ETagCondition>,
}

/// One bucket.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    pub(crate) objects: BTreeMap<String, Object>,
    pub(crate) uploads: BTreeMap<String, Upload>,
    started: u64,
}

impl Object {
    /// Makes an object of one piece.
    pub(crate) fn new(content: Content) -> Self {
        Self {
            length: content.length,
            e_tag: hex(&content.md5),
            contents: vec![Arc::new(content)],
            modified: SystemTime::now(),
            content_type: None,
            metadata: None,
        }
    }

    pub(crate) fn with(mut self, kind: Option<String>, metadata: Option<Metadata>) -> Self {
        self.content_type = kind;
        self.metadata = metadata;
        self
    }
}

impl Conditions {
    /// Says whether a write may go on; `there` is what lies under the key.
    pub(crate) fn check(&self, there: Option<&Object>) -> S3Result<()> {
        if let Some(condition) = &self.if_none_match
            && there.is_some_and(|object| names(condition, &object.e_tag))
        {
            return Err(s3_error!(PreconditionFailed));
        }
        match (&self.if_match, there) {
            (Some(_), None) => Err(s3_error!(NoSuchKey)),
            (Some(condition), Some(object)) if !names(condition, &object.e_tag) => {
                Err(s3_error!(PreconditionFailed))
            }
            _ => Ok(()),
        }
    }
}

impl Bucket {
    /// Writes an object if the conditions hold.
    pub(crate) fn put(
        &mut self,
        key: &str,
        object: Object,
        conditions: &Conditions,
    ) -> S3Result<()> {
        conditions.check(self.objects.get(key))?;
        self.objects.insert(key.to_owned(), object);
        Ok(())
    }

    /// Removes an object if the condition holds; one that is not there is removed.
    pub(crate) fn delete(&mut self, key: &str, if_match: Option<&ETagCondition>) -> S3Result<()> {
        if let (Some(object), Some(condition)) = (self.objects.get(key), if_match)
            && !names(condition, &object.e_tag)
        {
            return Err(s3_error!(PreconditionFailed));
        }
        self.objects.remove(key);
        Ok(())
    }

    /// Begins a multipart upload and returns its id.
    pub(crate) fn begin(
        &mut self,
        key: &str,
        kind: Option<String>,
        metadata: Option<Metadata>,
    ) -> String {
        self.started += 1;
        let id = format!("upload-{:012}", self.started);
        let upload = Upload {
            key: key.to_owned(),
            started: SystemTime::now(),
            parts: BTreeMap::new(),
            content_type: kind,
            metadata,
        };
        self.uploads.insert(id.clone(), upload);
        id
    }

    /// Returns an upload to this key.
    pub(crate) fn upload(&mut self, key: &str, id: &str) -> S3Result<&mut Upload> {
        let upload = self.uploads.get_mut(id).filter(|upload| upload.key == key);
        upload.ok_or_else(|| s3_error!(NoSuchUpload))
    }

    /// Makes an object of the parts named, in their order, if the conditions hold.
    pub(crate) fn complete(
        &mut self,
        (key, id): (&str, &str),
        named: &[(i32, Option<ETag>)],
        conditions: &Conditions,
    ) -> S3Result<String> {
        let upload = self.upload(key, id)?;
        let mut contents = Vec::new();
        let mut sums = Vec::new();
        let mut before = 0;
        for (place, (number, e_tag)) in named.iter().enumerate() {
            if *number <= before {
                return Err(s3_error!(InvalidPartOrder));
            }
            before = *number;
            let part = upload.parts.get(number).map(|(content, _)| content);
            let part = part.ok_or_else(|| s3_error!(InvalidPart))?;
            let is_it = |e_tag: &ETag| e_tag.value() == hex(&part.md5);
            if !e_tag.as_ref().is_some_and(is_it) {
                return Err(s3_error!(InvalidPart));
            }
            if place + 1 < named.len() && part.length < SMALLEST_PART {
                return Err(s3_error!(EntityTooSmall));
            }
            sums.extend_from_slice(&part.md5);
            contents.push(Arc::clone(part));
        }
        if contents.is_empty() {
            return Err(s3_error!(MalformedXML));
        }
        let e_tag = format!("{}-{}", hex(&md5(&sums)), contents.len());
        let object = Object {
            length: contents.iter().map(|content| content.length).sum(),
            contents,
            e_tag: e_tag.clone(),
            modified: SystemTime::now(),
            content_type: upload.content_type.clone(),
            metadata: upload.metadata.clone(),
        };
        self.put(key, object, conditions)?;
        self.uploads.remove(id);
        Ok(e_tag)
    }

    /// Returns at most `limit` keys and common prefixes behind `after`, in order, and
    /// whether there are more.
    pub(crate) fn list(
        &self,
        prefix: &str,
        (delimiter, after): (&str, &str),
        limit: usize,
    ) -> (Vec<(&str, &Object)>, BTreeSet<String>, bool) {
        let mut keys = Vec::new();
        let mut prefixes = BTreeSet::new();
        let from = if after >= prefix {
            Bound::Excluded(after)
        } else {
            Bound::Included(prefix)
        };
        let mut rest = self.objects.range::<str, _>((from, Bound::Unbounded));
        let mut next = rest.next();
        while let Some((key, object)) = next {
            let Some(tail) = key.strip_prefix(prefix) else {
                break;
            };
            let folder = (!delimiter.is_empty()).then(|| tail.find(delimiter)).flatten();
            let folder = folder.map(|at| format!("{prefix}{}", &tail[..at + delimiter.len()]));
            let told = folder.as_deref().is_some_and(|folder| folder == after);
            if !told && keys.len() + prefixes.len() == limit {
                return (keys, prefixes, true);
            }
            match folder {
                // Goes on behind everything in the folder, without looking at it.
                Some(folder) => {
                    let past = format!("{folder}\u{10ffff}");
                    rest = self
                        .objects
                        .range::<str, _>((Bound::Excluded(past.as_str()), Bound::Unbounded));
                    if !told {
                        prefixes.insert(folder);
                    }
                }
                None => keys.push((key.as_str(), object)),
            }
            next = rest.next();
        }
        (keys, prefixes, false)
    }
}

/// Says whether a condition names this ETag.
pub(crate) fn names(condition: &ETagCondition, e_tag: &str) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(named) => named.value() == e_tag,
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn md5(bytes: &[u8]) -> [u8; 16] {
    use s3s::crypto::Checksum as _;
    let mut hash = s3s::crypto::Md5::new();
    hash.update(bytes);
    hash.finalize()
}
