//! A WebSocket, played by hand.

use std::{net::TcpStream, time::Duration};

use serde_json::Value;
use tokio_tungstenite::tungstenite::{
    self, Message, WebSocket,
    client::IntoClientRequest,
    http::{HeaderName, HeaderValue},
    protocol::CloseFrame,
    stream::MaybeTlsStream,
};

/// How long a message may be waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// An open WebSocket.
#[derive(Debug)]
pub struct Socket(WebSocket<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Opens one at a path below an HTTP URL, with a header of the test's.
    ///
    /// # Errors
    /// The status with which it was refused.
    pub fn open(url: &str, path: &str, header: (&'static str, &str)) -> Result<Self, u16> {
        let url = format!("{}{path}", url.replacen("http", "ws", 1));
        let mut request = url.into_client_request().expect("the URL is one");
        let value = HeaderValue::from_str(header.1).expect("a token is a header");
        request.headers_mut().insert(HeaderName::from_static(header.0), value);
        match tungstenite::connect(request) {
            Ok((socket, _)) => {
                if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
                    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
                }
                Ok(Self(socket))
            }
            Err(tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("no WebSocket at {path}: {error}"),
        }
    }

    /// Sends JSON.
    pub fn send(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).expect("the other end reads");
    }

    /// The next message, as JSON.
    #[must_use]
    pub fn receive(&mut self) -> Value {
        loop {
            match self.0.read() {
                Ok(Message::Text(text)) => return serde_json::from_str(text.as_str()).expect("a message is JSON"),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("no message came: {other:?}"),
            }
        }
    }

    /// The code with which the other end closes.
    #[must_use]
    pub fn closed(&mut self) -> u16 {
        let (messages, code, _) = self.rest();
        assert!(messages.is_empty(), "it was not closed: {messages:?}");
        code
    }

    /// All messages that are left, and the code and the reason with which the other end closes.
    #[must_use]
    pub fn rest(&mut self) -> (Vec<Value>, u16, String) {
        let mut messages = Vec::new();
        loop {
            match self.0.read() {
                Ok(Message::Text(text)) => {
                    messages.push(serde_json::from_str(text.as_str()).expect("a message is JSON"));
                }
                Ok(Message::Close(Some(CloseFrame { code, reason }))) => {
                    // The answer to it goes out with the next call.
                    let _ = self.0.flush();
                    return (messages, code.into(), reason.to_string());
                }
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("it was not closed: {other:?} after {} messages", messages.len()),
            }
        }
    }

    /// Closes it from this end.
    pub fn close(mut self) {
        self.0.close(None).expect("an open WebSocket can be closed");
        while self.0.read().is_ok() {}
    }
}
