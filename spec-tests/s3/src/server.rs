//! The operations of S3 that a registry needs, over the table of a bucket. What is not
//! here answers 501.
//!
//! Statuses are those of AWS: a condition that does not hold is 412, `If-Match` on a key
//! that is not there 404; a DELETE of what is not there is done.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use crate::bucket::{Bucket, Conditions, Object, hex, names};
use crate::content::{read, receive};

/// Most entries of a page.
const PAGE: i32 = 1000;

/// The buckets, and the folder of their large content.
#[derive(Debug)]
pub(crate) struct Server {
    folder: PathBuf,
    buckets: Mutex<BTreeMap<String, Bucket>>,
}

impl Server {
    pub(crate) fn new(folder: PathBuf, buckets: &[String]) -> Self {
        let buckets = buckets.iter().map(|name| (name.clone(), Bucket::default()));
        Self {
            folder,
            buckets: Mutex::new(buckets.collect()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one step on a bucket; nothing else happens meanwhile.
    fn on<T>(&self, bucket: &str, step: impl FnOnce(&mut Bucket) -> S3Result<T>) -> S3Result<T> {
        let mut buckets = self.lock();
        let bucket = buckets.get_mut(bucket);
        step(bucket.ok_or_else(|| s3_error!(NoSuchBucket))?)
    }

    /// Returns an object if the conditions of a read hold.
    fn object(
        &self,
        (bucket, key): (&str, &str),
        if_match: Option<&ETagCondition>,
        if_none_match: Option<&ETagCondition>,
    ) -> S3Result<Object> {
        let object = self.on(bucket, |bucket| {
            let object = bucket.objects.get(key).cloned();
            object.ok_or_else(|| s3_error!(NoSuchKey))
        })?;
        if if_match.is_some_and(|condition| !names(condition, &object.e_tag)) {
            return Err(s3_error!(PreconditionFailed));
        }
        if if_none_match.is_some_and(|condition| names(condition, &object.e_tag)) {
            return Err(s3_error!(NotModified));
        }
        Ok(object)
    }

    async fn part(
        &self,
        (bucket, key, id): (&str, &str, &str),
        number: i32,
        body: StreamingBlob,
    ) -> S3Result<String> {
        if !(1..=10_000).contains(&number) {
            return Err(s3_error!(InvalidArgument));
        }
        self.on(bucket, |bucket| bucket.upload(key, id).map(|_| ()))?;
        let content = receive(&self.folder, body).await?;
        let e_tag = hex(&content.md5);
        self.on(bucket, |bucket| {
            let part = (content.into(), std::time::SystemTime::now());
            bucket.upload(key, id)?.parts.insert(number, part);
            Ok(())
        })?;
        Ok(e_tag)
    }
}

/// Returns the source of a copy, as bucket and key.
fn source(source: &CopySource) -> S3Result<(&str, &str)> {
    match source {
        CopySource::Bucket { bucket, key, .. } => Ok((bucket, key)),
        _ => Err(s3_error!(NotImplemented)),
    }
}

fn strong(e_tag: &str) -> Option<ETag> {
    Some(ETag::Strong(e_tag.to_owned()))
}

fn signed(length: u64) -> Option<i64> {
    i64::try_from(length).ok()
}

fn done<T>(output: T) -> S3Result<S3Response<T>> {
    Ok(S3Response::new(output))
}

#[async_trait::async_trait]
impl S3 for Server {
    async fn create_bucket(
        &self,
        req: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let mut buckets = self.lock();
        if buckets.contains_key(&req.input.bucket) {
            return Err(s3_error!(BucketAlreadyOwnedByYou));
        }
        buckets.insert(req.input.bucket, Bucket::default());
        done(CreateBucketOutput::default())
    }

    async fn head_bucket(
        &self,
        req: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.on(&req.input.bucket, |_| Ok(()))?;
        done(HeadBucketOutput::default())
    }

    async fn put_object(
        &self,
        req: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let input = req.input;
        let body = input.body.ok_or_else(|| s3_error!(IncompleteBody))?;
        let content = receive(&self.folder, body).await?;
        let object = Object::new(content).with(input.content_type, input.metadata);
        let e_tag = strong(&object.e_tag);
        let conditions = Conditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
        };
        self.on(&input.bucket, |bucket| {
            bucket.put(&input.key, object, &conditions)
        })?;
        done(PutObjectOutput {
            e_tag,
            ..Default::default()
        })
    }

    async fn get_object(
        &self,
        req: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = req.input;
        let object = self.object(
            (&input.bucket, &input.key),
            input.if_match.as_ref(),
            input.if_none_match.as_ref(),
        )?;
        let range = match &input.range {
            Some(range) => range.check(object.length)?,
            None => 0..object.length,
        };
        let told = input.range.map(|_| {
            let last = range.end - 1;
            format!("bytes {}-{last}/{}", range.start, object.length)
        });
        done(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: signed(range.end - range.start),
            content_range: told,
            body: Some(read(&object.contents, range).await?),
            content_type: object.content_type,
            e_tag: strong(&object.e_tag),
            last_modified: Some(object.modified.into()),
            metadata: object.metadata,
            ..Default::default()
        })
    }

    async fn head_object(
        &self,
        req: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = req.input;
        let object = self.object(
            (&input.bucket, &input.key),
            input.if_match.as_ref(),
            input.if_none_match.as_ref(),
        )?;
        done(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: signed(object.length),
            content_type: object.content_type,
            e_tag: strong(&object.e_tag),
            last_modified: Some(object.modified.into()),
            metadata: object.metadata,
            ..Default::default()
        })
    }

    async fn delete_object(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = req.input;
        self.on(&input.bucket, |bucket| {
            bucket.delete(&input.key, input.if_match.as_ref())
        })?;
        done(DeleteObjectOutput::default())
    }

    async fn delete_objects(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let input = req.input;
        let quiet = input.delete.quiet == Some(true);
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for object in input.delete.objects {
            let condition = object.e_tag.map(ETagCondition::ETag);
            let outcome = self.on(&input.bucket, |bucket| {
                bucket.delete(&object.key, condition.as_ref())
            });
            match outcome {
                Ok(()) => deleted.push(DeletedObject {
                    key: Some(object.key),
                    ..Default::default()
                }),
                Err(error) => errors.push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    key: Some(object.key),
                    ..Default::default()
                }),
            }
        }
        done(DeleteObjectsOutput {
            deleted: (!quiet).then_some(deleted),
            errors: Some(errors),
            ..Default::default()
        })
    }

    async fn copy_object(
        &self,
        req: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = req.input;
        let from = source(&input.copy_source)?;
        let condition = input.copy_source_if_match.as_ref();
        let mut object = self.object(from, condition, None)?;
        object.modified = std::time::SystemTime::now();
        let result = CopyObjectResult {
            e_tag: strong(&object.e_tag),
            last_modified: Some(object.modified.into()),
            ..Default::default()
        };
        self.on(&input.bucket, |bucket| {
            bucket.put(&input.key, object, &Conditions::default())
        })?;
        done(CopyObjectOutput {
            copy_object_result: Some(result),
            ..Default::default()
        })
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = req.input;
        let prefix = input.prefix.clone().unwrap_or_default();
        let delimiter = input.delimiter.clone().unwrap_or_default();
        let after = input.continuation_token.clone().or(input.start_after.clone());
        let limit = input.max_keys.unwrap_or(PAGE).clamp(0, PAGE);
        self.on(&input.bucket, |bucket| {
            let place = (delimiter.as_str(), after.as_deref().unwrap_or_default());
            let (keys, prefixes, more) = bucket.list(&prefix, place, limit as usize);
            let last = keys.last().map(|(key, _)| (*key).to_owned());
            let next = last.max(prefixes.last().cloned());
            let contents: Vec<_> = keys
                .iter()
                .map(|(key, object)| s3s::dto::Object {
                    key: Some((*key).to_owned()),
                    e_tag: strong(&object.e_tag),
                    last_modified: Some(object.modified.into()),
                    size: signed(object.length),
                    ..Default::default()
                })
                .collect();
            let common = prefixes.into_iter().map(|prefix| CommonPrefix {
                prefix: Some(prefix),
            });
            let common: Vec<_> = common.collect();
            done(ListObjectsV2Output {
                name: Some(input.bucket.clone()),
                prefix: Some(prefix.clone()),
                max_keys: Some(limit),
                key_count: i32::try_from(contents.len() + common.len()).ok(),
                continuation_token: input.continuation_token.clone(),
                start_after: input.start_after.clone(),
                delimiter: input.delimiter.clone(),
                is_truncated: Some(more),
                next_continuation_token: next.filter(|_| more),
                contents: Some(contents),
                common_prefixes: Some(common),
                ..Default::default()
            })
        })
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = req.input;
        let id = self.on(&input.bucket, |bucket| {
            Ok(bucket.begin(&input.key, input.content_type, input.metadata))
        })?;
        done(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            ..Default::default()
        })
    }

    async fn upload_part(
        &self,
        req: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let input = req.input;
        let body = input.body.ok_or_else(|| s3_error!(IncompleteBody))?;
        let place = (&*input.bucket, &*input.key, &*input.upload_id);
        let e_tag = self.part(place, input.part_number, body).await?;
        done(UploadPartOutput {
            e_tag: strong(&e_tag),
            ..Default::default()
        })
    }

    async fn upload_part_copy(
        &self,
        req: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let input = req.input;
        let from = source(&input.copy_source)?;
        let object = self.object(from, input.copy_source_if_match.as_ref(), None)?;
        let range = match &input.copy_source_range {
            Some(range) => {
                let range = Range::parse(range).map_err(|error| s3_error!(error, InvalidRange))?;
                range.check(object.length)?
            }
            None => 0..object.length,
        };
        let body = read(&object.contents, range).await?;
        let place = (&*input.bucket, &*input.key, &*input.upload_id);
        let e_tag = self.part(place, input.part_number, body).await?;
        done(UploadPartCopyOutput {
            copy_part_result: Some(CopyPartResult {
                e_tag: strong(&e_tag),
                last_modified: Some(std::time::SystemTime::now().into()),
                ..Default::default()
            }),
            ..Default::default()
        })
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = req.input;
        let parts = input.multipart_upload.and_then(|upload| upload.parts);
        let named: Vec<_> = parts
            .unwrap_or_default()
            .into_iter()
            .map(|part| (part.part_number.unwrap_or(0), part.e_tag))
            .collect();
        let conditions = Conditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
        };
        let e_tag = self.on(&input.bucket, |bucket| {
            bucket.complete((&input.key, &input.upload_id), &named, &conditions)
        })?;
        done(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: strong(&e_tag),
            ..Default::default()
        })
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = req.input;
        self.on(&input.bucket, |bucket| {
            bucket.upload(&input.key, &input.upload_id)?;
            bucket.uploads.remove(&input.upload_id);
            Ok(())
        })?;
        done(AbortMultipartUploadOutput::default())
    }

    async fn list_parts(
        &self,
        req: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        let input = req.input;
        let after = input.part_number_marker.unwrap_or(0);
        let limit = input.max_parts.unwrap_or(PAGE).clamp(0, PAGE);
        self.on(&input.bucket, |bucket| {
            let upload = bucket.upload(&input.key, &input.upload_id)?;
            let rest = upload.parts.range(after + 1..);
            let parts: Vec<_> = rest
                .clone()
                .take(limit as usize)
                .map(|(number, (content, modified))| Part {
                    part_number: Some(*number),
                    e_tag: strong(&hex(&content.md5)),
                    size: signed(content.length),
                    last_modified: Some((*modified).into()),
                    ..Default::default()
                })
                .collect();
            let more = rest.count() > parts.len();
            let last = parts.last().and_then(|part| part.part_number);
            done(ListPartsOutput {
                bucket: Some(input.bucket.clone()),
                key: Some(input.key.clone()),
                upload_id: Some(input.upload_id.clone()),
                max_parts: Some(limit),
                part_number_marker: input.part_number_marker,
                is_truncated: Some(more),
                next_part_number_marker: last.filter(|_| more),
                parts: Some(parts),
                ..Default::default()
            })
        })
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let input = req.input;
        let prefix = input.prefix.clone().unwrap_or_default();
        let limit = input.max_uploads.unwrap_or(PAGE).clamp(0, PAGE);
        let key = input.key_marker.clone().unwrap_or_default();
        let id = input.upload_id_marker.clone();
        self.on(&input.bucket, |bucket| {
            let mut all: Vec<(&str, &str, _)> = bucket
                .uploads
                .iter()
                .map(|(id, upload)| (upload.key.as_str(), id.as_str(), upload.started))
                .filter(|(at, _, _)| at.starts_with(&prefix))
                .filter(|(at, number, _)| match &id {
                    Some(id) => (*at, *number) > (key.as_str(), id.as_str()),
                    None => *at > key.as_str(),
                })
                .collect();
            all.sort();
            let more = all.len() > limit as usize;
            all.truncate(limit as usize);
            let last = all.last().filter(|_| more);
            done(ListMultipartUploadsOutput {
                bucket: Some(input.bucket.clone()),
                prefix: input.prefix.clone(),
                max_uploads: Some(limit),
                is_truncated: Some(more),
                next_key_marker: last.map(|(key, _, _)| (*key).to_owned()),
                next_upload_id_marker: last.map(|(_, id, _)| (*id).to_owned()),
                uploads: Some(
                    all.iter()
                        .map(|(key, id, started)| MultipartUpload {
                            key: Some((*key).to_owned()),
                            upload_id: Some((*id).to_owned()),
                            initiated: Some((*started).into()),
                            ..Default::default()
                        })
                        .collect(),
                ),
                ..Default::default()
            })
        })
    }
}
