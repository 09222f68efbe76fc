//! Redis, with the status of each contact under its phone number: what a cache would cost.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

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

    /// Keys a second of one connection that asks for so many at a time.
    pub async fn mget(&self, contacts: u64, size: u64, run: Duration) -> Result<f64> {
        let mut connection = self.connect().await?;
        let numbers: Vec<_> = (0..size).map(|index| phone(index * 7919 % contacts)).collect();
        let started = Instant::now();
        let mut count = 0;
        while started.elapsed() < run {
            // Encoded anew each time, as a client has to.
            connection.write_all(&command("MGET", numbers.iter())).await?;
            let mut line = String::new();
            connection.read_line(&mut line).await?;
            // Of each value: `$1`, and the value.
            let mut values = vec![0; numbers.len() * "$1\r\n1\r\n".len()];
            connection.read_exact(&mut values).await?;
            count += values.chunks(8).filter(|value| value.get(4) == Some(&b'1')).count();
        }
        Ok(count as f64 / started.elapsed().as_secs_f64())
    }
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
