//! A TCP proxy that tests can slow down, pause and cut.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{broadcast, watch};

/// A TCP proxy in front of one or more servers of any kind.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    targets: Mutex<Vec<SocketAddr>>,
    /// Delay of each part of a response, in microseconds.
    delay: AtomicU64,
    /// Number of bytes to the client after which a connection is cut. 0: never.
    cut_after: AtomicUsize,
    /// The same for a pause, once.
    pause_after: AtomicUsize,
    connections: AtomicUsize,
    cut: broadcast::Sender<()>,
    paused: watch::Sender<bool>,
}

impl Proxy {
    /// Starts a proxy in front of a server.
    pub async fn to(target: SocketAddr) -> Self {
        Self::to_any([target]).await
    }

    /// Starts a proxy that connects to the servers in turn, skipping those that do not accept.
    pub async fn to_any(targets: impl IntoIterator<Item = SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            targets: Mutex::new(targets.into_iter().collect()),
            delay: AtomicU64::new(0),
            cut_after: AtomicUsize::new(0),
            pause_after: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            cut: broadcast::channel(1).0,
            paused: watch::channel(false).0,
        });
        let passing = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&passing).pass(client));
            }
        });
        Self { address, shared }
    }

    /// URL of the proxy.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Address of the proxy.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Routes new connections to another server.
    pub fn route_to(&self, target: SocketAddr) {
        *self.shared.targets.lock().unwrap_or_else(PoisonError::into_inner) = vec![target];
    }

    /// Delays every part of a response.
    pub fn set_delay(&self, delay: Duration) {
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.shared.delay.store(micros, Ordering::SeqCst);
    }

    /// Number of connections made so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Cuts all open connections. New ones are accepted.
    pub fn cut(&self) {
        drop(self.shared.cut.send(()));
    }

    /// Cuts every connection after this many bytes from the server.
    pub fn cut_after(&self, bytes: usize) {
        self.shared.cut_after.store(bytes, Ordering::SeqCst);
    }

    /// Pauses everything from the server once a connection has passed on this many bytes of it.
    pub fn pause_after(&self, bytes: usize) {
        self.shared.pause_after.store(bytes, Ordering::SeqCst);
    }

    /// Waits for the pause of [`Proxy::pause_after`].
    pub async fn paused(&self) {
        let mut paused = self.shared.paused.subscribe();
        drop(paused.wait_for(|paused| *paused).await);
    }

    /// Pauses everything from the server.
    pub fn pause(&self) {
        self.shared.paused.send_replace(true);
    }

    /// Resumes after [`Proxy::pause`].
    pub fn resume(&self) {
        self.shared.paused.send_replace(false);
    }
}

impl Shared {
    async fn pass(self: Arc<Self>, client: TcpStream) {
        let number = self.connections.fetch_add(1, Ordering::SeqCst);
        let mut cut = self.cut.subscribe();
        let Some(server) = self.connect(number).await else { return };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let up = async {
            drop(copy_up(from_client, to_server).await);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = self.copy_down(from_server, to_client) => {}
            () = up => {}
            _ = cut.recv() => {}
        }
    }

    async fn connect(&self, number: usize) -> Option<TcpStream> {
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let first = number % targets.len();
        targets.rotate_left(first);
        for target in targets {
            if let Ok(server) = connect(target).await {
                return Some(server);
            }
        }
        None
    }

    async fn copy_down(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
        let mut paused = self.paused.subscribe();
        let mut passed = 0;
        let mut buffer = [0; 4096];
        loop {
            drop(paused.wait_for(|paused| !paused).await);
            let read = from.read(&mut buffer).await?;
            if read == 0 {
                return Ok(());
            }
            let delay = self.delay.load(Ordering::SeqCst);
            if delay > 0 {
                tokio::time::sleep(Duration::from_micros(delay)).await;
            }
            to.write_all(&buffer[..read]).await?;
            passed += read;
            let limit = self.pause_after.load(Ordering::SeqCst);
            if limit > 0 && passed > limit {
                self.pause_after.store(0, Ordering::SeqCst);
                self.paused.send_replace(true);
            }
            let limit = self.cut_after.load(Ordering::SeqCst);
            if limit > 0 && passed > limit {
                return Ok(());
            }
        }
    }
}

/// Connects with a small receive buffer, so that the server has to wait for a slow client early.
async fn connect(target: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(16 * 1024)?;
    socket.connect(target).await
}

async fn copy_up(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
    tokio::io::copy(&mut from, &mut to).await?;
    to.shutdown().await
}
