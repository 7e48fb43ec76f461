//! Reading a raw object: bytes as they come, inflated, cut into lines.

use bytes::Bytes;
use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{BoxStream, Fuse},
};
use object_store::ObjectStoreExt as _;
use pinlake_lake::Lake;

use super::{
    BatchError, Damage,
    inflate::Inflate,
    lines::{Line, Lines},
    objects::RawObject,
};

/// More bytes of one line than this are kept apart. Far above what a record may have, so that what is merely too large
/// is still seen whole by whoever looks into the quarantine.
const LINE_BYTES: usize = 8 << 20;

/// An object that is being read, however damaged it is.
pub(super) struct Reading<'a> {
    object: &'a RawObject,
    chunks: Fuse<BoxStream<'static, object_store::Result<Bytes>>>,
    /// What is left of the chunk.
    left: Bytes,
    inflate: Inflate,
    /// `None` after the last line.
    lines: Option<Lines>,
    text: Vec<u8>,
    /// There are no more chunks.
    at_end: bool,
    /// Something was looked at again after the end, and may have ended otherwise.
    went_back: bool,
}

impl<'a> Reading<'a> {
    pub(super) async fn open(lake: &Lake, object: &'a RawObject) -> Result<Self, BatchError> {
        let found = lake.store().get(&object.location).await;
        Ok(Self {
            object,
            chunks: found.map_err(failed(object))?.into_stream().fuse(),
            left: Bytes::new(),
            inflate: Inflate::new(),
            lines: Some(Lines::new(LINE_BYTES)),
            text: Vec::new(),
            at_end: false,
            went_back: false,
        })
    }

    /// Reads a little and hands out the lines that end in it, with the damage that was met after them, if any. `None` after
    /// the last line.
    pub(super) async fn step(&mut self, mut each: impl FnMut(Line<'_>)) -> Result<Option<Option<Damage>>, BatchError> {
        let Some(lines) = &mut self.lines else { return Ok(None) };
        let broken = if !self.left.is_empty() || self.inflate.is_behind() {
            self.went_back |= self.at_end;
            let mut input = &self.left[..];
            let broken = self.inflate.step(&mut input, &mut self.text);
            let taken = self.left.len() - input.len();
            self.left = self.left.slice(taken..);
            broken
        } else if self.at_end && !self.went_back {
            if let Some(lines) = self.lines.take() {
                lines.finish(each);
            }
            return Ok(Some(None));
        } else {
            match self.chunks.try_next().await.map_err(failed(self.object))? {
                Some(chunk) => {
                    self.left = chunk;
                    return Ok(Some(None));
                }
                None => {
                    (self.at_end, self.went_back) = (true, false);
                    self.inflate.finish(&mut self.text)
                }
            }
        };
        lines.push(&self.text, &mut each);
        self.text.clear();
        Ok(Some(broken.map(|broken| {
            lines.damage(&mut each);
            let damage = Damage {
                object: self.object.key.clone(),
                offset: broken.offset,
                size_bytes: self.object.size_bytes,
                reason: broken.reason,
            };
            tracing::error!(%damage, "a raw object is damaged");
            damage
        })))
    }
}

fn failed(object: &RawObject) -> impl Fn(object_store::Error) -> BatchError {
    |source| BatchError::Read {
        key: object.key.clone(),
        source,
    }
}
