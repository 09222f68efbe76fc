//! A way to the server that breaks when a test wants it to.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{broadcast, watch};

/// Passes connections on to a server.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    target: SocketAddr,
    /// Cuts a connection once so many bytes went down to the client. 0: never.
    cut_after: AtomicUsize,
    connections: AtomicUsize,
    cut: broadcast::Sender<()>,
    held: watch::Sender<bool>,
}

impl Proxy {
    /// Leads to this server.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            target,
            cut_after: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            cut: broadcast::channel(1).0,
            held: watch::channel(false).0,
        });
        let passing = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&passing).pass(client));
            }
        });
        Self { address, shared }
    }

    /// The URL of this way to the server.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Cuts all connections; new ones can be made.
    pub fn cut(&self) {
        drop(self.shared.cut.send(()));
    }

    /// Cuts each connection, from now on, when so many bytes came from the server.
    pub fn cut_after(&self, bytes: usize) {
        self.shared.cut_after.store(bytes, Ordering::SeqCst);
    }

    /// Lets nothing come from the server.
    pub fn hold(&self) {
        self.shared.held.send_replace(true);
    }

    /// Lets things come again.
    pub fn release(&self) {
        self.shared.held.send_replace(false);
    }
}

impl Shared {
    async fn pass(self: Arc<Self>, client: TcpStream) {
        self.connections.fetch_add(1, Ordering::SeqCst);
        let mut cut = self.cut.subscribe();
        let Ok(server) = self.connect().await else { return };
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

    /// With a small buffer, so that a server whose client does not read soon has to wait.
    async fn connect(&self) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(16 * 1024)?;
        socket.connect(self.target).await
    }

    async fn copy_down(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
        let mut held = self.held.subscribe();
        let mut passed = 0;
        let mut buffer = [0; 4096];
        loop {
            drop(held.wait_for(|held| !held).await);
            let read = from.read(&mut buffer).await?;
            if read == 0 {
                return Ok(());
            }
            to.write_all(&buffer[..read]).await?;
            passed += read;
            let limit = self.cut_after.load(Ordering::SeqCst);
            if limit > 0 && passed > limit {
                return Ok(());
            }
        }
    }
}

async fn copy_up(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
    tokio::io::copy(&mut from, &mut to).await?;
    to.shutdown().await
}
