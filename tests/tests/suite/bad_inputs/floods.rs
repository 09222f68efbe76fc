//! Row 10: floods of HTTP/2 frames, which no HTTP/2 library sends.

use std::io;
use std::time::Duration;

use contacts_tests::{TestApp, apply, on_each_store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
/// A test that waits longer for what has to happen has failed.
const LONG: Duration = Duration::from_secs(60);

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The headers of a call, in HPACK: POST, http, and the path as a literal.
fn headers(path: &str) -> Vec<u8> {
    let mut block = vec![0x83, 0x86, 0x04, u8::try_from(path.len()).expect("a short path")];
    block.extend(path.bytes());
    for (name, value) in [("content-type", "application/grpc"), ("te", "trailers")] {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).expect("short"));
            block.extend(text.bytes());
        }
    }
    block
}

fn import() -> Vec<u8> {
    headers("/whatatalk.contacts.v1.ContactService/ImportContacts")
}

/// Whether the server ended the connection, or read all of it and answered a ping.
#[derive(Debug, PartialEq)]
enum Outcome {
    Closed,
    Answered,
}

/// Sends frames, and a ping at the end.
async fn flood(app: &TestApp, frames: impl Iterator<Item = Vec<u8>>) -> Outcome {
    const LAST: &[u8; 8] = b"the last";
    let stream = TcpStream::connect(app.address()).await.expect("a connection");
    let (mut reader, mut writer) = stream.into_split();
    let write = async {
        writer.write_all(PREFACE).await?;
        writer.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
        let mut buffer = Vec::new();
        for frame in frames.chain([frame(PING, 0, 0, LAST)]) {
            buffer.extend(frame);
            if buffer.len() > 60_000 {
                writer.write_all(&buffer).await?;
                buffer.clear();
            }
        }
        writer.write_all(&buffer).await?;
        // The reader decides when it is over.
        std::future::pending::<io::Result<Outcome>>().await
    };
    let read = async {
        let (mut seen, mut buffer) = (Vec::<u8>::new(), vec![0; 64 << 10]);
        loop {
            match reader.read(&mut buffer).await {
                Ok(0) | Err(_) => return Outcome::Closed,
                Ok(read) => seen.extend(&buffer[..read]),
            }
            if seen.windows(LAST.len()).any(|part| part == LAST) {
                return Outcome::Answered;
            }
            // A part of the ping may be there.
            seen.drain(..seen.len().saturating_sub(LAST.len()));
        }
    };
    let both = async {
        tokio::select! {
            Err(_) = write => Outcome::Closed,
            outcome = read => outcome,
        }
    };
    timeout(LONG, both).await.expect("the server reads or closes")
}

#[apply(on_each_store!)]
async fn row_10_headers_without_an_end_close_the_connection(app: TestApp) {
    let begun = frame(HEADERS, 0, 1, &import());
    // A literal header of 1000 bytes, again and again: 100 MB.
    let mut header = vec![0, 1, b'x', 0x7f, 0xe9, 0x06];
    header.extend([b'y'; 1000]);
    let more = (0..100_000).map(|_| frame(CONTINUATION, 0, 1, &header));
    assert_eq!(flood(&app, [begun].into_iter().chain(more)).await, Outcome::Closed);
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_10_rapid_resets_close_the_connection(app: TestApp) {
    let calls = (0..100_000_u32).flat_map(|call| {
        let stream = 2 * call + 1;
        [
            frame(HEADERS, END_HEADERS, stream, &import()),
            frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()),
        ]
    });
    assert_eq!(flood(&app, calls).await, Outcome::Closed);
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_10_empty_frames_pings_and_settings_are_survived(app: TestApp) {
    let begun = frame(HEADERS, END_HEADERS, 1, &import());
    let empty = (0..100_000).map(|_| frame(DATA, 0, 1, &[]));
    flood(&app, [begun].into_iter().chain(empty)).await;
    app.assert_alive().await;
    flood(&app, (0..100_000).map(|n: u64| frame(PING, 0, 0, &n.to_be_bytes()))).await;
    app.assert_alive().await;
    flood(&app, (0..100_000).map(|_| frame(SETTINGS, 0, 0, &[]))).await;
    app.assert_alive().await;
}
