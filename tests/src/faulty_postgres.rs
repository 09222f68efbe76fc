//! A proxy in front of Postgres that reads the messages that pass, so that a test can make one
//! statement of a server fail, or lose its answer.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How a statement fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostgresFault {
    /// Postgres refuses it, as on a full disk, and the transaction is aborted.
    Refused,
    /// It runs, and the connection breaks before its answer arrives.
    AnswerLost,
    /// The connection breaks before it arrives. Only commits are counted.
    CommitLost,
}

/// The error that stands in for a statement.
const ERROR: &str =
    "DO $$ BEGIN RAISE 'a test makes this statement fail' USING ERRCODE = '53100'; END $$";

const SSL_REQUEST: u32 = 80_877_103;

/// A proxy in front of a Postgres server.
pub struct FaultyPostgres {
    address: SocketAddr,
    armed: Arc<Mutex<Option<Armed>>>,
}

struct Armed {
    fault: PostgresFault,
    /// Statements until the one that fails.
    left: u64,
}

impl FaultyPostgres {
    /// Starts a proxy in front of a server.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let armed = Arc::<Mutex<Option<Armed>>>::default();
        let passing = Arc::clone(&armed);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let armed = Arc::clone(&passing);
                tokio::spawn(async move { drop(pass(client, target, &armed).await) });
            }
        });
        Self { address, armed }
    }

    /// Address of the proxy.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes the `nth` statement from now on fail, of all connections, counted from 1.
    pub fn arm(&self, fault: PostgresFault, nth: u64) {
        *lock(&self.armed) = Some(Armed { fault, left: nth });
    }

    /// Makes no statement fail any more. Returns whether one was reached that had to.
    pub fn disarm(&self) -> bool {
        lock(&self.armed).take().is_some_and(|armed| armed.left == 0)
    }
}

fn lock(armed: &Mutex<Option<Armed>>) -> MutexGuard<'_, Option<Armed>> {
    armed.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The fault of this statement, if it is the one that fails.
fn next(armed: &Mutex<Option<Armed>>, is_commit: bool) -> Option<PostgresFault> {
    let mut armed = lock(armed);
    let armed = armed.as_mut()?;
    let is_counted = is_commit || armed.fault != PostgresFault::CommitLost;
    if !is_counted || armed.left == 0 {
        return None;
    }
    armed.left -= 1;
    (armed.left == 0).then_some(armed.fault)
}

/// Passes a connection on until one of its ends is closed.
async fn pass(
    client: TcpStream,
    target: SocketAddr,
    armed: &Mutex<Option<Armed>>,
) -> io::Result<()> {
    let server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, mut to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    let (mut from_client, mut from_server) =
        (BufReader::new(from_client), BufReader::new(from_server));
    start(&mut from_client, &mut to_client, &mut from_server, &mut to_server).await?;
    let (silence, is_silent) = watch::channel(false);
    tokio::select! {
        passed = up(from_client, to_server, armed, &silence) => passed,
        passed = down(from_server, to_client, is_silent) => passed,
    }
}

/// The messages that begin a connection have no type.
async fn start(
    from_client: &mut BufReader<OwnedReadHalf>,
    to_client: &mut OwnedWriteHalf,
    from_server: &mut BufReader<OwnedReadHalf>,
    to_server: &mut OwnedWriteHalf,
) -> io::Result<()> {
    loop {
        let length = from_client.read_u32().await?;
        let mut message = vec![0; length as usize];
        message[..4].copy_from_slice(&length.to_be_bytes());
        from_client.read_exact(&mut message[4..]).await?;
        to_server.write_all(&message).await?;
        if message[4..8] != SSL_REQUEST.to_be_bytes() {
            return Ok(());
        }
        // Tests use no TLS here: the answer is one letter.
        to_client.write_u8(from_server.read_u8().await?).await?;
    }
}

/// Reads one message: its type, its length and its body.
async fn read(from: &mut BufReader<OwnedReadHalf>, into: &mut Vec<u8>) -> io::Result<u8> {
    let kind = from.read_u8().await?;
    let length = from.read_u32().await?;
    into.push(kind);
    into.extend(length.to_be_bytes());
    let begin = into.len();
    into.resize(begin + length as usize - 4, 0);
    from.read_exact(&mut into[begin..]).await?;
    Ok(kind)
}

/// Passes on what the client sends, statement by statement.
async fn up(
    mut from: BufReader<OwnedReadHalf>,
    mut to: OwnedWriteHalf,
    armed: &Mutex<Option<Armed>>,
    silence: &watch::Sender<bool>,
) -> io::Result<()> {
    let (mut batch, mut runs) = (Vec::new(), false);
    loop {
        let begin = batch.len();
        let kind = read(&mut from, &mut batch).await?;
        // Execute, and a query in one message.
        runs |= matches!(kind, b'E' | b'Q');
        // What follows until Sync belongs to one statement: Parse, Bind, Describe, Execute, Close.
        if matches!(kind, b'P' | b'B' | b'D' | b'E' | b'C') {
            continue;
        }
        let is_commit = kind == b'Q' && batch[begin + 5..].starts_with(b"COMMIT");
        let fault = if runs { next(armed, is_commit) } else { None };
        match fault {
            None => to.write_all(&batch).await?,
            Some(PostgresFault::Refused) => {
                let length = u32::try_from(ERROR.len() + 5).expect("a short text");
                let query = [b"Q", &length.to_be_bytes()[..], ERROR.as_bytes(), b"\0"].concat();
                to.write_all(&query).await?;
            }
            Some(PostgresFault::AnswerLost) => {
                silence.send_replace(true);
                to.write_all(&batch).await?;
            }
            Some(PostgresFault::CommitLost) => return Ok(()),
        }
        (batch, runs) = (Vec::new(), false);
    }
}

/// Passes on what the server answers; in silence nothing, until it has answered.
async fn down(
    mut from: BufReader<OwnedReadHalf>,
    mut to: OwnedWriteHalf,
    is_silent: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut answer = Vec::new();
    loop {
        let kind = read(&mut from, &mut answer).await?;
        if *is_silent.borrow() {
            // It is ready for the next statement, or for the data of COPY.
            if matches!(kind, b'Z' | b'G') {
                return Ok(());
            }
            answer.clear();
        } else if from.buffer().is_empty() {
            to.write_all(&answer).await?;
            answer.clear();
        }
    }
}
