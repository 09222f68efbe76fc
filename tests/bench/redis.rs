//! Redis, with the status of each contact under its phone number: what a cache would cost.

use std::error::Error;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::Result;
use super::data::phone;

pub struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    /// Starts a server with the statuses of these contacts. None if the program is not there.
    pub async fn start(contacts: u64) -> Result<Option<Self>> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut program = Command::new("redis-server");
        program.args(["--save", "", "--appendonly", "no", "--port", &port.to_string()]);
        let Ok(child) = program.stdout(Stdio::null()).spawn() else { return Ok(None) };
        let redis = Self { child, port };
        let mut connection = redis.connect().await?;
        let numbers: Vec<_> = (0..contacts).collect();
        for numbers in numbers.chunks(1000) {
            let pairs = numbers.iter().flat_map(|index| [phone(*index), "1".to_owned()]);
            connection.write_all(&command("MSET", pairs)).await?;
            connection.read_line(&mut String::new()).await?;
        }
        Ok(Some(redis))
    }

    async fn connect(&self) -> Result<BufReader<TcpStream>> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match TcpStream::connect(("127.0.0.1", self.port)).await {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(BufReader::with_capacity(64 << 10, stream));
                }
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Asks for one key at a time, on several connections. Returns how many were there.
    pub async fn get(&self, contacts: u64, connections: u64, run: Duration) -> Result<u64> {
        let mut callers = JoinSet::new();
        for caller in 0..connections {
            let mut connection = self.connect().await?;
            callers.spawn(async move {
                let (started, mut index, mut count) = (Instant::now(), caller, 0);
                while started.elapsed() < run {
                    let number = phone(index.wrapping_mul(7919) % contacts);
                    connection.write_all(&command("GET", [number].iter())).await?;
                    count += values(&mut connection, 1).await?;
                    index += connections;
                }
                Ok::<_, Box<dyn Error + Send + Sync>>(count)
            });
        }
        let mut count = 0;
        while let Some(caller) = callers.join_next().await {
            count += caller??;
        }
        Ok(count)
    }

    /// Asks for these keys again and again, on one connection. Returns how many were there.
    pub async fn mget(&self, batches: &[Vec<String>], run: Duration) -> Result<u64> {
        let mut connection = self.connect().await?;
        let (started, mut count) = (Instant::now(), 0);
        for numbers in batches.iter().cycle().take_while(|_| started.elapsed() < run) {
            // Encoded anew each time, as a client has to.
            connection.write_all(&command("MGET", numbers.iter())).await?;
            connection.read_line(&mut String::new()).await?;
            count += values(&mut connection, numbers.len()).await?;
        }
        Ok(count)
    }
}

/// Reads so many values, each `$1` and the value. Returns how many were the one that is expected.
async fn values(connection: &mut BufReader<TcpStream>, count: usize) -> Result<u64> {
    let mut values = vec![0; count * "$1\r\n1\r\n".len()];
    connection.read_exact(&mut values).await?;
    Ok(values.chunks(8).filter(|value| value.get(4) == Some(&b'1')).count() as u64)
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn command(name: &str, arguments: impl Iterator<Item = impl AsRef<str>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut count = 1;
    let mut push = |text: &str| {
        bytes.extend_from_slice(format!("${}\r\n", text.len()).as_bytes());
        bytes.extend_from_slice(text.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    };
    push(name);
    arguments.for_each(|argument| {
        push(argument.as_ref());
        count += 1;
    });
    let mut whole = format!("*{count}\r\n").into_bytes();
    whole.append(&mut bytes);
    whole
}
