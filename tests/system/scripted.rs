//! A server that answers requests as told, over a real socket, and keeps what it was sent.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// What to answer to one request.
pub(crate) enum Answer {
    /// A status, further header lines, a body.
    Http(u16, &'static str, String),
    /// The connection is closed without an answer.
    Silence,
}

/// A running server. Beyond the last answer that it was told it answers 418.
pub(crate) struct Server {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts it on any free port, to give these answers, one per request.
    pub(crate) fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        thread::spawn(move || {
            let mut answers = answers.into_iter();
            for connection in listener.incoming() {
                let connection = connection.unwrap();
                let body = read(&connection);
                kept.lock().unwrap().push(body);
                answer(connection, answers.next());
            }
        });
        Self { url, requests }
    }

    /// The bodies of the requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn read(connection: &TcpStream) -> String {
    let mut reader = BufReader::new(connection);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}

fn answer(mut connection: TcpStream, answer: Option<Answer>) {
    let (status, headers, body) = match answer {
        Some(Answer::Silence) => return,
        Some(Answer::Http(status, headers, body)) => (status, headers, body),
        None => (418, "", String::new()),
    };
    let length = body.len();
    let answer = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
    connection.write_all(answer.as_bytes()).unwrap();
}
