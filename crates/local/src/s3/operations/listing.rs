//! The two list operations: the same pages in different clothes.

use s3s::{S3Request, S3Response, S3Result, dto::*, s3_error};

use super::{
    super::list::{MOST_KEYS, Page, Query, Start},
    Operations, signed,
};

impl Operations {
    /// What both operations answer with. An empty delimiter is none.
    async fn page(
        &self,
        bucket: &str,
        prefix: &Option<String>,
        delimiter: &Option<String>,
        start: Start,
        max_keys: usize,
    ) -> S3Result<Page> {
        let query = Query {
            prefix: prefix.clone().unwrap_or_default(),
            delimiter: delimiter.clone().filter(|delimiter| !delimiter.is_empty()),
            start,
            max_keys,
        };
        let bucket = bucket.to_owned();
        self.on_folder(move |folder| folder.list(&bucket, &query)).await
    }

    pub(super) async fn list_objects(
        &self,
        req: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = req.input;
        let max_keys = page_size(input.max_keys)?;
        let start = match (
            input.marker.clone().filter(|marker| !marker.is_empty()),
            &input.delimiter,
        ) {
            (None, _) => Start::First,
            // The marker is the common prefix that the last page ended with.
            (Some(marker), Some(delimiter)) if marker.ends_with(delimiter.as_str()) => Start::AfterPrefix(marker),
            (Some(marker), _) => Start::After(marker),
        };
        let page = self
            .page(&input.bucket, &input.prefix, &input.delimiter, start, max_keys)
            .await?;
        let encode = encoder(input.encoding_type.as_ref());
        let next_marker = page.next.as_ref().and_then(|next| match next {
            Start::First => None,
            Start::After(key) | Start::AfterPrefix(key) => Some(encode(key.clone())),
        });
        let is_truncated = page.next.is_some();
        let (contents, common_prefixes) = entries(page, encode);
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(encode(input.prefix.unwrap_or_default())),
            delimiter: input.delimiter.map(encode),
            marker: Some(encode(input.marker.unwrap_or_default())),
            max_keys: Some(max_keys as i32),
            is_truncated: Some(is_truncated),
            next_marker,
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }

    pub(super) async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = req.input;
        let max_keys = page_size(input.max_keys)?;
        let start = match (&input.continuation_token, &input.start_after) {
            (Some(token), _) => Start::from_token(token)?,
            (None, Some(key)) if !key.is_empty() => Start::After(key.clone()),
            _ => Start::First,
        };
        let page = self
            .page(&input.bucket, &input.prefix, &input.delimiter, start, max_keys)
            .await?;
        let encode = encoder(input.encoding_type.as_ref());
        let next = page.next.as_ref().map(Start::to_token);
        let (contents, common_prefixes) = entries(page, encode);
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(encode(input.prefix.unwrap_or_default())),
            delimiter: input.delimiter.map(encode),
            start_after: input.start_after.map(encode),
            max_keys: Some(max_keys as i32),
            key_count: Some((contents.len() + common_prefixes.len()) as i32),
            is_truncated: Some(next.is_some()),
            continuation_token: input.continuation_token,
            next_continuation_token: next,
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }
}

/// A page as the two list operations show it.
fn entries(page: Page, encode: fn(String) -> String) -> (Vec<Object>, Vec<CommonPrefix>) {
    let objects = page.objects.into_iter().map(|listed| Object {
        key: Some(encode(listed.key)),
        size: Some(signed(listed.size)),
        last_modified: Some(Timestamp::from(listed.modified)),
        e_tag: listed.etag.map(ETag::Strong),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        ..Default::default()
    });
    let prefixes = page.common_prefixes.into_iter().map(|prefix| CommonPrefix {
        prefix: Some(encode(prefix)),
    });
    (objects.collect(), prefixes.collect())
}

fn page_size(max_keys: Option<i32>) -> S3Result<usize> {
    let asked = max_keys.map_or(Ok(MOST_KEYS), usize::try_from);
    let asked = asked.map_err(|_| s3_error!(InvalidArgument, "Argument maxKeys must be an integer of at least 0"))?;
    Ok(asked.min(MOST_KEYS))
}

/// What `encoding-type=url` asks for: names that XML could not carry, and clients that decode what they asked for.
fn encoder(encoding: Option<&EncodingType>) -> fn(String) -> String {
    match encoding {
        Some(encoding) if encoding.as_str() == EncodingType::URL => url_encode,
        _ => std::convert::identity,
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it has the type of `identity`")]
fn url_encode(text: String) -> String {
    use std::fmt::Write;
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut encoded, byte| {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => encoded.push(byte.into()),
                _ => {
                    // Writing to a String cannot fail.
                    let _ = write!(encoded, "%{byte:02X}");
                }
            }
            encoded
        })
}
