//! Answers that are given again when the same request comes again under its idempotency key.

use super::{
    Result, Store,
    keys::Keys,
    millis,
    script::{KEEP_ANSWER, LEAVE_ANSWER, RESERVE_ANSWER, Reply},
};

/// The place of an answer: whose it is, and under which key.
#[derive(Debug, Clone, Copy)]
pub struct AnswerPlace<'a> {
    /// Name of the client.
    pub client: &'a str,
    /// Hash of its key.
    pub key: &'a str,
}

/// What there is at the place of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    /// Nothing: the request is the caller's to serve.
    Held(Turn),
    /// The answer.
    Answered {
        /// Its status code.
        status: u16,
        /// Its body.
        body: Vec<u8>,
    },
    /// Somebody serves the same request.
    InProgress,
    /// Another request came under this key.
    Reused,
}

/// The right to write an answer, until it is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// Counts the holders from 1.
    pub number: u64,
    /// When the first of them came, in milliseconds since 1970.
    pub made_at: u64,
}

impl Store {
    /// Reserves the place of an answer to the request with this digest.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn reserve_answer(&self, place: AnswerPlace<'_>, digest: &str) -> Result<Reservation> {
        let mut call = RESERVE_ANSWER.key(Keys::answer(place.client, place.key));
        call.arg(digest).arg(millis(self.durations.lock_answer)).arg(millis(self.durations.keep_answer));
        let mut reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            "reserved" => Ok(Reservation::Held(Turn { number: reply.next()?, made_at: reply.next()? })),
            "answered" => Ok(Reservation::Answered { status: reply.next()?, body: reply.next()? }),
            "in_progress" => Ok(Reservation::InProgress),
            "reused" => Ok(Reservation::Reused),
            _ => Err(reply.unexpected()),
        }
    }

    /// Writes the answer, unless another has taken over.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn keep_answer(&self, place: AnswerPlace<'_>, turn: Turn, status: u16, body: &[u8]) -> Result<()> {
        let mut call = KEEP_ANSWER.key(Keys::answer(place.client, place.key));
        call.arg(turn.number).arg(status).arg(body);
        left(&call.invoke_async(&mut self.connections.get().await?).await?)
    }

    /// Gives the place up without an answer. It is free for any request when this one was refused and so has done nothing;
    /// else it waits for the same request.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn leave_answer(&self, place: AnswerPlace<'_>, turn: Turn, refused: bool) -> Result<()> {
        let mut call = LEAVE_ANSWER.key(Keys::answer(place.client, place.key));
        call.arg(turn.number).arg(u8::from(refused));
        left(&call.invoke_async(&mut self.connections.get().await?).await?)
    }
}

/// Whoever has taken over answers in place of this one.
fn left(reply: &Reply) -> Result<()> {
    match reply.word() {
        "ok" | "lost" => Ok(()),
        _ => Err(reply.unexpected()),
    }
}
