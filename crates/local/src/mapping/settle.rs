//! Settling a batch: invoking, cutting, retrying and giving up, until no record of it is left.
//!
//! A batch is a stack of pieces, the earliest on top. A piece that fails is replaced by what is left of it, cut or whole,
//! so pieces always follow each other in the shard's order.

use std::{sync::Arc, time::Duration};

use super::{
    destination::{self, Condition, Discarded},
    outcome::{Failure, Outcome},
    worker::{Stopping, Worker},
};
use crate::{InvokeError, kinesis::Record};

/// Records that are delivered together.
struct Piece {
    records: Vec<Record>,
    /// How many retries they have used up.
    retries: u32,
    /// How often the function got them.
    invocations: u32,
    is_function_error: bool,
}

impl Piece {
    fn new(records: Vec<Record>) -> Self {
        Self {
            records,
            retries: 0,
            invocations: 0,
            is_function_error: false,
        }
    }

    /// Takes off the records from a position on; both halves have the same past.
    fn split_off(&mut self, position: usize) -> Self {
        Self {
            records: self.records.split_off(position),
            ..*self
        }
    }
}

impl Worker {
    /// Sees a batch settled: every record done, or given up on and at the destination.
    pub(super) async fn settle(&self, batch: Vec<Record>) -> Result<(), Stopping> {
        let mut pieces = vec![Piece::new(batch)];
        while let Some(mut piece) = pieces.pop() {
            piece = self.give_up_on_old(piece).await?;
            if piece.records.is_empty() {
                continue;
            }
            if self.cancel.is_cancelled() {
                return Err(Stopping);
            }
            match self.invoke(&mut piece).await {
                Outcome::Done => {
                    self.report(|progress| progress.last_error = None);
                    self.checkpoint_after(&piece.records).await?;
                }
                Outcome::FailedFrom { position, failure } => {
                    let rest = piece.split_off(position);
                    self.checkpoint_after(&piece.records).await?;
                    self.after_failure(rest, position > 0, failure, &mut pieces).await?;
                }
            }
        }
        Ok(())
    }

    /// Decides what happens to records that were not done.
    async fn after_failure(
        &self,
        mut rest: Piece,
        is_cut: bool,
        failure: Failure,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), Stopping> {
        let Failure {
            message,
            is_function_error,
        } = failure;
        let (mapping, shard_id, records) = (&self.settings.id, &self.source.shard_id, rest.records.len());
        tracing::warn!(mapping, shard_id, records, error = message, "an invocation failed");
        self.report(|progress| progress.last_error = Some(message));
        rest.is_function_error = is_function_error;

        if self.settings.bisects && is_cut {
            // Cut at the number that the function reported, which uses up no retry.
            pieces.push(rest);
        } else if self.settings.bisects && rest.records.len() > 1 {
            let second = rest.split_off(rest.records.len() / 2);
            pieces.push(second);
            pieces.push(rest);
        } else if self.settings.most_retries.is_some_and(|most| rest.retries >= most) {
            self.give_up(&rest, &rest.records, Condition::RetryAttemptsExhausted)
                .await?;
        } else {
            let wait = self.settings.backoff.wait(rest.retries);
            rest.retries += 1;
            pieces.push(rest);
            self.or_stopping(tokio::time::sleep(wait)).await?;
        }
        Ok(())
    }

    /// Gives a piece to the function. Not interrupted by a stop: an invocation that has begun is seen to its end.
    async fn invoke(&self, piece: &mut Piece) -> Outcome {
        piece.invocations += 1;
        let event = match self.source.event(&piece.records) {
            Ok(event) => event,
            Err(error) => return Outcome::of_error(&InvokeError::new("Runtime.InvalidEvent", error.to_string())),
        };
        let age_ms = piece
            .records
            .last()
            .map(|last| self.stream.now().timestamp_millis() - last.arrived_ms);
        self.report(|progress| progress.iterator_age_ms = age_ms);

        // In a task of its own, so that a panic ends the invocation and not the mapping.
        let function = Arc::clone(&self.function);
        let mut invocation = tokio::spawn(async move { function.invoke(event).await });
        let timeout = self.settings.timeout;
        let answer = match tokio::time::timeout(timeout, &mut invocation).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(panic)) => Err(InvokeError::new("Runtime.ExitError", panic.to_string())),
            Err(_) => {
                invocation.abort();
                let message = format!("Task timed out after {:.2} seconds", timeout.as_secs_f64());
                Err(InvokeError::new("Sandbox.Timedout", message))
            }
        };
        match answer {
            Ok(answer) if self.settings.reports_item_failures => Outcome::of_answer(&answer, &piece.records),
            Ok(_) => Outcome::Done,
            Err(error) => Outcome::of_error(&error),
        }
    }

    /// Gives up on the records of a piece that have become too old, and returns the others.
    async fn give_up_on_old(&self, mut piece: Piece) -> Result<Piece, Stopping> {
        let Some(most_age) = self.settings.most_age else {
            return Ok(piece);
        };
        let most_age_ms = i64::try_from(most_age.as_millis()).unwrap_or(i64::MAX);
        let horizon_ms = self.stream.now().timestamp_millis().saturating_sub(most_age_ms);
        // Arrivals grow within a shard, so the old ones come first.
        let old = piece.records.partition_point(|record| record.arrived_ms < horizon_ms);
        if old == 0 {
            return Ok(piece);
        }
        let young = piece.split_off(old);
        self.give_up(&piece, &piece.records, Condition::RecordAgeExceeded)
            .await?;
        Ok(young)
    }

    /// Sends records to the destination, tries until it takes them, and only then passes them by.
    async fn give_up(&self, piece: &Piece, records: &[Record], condition: Condition) -> Result<(), Stopping> {
        let (mapping, shard_id, count) = (&self.settings.id, &self.source.shard_id, records.len());
        tracing::warn!(mapping, shard_id, records = count, ?condition, "gave up on records");
        if let Some(destination) = &self.destination {
            let (invocations, is_function_error) = (piece.invocations, piece.is_function_error);
            let discarded = Discarded {
                records,
                condition,
                invocations,
                is_function_error,
            };
            let (region, account) = (self.stream.region(), self.stream.account());
            let function_arn = format!("arn:aws:lambda:{region}:{account}:function:{}", self.settings.function);
            let now = self.stream.now();
            // One key for all tries: a try whose answer was lost is overwritten, not doubled.
            let key = destination::key(mapping, shard_id, now);
            match discarded.invocation_record(&self.source, &function_arn, now) {
                Ok(record) => {
                    let mut retry = 0;
                    while let Err(error) = destination.put(&key, record.clone()).await {
                        tracing::error!(%error, mapping, key, "could not store an invocation record");
                        let wait: Duration = self.settings.backoff.wait(retry);
                        self.or_stopping(tokio::time::sleep(wait)).await?;
                        retry += 1;
                    }
                }
                Err(error) => tracing::error!(%error, mapping, "could not encode an invocation record"),
            }
        }
        self.checkpoint_after(records).await
    }

    async fn checkpoint_after(&self, records: &[Record]) -> Result<(), Stopping> {
        match records.last() {
            Some(last) => self.checkpoint(last.index + 1, Some(last)).await,
            None => Ok(()),
        }
    }
}
