//! A proxy in front of Postgres that takes the conditions on the workspace out of a server's
//! statements, as if somebody had forgotten them.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// The version of the protocol, in the first message of a session.
const SESSION: u32 = 3 << 16;

pub(crate) struct WithoutConditions;

impl WithoutConditions {
    /// Starts it. It lives as long as the runtime.
    pub(crate) async fn before(postgres: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(postgres).await else { continue };
                let (from_client, mut to_client) = client.into_split();
                let (mut from_server, to_server) = server.into_split();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = pass(from_client, to_server) => {}
                        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
                    }
                });
            }
        });
        address
    }
}

/// Passes the messages of a client.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
    loop {
        let body = read(&mut from).await?;
        write(&mut to, &body).await?;
        if body.starts_with(&SESSION.to_be_bytes()) {
            break;
        }
    }
    loop {
        let kind = from.read_u8().await?;
        let mut body = read(&mut from).await?;
        if kind == b'P' {
            body = of_parse(&body);
        }
        to.write_u8(kind).await?;
        write(&mut to, &body).await?;
    }
}

async fn read(from: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let mut body = vec![0; length.saturating_sub(4) as usize];
    from.read_exact(&mut body).await?;
    Ok(body)
}

async fn write(to: &mut OwnedWriteHalf, body: &[u8]) -> io::Result<()> {
    to.write_u32(u32::try_from(body.len() + 4).expect("a short message")).await?;
    to.write_all(body).await
}

/// The message that prepares a statement: its name, its text and the types of its values.
fn of_parse(body: &[u8]) -> Vec<u8> {
    let mut parts = body.splitn(3, |byte| *byte == 0);
    let mut next = || parts.next().expect("a part");
    let (name, text, types) = (next(), next(), next());
    let text = without_conditions(std::str::from_utf8(text).expect("a text"));
    [name, text.as_bytes(), types].join(&0)
}

/// Replaces what compares a workspace with a value or another table by what is always true.
fn without_conditions(text: &str) -> String {
    const COMPARED: &str = "workspace_id = ";
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$');
    let (mut changed, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(COMPARED) {
        let column = rest[..at].trim_end_matches(is_name).len();
        let operand = &rest[at + COMPARED.len()..];
        let end = operand.find(|c| !is_name(c)).unwrap_or(operand.len());
        changed.push_str(&rest[..column]);
        match &operand[..end] {
            // It stays, so that the others keep their numbers.
            value if value.starts_with('$') => {
                changed.push_str(&format!("({value}::text IS NOT NULL)"));
            }
            _ => changed.push_str("true"),
        }
        rest = &operand[end..];
    }
    changed + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_gone() {
        let read = "SELECT c.consent FROM workspace AS w LEFT JOIN consent AS c
                    ON c.workspace_id = w.workspace_id AND c.match_key = ANY($2)
                    WHERE w.workspace_id = $1";
        let expected = "SELECT c.consent FROM workspace AS w LEFT JOIN consent AS c
                    ON true AND c.match_key = ANY($2)
                    WHERE ($1::text IS NOT NULL)";
        assert_eq!(without_conditions(read), expected);
        let parse = of_parse(b"s1\0DELETE FROM tag WHERE workspace_id = $1\0\0\x01\0\0\0\x19");
        let expected = b"s1\0DELETE FROM tag WHERE ($1::text IS NOT NULL)\0\0\x01\0\0\0\x19";
        assert_eq!(parse, expected);
    }
}
